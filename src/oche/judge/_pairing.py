"""Arms whose runs come in pairs: the same fold, split, query or training seed under both.

Pairs take out what both runs of a pair share, so they see smaller effects. They are allowed only where the caller names the units, every
unit is in both arms once, and no arm is a whole population. Searches and random members of a space share nothing of that kind: a report
never pairs.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from oche.errors import JudgeError
from oche.judge._permutation import sign_flip_p
from oche.judge._power import minimum_detectable
from oche.judge._row import Row

#: Up to so many pairs all flips are counted; from there on 100,000 are drawn.
_EXACT = 16
_DRAWN = 100_000


def pair_up(
    search: Sequence[float], random: Sequence[float], units: tuple[Sequence[Hashable], Sequence[Hashable]] | bool
) -> tuple[list[float], list[float]]:
    """Both arms in one order of units.

    Args:
        search: Results of one arm.
        random: Results of the other.
        units: The unit of every result of each arm; True: run i of one arm and run i of the other are a pair.

    Raises:
        JudgeError: unequal counts, a unit twice in an arm, or one that an arm lacks.
    """
    if units is True:
        if len(search) != len(random):
            raise JudgeError(
                f"paired: got {len(search)} and {len(random)} runs; allowed: equally many, run i of one with run i of the other"
            )
        return list(search), list(random)
    if not isinstance(units, tuple) or len(units) != 2:
        raise JudgeError(f"paired: got {units!r}; allowed: True, or the units of both arms, such as (seeds, seeds)")
    arms = []
    for name, values, keys in (("search", search, units[0]), ("random", random, units[1])):
        if len(keys) != len(values) or len(set(keys)) < len(keys):
            raise JudgeError(
                f"paired: got {len(keys)} units, {len(set(keys))} different, for {len(values)} runs of '{name}'; allowed: one each"
            )
        arms.append(dict(zip(keys, values, strict=True)))
    if alone := sorted(map(str, set(arms[0]) ^ set(arms[1]))):
        raise JudgeError(f"paired: got units in one arm only: {', '.join(alone[:8])}; allowed: every unit in both; compare without pairs")
    return [arms[0][key] for key in arms[0]], [arms[1][key] for key in arms[0]]


def paired_row(row: Row, search: Sequence[float], random: Sequence[float], seed: int) -> Row:
    """A row of unpaired arms with the interval, test and smallest effect of their pairs.

    The interval of the log ratio of means takes their covariance into account (delta method), with k - 1 degrees of freedom; p is that of
    sign flips, exact up to 16 pairs.
    """
    m, r = np.asarray(search, dtype=np.float64), np.asarray(random, dtype=np.float64)
    k, d = len(m), m - r
    quantile = float(stats.t.ppf(1 - row.alpha / 2, k - 1))
    sign = 1.0 if row.direction == "max" else -1.0
    half = quantile * float(d.std(ddof=1)) / math.sqrt(k)
    ends = sorted((sign * (float(d.mean()) - half), sign * (float(d.mean()) + half)))
    changed: dict[str, Any] = {"difference_low": ends[0], "difference_high": ends[1], "ci": "paired-t", "nu": float(k - 1)}
    if row.scale == "relative":
        # Of every pair its part in the log ratio, to first order.
        parts = m / m.mean() - r / r.mean()
        reach = quantile * float(parts.std(ddof=1)) / math.sqrt(k)
        log = math.log(m.mean() / r.mean())
        relative = sorted(sign * 100 * math.expm1(log + s * reach) for s in (-1, 1))
        changed |= {"ri_low": relative[0] + 0.0, "ri_high": relative[1] + 0.0, "ci": "paired-log"}
    p = sign_flip_p(d.tolist(), seed)
    mde = minimum_detectable(float(d.std(ddof=1)), k, 0.0, None, alpha=row.alpha)
    exact = k <= _EXACT
    better = (sign * d > 0).mean() + 0.5 * (d == 0).mean()
    found = replace(
        row, **changed, p=p, p_adj=p, p_smallest=2.0 ** (1 - k) if exact else 1 / (_DRAWN + 1), a12=float(better), mde=mde, mde_family=mde,
        p_method=f"sign flips of pairs, {'exact' if exact else f'{_DRAWN:,} drawn'}",
        mde_relative=100.0 * mde / row.mean_r if row.scale == "relative" else math.nan,
    )  # fmt: skip
    return found if row.equivalent is None else replace(found, equivalent=None)
