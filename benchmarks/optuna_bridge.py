"""What it costs to ask a sampler of Optuna through this library, beside Optuna's own loop, in one run and interleaved.

Both suggest the same parameters and tell the same rewards; ours makes a sampler with a seed of its own for each ask, so that a search can
be resumed exactly. Processor seconds; a ratio above 1 is what that costs. Run `python benchmarks/optuna_bridge.py`.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings

import numpy as np
import optuna

from oche.algorithms import get
from oche.algorithms.optuna_sampler import SAMPLERS
from oche.loop.contracts import Feedback
from oche.testing.spaces import space

#: Sampler, test space, trials.
CASES = (
    ("random", "categorical", 500),
    ("tpe", "categorical", 300),
    ("nsgaii", "categorical", 500),
    ("cmaes", "reals", 500),
    ("gp", "reals", 25),
)


def ours(sampler: str, name: str, trials: int) -> float:
    """Processor seconds of asks and tells through the algorithm."""
    algorithm = get(f"optuna:{sampler}")
    algorithm.setup(space(name), np.random.Generator(np.random.PCG64(0)))
    start = time.process_time()
    for number in range(trials):
        proposal = algorithm.ask(1)[0]
        algorithm.tell([(proposal.id, Feedback(reward=float(number % 7)))])
    return time.process_time() - start


def theirs(sampler: str, name: str, trials: int) -> float:
    """The same of a study with one sampler."""
    points = space(name).points
    study = optuna.create_study(direction="maximize", sampler=getattr(optuna.samplers, SAMPLERS[sampler])(seed=0))
    start = time.process_time()
    for number in range(trials):
        trial = study.ask()
        for p in points:
            if p.kind == "categorical":
                trial.suggest_categorical(p.key, p.labels)
            elif p.kind == "int":
                trial.suggest_int(p.key, int(p.lo), int(p.hi), log=p.scale == "log")
            else:
                trial.suggest_float(p.key, p.lo, p.hi, log=p.scale != "linear")
        study.tell(trial, float(number % 7))
    return time.process_time() - start


def main() -> None:
    """Print a row per sampler."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    print(f"{'sampler':8} {'trials':>6} {'ours, s':>8} {'Optuna, s':>9} {'ratio':>6}  (smallest and largest)")
    for sampler, name, trials in CASES:
        pairs = [(ours(sampler, name, trials), theirs(sampler, name, trials)) for _ in range(repeats)]
        ratios = sorted(a / b for a, b in pairs)
        a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
        print(
            f"{sampler:8} {trials:6} {a:8.2f} {b:9.2f} {statistics.median(ratios):6.2f}  ({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True
        )


if __name__ == "__main__":
    main()
