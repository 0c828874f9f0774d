"""`oche judge`: compare records, from files or from a store, and say the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from oche.cli import _options as option
from oche.cli._output import Output
from oche.errors import ArgumentError


def command(
    files: Annotated[list[Path] | None, typer.Argument(help="Record files (JSON lines), or folders that hold records.jsonl.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="Also all records of this store.")] = None,
    out_folder: Annotated[Path | None, typer.Option("--out", help="Folder for report.html and report.json.")] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="Level of the tests.", min=0.0, max=1.0)] = 0.05,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Judge records: each search against random members of its space, and against random search at equal cost.

    Example: oche judge out/records.jsonl --out report/
    """
    import oche

    out = Output(as_json, quiet)
    if not files and store is None:
        raise ArgumentError("judge: got no records; allowed: record files or --store; for example: oche judge out/records.jsonl")
    records: list[Any] = [record for path in files or [] for record in oche.judge.read(_file(path))]
    if store is not None:
        from oche.store import Store

        with Store(store) as opened:
            records += opened.records()
    report = judge(records, alpha=alpha)
    if out_folder is not None:
        save(report, out_folder)
        out.say(f"report: {out_folder / 'report.html'}")
    out.result(report.to_json(), str(report), " ".join(report.verdict))


def judge(records: list[Any], **settings: Any) -> Any:
    """A report of a mixed heap of records, sorted by their kind."""
    import oche

    searches = [r for r in records if r.kind == "search"]
    baseline = [r for r in records if r.kind in ("random", "population")]
    random_search = [r for r in records if r.kind == "random_search"]
    return oche.judge.report(searches, baseline=baseline or None, random_search=random_search or None, **settings)


def save(report: Any, folder: Path) -> None:
    """`report.html` and `report.json` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    report.save(folder / "report.html")
    report.save(folder / "report.json")


def _file(path: Path) -> Path:
    found = path / "records.jsonl" if path.is_dir() else path
    if not found.is_file():
        raise ArgumentError(f"records: got {str(path)!r}, which is not there; allowed: a records.jsonl, or a folder that holds one")
    return found
