"""`oche synthesize`: sample responses to queries, keep the right ones; `oche synthesize plan`: what that will cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from oche.cli import _compose as compose
from oche.cli import _options as option
from oche.cli._output import Output
from oche.errors import ArgumentError

command = typer.Typer(
    invoke_without_command=True,
    no_args_is_help=True,
    help="""Sample responses to queries, spread over them by an allocation, and keep the right ones.

    Example: oche synthesize --queries gsm8k_train.jsonl.gz --sampler "bernoulli?beta=0.6,0.6" --allocation "prop2diff?k=32" --cap 512
    """,
)

QueriesFile = Annotated[str | None, typer.Option("--queries", help="JSON lines (also .gz), JSON or Parquet; also by name below OCHE_DATA.")]
AllocationText = Annotated[str, typer.Option("--allocation", help="Name and settings, e.g. 'prop2diff?k=32' ('oche list allocations').")]
Cap = Annotated[int | None, typer.Option("--cap", help="Most raw samples per query.", min=1)]


@command.callback()
def synthesize(
    context: typer.Context,
    queries: QueriesFile = None,
    sampler: Annotated[str, typer.Option("--sampler", help="Name and settings ('oche list samplers').")] = "bernoulli?beta=0.6,0.6",
    allocation: AllocationText = "prop2diff",
    grader: Annotated[str, typer.Option("--grader", help="Name and settings, e.g. marked or strict.")] = "marked",
    cap: Cap = None,
    limit: Annotated[int | None, typer.Option("--limit", help="Take the first so many queries.", min=1)] = None,
    budget: option.BudgetText = None,
    dedup: Annotated[str, typer.Option("--dedup", help="exact, ngram or none.")] = "exact",
    seeds: option.Seeds = "1",
    store: option.StoreText = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="A folder for data set, data card and report; or a .jsonl or .parquet file for the data set."),
    ] = None,
    vanilla: Annotated[
        bool, typer.Option("--vanilla", help="Also run vanilla at equal raw samples and equal kept, for the report's verdicts.")
    ] = False,
    decontaminate: Annotated[list[str] | None, typer.Option("--decontaminate", help="Test set whose queries are left out.")] = None,
    executor: option.ExecutorText = "serial",
    parallel: Annotated[int, typer.Option("--parallel", help="Queries at work at once; part of the run's definition.", min=1)] = 64,
    name: option.Name = None,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Sample, grade, keep."""
    if context.invoked_subcommand is not None:
        return
    import oche

    if queries is None:
        raise ArgumentError("queries: got none; allowed: a file, for example --queries gsm8k_train.jsonl.gz")
    output = Output(as_json, quiet)
    asked = oche.rejection.queries(queries, limit)
    done = oche.rejection.synthesize(
        asked, sampler, allocation, grader, store, budget=compose.budget(budget), cap=cap, dedup=dedup, seeds=compose.seeds(seeds),
        parallel=parallel, name=name or "", progress=not quiet, vanilla=vanilla,
        **compose.executor(executor),
    )  # fmt: skip
    shown = [_summary(done, record) for record in done.records]
    for line in shown:
        output.table(("what", "value"), _lines(line))
    for warning in done.warnings:
        output.warn(warning)
    if out is not None:
        if not out.suffix:
            # First: it is wanted most where nothing was kept, and there is no data set to write.
            made = done.report()
            save(made, out)
            output.say(f"report: {out / 'report.html'}")
            if made.suspected:
                output.warn(f"{len(made.suspected)} suspected label errors: no sample is right, but they agree; see the report")
        done.export(out, decontaminate=decontaminate or [])
        output.say(f"data set: {out}")
    first = shown[0]
    said = (
        f"{first['kept']:,.0f} responses kept of {first['samples']:,.0f} raw samples; "
        f"targets reached for {'only ' if first['reached'] < 90 else ''}{first['reached']:.1f} % of {len(asked):,} queries"
    )
    output.result({"runs": shown}, said)
    if any(record.status != "done" for record in done.records):
        raise typer.Exit(1)


@command.command("report")
def report(
    store: Annotated[str, typer.Option("--store", help="SQLite file or database URL that syntheses were kept in.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for report.html and report.json.")],
    queries: QueriesFile = None,
    limit: Annotated[int | None, typer.Option("--limit", help="The same as when they were sampled.", min=1)] = None,
    protocol: Annotated[str | None, typer.Option("--protocol", help="Start of a protocol's hash, where the store holds several.")] = None,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Compare the syntheses of a store: kept against difficulty, reached against cap, cost, grades, verdicts against vanilla.

    Example: oche synthesize report --store synthesis.db --queries gsm8k_train.jsonl.gz --out report/
    """
    import oche
    from oche.cli.runs import open_store

    output = Output(as_json, quiet)
    with open_store(store) as opened:
        asked = oche.rejection.queries(queries, limit) if queries is not None else None
        made = oche.rejection.report(opened, asked, protocol=protocol)
    save(made, out)
    for warning in made.warnings:
        output.warn(warning)
    output.say(f"report: {out / 'report.html'}")
    claims = [f"{s['claim']} {s['detail']}" for s in made.verdict]
    output.result({"report": str(out / "report.html"), "verdict": made.verdict, "warnings": made.warnings}, "\n".join(claims), claims[0])


def save(made: Any, folder: Path) -> None:
    """`report.html` and `report.json` in `folder`."""
    for name in ("report.html", "report.json"):
        made.save(folder / name)


@command.command("plan")
def plan(
    rates: Annotated[Path, typer.Option("--pass-rates", help="CSV or JSON lines with a column pass_rate; or one number per line.")],
    allocation: AllocationText = "prop2diff",
    cap: Cap = None,
    budget: option.BudgetText = None,
    tokens: Annotated[float, typer.Option("--tokens", help="Tokens of one response.", min=0.0)] = 300.0,
    speed: Annotated[float, typer.Option("--tokens-per-second", help="Speed of the sampler, for the time.", min=0.0)] = 0.0,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Predict raw samples, tokens and time from pass rates, before anything is drawn.

    Example: oche synthesize plan --pass-rates rates.csv --allocation "prop2diff?k=32" --cap 512
    """
    import oche

    output = Output(as_json, quiet)
    planned = oche.rejection.plan(
        read_rates(rates), allocation, cap=cap, budget=compose.budget(budget), tokens=tokens, tokens_per_second=speed
    )
    found = planned.to_json()
    output.table(
        ("expected", "value"), [(k, f"{v:,.1f}" if isinstance(v, float) else "–" if v is None else str(v)) for k, v in found.items()]
    )
    output.result(
        found, f"about {found['samples']:,.0f} raw samples, {found['tokens']:,.0f} tokens; {found['reached']:.1f} % reach the target"
    )


def read_rates(path: Path) -> list[float]:
    """Pass rates from a file.

    Raises:
        ArgumentError: it cannot be read, or a line holds no number.
    """
    import csv
    import json

    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if lines and lines[0].lstrip().startswith("{"):
            return [float(json.loads(line)["pass_rate"]) for line in lines]
        if lines and "pass_rate" in lines[0]:
            return [float(row["pass_rate"]) for row in csv.DictReader(lines)]
        return [float(line) for line in lines]
    except (OSError, ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ArgumentError(
            f"pass rates: got {str(path)!r}, which cannot be read ({error}); allowed: a column pass_rate, or numbers"
        ) from None


def _summary(done: Any, record: Any) -> dict[str, Any]:
    from collections import Counter

    if record.status != "done":
        return {"seed": record.search_seed, "status": record.status, "reason": record.reason, "kept": 0, "samples": 0, "reached": 0.0}
    table = done.table(record.search_seed)
    return {
        "seed": record.search_seed, "status": record.status, "allocation": record.algorithm, **record.metrics,
        "stopped": dict(Counter(line["reason"] for line in table)), "cost": record.cost["search"], "record": record.id,
    }  # fmt: skip


def _lines(line: dict[str, Any]) -> list[tuple[str, str]]:
    return [(k, f"{v:,.6g}" if isinstance(v, float) else str(v)) for k, v in line.items()]
