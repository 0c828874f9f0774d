"""How well scores order architectures: Kendall's tau over all of them and over the truly best ones, with intervals.

A supernet can order a whole space well and its best part not at all, so a tau over all architectures alone says little about a search.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from oche.errors import JudgeError
from oche.judge._rank_studies import _defined, _resampled, tau_b


@dataclass(frozen=True)
class TopTau:
    """Agreement among the truly best.

    Args:
        share: Of the architectures, by true value; 1 means all.
        n: How many these are.
        tau: Kendall's tau-b between scores and truth; NaN where one of them does not vary.
        low: Lower end of its bootstrap interval over these architectures.
        high: Upper end.
    """

    share: float
    n: int
    tau: float
    low: float
    high: float


@dataclass(frozen=True)
class RankCorrelation:
    """Scores against the truth.

    Args:
        n: Architectures.
        rows: One for each share that was asked for.
        best: Largest true value.
        picked: True value of the architecture with the highest score, of equal ones the first.
        mean: Mean true value, what a random pick is worth.
        rank: True rank of the pick, 1 is best, ties share the best rank.
    """

    n: int
    rows: tuple[TopTau, ...]
    best: float
    picked: float
    mean: float
    rank: int

    @property
    def tau(self) -> float:
        """Tau of the first share."""
        return self.rows[0].tau

    @property
    def regret(self) -> float:
        """How much worse than the best the pick is."""
        return self.best - self.picked

    @property
    def verdict(self) -> str:
        """In words."""
        parts = []
        for row in self.rows:
            whom = f"all {row.n}" if row.share == 1 else f"the true top {100 * row.share:g} % ({row.n})"
            parts.append(
                f"tau {row.tau:.2f} [{row.low:.2f}, {row.high:.2f}] over {whom}" if math.isfinite(row.tau) else f"no tau over {whom}"
            )
        pick = f"the architecture scored highest truly has {self.picked:.2f}, rank {self.rank} of {self.n}; best {self.best:.2f}"
        return "; ".join([*parts, f"{pick}, mean {self.mean:.2f}"]) + "."

    def to_json(self) -> dict[str, Any]:
        """All fields with the verdict; an undefined tau is the word."""
        return _defined({"kind": "rank_correlation", **asdict(self), "regret": self.regret, "verdict": self.verdict})


def rank_correlation(
    scores: Sequence[float], truth: Sequence[float], *, top: Sequence[float] = (1.0, 0.1), alpha: float = 0.05, seed: int = 0
) -> RankCorrelation:
    """Compare scores, such as those of a supernet, with true results of the same architectures.

    Args:
        scores: Higher is better.
        truth: Higher is better, in the same order: values of a table, or of children that were trained alone.
        top: Shares, from above 0 to 1; of each, tau is taken over that share of the architectures that are best in truth.
        alpha: Level of the intervals.
        seed: Root of the bootstrap.

    Raises:
        JudgeError: unequal lengths, results that are not finite, or a share of fewer than 3 architectures.

    Example:
        >>> found = rank_correlation([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 6, 5], top=(1.0, 0.5))
        >>> round(found.rows[0].tau, 3), round(found.rows[1].tau, 3), found.regret
        (0.867, 0.333, 1.0)
    """
    a, b = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 3:
        raise JudgeError(f"rank correlation: got {a.shape} scores and {b.shape} true results; allowed: as many of both, 3 or more")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise JudgeError("rank correlation: got a value that is not finite; allowed: finite numbers; leave that architecture out")
    order, rows = np.argsort(-b, kind="stable"), []
    for share in top:
        n = round(share * len(b)) if 0 < share <= 1 else 0
        if n < 3:
            raise JudgeError(f"rank correlation, top: got {share!r} of {len(b)} architectures; allowed: shares up to 1 that hold 3 or more")
        chosen = np.sort(order[:n])
        tau = tau_b(a[chosen], b[chosen])
        low = high = math.nan
        if math.isfinite(tau):
            draws = _resampled(np.stack([a[chosen], b[chosen]], axis=1), seed, f"rank correlation {share:g}")
            low, high = np.quantile(draws[np.isfinite(draws)], [alpha / 2, 1 - alpha / 2])
        rows.append(TopTau(float(share), n, tau, float(low), float(high)))
    picked = float(b[int(a.argmax())])
    return RankCorrelation(len(b), tuple(rows), float(b.max()), picked, float(b.mean()), 1 + int((b > picked).sum()))
