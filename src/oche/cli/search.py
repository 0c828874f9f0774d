"""`oche search`: search a program, compare with random members and random search, leave records and a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from oche.cli import _compose as compose
from oche.cli import _options as option
from oche.cli._output import Output, telling
from oche.errors import TrainingError, unknown

WithBaseline = Annotated[bool, typer.Option("--baseline/--no-baseline", help="Train random members of the space, to compare.")]
WithRandom = Annotated[bool, typer.Option("--random-search/--no-random-search", help="Run random search at equal cost, to compare.")]
Equal = Annotated[str, typer.Option("--equal", help="Cost that random search gets: 'work' (counted, reproducible) or 'cpu_seconds'.")]
WithHandMade = Annotated[
    bool, typer.Option("--hand-made/--no-hand-made", help="Train the member that the program's author wrote down, if there is one.")
]
Members = Annotated[int, typer.Option("--members", help="How many random members the baseline trains.", min=2)]


@dataclass(frozen=True)
class Plan:
    """Everything that was asked for, checked and made, before any work is done."""

    space: Any
    program: str
    algorithm: str
    task: Any
    budget: Any
    seeds: int | list[int]
    members: int
    random_search: bool
    common: dict[str, Any]
    equal: str = "work"
    constraint: Any = None
    flow: str | None = None
    warm_start: str | None = None
    prior: Any = None
    early_stopping: str | None = None
    hand_made: bool = False

    def describe(self) -> dict[str, Any]:
        """The plan as JSON."""
        size = self.space.size
        return {
            "program": self.program,
            "space": self.space.name,
            "size": size if isinstance(size, int) else None,
            "decisions": len(self.space.points),
            "algorithm": self.algorithm,
            "flow": self.flow or "joint",
            "task": self.task.describe(),
            "budget": self.budget.limits() if self.budget is not None else None,
            "seeds": self.seeds,
            "members": self.members,
            "random_search": self.random_search,
            **({"hand_made": True} if self.hand_made else {}),
            "equal": self.equal,
            "executor": self.common["executor"],
            "parallel": self.common["parallel"],
            "threads": self.common["threads"],
            **({"constraint": self.constraint.describe()} if self.constraint is not None else {}),
            **({"warm_start": self.warm_start} if self.warm_start is not None else {}),
            **({"prior": self.prior.describe()} if self.prior is not None else {}),
            **({"early_stopping": self.early_stopping} if self.early_stopping is not None else {}),
        }


def command(
    context: typer.Context,
    program: option.Program,
    channels: option.Channels = None,
    cells: option.Cells = None,
    algorithm: option.AlgorithmText = None,
    mixer: option.MixerText = None,
    scheme: option.SchemeText = None,
    flow: option.FlowText = None,
    weighting: option.WeightingText = None,
    task: option.TaskText = None,
    data: option.DataText = None,
    recipe: option.RecipeText = None,
    search_recipe: option.SearchRecipe = None,
    final: option.FinalText = None,
    objectives: option.ObjectivesText = None,
    seeds: option.Seeds = "1",
    budget: option.BudgetText = None,
    store: option.StoreText = None,
    out: option.Out = None,
    executor: option.ExecutorText = "serial",
    parallel: option.Parallel = 1,
    threads: option.Threads = 1,
    device: option.Device = None,
    name: option.Name = None,
    baseline: WithBaseline = True,
    random_search: WithRandom = True,
    hand_made: WithHandMade = True,
    members: Members = 8,
    equal: Equal = "work",
    max_params: option.MaxParams = None,
    max_macs: option.MaxMacs = None,
    where: option.Where = None,
    warm_start: option.WarmStart = None,
    prior: option.PriorText = None,
    early_stopping: option.EarlyStopping = None,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
    dry_run: option.DryRun = False,
) -> None:
    """Search a program with choices, train what was found, and judge it against random.

    Example: oche search net.py:Net --algorithm pc-darts --data digits --seeds 5 --store runs.db --out out/

    Example: oche search net.py:Net -a 'asha?min=1&inner=regularized-evolution' --data digits --budget epochs=200

    Example: oche search net.py:Net -a random --data digits --budget trials=40 --early-stopping 'asha?min=1&eta=3'
    """
    from oche import flows
    from oche.cli import _results as results
    from oche.cli._program import load_space, sized
    from oche.loop import as_policy

    output = Output(as_json, quiet)
    if equal not in ("work", "cpu_seconds"):
        raise unknown("unit of --equal", equal, ("work", "cpu_seconds"))
    space, source = load_space(sized(program, channels=channels, cells=cells))
    chosen = compose.algorithm(algorithm, mixer=mixer, scheme=scheme, weighting=weighting)
    divided = flows.get(flow)
    if hasattr(divided, "check"):
        divided.check(space)
    as_policy(early_stopping)  # a wrong name or setting stops here
    made = compose.task(task, data, recipe, search_recipe, final, device, objectives)
    plan = Plan(
        space,
        source.text,
        chosen,
        made,
        compose.budget(budget),
        compose.seeds(seeds),
        members if baseline else 0,
        random_search and (chosen.partition("?")[0] != "random" or divided.name != "joint" or bool(warm_start or prior or early_stopping)),
        {"store": store, **compose.executor(executor), "parallel": parallel, "threads": threads, "progress": not quiet},
        equal,
        compose.constraint(max_params, max_macs, where, made),
        flow,
        warm_start,
        compose.prior(prior, space),
        early_stopping,
        hand_made and hasattr(space.program, "hand_made"),
    )
    if dry_run:
        described = plan.describe()
        output.table(("what", "value"), described.items())
        output.result(described, f"would run {_count(plan.seeds)} searches of {space.name} by {chosen}")
        return
    if out is not None:
        results.prepare(out)
    title = name or f"{source.text} {chosen}{f' {flow}' if flow else ''} {task or data}"
    _remember(context, store, title)
    with telling("oche.algorithms", not quiet):
        runs, base, rs, hand = execute(plan, title, out / "networks" if out is not None else None)
    finish(output, plan, runs, base, rs, hand, out)


def execute(plan: Plan, name: str, keep: Path | None = None) -> tuple[Any, Any, Any, Any]:
    """The searches, the baseline, random search at the cost that the searches had, and trainings of the hand-made member.

    Args:
        plan: What was asked for.
        name: What the store calls it.
        keep: Folder for the networks that the searches end with; None keeps none.
    """
    import oche

    task = oche.tasks.keeping(plan.task, keep) if keep is not None else plan.task
    searching = {"budget": plan.budget, "seeds": plan.seeds, "name": name, "constraint": plan.constraint}
    searching |= {"warm_start": plan.warm_start, "prior": plan.prior}
    searching["early_stopping"] = plan.early_stopping
    runs = oche.search(plan.space, plan.algorithm, task, plan.flow, **searching, **plan.common)
    base = rs = None
    if plan.members:
        shared = {key: value for key, value in plan.common.items() if key != "parallel"}
        base = oche.baseline(plan.space, plan.task, n=plan.members, name=f"{name} baseline", constraint=plan.constraint, **shared)
    if plan.random_search:
        limit = equal_budget(runs, plan.equal)
        seeds = random_seeds([run.seed for run in runs], tests=3 if plan.members else 1)
        given = {**plan.common, "constraint": plan.constraint, "name": f"{name} random search"}
        rs = oche.search(plan.space, "random", plan.task, budget=limit, seeds=seeds, **given)
    hand = None
    if plan.hand_made:
        made = oche.driver.HandMade(plan.space)
        hand = oche.search(plan.space, made, plan.task, seeds=plan.seeds, name=f"{name} hand-made", **plan.common)
    return runs, base, rs, hand


def equal_budget(runs: Any, unit: str) -> Any:
    """What random search may spend: as much as the mean of some runs.

    Args:
        runs: The searches.
        unit: `work`: what was declared, or counted work, the same on every machine; `cpu_seconds`: as measured.

    Raises:
        BudgetError: the unit is neither, or the runs did not count it.
    """
    from oche.errors import BudgetError
    from oche.loop.contracts import Budget

    if unit == "work":
        return runs.equal_budget()
    spent = [record.cost.get("search", {}).get(unit, 0.0) for record in runs.records]
    if unit != "cpu_seconds" or not spent or not all(spent):
        raise BudgetError(f"--equal: got {unit!r}; allowed: 'work', or 'cpu_seconds' of searches that spent some")
    return Budget(cpu_seconds=sum(spent) / len(spent))


def random_seeds(seeds: list[int], tests: int, alpha: float = 0.05, most: int = 10) -> list[int]:
    """Seeds of random search: those of the searches, and more where the judge could not decide with so few.

    Args:
        seeds: Seeds of the searches.
        tests: Tests in the report, over which the judge corrects.
        alpha: Level of the report.
        most: No more than this for the sake of the verdict.
    """
    from oche.judge import smallest_p

    chosen = list(seeds)
    while 2 <= len(seeds) <= len(chosen) < most and tests * smallest_p(len(seeds), len(chosen)) >= alpha:
        chosen.append(max(chosen) + 1)
    return chosen


def finish(output: Output, plan: Plan, runs: Any, base: Any, rs: Any, hand: Any, out: Path | None) -> None:
    """Write, judge, print.

    Raises:
        TrainingError: every search failed; records are written all the same.
    """
    import oche
    from oche.cli import _results as results

    records = [record for part in (runs, base, rs, hand) if part is not None for record in part.records]
    files: dict[str, str] = {}
    if out is not None:
        files["records"] = str(results.write_records(out, records))
    best = _best(runs.records)
    if best is None:
        raise TrainingError(f"search: got no result, all {len(runs.records)} runs failed; the first: {runs.records[0].reason}")
    report, text = _verdict(records)
    if out is not None:
        files |= _write(out, plan, best, report)
    text += f"\nbest: {best.metric} {best.value:.2f}{' ' + best.unit if best.unit else ''} with {_decisions(best)}"
    beside = against_hand(runs.records, hand.records) if hand is not None else None
    if beside is not None:
        text += f"\n{beside[1]}"
    gap = oche.judge.discretization_gap(runs.records)
    if report is None and gap is not None:
        text += f"\n{gap}"
    if runs.front:
        text += f"\nfront: {len(runs.front)} points" + "".join(f"\n  {_metrics(p)} with {p['arch']}" for p in runs.front)
    text += "".join(f"\n{what}: {path}" for what, path in files.items())
    short = " ".join(report.verdict) if report is not None else text.partition("\n")[0]
    found = {"best": best.to_json(), "front": runs.front, "files": files}
    found |= {"against_hand_made": beside[0]} if beside is not None else {}
    output.result({"report": report.to_json() if report is not None else None, **found}, text, short)


def against_hand(searched: Sequence[Any], hand: Sequence[Any]) -> tuple[dict[str, Any], str] | None:
    """Searches against trainings of the hand-made member, as JSON and in words; None with fewer than two of either.

    A test of its own: the report's tests are against random, and are corrected among each other.
    """
    from oche.errors import JudgeError
    from oche.judge import compare

    done = [[r for r in records if r.status == "done"] for records in (searched, hand)]
    if min(len(part) for part in done) < 2:
        return None
    first = done[0][0]
    scale = "relative" if min(r.value for part in done for r in part) > 0 else "points"
    try:
        row = compare(*([r.value for r in part] for part in done), direction=first.direction, unit=first.unit, scale=scale)
    except JudgeError:  # such as shares beside percents, which the report says too
        return None
    words = row.verdict.replace("random", "the hand-made member")
    mark = "%" if scale == "relative" else first.unit
    said = f"{row.estimate:+.3g} {mark} [{row.low:+.3g}, {row.high:+.3g}], p {row.p:.2g}"
    return (
        row.to_json(),
        f"searches against the hand-made member, {len(done[0])} and {len(done[1])} runs: {said}, a test of its own: {words}",
    )


def _verdict(records: Sequence[Any]) -> tuple[Any, str]:
    """The report and its text; None and the reason where there is nothing to compare with, or too few runs."""
    from oche.cli.judge import judge
    from oche.errors import JudgeError

    try:
        report = judge(list(records))
    except JudgeError as error:
        return None, f"no verdict: {error}"
    return report, str(report)


def _write(out: Path, plan: Plan, best: Any, report: Any) -> dict[str, str]:
    """Everything but the records; the paths by what they hold."""
    from oche.cli import _results as results
    from oche.cli.judge import save

    files = {}
    if report is not None:
        save(report, out)
        files |= {"report": str(out / "report.html"), "report_json": str(out / "report.json")}
    files["best"] = str(results.write_best(out, best, plan.program))
    network = results.write_network(out, best, plan.space, plan.program, plan.task)
    return files | ({"network": str(network)} if network is not None else {})


def _best(records: Sequence[Any]) -> Any:
    """Of the finished searches the one whose pick was best on `valid`; `test` decides nothing."""
    done = [r for r in records if r.status == "done"]
    if not done:
        return None
    if all("valid" in r.metrics for r in done):
        return max(done, key=lambda r: r.metrics["valid"])
    return (max if done[0].direction == "max" else min)(done, key=lambda r: r.value)


def _metrics(point: Any) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in point["metrics"].items())


def _decisions(record: Any) -> str:
    return record.arch or ", ".join(f"{k}={v}" for k, v in record.decisions.items())


def _count(seeds: int | list[int]) -> int:
    return seeds if isinstance(seeds, int) else len(seeds)


def _remember(context: typer.Context, store: str | None, name: str) -> None:
    """Keep the command's words in the store, for `oche runs resume`."""
    words = (context.find_root().obj or {}).get("words")
    if store is None or words is None:
        return
    from oche.cli._commands import remember
    from oche.store import Store

    with Store(store) as opened:
        opened.runs()  # a file that is not a store is refused before anything is written beside it
        remember(opened, name, words)
