"""`oche baseline`: train random members of a space, the line that every search is judged from."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from oche.cli import _compose as compose
from oche.cli import _options as option
from oche.cli._output import Output


def command(
    program: option.Program,
    channels: option.Channels = None,
    cells: option.Cells = None,
    members: Annotated[int, typer.Option("--members", "-n", help="How many random members.", min=2)] = 8,
    task: option.TaskText = None,
    data: option.DataText = None,
    recipe: option.RecipeText = None,
    final: option.FinalText = None,
    store: option.StoreText = None,
    out: option.Out = None,
    executor: option.ExecutorText = "serial",
    threads: option.Threads = 1,
    device: option.Device = None,
    name: option.Name = None,
    max_params: option.MaxParams = None,
    max_macs: option.MaxMacs = None,
    where: option.Where = None,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
    dry_run: option.DryRun = False,
) -> None:
    """Train random members of a space by the task's recipe.

    Example: oche baseline net.py:Net --data digits --members 8 --out base/
    """
    import oche
    from oche.cli import _results as results
    from oche.cli._program import load_space, sized

    output = Output(as_json, quiet)
    space, source = load_space(sized(program, channels=channels, cells=cells))
    made = compose.task(task, data, recipe, final=final, device=device)
    limits = compose.constraint(max_params, max_macs, where, made)
    if dry_run:
        plan = {"program": source.text, "members": members, "task": made.describe(), "executor": executor, "threads": threads}
        output.table(("what", "value"), plan.items())
        output.result(plan, f"would train {members} random members of {space.name}")
        return
    if out is not None:
        results.prepare(out)
    title = name or f"{source.text} {task or data} baseline"
    shared = {"store": store, "constraint": limits, **compose.executor(executor), "threads": threads, "name": title, "progress": not quiet}
    base = oche.baseline(space, made, n=members, **shared)
    records = list(base.records)
    if out is not None:
        results.write_records(out, records)
    done = [r for r in records if r.status == "done"]
    output.table(
        ("member", "result", "weights", "architecture"),
        [(i, _result(r), r.params, r.arch or r.decisions) for i, r in enumerate(records)],
    )
    values = [r.value for r in done]
    mean = sum(values) / len(values) if values else float("nan")
    sd = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5 if len(values) > 1 else 0.0
    said = f"{len(done)} of {len(records)} random members: {mean:.2f} ± {sd:.2f} {records[0].unit} {records[0].metric}"
    output.result({"records": [r.to_json() for r in records], "mean": mean if values else None, "sd": sd}, said)
    if not done:
        raise typer.Exit(1)


def _result(record: Any) -> str:
    return f"{record.value:.2f} {record.unit}" if record.status == "done" else record.reason
