"""`oche study`: what protocol, seed, depth, budget and the space are worth, apart from any search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from oche.cli import _compose as compose
from oche.cli import _options as option
from oche.cli._output import Output
from oche.errors import ArgumentError

command = typer.Typer(no_args_is_help=True, help="Train random members alike but for one thing: ladder, rank, space, shared.")

Members = Annotated[int, typer.Option("--members", "-n", help="How many random members.", min=2)]
Seed = Annotated[int, typer.Option("--seed", help="Root of draws and trainings.", min=0)]
Rungs = Annotated[list[str], typer.Option("--rung", help="NAME:key=value,... added to the rung before; repeatable, in order.")]
Searches = Annotated[
    list[str], typer.Option("--algorithm", "-a", help="A search for a grid, e.g. 'darts'; repeatable. Random members are always in it.")
]
Operations = Annotated[list[str], typer.Option("--operations", help="Grid: NAME:op+op, NAME:key=value, or NAME:all; repeatable.")]
Trainings = Annotated[list[str], typer.Option("--training", help="Grid: NAME:lr=0.025,... recipe of the final training; repeatable.")]
GridRuns = Annotated[int, typer.Option("--runs", help="Grid: searches of each algorithm, and random members, in every cell.", min=2)]
Cumulative = Annotated[bool, typer.Option("--cumulative/--alone", help="Each rung adds to the one before, or changes the base alone.")]
Variants = Annotated[
    list[str], typer.Option("--variant", help="NAME:op+op for an operation set, NAME:cells=2 for a macro variant; repeatable.")
]


@command.command("ladder")
def ladder_command(
    program: option.Program, rung: Rungs, cumulative: Cumulative = True, members: Members = 8, seed: Seed = 0, task: option.TaskText = None,
    data: option.DataText = None, recipe: option.RecipeText = None, store: option.StoreText = None, out: option.Out = None,
    executor: option.ExecutorText = "serial", threads: option.Threads = 1, device: option.Device = None, name: option.Name = None,
    as_json: option.Json = False, quiet: option.Quiet = False,
) -> None:  # fmt: skip
    """The same members under one training protocol after the other.

    Example: oche study ladder nasbench201 --data digits --rung 'smooth:label_smoothing=0.1' --rung 'longer:epochs=12' --out out/
    """
    rungs = {key: compose.settings(value, "--rung") for key, value in _named(rung, "--rung")}
    _run("ladder", locals(), rungs=rungs, cumulative=cumulative)


@command.command("rank")
def rank_command(
    program: option.Program,
    vary: Annotated[str, typer.Option("--vary", help="seed, depth, budget, or a field of the recipe or program.")] = "seed",
    values: Annotated[str, typer.Option("--values", help="Two or more, e.g. 0,1.")] = "0,1",
    members: Members = 24, seed: Seed = 0, task: option.TaskText = None,
    data: option.DataText = None, recipe: option.RecipeText = None, store: option.StoreText = None, out: option.Out = None,
    executor: option.ExecutorText = "serial", threads: option.Threads = 1, device: option.Device = None, name: option.Name = None,
    as_json: option.Json = False, quiet: option.Quiet = False,
) -> None:  # fmt: skip
    """The same members under several seeds, depths or budgets: do ranks survive?

    Example: oche study rank nasbench201 --data digits --vary budget --values 3,6 --store runs.db --out out/
    """
    found = [compose.settings(f"v={v}", "--values")["v"] for v in values.split(",") if v.strip()]
    _run("rank_study", locals(), vary=vary, values=found)


@command.command("space")
def space_command(
    program: option.Program, variant: Variants = [], algorithm: Searches = [], operations: Operations = [], training: Trainings = [],  # noqa: B006
    runs: GridRuns = 5, budget: option.BudgetText = None, members: Members = 8, seed: Seed = 0, task: option.TaskText = None,
    data: option.DataText = None, recipe: option.RecipeText = None, store: option.StoreText = None, out: option.Out = None,
    executor: option.ExecutorText = "serial", threads: option.Threads = 1, device: option.Device = None, name: option.Name = None,
    as_json: option.Json = False, quiet: option.Quiet = False,
) -> None:  # fmt: skip
    """Random members of operation sets and macro variants against those of the whole space.

    With --algorithm it is a grid: searches and random members in every cell of variant x operations x training, and what each is worth.
    PROGRAM 'darts-bench' is the DARTS bench suite (or 'darts-bench?size=published'): wide, deep and single-cell supernets, three
    operation sets; name some of them by --variant wide --operations no-skip.

    Example: oche study space nasbench201 --data digits --variant 'convs:nor_conv_1x1+nor_conv_3x3' --variant 'deep:cells=2' --out out/

    Example: oche study space darts-bench --data digits --algorithm darts --algorithm gdas --training 'low:lr=0.025' --out out/
    """
    given = locals()
    if not algorithm:
        if operations or training or budget is not None:
            raise ArgumentError("study space: got --operations, --training or --budget without --algorithm; allowed: with it, for a grid")
        if not variant:
            raise ArgumentError("study space: got no --variant; allowed: NAME:op+op or NAME:cells=2, or --algorithm for a grid")
        _run("space_study", given, variants=_variants(variant, "--variant"))
        return
    asked: dict[str, Any] = {"algorithms": algorithm, "runs": runs, "budget": compose.budget(budget)}
    if training:
        asked["recipes"] = {key: compose.settings(value, "--training") for key, value in _named(training, "--training")}
    suite = _suite(program)
    if suite is not None:
        # The parts of the suite have their names; nothing is said of what they are.
        asked |= {"supernets": variant or None, "operations": operations or None, **suite[1]}
        _run("darts_bench", given, **asked)
        return
    asked["variants"] = {key: compose.settings(value, "--variant") for key, value in _named(variant, "--variant")} or None
    asked["operations"] = _variants(operations, "--operations", whole=True) or None
    _run("space_grid", given, **asked)


def _suite(program: str) -> tuple[str, dict[str, Any]] | None:
    """Settings of the bench suite where that is what `program` names."""
    from oche.loop.registry import canonical, parse

    if ".py" in program:
        return None
    name, settings = parse(program)
    if canonical(name) != "dartsbench":
        return None
    if set(settings) - {"size"}:
        raise ArgumentError(f"darts-bench: got settings {settings}; allowed: size=small, size=published")
    return name, settings


def _variants(texts: list[str], flag: str, whole: bool = False) -> dict[str, Any]:
    """`NAME:op+op` as labels, `NAME:key=value` as arguments; with `whole` also `NAME:all`."""
    made: dict[str, Any] = {}
    for key, value in _named(texts, flag):
        made[key] = compose.settings(value, flag) if "=" in value else None if whole and value == "all" else value.split("+")
    return made


@command.command("shared")
def shared_command(
    program: option.Program,
    algorithm: Annotated[str, typer.Option("--algorithm", "-a", help="One that trains a supernet, e.g. 'rsps?epochs=10'.")],
    flow: Annotated[str | None, typer.Option("--flow", help="'few-shot?splits=...' for a tree of supernets.")] = None,
    truth: Annotated[str | None, typer.Option("--truth", help="A table as truth, e.g. 'tabular?...'; default: trainings alone.")] = None,
    top: Annotated[str, typer.Option("--top", help="Shares of the truly best over which tau is taken.")] = "1,0.25",
    members: Members = 24, seed: Seed = 0, task: option.TaskText = None,
    data: option.DataText = None, recipe: option.RecipeText = None, store: option.StoreText = None, out: option.Out = None,
    executor: option.ExecutorText = "serial", threads: option.Threads = 1, device: option.Device = None, name: option.Name = None,
    as_json: option.Json = False, quiet: option.Quiet = False,
) -> None:  # fmt: skip
    """Do shared weights rank members as they rank when each is trained alone?

    Example: oche study shared nasbench201 -a 'rsps?epochs=6' --data digits --recipe epochs=3 --members 12
    """
    shares = [compose.settings(f"v={v}", "--top")["v"] for v in top.split(",") if v.strip()]
    known = None if truth is None else compose.task(truth, None, None)
    _run("shared_ranks", locals(), algorithm=algorithm, flow=flow, truth=known, top=shares)


def _named(texts: list[str], flag: str) -> list[tuple[str, str]]:
    found = [(key, value) for key, _, value in (text.partition(":") for text in texts)]
    if any(not key or not value for key, value in found) or len({key for key, _ in found}) < len(found):
        raise ArgumentError(f"{flag}: got {texts}; allowed: NAME:SETTINGS, each name once")
    return found


def _run(kind: str, given: dict[str, Any], **asked: Any) -> None:
    from oche import studies
    from oche.cli import _results as results
    from oche.cli._program import load_space

    output = Output(given["as_json"], given["quiet"])
    made = compose.task(given["task"], given["data"], given["recipe"], device=given["device"])
    suite = kind == "darts_bench"
    space, source = (None, None) if suite else load_space(given["program"])
    out: Path | None = given["out"]
    if out is not None:
        results.prepare(out)
    shared = {"store": given["store"], **compose.executor(given["executor"]), "threads": given["threads"]}
    title = given["name"] or f"{source.text if source else given['program']} {given['task'] or given['data']} {kind}"
    if kind not in ("space_grid", "darts_bench"):
        asked["n"] = given["members"]
    shared |= {"seed": given["seed"], "name": title, "progress": not given["quiet"]}
    study = getattr(studies, kind)(*(() if suite else (space,)), made, **asked, **shared)
    text = str(study)
    if out is not None:
        results.write_records(out, study.records)
        text += "".join(f"\nreport: {study.save(out / file)}" for file in ("report.html", "report.json"))
    output.result(study.to_json(), text, study.verdict[0])
