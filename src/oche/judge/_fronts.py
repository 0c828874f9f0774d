"""Searches by several objectives: are their fronts better than those of random search at equal cost?

Two answers that do not depend on how objectives are weighted. *Hypervolume*: the volume that a front dominates above a reference
point that is the same for all fronts of the task; one number per run, judged like any other result. *Attainment*: which part of the
space of results half of the runs reach; the largest difference between two arms is tested by permuting whole runs, and the volume of
the median attainment has a bootstrap interval. Objectives are scaled to the ranges of all fronts together: units do not matter.

Points are as the searches measured them: a front is compared with fronts, never with the final training of one point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import qmc

from oche._pareto import hypervolume, pareto_front
from oche.errors import JudgeError
from oche.judge._arms import TIE, make_arm
from oche.judge._compare import Settings, compare_arms
from oche.judge._cost import check_cost
from oche.judge._grouping import Group, dataset_name
from oche.judge._holm import holm
from oche.judge._permutation import DRAWS, EXACT_LIMIT, all_splits
from oche.judge._row import Row
from oche.seeds import generator
from oche.store.record import Record

#: The reference point lies so far below the worst value of each objective, as a share of its range.
MARGIN = 0.1
#: Points at which attainment is read, a power of two.
POINTS = 4096
RESAMPLES = 2000
_MOST_SPLITS = 20_000


@dataclass(frozen=True)
class FrontRow:
    """One method's fronts against those of random search.

    Args:
        dataset: Short name of the data.
        algorithm: What is judged.
        objectives: Direction of each objective.
        reference: The reference point, in the units of the objectives.
        best: Best value of each objective in any front of the task: the corner opposite to the reference.
        volume: Test of the hypervolumes, as shares of the box between the reference and the best values.
        attained_m: Volume that at least half of the method's runs attain, as a share of the same box.
        attained_r: The same of random search.
        attained_low: Lower end of the bootstrap interval of their difference.
        attained_high: Upper end.
        largest_gap: Largest difference between the shares of runs that attain one point, method minus random where that is larger in size.
        gap_at: Where it is, in the units of the objectives.
        gap_p: p of the largest difference, permuting whole runs.
        gap_p_adj: The same after Holm over the methods of the report.
        fronts_m: Scaled fronts of the method's runs.
        fronts_r: Scaled fronts of random search.
    """

    dataset: str
    algorithm: str
    objectives: dict[str, str]
    reference: dict[str, float]
    best: dict[str, float]
    volume: Row
    attained_m: float
    attained_r: float
    attained_low: float
    attained_high: float
    largest_gap: float
    gap_at: dict[str, float]
    gap_p: float
    gap_p_adj: float
    fronts_m: tuple[tuple[tuple[float, ...], ...], ...]
    fronts_r: tuple[tuple[tuple[float, ...], ...], ...]

    @property
    def attained(self) -> float:
        """Difference of the attained volumes."""
        return self.attained_m - self.attained_r

    @property
    def verdict(self) -> str:
        """The verdict on the hypervolumes."""
        return self.volume.verdict

    def __str__(self) -> str:
        row = self.volume
        return (
            f"{self.algorithm} on {self.dataset}: hypervolume {row.mean_m:.4f} vs {row.mean_r:.4f} of random search "
            f"({row.difference:+.4f} [{row.difference_low:+.4f}, {row.difference_high:+.4f}], p {row.p_adj:.4g}): {self.verdict}; "
            f"half of the runs attain {self.attained_m:.4f} vs {self.attained_r:.4f} "
            f"[{self.attained_low:+.4f}, {self.attained_high:+.4f}], largest gap {self.largest_gap:+.2f} (p {self.gap_p_adj:.4g})"
        )

    def to_json(self) -> dict[str, Any]:
        """All fields, the test of hypervolumes as a row of the report."""
        plain = {k: v for k, v in asdict(replace(self, volume=replace(self.volume, null=None))).items() if k != "volume"}
        return {**plain, "attained": self.attained, "volume": self.volume.to_json(), "verdict": self.verdict}


def fronts_of(groups: Sequence[Group], settings: Settings, reference: Mapping[str, float] | None = None) -> tuple[FrontRow, ...]:
    """Judge every method whose records hold a front against the random search of the same place whose cost is nearest.

    Args:
        groups: Arms.
        settings: Level and seed.
        reference: Worst value that counts, by objective; found from all fronts of the task by default.

    Raises:
        JudgeError: objectives of one task differ, or a front lacks one.
    """
    rows: list[FrontRow] = []
    for place in dict.fromkeys(g.place for g in groups):
        here = [g for g in groups if g.place == place and g.role != "baseline" and any(r.front for r in g.done)]
        randoms = [g for g in here if g.role == "random_search" and _fronted(g) >= 2]
        methods = [g for g in here if g.role == "search" and _fronted(g) >= 2]
        if randoms and methods:
            rows.extend(_judge(methods, randoms, settings, reference))
    if not rows:
        return ()
    volumes, gaps = holm([r.volume.p for r in rows]), holm([r.gap_p for r in rows])
    return tuple(
        replace(row, volume=row.volume.adjusted(p, len(rows)), gap_p_adj=gap) for row, p, gap in zip(rows, volumes, gaps, strict=True)
    )


def _fronted(group: Group) -> int:
    return sum(bool(r.front) for r in group.done)


def _judge(methods: Sequence[Group], randoms: Sequence[Group], settings: Settings, reference: Mapping[str, float] | None) -> list[FrontRow]:
    objectives = dict(methods[0].first.objectives)
    raw = {id(g): [_points(r, objectives) for r in g.done if r.front] for g in (*methods, *randoms)}
    everything = np.concatenate([p for fronts in raw.values() for p in fronts])
    best = everything.max(axis=0)
    worst = everything.min(axis=0)
    low = worst - MARGIN * (best - worst)
    if reference is not None:
        missing = [o for o in objectives if o not in reference]
        if missing:
            raise JudgeError(f"reference: got {sorted(reference)}; allowed: a value for each of {', '.join(objectives)}")
        low = np.array([float(reference[o]) * (1 if d == "max" else -1) for o, d in objectives.items()])
    span = np.where(best > low, best - low, 1.0)
    scaled = {key: [_front((p - low) / span) for p in fronts] for key, fronts in raw.items()}
    found = []
    for group in methods:
        base = _nearest(group, randoms)
        found.append(_row(group, base, scaled[id(group)], scaled[id(base)], objectives, (low, span), settings))
    return found


def _points(record: Record, objectives: Mapping[str, str]) -> np.ndarray:
    """The front of one run, every objective maximized, `(points, objectives)`."""
    if dict(record.objectives) != dict(objectives):
        raise JudgeError(
            f"run {record.id}: got objectives {dict(record.objectives)}; allowed: {dict(objectives)}, as the other runs of the task"
        )
    rows = []
    for point in record.front:
        metrics = point.get("metrics", {})
        try:
            rows.append([float(metrics[name]) * (1 if direction == "max" else -1) for name, direction in objectives.items()])
        except (KeyError, TypeError, ValueError):
            raise JudgeError(f"run {record.id}: got a point with {sorted(metrics)}; allowed: numbers for {', '.join(objectives)}") from None
    found = np.array(rows, dtype=np.float64)
    if not np.isfinite(found).all():
        raise JudgeError(f"run {record.id}: got a front with a value that is not finite; allowed: finite numbers; leave the point out")
    return found


def _front(points: np.ndarray) -> np.ndarray:
    return points[pareto_front(points)]


def _nearest(group: Group, randoms: Sequence[Group]) -> Group:
    """The random search whose cost is nearest."""

    def distance(other: Group) -> tuple[bool, bool, float]:
        check = check_cost(group.done, other.done)
        return (not check.declared, not check.equal, abs(math.log(check.ratio)) if check.ratio else math.inf)

    return min(randoms, key=distance)


def _row(
    group: Group,
    base: Group,
    mine: Sequence[np.ndarray],
    theirs: Sequence[np.ndarray],
    objectives: dict[str, str],
    scale: tuple[np.ndarray, np.ndarray],
    settings: Settings,
) -> FrontRow:
    zero = [0.0] * len(objectives)
    m = make_arm(group.label, [hypervolume(f, zero) for f in mine], letter="k", unit="")
    r = make_arm(base.label, [hypervolume(f, zero) for f in theirs], letter="n", unit="")
    cost = check_cost(group.done, base.done)
    plain = replace(settings, unit="", direction="max", scale="points", n_report=None, ci="welch-log", delta=None)
    row = compare_arms(m, r, plain, dataset=dataset_name(group.first), algorithm=group.label, against="random search")
    row = replace(row, equal_cost=cost.equal, cost_ratio=cost.ratio, cost_unit=cost.unit)
    points = qmc.Sobol(len(objectives), rng=generator(settings.seed, "judge", "attainment")).random(POINTS)
    reached = np.array([_attained(f, points) for f in (*mine, *theirs)])
    gap, at, p = _gap(reached, len(mine), settings.seed)
    volumes = _median_volume(reached[: len(mine)]), _median_volume(reached[len(mine) :])
    low, high = _bootstrap(reached, len(mine), settings)
    names, signs = list(objectives), np.array([1.0 if d == "max" else -1.0 for d in objectives.values()])
    return FrontRow(
        dataset=dataset_name(group.first),
        algorithm=group.label,
        objectives=objectives,
        reference=dict(zip(names, map(float, signs * scale[0]), strict=True)),
        best=dict(zip(names, map(float, signs * (scale[0] + scale[1])), strict=True)),
        volume=row,
        attained_m=volumes[0],
        attained_r=volumes[1],
        attained_low=low,
        attained_high=high,
        largest_gap=gap,
        gap_at=dict(zip(names, map(float, signs * (scale[0] + points[at] * scale[1])), strict=True)),
        gap_p=p,
        gap_p_adj=p,
        fronts_m=tuple(tuple(tuple(map(float, p)) for p in f) for f in mine),
        fronts_r=tuple(tuple(tuple(map(float, p)) for p in f) for f in theirs),
    )


def _attained(front: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Which points a front weakly dominates, `(POINTS,)` booleans."""
    return np.asarray((front[:, None, :] >= points[None]).all(axis=2).any(axis=0))


def _median_volume(reached: np.ndarray) -> float:
    return float((reached.mean(axis=0) >= 0.5).mean())


def _gap(reached: np.ndarray, k: int, seed: int) -> tuple[float, int, float]:
    """Largest difference of attainment with its place, and its p over splits of whole runs."""
    total = len(reached)
    hits = reached.astype(np.float64)
    observed = hits[:k].mean(axis=0) - hits[k:].mean(axis=0)
    at = int(np.abs(observed).argmax())
    # Points that the same runs attain are the same point for this test.
    patterns = np.unique(hits.T, axis=0).T
    if math.comb(total, k) <= min(EXACT_LIMIT, _MOST_SPLITS):
        chosen, extra = all_splits(total, k), 0
    else:
        rng = generator(seed, "judge", "attainment permutation")
        chosen, extra = np.argsort(rng.random((min(DRAWS, _MOST_SPLITS), total)), axis=1)[:, :k], 1
    everything, count = patterns.sum(axis=0), 0
    for part in np.array_split(chosen, max(1, len(chosen) * patterns.shape[1] // 4_000_000)):
        member = np.zeros((len(part), total))
        member[np.arange(len(part))[:, None], part] = 1.0
        inside = member @ patterns
        distance = np.abs(inside / k - (everything - inside) / (total - k)).max(axis=1)
        count += int((distance >= abs(observed[at]) - TIE).sum())
    return float(observed[at]), at, (count + extra) / (len(chosen) + extra)


def _bootstrap(reached: np.ndarray, k: int, settings: Settings) -> tuple[float, float]:
    """Percentile interval of the difference of median attainment volumes, runs resampled in both arms."""
    rng = generator(settings.seed, "judge", "attainment bootstrap")
    differences = np.empty(RESAMPLES)
    arms = (reached[:k].astype(np.float32), reached[k:].astype(np.float32))
    for start in range(0, RESAMPLES, 250):
        size = min(250, RESAMPLES - start)
        volumes = []
        for arm in arms:
            counts = rng.multinomial(len(arm), np.full(len(arm), 1.0 / len(arm)), size=size).astype(np.float32)
            volumes.append((counts @ arm >= 0.5 * len(arm)).mean(axis=1))
        differences[start : start + size] = volumes[0] - volumes[1]
    low, high = np.quantile(differences, [settings.alpha / 2, 1 - settings.alpha / 2])
    return float(low), float(high)
