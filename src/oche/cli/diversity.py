"""`oche diversity`: a policy search on an environment, beside others at equal cost, with verdicts on coverage and rewards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from oche.cli import _compose as compose
from oche.cli import _options as option
from oche.cli._output import Output
from oche.errors import ArgumentError, JudgeError, TrainingError

_SHOWN = ("coverage", "coverage_all", "uniformity", "reward_mean", "zones_found", "rewarding_cells")
_JUDGED = {"coverage": "%", "reward_mean": ""}


def command(
    algorithm: Annotated[str, typer.Argument(help="Name and settings, e.g. stax or 'taxons?selection=coin' ('oche list algorithms').")],
    env: Annotated[str, typer.Option("--env", help="Name and settings, e.g. 'redundant-arm?frames=5', or file.py:task.")],
    budget: Annotated[str, typer.Option("--budget", help="Evaluations of each run, e.g. 30000 or trials=30000.")] = "5000",
    seeds: option.Seeds = "1",
    against: Annotated[
        str | None, typer.Option("--against", help="Algorithms to compare with, at the same budget; '' for none. Default: random.")
    ] = None,
    out: option.Out = None,
    store: option.StoreText = None,
    executor: option.ExecutorText = "serial",
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Search policies, and judge how much of the behavior space and of the rewards was found.

    With --out or --store the same command goes on where it was stopped.

    Example: oche diversity stax --env redundant-arm --budget 30000 --seeds 5 --against random,novelty-search,stax-untrained --out out/
    """
    import oche
    from oche.cli import _results as results
    from oche.cli.search import random_seeds

    output = Output(as_json, quiet)
    task = _task(env)
    limit = compose.budget(budget if "=" in budget else f"trials={budget}")
    chosen = [compose.algorithm(text) for text in _texts(algorithm, against)]
    wanted = compose.seeds(seeds)
    numbers = list(range(wanted)) if isinstance(wanted, int) else wanted
    if out is not None:
        results.prepare(out)
        store = store or str(out / "runs.db")
    arms: dict[str, list[Any]] = {text: [] for text in chosen}
    portraits: list[Any] = []
    for text in chosen:
        # More seeds of what is cheap, where the verdict would not be possible with so few.
        used = random_seeds(numbers, tests=len(chosen)) if text == "random" else numbers
        # One seed after the other: all trials of a run stay in memory, with their genomes.
        for seed in used:
            runs = oche.search(
                task.space, text, task, budget=limit, seeds=[seed], store=store, name=f"{env} {text}", progress=not quiet,
                **compose.executor(executor),
            )  # fmt: skip
            arms[text] += runs.records
            output.say(_line(runs.records[0], text, seed))
            if out is not None and seed == numbers[0] and runs.records[0].status == "done":
                portraits.append(_portrait(out, runs, text))
    _finish(output, arms, out, portraits)


def _task(text: str) -> Any:
    """An environment by its name, or a task from a file: itself, or a function that makes it."""
    from oche import diversity
    from oche.cli._program import load_program
    from oche.loop.registry import parse

    if ".py" not in text:
        return diversity.environment(text)
    target, settings = parse(text)
    found, source = load_program(target)
    task = found if isinstance(found, diversity.PolicyTask) else found(**settings) if callable(found) else None
    if not isinstance(task, diversity.PolicyTask):
        raise ArgumentError(
            f"--env: got {source.text!r}, which is {type(found).__name__}; allowed: a task such as oche.diversity.GymTask(...), "
            "or a function that returns one"
        )
    return task


def _texts(algorithm: str, against: str | None) -> list[str]:
    """All algorithms, the judged one first, each once."""
    if against is None:
        return list(dict.fromkeys([algorithm, "random"]))
    others = [part.strip() for part in against.split(",") if part.strip()]
    found = list(dict.fromkeys([algorithm, *others]))
    if len(found) != len(others) + 1:
        raise ArgumentError(f"--against: got {against!r}; allowed: different algorithms, none of them {algorithm!r} itself")
    return found


def _line(record: Any, text: str, seed: int) -> str:
    if record.status != "done":
        return f"{text}, seed {seed}: failed: {record.reason}"
    m = record.metrics
    reward = f"mean reward {m['reward_mean']:.3f} in {m['zones_found']:.0f} zones" if m.get("zones_found") else "no reward found"
    covered = f"coverage {m['coverage']:.2f} %, " if "coverage" in m else ""
    return f"{text}, seed {seed}: {covered}{reward}"


def _portrait(out: Path, runs: Any, text: str) -> Any:
    """What a run looks like; made once, kept beside the records."""
    from oche.diversity import has_ffmpeg, portrait
    from oche.files import canonical_json, write_text

    record = runs.records[0]
    path = out / "portraits" / f"{record.id[:16]}.json"
    films = path.parent if has_ffmpeg() else None
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        # Where `ffmpeg` came later, films are made later.
        if films is None or found.get("films") or not any(picture["kind"].endswith("film") for picture in found["pictures"]):
            return found
    path.parent.mkdir(exist_ok=True)
    made = portrait(runs[0], runs.task, text, films=films)
    write_text(path, canonical_json(made))
    return json.loads(canonical_json(made))


def _finish(output: Output, arms: dict[str, list[Any]], out: Path | None, portraits: Sequence[Any] = ()) -> None:
    """Write, judge, print.

    Raises:
        TrainingError: a run failed; records are written all the same.
    """
    from oche.cli import _results as results
    from oche.cli.judge import BEHAVIOR, judge, save
    from oche.diversity import has_ffmpeg, portrait_studies
    from oche.files import canonical_json, write_text

    files: dict[str, str] = {}
    chosen, records = list(arms), [record for arm in arms.values() for record in arm]
    if out is not None:
        files["records"] = str(results.write_records(out, records))
    pairs = _pairs(arms) if all(r.status == "done" for r in records) else []
    studies = [*pairs, *portrait_studies(portraits, records)]
    if out is not None and studies:
        write_text(out / BEHAVIOR, canonical_json(studies))
        files["pictures, for 'oche judge'"] = str(out / BEHAVIOR)
    if portraits and not has_ffmpeg():
        output.say("films: only in the report, as GIF; for MP4 files install ffmpeg and give the same command again")
    failed = [r for r in records if r.status != "done"]
    if failed:
        raise TrainingError(
            f"diversity: got {len(failed)} failed of {len(records)} runs; the first, {failed[0].algorithm}: {failed[0].reason}"
        )
    rows = {text: _means(arm) for text, arm in arms.items()}
    output.table(("algorithm", "runs", *_SHOWN), [_cells(text, len(arms[text]), rows[text]) for text in chosen], title="means over runs")
    reports: dict[str, Any] = {}
    said: list[str] = []
    for metric, unit in _JUDGED.items():
        judged = [replace(r, metric=metric, unit=unit, id="") for r in records]
        if all(r.value == judged[0].value for r in judged):
            said.append(
                f"{metric}: {judged[0].value:g} in every run, nothing to judge" + (": no reward found" if not judged[0].value else "")
            )
            continue
        try:
            reports[metric] = judge(list(judged), studies=studies if metric == "coverage" else [p for p in pairs if p["metric"] == metric])
        except JudgeError as error:
            said.append(f"{metric}: no verdict: {error}")
            continue
        said.append(f"{metric}: {' '.join(reports[metric].verdict)}")
        if out is not None:
            save(reports[metric], out if metric == "coverage" else out / metric)
            files[f"report of {metric}"] = str((out if metric == "coverage" else out / metric) / "report.html")
    found = {
        "means": rows,
        "reports": {metric: report.to_json() for metric, report in reports.items()},
        "pairs": pairs,
        "files": files,
    }
    text = "\n".join([*said, *(line for p in pairs for line in _pair_lines(p)), *(f"{what}: {path}" for what, path in files.items())])
    output.result(found, text, said[0] if said else text)


def _means(arm: Sequence[Any]) -> dict[str, float]:
    """Means of all metrics that every run of an arm has, and of how many evaluations the first reward took where all found one."""
    shared = set.intersection(*(set(r.metrics) for r in arm))
    return {name: sum(r.metrics[name] for r in arm) / len(arm) for name in sorted(shared)}


def _cells(text: str, n: int, means: dict[str, float]) -> list[str]:
    return [text, str(n), *(f"{means[name]:.3f}" if name in means else "–" for name in _SHOWN)]


def _pairs(arms: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """The judged algorithm against each other one, by each metric."""
    import oche

    found = []
    for metric, unit in _JUDGED.items():
        results = {text: [r.metrics[metric] for r in arm if metric in r.metrics] for text, arm in arms.items()}
        made = oche.judge.pairs(results, metric, unit) if len(results) > 1 else None
        found += [made] if made is not None else []
    return found


def _pair_lines(pairs: dict[str, Any]) -> list[str]:
    named = f"{pairs['metric']}, {pairs['algorithm']} against"
    return [
        f"{named} {row['against']}: {row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}], "
        f"p {row['p']:.2g}, corrected {row['p_adj']:.2g}: {row['verdict']}"
        for row in pairs["rows"]
    ]
