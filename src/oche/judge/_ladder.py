"""The ladder: the same architectures trained under one protocol after the other, so that tricks and architectures can be weighed.

Every rung is compared with the rung before and with the first one, pair by pair, since the architectures are the same. How much of all
variance belongs to the protocol and how much to the architecture is a two-way table of sums of squares.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from oche.errors import JudgeError
from oche.judge._permutation import sign_flip_p
from oche.judge._rank_studies import tau_b
from oche.seeds import generator

_RESAMPLES = 10_000


@dataclass(frozen=True)
class Gain:
    """A paired difference of two rungs.

    Args:
        mean: Mean over architectures.
        low: Lower end of the paired t interval.
        high: Upper end.
        p: Exact two-sided sign-flip p, or of 100,000 flips where there are more than 2^16.
    """

    mean: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Rung:
    """One protocol of a ladder.

    Args:
        name: As given.
        mean: Mean over architectures.
        sd: Sample standard deviation over architectures.
        low: Smallest result.
        high: Largest result.
        over_previous: Gain over the rung before; None for the first.
        over_base: Gain over the first rung; None for the first.
        tau: Kendall's tau-b of its ranking with that of the first rung; None where a rung does not vary.
    """

    name: str
    mean: float
    sd: float
    low: float
    high: float
    over_previous: Gain | None
    over_base: Gain | None
    tau: float | None


@dataclass(frozen=True)
class Ladder:
    """Shares of variance over architectures and protocols.

    Args:
        rungs: In the order given.
        n: Architectures.
        protocol_share: Share of the sum of squares that belongs to the protocol, percent.
        protocol_low: Lower end of its bootstrap interval over architectures.
        protocol_high: Upper end.
        arch_share: Share that belongs to the architecture.
        arch_low: Lower end.
        arch_high: Upper end.
        rest_share: What is left: interaction and noise.
        unit: Unit of the results.
        values: The results, `(architectures, rungs)`.
    """

    rungs: tuple[Rung, ...]
    n: int
    protocol_share: float
    protocol_low: float
    protocol_high: float
    arch_share: float
    arch_low: float
    arch_high: float
    rest_share: float
    unit: str
    values: tuple[tuple[float, ...], ...] = ()

    @property
    def verdict(self) -> str:
        """What matters more, as far as the intervals tell."""
        shares = f"{self.protocol_share:.1f} % of the sum of squares against {self.arch_share:.1f} %"
        if self.protocol_low > self.arch_high:
            return f"The training protocol moves results more than the architecture: {shares}."
        if self.arch_low > self.protocol_high:
            return f"The architecture moves results more than the training protocol: {shares}."
        return f"Protocol and architecture cannot be told apart in size: {shares}."

    def to_json(self) -> dict[str, Any]:
        """All fields with the verdict."""
        return {"kind": "ladder", **asdict(self), "verdict": self.verdict}


def ladder(values: Mapping[str, Sequence[float]], *, alpha: float = 0.05, seed: int = 0, unit: str = "%") -> Ladder:
    """Weigh training protocols against architectures.

    Args:
        values: Rung to results of the same architectures in the same order, `(K,)` each; the first rung is the base.
        alpha: Level of the intervals.
        seed: Root of the bootstrap and of random sign flips.
        unit: Unit of the results.

    Raises:
        JudgeError: fewer than 2 rungs or 3 architectures; "architecture 3 has no result for rung C".

    Source: Yang et al. 2020, section 4.
    """
    names = list(values)
    if len(names) < 2:
        raise JudgeError(f"ladder: got {len(names)} rungs; allowed: 2 or more")
    count = max(len(v) for v in values.values())
    for name, column in values.items():
        for i in range(count):
            if i >= len(column) or column[i] is None or not math.isfinite(column[i]):
                raise JudgeError(f"architecture {i} has no result for rung {name}; allowed: every architecture under every protocol")
    if count < 3:
        raise JudgeError(f"ladder: got {count} architectures; allowed: 3 or more")
    table = np.array([list(map(float, values[n])) for n in names]).T
    protocol, arch, rest = variance_shares(table)
    rng = generator(seed, "judge", "ladder")
    resampled = (table[rng.integers(0, count, count)] for _ in range(_RESAMPLES // 10))
    # A sample in which nothing varies has no shares.
    draws = np.array([variance_shares(t)[:2] for t in resampled if np.ptp(t) > 0] or [(protocol, arch)])
    low, high = np.quantile(draws, [alpha / 2, 1 - alpha / 2], axis=0)
    rungs = []
    for j, name in enumerate(names):
        column = table[:, j]
        rungs.append(
            Rung(
                name=name,
                mean=float(column.mean()),
                sd=float(column.std(ddof=1)),
                low=float(column.min()),
                high=float(column.max()),
                over_previous=_gain(column - table[:, j - 1], alpha, seed) if j else None,
                over_base=_gain(column - table[:, 0], alpha, seed) if j else None,
                tau=_tau(table[:, 0], column),
            )
        )
    return Ladder(
        tuple(rungs), count, protocol, float(low[0]), float(high[0]), arch, float(low[1]), float(high[1]), rest, unit,
        tuple(tuple(map(float, row)) for row in table),
    )  # fmt: skip


def variance_shares(table: np.ndarray) -> tuple[float, float, float]:
    """Shares of the sum of squares of columns (protocols), rows (architectures) and the rest, percent.

    Args:
        table: `(architectures, protocols)`.
    """
    rows, columns = table.shape
    grand = table.mean()
    total = float(((table - grand) ** 2).sum())
    if total == 0:
        return 0.0, 0.0, 0.0
    of_columns = rows * float(((table.mean(axis=0) - grand) ** 2).sum())
    of_rows = columns * float(((table.mean(axis=1) - grand) ** 2).sum())
    return 100 * of_columns / total, 100 * of_rows / total, 100 * (total - of_columns - of_rows) / total


def _gain(differences: np.ndarray, alpha: float, seed: int) -> Gain:
    n = len(differences)
    mean = float(differences.mean())
    half = float(stats.t.ppf(1 - alpha / 2, n - 1) * differences.std(ddof=1) / math.sqrt(n))
    return Gain(mean, mean - half, mean + half, sign_flip_p(differences.tolist(), seed))


def _tau(one: np.ndarray, other: np.ndarray) -> float | None:
    found = tau_b(one, other)
    return None if math.isnan(found) else found
