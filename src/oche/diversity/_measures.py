"""What a policy search is judged by, from its trials alone: coverage of the true grid, rewards by zone, shares of the budget.

True descriptors are measured, never given to an algorithm that learns its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oche.diversity._rollout import Grid
from oche.errors import ArgumentError

#: Points of a curve.
_POINTS = 60

#: Phase of a proposal that says nothing of it.
EXPLORE = "explore"


def coverage(descriptors: Any, grid: Grid) -> float:
    """Share of the grid's cells that hold at least one descriptor.

    Args:
        descriptors: `(n, 2)`.
        grid: The grid.

    Raises:
        ArgumentError: a descriptor lies outside the grid.

    Example:
        >>> coverage([(0.1, 0.1), (0.1, 0.1), (1.0, 1.0)], Grid(0, 1))
        0.0008
    """
    cells = grid.cell_index(descriptors)
    if (outside := np.flatnonzero(cells < 0)).size:
        found = np.asarray(descriptors, dtype=float).reshape(-1, 2)[outside[0]]
        raise ArgumentError(f"descriptor: got {found.tolist()} in row {outside[0]}; allowed: [{grid.low}, {grid.high}] on both axes")
    return len(np.unique(cells)) / grid.size


def coverage_percent(filled: int, grid: Grid) -> float:
    """Percent of the grid's cells."""
    return 100 * filled / grid.size


def uniformity(cells: Any, n: int) -> float:
    """How evenly `n` cells are visited: 1 less the Jensen-Shannon distance (base 2) to the uniform distribution.

    Args:
        cells: Flat indices of visited cells, one per visit.
        n: Number of cells.

    Source: the STAX repository's measure.

    Example:
        >>> uniformity([0, 1, 2, 3], 4)
        1.0
    """
    counts = np.bincount(np.asarray(cells, dtype=np.int64), minlength=n)
    if not counts.sum():
        return 0.0
    p, q = counts / counts.sum(), np.full(n, 1 / n)
    middle = (p + q) / 2
    seen = p > 0
    divergence = (p[seen] * np.log2(p[seen] / middle[seen])).sum() / 2 + (q * np.log2(q / middle)).sum() / 2
    return float(1 - np.sqrt(max(0.0, divergence)))


def summarize(trials: Sequence[Any], grid: Grid | None, zones: Sequence[str]) -> tuple[dict[str, float], dict[str, list[list[float]]]]:
    """Metrics and curves of a run.

    Args:
        trials: Its ended trials in the order of asks; each has `feedback` and `proposal.info` with, where the algorithm says it, `phase`
            and `zone` (of the policy that its emitter started from).
        grid: Grid of the true descriptors, None to measure no coverage.
        zones: Names of all reward zones.

    Returns:
        Metrics: `coverage` and `coverage_reachable` (percent of cells filled by policies of the exploration), `coverage_all` (by all
        policies), `uniformity`, `rewarding_cells`, `zones_found`, `reward_mean` (mean over zones of the largest reward), for each zone
        its largest reward and the number of evaluations to its first reward (left out if there is none), the share of each phase, the
        mean over the budget of coverage and mean reward (`area_`), and `outside` (descriptors beyond the grid, if there are any).
        Curves over evaluations: `coverage`, `reward_mean`, `reward_<zone>`, `share_<phase>`.
    """
    told = [t for t in trials if t.feedback is not None]
    metrics: dict[str, float] = {"evaluations": float(len(told))}
    curves: dict[str, list[list[float]]] = {}
    phases = [str(t.proposal.info.get("phase", EXPLORE)) for t in told]
    at = np.unique(np.linspace(1, len(told), _POINTS).round().astype(int)) if told else np.zeros(0, dtype=int)
    if grid is not None:
        _cover(told, phases, grid, at, metrics, curves)
    _reward(told, zones, at, metrics, curves)
    _share(told, phases, at, metrics, curves)
    return metrics, curves


def _cover(
    told: Sequence[Any], phases: Sequence[str], grid: Grid, at: np.ndarray, metrics: dict[str, float], curves: dict[str, Any]
) -> None:
    known = np.array([t.feedback.descriptor is not None for t in told], dtype=bool)
    cells = np.full(len(told), -1)
    if known.any():
        cells[known] = grid.cell_index([t.feedback.descriptor for t in told if t.feedback.descriptor is not None])
        if outside := int((cells[known] < 0).sum()):
            metrics["outside"] = float(outside)
    explored = np.array([p == EXPLORE for p in phases], dtype=bool) & (cells >= 0)
    percent = 100 / grid.size
    curve = [[float(n), percent * len(np.unique(cells[:n][explored[:n]]))] for n in at]
    metrics["coverage"] = curve[-1][1] if curve else 0.0
    metrics["coverage_reachable"] = metrics["coverage"] * grid.size / grid.n_reachable
    metrics["coverage_all"] = percent * len(np.unique(cells[cells >= 0]))
    metrics["uniformity"] = uniformity(cells[explored], grid.size)
    metrics["rewarding_cells"] = float(
        len({int(c) for c, t in zip(cells, told, strict=True) if c >= 0 and t.feedback.ok and t.feedback.zone is not None})
    )
    metrics["area_coverage"] = _area(curve)
    curves["coverage"] = curve


def _reward(told: Sequence[Any], zones: Sequence[str], at: np.ndarray, metrics: dict[str, float], curves: dict[str, Any]) -> None:
    best = np.full((len(zones), len(told)), -np.inf)
    for i, name in enumerate(zones):
        best[i] = [t.feedback.scalar if t.feedback.ok and t.feedback.zone == name else -np.inf for t in told]
        if len(first := np.flatnonzero(np.isfinite(best[i]))):
            metrics[f"first_{_key(name)}"] = float(first[0] + 1)
    # 0 before a zone is reached; where rewards are costs, one below 0 from then on.
    best = np.maximum.accumulate(best, axis=1)
    reached = np.isfinite(best)
    best = np.where(reached, best, 0.0)
    for i, name in enumerate(zones):
        metrics[f"reward_{_key(name)}"] = float(best[i, -1]) if told else 0.0
        curves[f"reward_{_key(name)}"] = [[float(n), float(best[i, n - 1])] for n in at]
    if zones:
        mean = [[float(n), float(best[:, n - 1].mean())] for n in at]
        metrics["reward_mean"] = mean[-1][1] if mean else 0.0
        metrics["zones_found"] = float(reached[:, -1].sum()) if told else 0.0
        metrics["area_reward_mean"] = _area(mean)
        curves["reward_mean"] = mean


def _share(told: Sequence[Any], phases: Sequence[str], at: np.ndarray, metrics: dict[str, float], curves: dict[str, Any]) -> None:
    if not told:
        return
    for phase in sorted(set(phases)):
        count = np.cumsum([p == phase for p in phases])
        metrics[f"share_{_key(phase)}"] = float(count[-1] / len(told))
        curves[f"share_{_key(phase)}"] = [[float(n), float(count[n - 1] / n)] for n in at]
    spent: Mapping[str, int] = Counter(str(t.proposal.info["zone"]) for t in told if t.proposal.info.get("zone"))
    for zone, count in sorted(spent.items()):
        metrics[f"share_{_key(zone)}"] = count / len(told)


def _area(curve: Sequence[Sequence[float]]) -> float:
    """Mean height of a curve from its first to its last point."""
    if len(curve) < 2:
        return curve[0][1] if curve else 0.0
    x, y = np.array(curve).T
    return float(np.trapezoid(y, x) / (x[-1] - x[0]))


def _key(name: str) -> str:
    return name.replace(" ", "_").replace("-", "_")
