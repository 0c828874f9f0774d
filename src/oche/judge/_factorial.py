"""A grid of methods over factors: what the method is worth against what surrounds it, and whether the order of methods survives.

Every method ran several times in every cell of a complete grid (supernet variant, operation set, recipe). The sum of squares is divided
among methods, factors, their interactions and the noise of runs; what noise alone would give an effect is taken off its share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np
from scipy import stats

from oche.errors import JudgeError
from oche.judge._compare import compare
from oche.judge._holm import holm
from oche.judge._row import Row
from oche.judge._verdict import UNDECIDABLE
from oche.seeds import generator

#: Name of the factor that holds the methods, and of what no effect explains.
METHOD, NOISE = "method", "noise"
_RESAMPLES = 1000


@dataclass(frozen=True)
class Effect:
    """What one factor, or factors together beyond what each does alone, are worth.

    Args:
        name: `recipe`, or `method x recipe` for an interaction; `noise` for the runs of one cell.
        factors: The factors.
        df: Degrees of freedom.
        ss_share: Its share of the sum of squares, percent; noise alone gives every effect some.
        share: Its share of the variance of one run after noise is taken off, percent.
        low: Lower end of the interval of `share`, by a parametric bootstrap: means and noise are drawn anew from the pooled noise.
        high: Upper end.
        p: Of the F test against noise; NaN for the noise itself.
        p_adj: The same after Holm over all effects.
    """

    name: str
    factors: tuple[str, ...]
    df: int
    ss_share: float
    share: float
    low: float
    high: float
    p: float
    p_adj: float


@dataclass(frozen=True)
class OrderPair:
    """How far the order of methods agrees between cells that differ in one factor alone.

    Args:
        factor: Which; `any` for all pairs of cells.
        tau: Mean Kendall's tau-b of the methods' means.
        low: Lower end of its interval, by the same bootstrap.
        high: Upper end.
        pairs: Pairs of cells.
    """

    factor: str
    tau: float
    low: float
    high: float
    pairs: int


@dataclass(frozen=True)
class Grid:
    """A judged grid.

    Args:
        factors: Names of the factors in their order, methods last.
        levels: Factor to its levels.
        means: Mean per cell and method: level of every factor and method, then mean, sd and runs.
        effects: Shares, largest first, noise last.
        order: Agreement of the order of methods, by the factor that changes; all pairs first.
        repeat_tau: Tau that two repetitions of the same cell would have, given the noise of its runs.
        rows: Every method against the random arm, cell by cell; Holm over all of them.
        random: Name of the random arm, or None.
        unit: Unit of the results.
    """

    factors: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    means: tuple[tuple[tuple[str, ...], float, float, int], ...]
    effects: tuple[Effect, ...]
    order: tuple[OrderPair, ...]
    repeat_tau: float
    rows: tuple[Row, ...]
    random: str | None
    unit: str

    def effect(self, name: str) -> Effect:
        """The effect of this name.

        Raises:
            JudgeError: there is none.
        """
        for found in self.effects:
            if found.name == name:
                return found
        raise JudgeError(f"effect: got {name!r}; allowed: {', '.join(repr(e.name) for e in self.effects)}")

    @property
    def verdict(self) -> tuple[str, ...]:
        """In whole sentences."""
        return (_claim(self), _shares_said(self), *_rows_said(self), _order_said(self))

    def to_json(self) -> dict[str, Any]:
        """All fields with the verdict; what is undefined is None."""
        plain = {key: value for key, value in asdict(self).items() if key != "rows"}
        return _finite({"kind": "grid", **plain, "rows": [r.to_json() for r in self.rows], "verdict": list(self.verdict)})


def grid(
    values: Mapping[tuple[str, ...], Sequence[float]],
    factors: Sequence[str],
    *,
    random: str | None = "random",
    alpha: float = 0.05,
    seed: int = 0,
    unit: str = "%",
    direction: str = "max",
) -> Grid:
    """Divide the variance of a grid among method, factors, interactions and noise; compare orders; judge methods by the random arm.

    Args:
        values: Results of the runs by cell and method: the level of every factor in order, the method last, such as
            `("wide", "no-skip", "lr 0.1", "darts")`. The grid must be complete, with 2 runs or more everywhere.
        factors: Names of the factors, without the method.
        random: Name of the method that is the random arm; it counts as a method. None, or absent from the grid: no rows are judged.
        alpha: Level of the intervals and of the tests.
        seed: Root of the bootstrap.
        unit: Unit of the results.
        direction: `max` or `min`.

    Raises:
        JudgeError: the grid has holes, fewer than 2 runs in an arm or 2 methods, or a result that is not finite.

    Source: the share of variance is the fixed-effects form of omega squared, over effects and noise.

    Example:
        >>> found = grid({(r, m): [70 + 10 * (r == "b") + (m == "x"), 71 + 10 * (r == "b")] for r in "ab" for m in "xy"}, ["recipe"])
        >>> found.effects[0].name
        'recipe'
    """
    names = (*factors, METHOD)
    levels = _levels(values, names)
    # A single level is no factor of the analysis, but stays in the names of the cells.
    shape = tuple(len(levels[n]) for n in names)
    arms = [np.asarray(values[key], dtype=np.float64) for key in product(*(levels[n] for n in names))]
    means = np.array([a.mean() for a in arms]).reshape(shape)
    counts = np.array([len(a) for a in arms])
    if len(levels[METHOD]) < 2:
        raise JudgeError(f"grid: got {len(levels[METHOD])} method; allowed: 2 or more, of which one may be the random arm")
    rng = generator(seed, "judge", "grid")
    df_within = int(counts.sum() - len(counts))
    noise = sum(float(((a - a.mean()) ** 2).sum()) for a in arms) / df_within
    # Pooled, since the few runs of one arm are too few to be drawn from.
    drawn = means + (rng.standard_normal((_RESAMPLES, means.size)) * np.sqrt(noise / counts)).reshape(_RESAMPLES, *shape)
    noises = noise * df_within / rng.chisquare(df_within, _RESAMPLES)
    effects = _effects(names, means, counts, noise, (drawn, noises), alpha)
    order, repeat = _orders(names, shape, means, drawn, alpha)
    rows = _rows(values, levels, names, random, alpha, seed, unit, direction)
    return Grid(
        factors=names,
        levels=levels,
        means=tuple(
            (key, float(a.mean()), float(a.std(ddof=1)), len(a)) for key, a in zip(product(*(levels[n] for n in names)), arms, strict=True)
        ),
        effects=effects,
        order=order,
        repeat_tau=repeat,
        rows=rows,
        random=random if rows else None,
        unit=unit,
    )


def _levels(values: Mapping[tuple[str, ...], Sequence[float]], names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    if len(set(names)) < len(names):
        raise JudgeError(f"grid: got factors {list(names[:-1])}; allowed: different names, none of them {METHOD!r}")
    for key, runs in values.items():
        if len(key) != len(names):
            raise JudgeError(f"grid: got cell {key!r}; allowed: {len(names)} names, of {', '.join(names)}")
        if len(runs) < 2:
            raise JudgeError(f"grid, {' / '.join(key)}: needs at least 2 runs per arm, got {len(runs)}")
        if not np.isfinite(np.asarray(runs, dtype=np.float64)).all():
            raise JudgeError(f"grid, {' / '.join(key)}: got a result that is not finite; allowed: finite numbers")
    levels = {name: tuple(dict.fromkeys(key[i] for key in values)) for i, name in enumerate(names)}
    for key in product(*levels.values()):
        if key not in values:
            raise JudgeError(f"grid: got no runs of {' / '.join(key)}; allowed: a complete grid, every method in every cell")
    return levels


def _contrast(means: np.ndarray, axes: Sequence[int], first: int) -> np.ndarray:
    """The part of a table of means that belongs to some axes together: differences from every smaller combination, summed over cells.

    Args:
        means: Table, with `first` leading axes that are kept apart.
        axes: Axes of the effect.
        first: Number of leading axes.

    Returns:
        Sum of squares over the cells of the table, one per leading index.
    """
    every = range(first, means.ndim)
    part = means
    for axis in every:
        average = part.mean(axis=axis, keepdims=True)
        part = part - average if axis - first in axes else average
    cells = math.prod(means.shape[a] for a in every if a - first not in axes)
    return cells * (part**2).sum(axis=tuple(every))


def _effects(
    names: Sequence[str], means: np.ndarray, counts: np.ndarray, noise: float, drawn: tuple[np.ndarray, np.ndarray], alpha: float
) -> tuple[Effect, ...]:
    # Unequal counts: the table of means is divided, each mean as sure as the harmonic count says.
    n = len(counts) / (1.0 / counts).sum()
    df_within = int(counts.sum() - len(counts))
    within = noise * df_within
    active = [i for i, size in enumerate(means.shape) if size > 1]
    combos = [c for k in range(1, len(active) + 1) for c in combinations(active, k)]
    squares = np.array([n * float(_contrast(means, c, 0)) for c in combos])
    df = np.array([math.prod(means.shape[i] - 1 for i in c) for c in combos])
    total = squares.sum() + within
    shares = _shares(squares, df, noise, n * means.size)
    # A drawn mean has the noise of the data and once more that of the drawing.
    again = np.stack([n * _contrast(drawn[0], c, 1) for c in combos], axis=1)
    resampled = _shares(again - df * noise, df, drawn[1][:, None], n * means.size, off=noise)
    low, high = np.quantile(resampled, [alpha / 2, 1 - alpha / 2], axis=0)
    p = [float(stats.f.sf(s / d / noise, d, df_within)) if noise > 0 else (0.0 if s > 0 else 1.0) for s, d in zip(squares, df, strict=True)]
    adjusted = holm(p)
    found = [
        Effect(
            name=" x ".join(names[i] for i in reversed(c)) if len(c) > 1 else names[next(iter(c))],
            factors=tuple(names[i] for i in c),
            df=int(df[j]),
            ss_share=100 * float(squares[j]) / float(total) if total > 0 else 0.0,
            share=float(shares[j]),
            low=float(low[j]),
            high=float(high[j]),
            p=p[j],
            p_adj=float(adjusted[j]),
        )
        for j, c in enumerate(combos)
    ]
    share, lower, upper = (float(v[-1]) for v in (shares, low, high))
    left = 100 * within / float(total) if total > 0 else 0.0
    rest = Effect(NOISE, (), df_within, left, share, lower, upper, math.nan, math.nan)
    return (*sorted(found, key=lambda e: -e.share), rest)


def _shares(squares: np.ndarray, df: np.ndarray, noise: Any, runs: float, off: float | None = None) -> np.ndarray:
    """Shares of the variance of one run, percent, in the last axis: of every effect, the noise last.

    Args:
        squares: Sums of squares.
        df: Degrees of freedom.
        noise: Variance of a run.
        runs: All runs.
        off: What noise gives to a sum of squares by degree of freedom, if not `noise`.
    """
    parts = np.maximum(0.0, squares - df * (noise if off is None else off)) / runs
    parts = np.concatenate([parts, np.broadcast_to(noise, (*parts.shape[:-1], 1))], axis=-1)
    whole = parts.sum(axis=-1, keepdims=True)
    return 100 * parts / np.where(whole > 0, whole, 1.0)


def _orders(
    names: Sequence[str], shape: tuple[int, ...], means: np.ndarray, drawn: np.ndarray, alpha: float
) -> tuple[tuple[OrderPair, ...], float]:
    """Mean tau of the order of methods over pairs of cells, and that of two draws of the same cell."""
    methods = shape[-1]
    if methods < 3:
        return (), math.nan
    cells = list(product(*(range(s) for s in shape[:-1])))
    table = means.reshape(len(cells), methods)
    resampled = drawn.reshape(len(drawn), len(cells), methods)
    pairs: dict[str, list[tuple[int, int]]] = {"any": []}
    for i, j in combinations(range(len(cells)), 2):
        differing = [k for k in range(len(cells[i])) if cells[i][k] != cells[j][k]]
        pairs["any"].append((i, j))
        if len(differing) == 1:
            pairs.setdefault(names[differing[0]], []).append((i, j))
    found = []
    for factor, chosen in pairs.items():
        if not chosen:
            continue
        observed = _mean_tau(table[None], chosen)[0]
        draws = _mean_tau(resampled, chosen)
        low, high = np.nanquantile(draws, [alpha / 2, 1 - alpha / 2])
        found.append(OrderPair(factor, float(observed), float(low), float(high), len(chosen)))
    half = len(drawn) // 2
    same = np.stack([resampled[:half], resampled[half : 2 * half]], axis=2)
    repeats = [_mean_tau(same[:, c], [(0, 1)]) for c in range(len(cells))]
    return tuple(found), float(np.nanmean(repeats))


def _mean_tau(tables: np.ndarray, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """Mean tau-b over pairs of rows, for each of many tables `(tables, rows, methods)`; a row of equal numbers agrees with none."""
    upper = np.triu_indices(tables.shape[-1], 1)
    signs = np.sign(tables[..., :, None] - tables[..., None, :])[..., upper[0], upper[1]]
    one, other = signs[:, [i for i, _ in pairs]], signs[:, [j for _, j in pairs]]
    with np.errstate(invalid="ignore", divide="ignore"):
        taus = (one * other).sum(-1) / np.sqrt((one**2).sum(-1) * (other**2).sum(-1))
    return np.nan_to_num(taus, nan=0.0).mean(axis=1)


def _rows(
    values: Mapping[tuple[str, ...], Sequence[float]],
    levels: Mapping[str, tuple[str, ...]],
    names: Sequence[str],
    random: str | None,
    alpha: float,
    seed: int,
    unit: str,
    direction: str,
) -> tuple[Row, ...]:
    if random is None or random not in levels[METHOD]:
        return ()
    rows = []
    for cell in product(*(levels[n] for n in names[:-1])):
        for method in levels[METHOD]:
            if method != random:
                row = compare(
                    values[(*cell, method)], values[(*cell, random)], alpha=alpha, seed=seed, unit=unit, direction=direction,
                    scale="relative" if min(values[(*cell, random)]) > 0 else "points",
                )  # fmt: skip
                rows.append(replace(row, dataset=" / ".join(cell), algorithm=method, against="random average"))
    return tuple(row.adjusted(float(p), len(rows)) for row, p in zip(rows, holm([r.p for r in rows]), strict=True))


def _claim(found: Grid) -> str:
    """Which surroundings matter more, or less, than the method, as far as intervals tell."""
    main = [e for e in found.effects if len(e.factors) == 1 and e.name != METHOD]
    method = found.effect(METHOD)
    above = [e.name for e in main if e.low > method.high]
    below = [e.name for e in main if method.low > e.high]
    said = []
    if above:
        said.append(f"{_and(above)} {'matter' if len(above) > 1 else 'matters'} more than the method")
    if below:
        said.append(f"the method matters more than {_and(below)}")
    text = "; ".join(said) or "no factor is shown to matter more or less than the method"
    return f"{text[:1].upper()}{text[1:]}."


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _shares_said(found: Grid) -> str:
    parts = ", ".join(f"{e.name} {e.share:.1f} % [{e.low:.1f}, {e.high:.1f}]" for e in found.effects if len(e.factors) == 1)
    together = sum(e.share for e in found.effects if len(e.factors) > 1)
    return f"Shares of the variance of one run: {parts}, interactions {together:.1f} %, noise of runs {found.effects[-1].share:.1f} %."


def _rows_said(found: Grid) -> list[str]:
    if not found.rows:
        return ["No random arm in the grid, so no method is judged against the average."]
    wins, losses = (sum(getattr(r, what) for r in found.rows) for what in ("wins", "loses"))
    rest = len(found.rows) - wins - losses
    undecidable = sum(r.verdict == UNDECIDABLE for r in found.rows)
    said = (
        f"Against random members of the same cell of the grid, {wins} of {len(found.rows)} comparisons are better, {losses} worse, "
        f"{rest} show no difference (Holm over all of them)"
    )
    if undecidable:
        said += f"; {undecidable} could not have shown one with so few runs"
    return [said + "."]


def _order_said(found: Grid) -> str:
    if not found.order:
        return "Fewer than 3 methods have no order to speak of."
    parts = []
    for pair in found.order[1:]:
        parts.append(f"{pair.tau:.2f} [{pair.low:.2f}, {pair.high:.2f}] where only the {pair.factor} changes")
    return (
        f"The order of methods agrees between two cells of the grid with Kendall's tau {found.order[0].tau:.2f}"
        f"{' (' + ', '.join(parts) + ')' if parts else ''}; two repetitions of one cell would agree with about {found.repeat_tau:.2f}."
    )


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
