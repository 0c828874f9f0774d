"""Policy search: episodes a second against one-at-a-time loops and Box2D; asks and tells against pyribs; novelty as the archive grows.

Both sides of each row run in one process, interleaved, on one thread; processor seconds count. Run `python benchmarks/diversity.py`
(`--quick` for a minute's form); it exits with 1 if a gate is missed. Box2D and pyribs are measured where they are installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import oche
from oche.diversity import MapElites, environment, gymnasium_environment, novelty
from oche.diversity._policy import Policies
from oche.loop.contracts import Budget, Feedback
from oche.loop.threads import limited_threads

#: Gates: full-length arm episodes a second of one thread at batch 1,000; vectorized curling over Box2D one at a time.
_ARM_GATE, _CURLING_GATE = 600.0, 20.0


def rate(number: int, work: Callable[..., Any], *arguments: Any) -> float:
    """`number` pieces of work over the processor seconds of one call."""
    start = time.process_time()
    work(*arguments)
    return number / max(time.process_time() - start, 1e-9)


def repeat(times: int, work: Callable[..., Any], *arguments: Any) -> None:
    """Call something several times."""
    for _ in range(times):
        work(*arguments)


def spread(values: list[float], places: int = 1) -> str:
    """Median, least and most."""
    return f"{statistics.median(values):,.{places}f} [{min(values):,.{places}f}, {max(values):,.{places}f}]"


def one_at_a_time(env: Any, genomes: np.ndarray) -> None:
    """A plain loop over Gymnasium's interface, one genome after the other."""
    episode = gymnasium_environment(env)
    for genome in genomes:
        policy = Policies(env.simulator.shape, genome[None])
        observation, _ = episode.reset()
        over = False
        while not over:
            observation, _, terminated, truncated, _ = episode.step(policy.act(observation[:, None])[:, 0])
            over = terminated or truncated


def lasting(env: Any, size: int, rng: np.random.Generator) -> np.ndarray:
    """Random genomes, half as large as those of a first population, whose episodes do not end early."""
    found = np.empty((0, env.length))
    while len(found) < size:
        some = 0.5 * rng.standard_normal((size, env.length))
        found = np.concatenate([found, some[env.rollout(some, 0).length == env.steps]])
    return found[:size]


def episodes(rounds: int, quick: bool) -> bool:
    """Episodes a second, pictures left out and taken."""
    passed = True
    rng = np.random.default_rng(0)
    size = 250 if quick else 1000
    print(f"\nepisodes per processor second, one thread, batch {size}")
    for name, alone in (("redundant-arm", 6), ("curling", 3), ("hard-maze", 1), ("point", 20)):
        env = environment(name)
        some = rng.standard_normal((size, env.length))
        # Most arms end early; these are policies whose episodes have their full length.
        full = lasting(env, size, rng) if name == "redundant-arm" else some
        rates: dict[str, list[float]] = {"batch": [], "batch with 5 frames": [], "one at a time": []}
        env.rollout(some[:16], 0)
        for _ in range(rounds):
            rates["batch"].append(rate(size, env.rollout, full, 0))
            rates["batch with 5 frames"].append(rate(size, env.rollout, full))
            rates["one at a time"].append(rate(alone, one_at_a_time, env, full[:alone]))
        print(f"  {name}: " + "; ".join(f"{what} {spread(v)}" for what, v in rates.items()))
        ratios = [a / b for a, b in zip(rates["batch"], rates["one at a time"], strict=True)]
        print(f"    batch over one at a time: {spread(ratios)}")
        if name == "redundant-arm":
            passed &= gate("arm, full-length episodes a second", statistics.median(rates["batch"]), _ARM_GATE)
        if name == "curling" and importlib.util.find_spec("Box2D"):
            exact = environment("curling?backend=box2d")
            alone_rates = [rate(alone, one_at_a_time, exact, some[:alone]) for _ in range(rounds)]
            ratios = [a / b for a, b in zip(rates["batch"], alone_rates, strict=True)]
            print(f"    Box2D one at a time {spread(alone_rates)}; vectorized over Box2D {spread(ratios)}")
            passed &= gate("curling over Box2D", statistics.median(ratios), _CURLING_GATE)
    return passed


def gate(what: str, value: float, least: float) -> bool:
    """Say whether a gate is passed."""
    print(f"    gate {what}: {value:,.1f}, at least {least:,.0f}: {'passed' if value >= least else 'MISSED'}")
    return value >= least


def asks_and_tells(rounds: int, quick: bool) -> None:
    """MAP-Elites with Gaussian mutations on a full grid: ours beside pyribs, 94 genes, 36 genomes a step."""
    if importlib.util.find_spec("ribs") is None:
        print("\nasks and tells: pyribs is not installed")
        return
    from ribs.archives import GridArchive
    from ribs.emitters import GaussianEmitter
    from ribs.schedulers import Scheduler

    genes, batch, steps = 94, 36, 20 if quick else 60
    space = environment("curling").space
    print(f"\nasks and tells per processor second, {genes} genes, {batch} genomes a step (steps a second)")
    for size in (1_000, 10_000) if quick else (1_000, 10_000, 50_000):
        cells = int(np.ceil(np.sqrt(size)))
        rng = np.random.default_rng(0)
        genomes, places = rng.standard_normal((size, genes)), rng.random((size, 2))
        archive = GridArchive(solution_dim=genes, dims=[cells, cells], ranges=[(0, 1), (0, 1)], seed=0)
        archive.add(genomes, np.zeros(size), places)
        theirs = Scheduler(archive, [GaussianEmitter(archive, sigma=0.05, x0=np.zeros(genes), batch_size=batch, seed=0)])
        ours = MapElites(population=batch, batch=batch, low=0.0, high=1.0, cells=cells)
        ours.setup(space, np.random.default_rng(0), Budget(trials=10**6))
        ours.elites.add(genomes, np.zeros(size), ours.elites.grid.cell_index(places))

        def our_step(ours: MapElites = ours, rng: np.random.Generator = rng) -> None:
            n = len(ours.ask_batch())
            ours.tell_batch(np.full(n, 0.5), rng.random((n, 2)))

        def one_by_one(ours: MapElites = ours, rng: np.random.Generator = rng) -> None:
            asked = ours.ask(batch)
            found = rng.random((len(asked), 2)).tolist()
            ours.tell([(p.id, Feedback(reward=0.5, descriptor=d)) for p, d in zip(asked, found, strict=True)])

        def their_step(theirs: Any = theirs, rng: np.random.Generator = rng) -> None:
            n = len(theirs.ask())
            theirs.tell(np.full(n, 0.5), rng.random((n, 2)))

        rates: dict[str, list[float]] = {"ours": [], "ours, a proposal each": [], "pyribs": []}
        for _ in range(rounds):
            rates["ours"].append(rate(steps, repeat, steps, our_step))
            rates["ours, a proposal each"].append(rate(steps, repeat, steps, one_by_one))
            rates["pyribs"].append(rate(steps, repeat, steps, their_step))
        ratios = [a / b for a, b in zip(rates["ours"], rates["pyribs"], strict=True)]
        print(f"  {size:,} elites: " + "; ".join(f"{k} {spread(v)}" for k, v in rates.items()) + f"; ours over pyribs {spread(ratios, 2)}")


def novelty_searches(rounds: int, quick: bool) -> None:
    """A generation of novelty search, ask and tell: ours beside pyribs' scheduler with its novelty archive.

    Both make 36 mutants. Ours measures 18 parents and 36 mutants against all of population and archive and adds 5 at random; pyribs
    measures the mutants and adds those above a threshold, which is set so that about 5 of 36 are.
    """
    if importlib.util.find_spec("ribs") is None:
        print("\nasks and tells of novelty search: pyribs is not installed")
        return
    from ribs.archives import ProximityArchive
    from ribs.emitters import GaussianEmitter
    from ribs.schedulers import Scheduler

    genes, batch = 94, 36
    space = environment("curling").space
    print(f"\nasks and tells of novelty search per processor second, {genes} genes, {batch} mutants, 15 neighbors (generations a second)")
    for dimension in (2, 10, 50):
        sizes = (1_000, 10_000) if quick else (1_000, 10_000, 50_000)
        costs: dict[str, list[float]] = {"ours": [], "pyribs": []}
        for size in sizes:
            steps = 2 if size > 10_000 else 4 if quick else 10
            rng = np.random.default_rng(0)
            genomes, places = rng.standard_normal((size, genes)), rng.standard_normal((size, dimension))
            limit = float(np.quantile(novelty(rng.standard_normal((300, dimension)), places), 1 - 5 / batch))
            archive = ProximityArchive(solution_dim=genes, measure_dim=dimension, k_neighbors=15, novelty_threshold=limit, seed=0)
            # All of them: the threshold is for what comes afterwards.
            archive._novelty_threshold, kept = 0.0, archive._novelty_threshold
            archive.add(genomes, np.zeros(size), places)
            archive._novelty_threshold = kept
            theirs = Scheduler(archive, [GaussianEmitter(archive, sigma=0.05, x0=np.zeros(genes), batch_size=batch, seed=0)])
            ours: Any = oche.algorithms.get("novelty-search", population=batch // 2, chunk=10**9)
            ours.setup(space, np.random.default_rng(0), Budget(trials=10**9))
            first = len(ours.ask_batch())
            ours.tell_batch(np.zeros(first), rng.standard_normal((first, dimension)))
            columns = {"genome": genomes, "reward": np.zeros(size), "number": np.arange(size), "given": places}
            ours.archive_ids += ours.members.add({**columns, "descriptor": places, "surprise": np.zeros(size)}, [None] * size)

            def our_step(ours: Any = ours, rng: np.random.Generator = rng, dimension: int = dimension) -> None:
                n = len(ours.ask_batch())
                ours.tell_batch(np.zeros(n), rng.standard_normal((n, dimension)))

            def their_step(theirs: Any = theirs, rng: np.random.Generator = rng, dimension: int = dimension) -> None:
                n = len(theirs.ask())
                theirs.tell(np.zeros(n), rng.standard_normal((n, dimension)))

            rates: dict[str, list[float]] = {"ours": [], "pyribs": []}
            for _ in range(rounds):
                rates["ours"].append(rate(steps, repeat, steps, our_step))
                rates["pyribs"].append(rate(steps, repeat, steps, their_step))
            for side, values in rates.items():
                costs[side].append(1000 / statistics.median(values))
            ratios = [a / b for a, b in zip(rates["ours"], rates["pyribs"], strict=True)]
            line = "; ".join(f"{k} {spread(v)}" for k, v in rates.items())
            added = (len(archive) - size) / (rounds * steps)
            line += f"; pyribs added {added:.1f} each; ours over pyribs {spread(ratios, 2)}"
            print(f"  d={dimension}, {size:,} in the archive: {line}", flush=True)
        grown = "; ".join(f"{side} {' -> '.join(f'{c:.1f}' for c in values)}" for side, values in costs.items())
        print(f"    growth, ms a generation at {' -> '.join(f'{size:,}' for size in sizes)}: {grown}")


def novelties(rounds: int, quick: bool) -> None:
    """Novelty of 36 and of 300 descriptors against an archive, ours beside pyribs' nearest neighbors."""
    has_ribs = importlib.util.find_spec("ribs") is not None
    print("\nnovelty, 15 neighbors: calls per processor second, and how they fall with the archive")
    for dimension in (2, 10, 50):
        for size in (1_000, 10_000) if quick else (1_000, 10_000, 50_000):
            rng = np.random.default_rng(0)
            known = rng.standard_normal((size, dimension))
            theirs = None
            if has_ribs:
                from ribs.archives import ProximityArchive

                theirs = ProximityArchive(solution_dim=1, measure_dim=dimension, k_neighbors=15, novelty_threshold=0.0, seed=0)
                theirs.add(np.zeros((size, 1)), np.zeros(size), known)
            for n in (36, 300):
                points, calls = rng.standard_normal((n, dimension)), 2 if quick or size > 10_000 else 6
                rates: dict[str, list[float]] = {"ours": [], "pyribs": [], "pyribs after 5 additions": []}
                for _ in range(rounds):
                    rates["ours"].append(rate(calls, repeat, calls, novelty, points, known))
                    if theirs is not None:
                        rates["pyribs"].append(rate(calls, repeat, calls, theirs.compute_novelty, points))
                        rates["pyribs after 5 additions"].append(rate(calls, repeat, calls, grow, theirs, points))
                line = f"  d={dimension}, {size:,} in the archive, {n} points: " + "; ".join(
                    f"{k} {spread(v)}" for k, v in rates.items() if v
                )
                if rates["pyribs"]:
                    line += "; ratios" + "".join(
                        f" {spread([x / y for x, y in zip(rates['ours'], rates[k], strict=True)])}" for k in list(rates)[1:]
                    )
                print(line, flush=True)


def grow(archive: Any, points: np.ndarray) -> None:
    """A generation of novelty search with pyribs: five additions, which make its tree anew, then novelty."""
    archive.add(np.zeros((5, 1)), np.zeros(5), points[:5] + 1e-3 * len(archive))
    archive.compute_novelty(points)


def main() -> int:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    with warnings.catch_warnings(), limited_threads(1):
        warnings.simplefilter("ignore")
        passed = episodes(given.rounds, given.quick)
        asks_and_tells(given.rounds, given.quick)
        novelty_searches(given.rounds, given.quick)
        novelties(given.rounds, given.quick)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
