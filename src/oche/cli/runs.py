"""`oche runs`: what a store holds, and how to go on with it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from oche.cli import _options as option
from oche.cli._output import Output
from oche.errors import ArgumentError, ResumeError, unknown

command = typer.Typer(help="What a store holds: list, show, resume, export.", no_args_is_help=True)

StoreText = Annotated[str, typer.Option("--store", help="SQLite file or database URL.")]
RunText = Annotated[str, typer.Argument(help="Start of a run's id, or the name of a single run.", metavar="RUN")]


def open_store(text: str) -> Any:
    """The store at `text`, which must be there already."""
    from oche.errors import StoreError
    from oche.store import Store

    if "://" not in text and not Path(text).is_file():
        raise StoreError(f"store: got {text!r}, and there is no such file; allowed: a store; 'oche search ... --store FILE' makes one")
    return Store(text)


@command.command("list")
def list_(store: StoreText, name: option.Name = None, as_json: option.Json = False, quiet: option.Quiet = False) -> None:
    """List the runs of a store.

    Example: oche runs list --store runs.db
    """
    out = Output(as_json, quiet)
    with open_store(store) as opened:
        rows = opened.runs(name)
    out.table(
        ("run", "name", "seed", "kind", "asked", "told", "status", "updated"),
        [(r.id, r.name, r.seed, r.kind, r.asked, r.told, r.status, _time(r.updated)) for r in rows],
    )
    counts = {status: sum(r.status == status for r in rows) for status in dict.fromkeys(r.status for r in rows)}
    said = f"{len(rows)} runs" + (f": {', '.join(f'{n} {status}' for status, n in counts.items())}" if rows else "")
    out.result({"runs": [_row(r) for r in rows]}, said)


@command.command()
def show(run: RunText, store: StoreText, as_json: option.Json = False, quiet: option.Quiet = False) -> None:
    """Show one run: settings, trials, checkpoints, records.

    Example: oche runs show 3f2a --store runs.db
    """
    out = Output(as_json, quiet)
    with open_store(store) as opened:
        row = opened.find(run)
        saved = opened.load(row.id)
        records = opened.records(row.id)
    out.table(("what", "value"), [(k, v) for k, v in _row(row).items()])
    done = [t for t in saved.trials if t.reward is not None]
    out.table(
        ("trial", "phase", "status", "reward", "metrics"),
        [(t.proposal, t.phase, t.status, t.reward, t.metrics) for t in saved.trials[-10:]],
        title=f"the last of {len(saved.trials)} trials",
    )
    value = {
        **_row(row),
        "trials": len(saved.trials),
        "checkpoints": [{"step": c.step, "boundary": c.boundary, "path": c.path} for c in saved.checkpoints],
        "records": [r.to_json() for r in records],
    }
    best = f", best reward {max(t.reward for t in done):g}" if done else ""
    out.result(value, f"run {row.id} ({row.name}, seed {row.seed}): {row.status}, {len(saved.trials)} trials{best}, {len(records)} records")


@command.command()
def export(
    store: StoreText,
    path: Annotated[str, typer.Argument(help="File for the records, JSON lines; with --format optuna a file or a database URL.")],
    run: Annotated[str | None, typer.Option("--run", help="Only this run.")] = None,
    form: Annotated[str, typer.Option("--format", help="records: JSON lines; optuna: a study per run.")] = "records",
    program: Annotated[
        str | None, typer.Option("--program", help="file.py:Name or space of the runs, for studies; default: as it was searched.")
    ] = None,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Write records as JSON lines, for `oche judge` or any other program; or trials as studies of Optuna.

    Example: oche runs export records.jsonl --store runs.db
    """
    out = Output(as_json, quiet)
    if form not in ("records", "optuna"):
        raise unknown("--format", form, ("records", "optuna"))
    with open_store(store) as opened:
        if form == "optuna":
            names = _export_studies(opened, path, program, run)
            out.table(("study",), [(name,) for name in names])
            out.result({"path": path, "studies": names}, f"wrote {len(names)} studies to {path}")
            return
        n = opened.export(path, opened.find(run).id if run is not None else None)
    out.result({"path": path, "records": n}, f"wrote {n} records to {path}")


def _export_studies(store: Any, target: str, program: str | None, run: str | None) -> list[str]:
    """Studies of the runs of one program; without `program`, of each that a command of the store searched."""
    from oche.algorithms import export_studies
    from oche.cli._commands import remembered
    from oche.cli._program import load_space

    if program is not None:
        return export_studies(store, target, load_space(program)[0], run)
    rows = [store.find(run)] if run is not None else store.runs()
    words = [said for row in rows if (said := remembered(store, row.name)) is not None and len(said) > 1]
    programs = list(dict.fromkeys(said[1] for said in words if not said[1].startswith("-")))
    if not programs:
        raise ArgumentError("export: got no --program, and the store does not say which one was searched; allowed: --program file.py:Name")
    return [name for text in programs for name in export_studies(store, target, load_space(text)[0], run)]


@command.command()
def resume(
    run: RunText,
    store: StoreText,
    dry_run: option.DryRun = False,
) -> None:
    """Go on with an unfinished search, by running its command again.

    Example: oche runs resume 3f2a --store runs.db
    """
    from oche.cli._commands import remembered

    with open_store(store) as opened:
        row = opened.find(run)
        words = remembered(opened, row.name)
    if words is None:
        raise ResumeError(
            f"run {row.id} ({row.name!r}): got no command line in the store, it was started from Python; "
            "allowed: runs of 'oche search'; run the script again with the same store"
        )
    typer.echo("oche " + " ".join(words), err=True)
    if not dry_run:
        from oche.cli._app import run as run_words

        run_words(words)


def _row(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "seed": row.seed,
        "kind": row.kind,
        "status": row.status,
        "reason": row.reason,
        "asked": row.asked,
        "told": row.told,
        "parallel": row.parallel,
        "threads": row.threads,
        "budget": dict(row.budget),
        "settings": dict(row.settings),
        "started": _time(row.created),
        "updated": _time(row.updated),
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
