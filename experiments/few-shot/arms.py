"""What the experiments of this folder share: arms of one seed into one file each, tables of all seeds."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from oche import flows
from oche.files import write_text
from oche.loop.contracts import Problem
from oche.loop.workbench import as_factory
from oche.program import Space


def searched(algorithm: str, flow: str, space: Space, problem: Problem, seed: int) -> tuple[Any, float]:
    """A search at its end, and its processor seconds."""
    make = as_factory(algorithm)
    search = make() if flow == "joint" else flows.get(flow).search(make)
    started = time.process_time()
    search.setup(space, problem, seed)
    while not search.advance(200).done:
        pass
    return search, time.process_time() - started


def interval(gaps: Iterable[float]) -> str:
    """Mean of paired differences with a 95 % interval by Student's t."""
    values = np.array(list(gaps))
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    return f"{np.mean(values):+.3f} [{np.mean(values) - half:+.3f}, {np.mean(values) + half:+.3f}]"


def shown(values: Sequence[float], places: int) -> str:
    """Mean and standard deviation."""
    return f"{np.mean(values):.{places}f} ± {np.std(values, ddof=1):.{places}f}"


def tables(out: Path, arms: Iterable[str], columns: Mapping[str, tuple[Callable[[dict[str, Any]], float], int]], of: str) -> dict[str, Any]:
    """Print the means of all arms, and the differences of one from the others, over the seeds that all arms have.

    Returns:
        By arm and column the values, in the order of the seeds.
    """
    rows = [json.loads(path.read_text()) for path in sorted(out.glob("seed-*.json"))]
    by_arm = {arm: {r["seed"]: r for r in rows if r["arm"] == arm} for arm in arms}
    seeds = sorted(set.intersection(*(set(found) for found in by_arm.values())))
    values = {arm: {name: [read(found[s]) for s in seeds] for name, (read, _) in columns.items()} for arm, found in by_arm.items()}
    print(f"seeds {seeds}\n\n| arm | {' | '.join(columns)} |\n| --- |{' --- |' * len(columns)}")
    for arm, found in values.items():
        print(f"| {arm} | {' | '.join(shown(found[name], places) for name, (_, places) in columns.items())} |")
    print(f"\n| paired difference | {' | '.join(columns)} |\n| --- |{' --- |' * len(columns)}")
    for arm in [a for a in values if a != of]:
        print(f"| {of} - {arm} | {' | '.join(interval(np.subtract(values[of][c], values[arm][c])) for c in columns)} |")
    return values


def main(
    arms: Iterable[str], prepare: Callable[[Path], Any], run: Callable[[int, str, Any], dict[str, Any]], report: Callable[[Path], None]
) -> None:
    """The command line: `--seed N --out FOLDER` runs what is missing of a seed, `--report --out FOLDER` prints the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--report", action="store_true")
    given = parser.parse_args()
    if given.report:
        report(given.out)
        return
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    prepared = prepare(given.out)
    for number, arm in enumerate(arms):
        path = given.out / f"seed-{given.seed}-{number}.json"
        if not path.exists():
            found = {"seed": given.seed, "arm": arm, **run(given.seed, arm, prepared)}
            write_text(path, json.dumps(found) + "\n")
            print(arm, {k: v for k, v in found.items() if isinstance(v, float)}, flush=True)
