"""`oche judge`: compare records, from files or from a store, and say the verdict; `oche judge plan`: how many runs it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from oche.cli import _options as option
from oche.cli import _results as results
from oche.cli._output import Output
from oche.errors import ArgumentError, JudgeError


class _FilesFirst(TyperGroup):
    """`oche judge FILES` is `oche judge files FILES`: only the names of subcommands are not files."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the usual command before anything that is not a subcommand."""
        return super().parse_args(ctx, args if args and args[0] in self.commands else ["files", *args])


command = typer.Typer(cls=_FilesFirst, help="Judge records; 'oche judge plan --help': how many runs it takes.")

Alpha = Annotated[float, typer.Option("--alpha", help="Level of the tests.", min=0.0, max=1.0)]
Store = Annotated[str | None, typer.Option("--store", help="Also all records of this store.")]


@command.command("files", hidden=True)
def files_command(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="JSON lines, JSON, CSV, NASLib's errors.json, or folders that hold records.jsonl or errors.json."),
    ] = None,
    store: Store = None,
    out_folder: Annotated[Path | None, typer.Option("--out", help="Folder for report.html and report.json.")] = None,
    alpha: Alpha = 0.05,
    ci: Annotated[str, typer.Option("--ci", help="Interval: welch-log, bootstrap or bootstrap-bca.")] = "welch-log",
    delta: Annotated[float | None, typer.Option("--delta", help="Also say which methods are equivalent within +-delta percent.")] = None,
    protocol: Annotated[str | None, typer.Option("--protocol", help="Declared protocol: a preset's name, or a JSON file.")] = None,
    allow_differ: Annotated[list[str] | None, typer.Option("--allow-differ", help="Protocol field that may differ; repeatable.")] = None,
    table: Annotated[str | None, typer.Option("--table", help="Print the tests as markdown, latex or csv instead.")] = None,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Judge records: each search against random members of its space, and against random search at equal cost.

    Also: 'oche judge plan --effect 0.5 --sd 0.3' tells how many runs it takes.

    A CSV has one line per run with the columns method, kind (random, search, random_search) and accuracy; see the docs for the others.

    Example: oche judge out/records.jsonl --out report/
    """
    import oche

    out = Output(as_json, quiet)
    records = _records(files, store)
    missing = oche.judge.shortcomings(records, alpha=alpha)
    if out_folder is not None:
        results.prepare(out_folder)
    if any(m.fatal for m in missing):
        _refuse(out, records, missing)
    settings = {"alpha": alpha, "ci": ci, "delta": delta, "protocol": _protocol(protocol), "allow_differ": allow_differ or ()}
    report = judge(records, **settings, studies=_studies(files or []))
    if out_folder is not None:
        save(report, out_folder)
        out.say(f"report: {out_folder / 'report.html'}")
    if table is not None and not as_json:
        typer.echo(report.table(table), nl=False)
        return
    out.result(report.to_json(), str(report), " ".join(report.verdict))
    if out.chatty and missing:
        out.say("would say more with:")
        for shortcoming in missing:
            out.say(f"  {shortcoming}")


@command.command("plan")
def plan_command(
    effect: Annotated[float, typer.Option("--effect", help="Difference of means to see, in the metric's unit (accuracy points).")],
    files: Annotated[list[Path] | None, typer.Argument(help="Record files to estimate the standard deviation from.")] = None,
    sd: Annotated[float | None, typer.Option("--sd", help="Standard deviation of one run, in the same unit.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="Estimate the standard deviation from this store.")] = None,
    data: Annotated[str | None, typer.Option("--data", help="Data set to estimate on, where there are several.")] = None,
    tests: Annotated[int, typer.Option("--tests", help="Tests of the report: two per method with random search.", min=1)] = 1,
    alpha: Alpha = 0.05,
    power: Annotated[float, typer.Option("--power", help="Chance to see the effect.", min=0.0, max=1.0)] = 0.8,
    population: Annotated[bool, typer.Option("--population", help="The random mean is known exactly, as from a whole table.")] = False,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """How many runs does it take to see an effect?

    Example: oche judge plan --effect 0.2 --sd 0.23 --tests 4
    """
    import oche

    out = Output(as_json, quiet)
    if sd is not None and (files or store):
        raise ArgumentError("plan: got --sd and records; allowed: one of them")
    if sd is None and not files and store is None:
        raise ArgumentError("plan: got no spread; allowed: --sd, --store or record files; for example: --sd 0.23")
    records = _records(files, store) if sd is None else None
    found = oche.judge.plan(effect, sd, runs=records, task=data, tests=tests, alpha=alpha, power=power, population=population)
    rows = [(f"{n:,}", f"{e:.3g} {found.unit}", "yes" if decidable else "no") for n, e, decidable in found.table]
    out.table(("runs" if population else "runs per arm", "smallest effect seen", "can be decided"), rows)
    out.result(found.to_json(), str(found))


def judge(records: list[Any], **settings: Any) -> Any:
    """A report of a mixed heap of records, sorted by their kind."""
    import oche

    searches = [r for r in records if r.kind == "search"]
    baseline = [r for r in records if r.kind in ("random", "population")]
    random_search = [r for r in records if r.kind == "random_search"]
    return oche.judge.report(searches, baseline=baseline or None, random_search=random_search or None, **settings)


#: What `oche diversity` leaves beside its records: pictures of the runs, as studies.
BEHAVIOR = "behavior.json"


def _studies(files: list[Path]) -> list[Any]:
    """Studies that lie beside the records."""
    import json

    found: list[Any] = []
    for folder in dict.fromkeys(path if path.is_dir() else path.parent for path in files):
        if (folder / BEHAVIOR).is_file():
            try:
                studies = json.loads((folder / BEHAVIOR).read_text(encoding="utf-8"))
                if not isinstance(studies, list) or not all(isinstance(study, dict) and "kind" in study for study in studies):
                    raise ValueError("not a list of studies")
            except ValueError as error:
                raise ArgumentError(
                    f"{BEHAVIOR}: got a file that is no JSON list of studies ({error}); allowed: as 'oche diversity' wrote it"
                ) from None
            found += studies
    return found


def save(report: Any, folder: Path) -> None:
    """`report.html` and `report.json` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    report.save(folder / "report.html")
    report.save(folder / "report.json")


def _records(files: list[Path] | None, store: str | None) -> list[Any]:
    import oche

    if not files and store is None:
        raise ArgumentError("judge: got no records; allowed: record files or --store; for example: oche judge out/records.jsonl")
    records: list[Any] = [record for path in files or [] for record in oche.judge.read(_file(path))]
    if store is not None:
        from oche.cli.runs import open_store

        with open_store(store) as opened:
            records += opened.records()
    return records


def _refuse(out: Output, records: list[Any], missing: Any) -> None:
    """Describe what there is, say what is missing, and leave as a wrong question."""
    import oche

    described = oche.judge.describe(records)
    lines = "\n".join(f"  {m}" for m in missing)
    value = {"schema": "oche.missing/1", "described": described.splitlines(), "missing": [m.to_json() for m in missing]}
    out.result(value, f"{described}\nnot enough to judge:\n{lines}", "not enough to judge")
    raise JudgeError("judge: got too little for a verdict; allowed: " + "; ".join(m.needed for m in missing if m.fatal))


def _protocol(text: str | None) -> Any:
    import json

    import oche

    if text is None or not text.endswith(".json"):
        return text
    try:
        return oche.judge.Protocol.from_json(json.loads(_file(Path(text)).read_text(encoding="utf-8")), name=Path(text).stem)
    except (ValueError, TypeError, UnicodeDecodeError) as error:
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError(
            f"protocol: got {text!r}, which is no protocol ({error}); allowed: a JSON file as Protocol.to_json makes"
        ) from None


def _file(path: Path) -> Path:
    if path.is_dir() or path.is_file():
        return path
    raise ArgumentError(
        f"records: got {str(path)!r}, which is not there; allowed: a records.jsonl, a CSV, or a folder that holds records.jsonl"
    )
