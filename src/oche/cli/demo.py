"""`oche demo`: the main job on data that ships with the library, from program to verdict; `--quick` without torch."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from oche.cli import _compose as compose
from oche.cli import _options as option
from oche.cli._output import Output

#: The network that is searched: small enough for two cores.
SPACE = "nasbench201?channels=8&cells=1"
SEEDS = 3
MEMBERS = 8
QUICK_TRIALS = 60
QUICK_SEEDS = 8


def command(
    quick: Annotated[bool, typer.Option("--quick", help="A toy without torch: a verdict in ten seconds.")] = False,
    out: Annotated[Path, typer.Option("--out", help="Folder for report.html and the rest.")] = Path("."),
    executor: option.ExecutorText = "processes?workers=2",
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """PC-DARTS on the NAS-Bench-201 space with digits, random members, random search at equal cost, and the verdict.

    Example: oche demo --quick --out quick/
    """
    from oche.cli import _results as results

    output = Output(as_json, quiet)
    results.prepare(out)
    start = time.perf_counter()
    (_quick if quick else _main)(output, out, executor)
    output.say(f"{time.perf_counter() - start:.0f} s; open {out / 'report.html'}")
    output.say("next:")
    for line in _next(out, quick):
        output.say(f"  {line}")


def _main(output: Output, out: Path, executor: str) -> None:
    import oche
    from oche.cli.search import Plan, execute, finish

    space = oche.spaces.get(SPACE)
    task = oche.tasks.classification("digits")
    output.say(f"PC-DARTS over {space.size:,} cells on digits, {SEEDS} seeds; {MEMBERS} random members; random search at equal cost")
    # Nothing here is resumed or compared with another machine, so the cost can be what this machine measured.
    plan = Plan(space, SPACE, "pc-darts", task, None, SEEDS, MEMBERS, True, _common(output, executor), equal="cpu_seconds")
    finish(output, plan, *execute(plan, "demo", out / "networks"), out)


def _quick(output: Output, out: Path, executor: str) -> None:
    import oche
    from oche.cli._toy import Word, worth
    from oche.cli.search import Plan, execute, finish
    from oche.loop.contracts import Budget

    space = oche.Space(Word)
    space.name = "words"
    task = oche.tasks.function(worth)
    output.say(f"regularized evolution over {space.size:,} words, {QUICK_SEEDS} seeds of {QUICK_TRIALS} trials; {MEMBERS} random members")
    budget = Budget(trials=QUICK_TRIALS)
    plan = Plan(space, "the toy", "regularized-evolution", task, budget, QUICK_SEEDS, MEMBERS, True, _common(output, "serial"))
    finish(output, plan, *execute(plan, "quick"), out)


def _common(output: Output, executor: str) -> dict[str, Any]:
    return {"store": None, **compose.executor(executor), "parallel": 1, "threads": 1, "progress": not output.quiet}


def _beside_python() -> str:
    """The command that stands beside the interpreter, as seen from this folder if it lies in it."""
    script = Path(sys.executable).parent / "oche"
    return str(script.relative_to(Path.cwd())) if script.is_relative_to(Path.cwd()) else str(script)


def _next(out: Path, quick: bool) -> list[str]:
    """Three commands that work as they stand, in this folder and with this interpreter."""
    oche = "oche" if shutil.which("oche") else _beside_python()
    judge = f"{oche} judge {out / 'records.jsonl'}"
    if quick:
        return [f"{oche} demo", judge, f"{oche} init net.py"]
    return [
        f"{oche} init net.py",
        judge,
        f"{oche} search '{SPACE}' --algorithm darts --data digits --seeds 3 --store runs.db --out out/",
    ]
