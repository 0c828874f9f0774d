"""What a synthesis drew, as arrays by query and sample number: every question of the report is a cut through them.

Runs of one pool hold the same samples up to where each of them stopped. So the raw count, the reached share and the coverage that a lower
cap, or a smaller budget, would have given are read off, not estimated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oche.rejection._allocation import OUTCOMES
from oche.store.rows import SampleRow

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Drawn:
    """The samples of a pool, sorted by query and number, one entry per sample.

    Args:
        query: Number of the query.
        number: Which of its samples.
        verdict: Index in `OUTCOMES`.
        distinct: Correct and unlike every earlier one.
        cut: Cut off at the limit of tokens.
        tokens: Tokens generated.
    """

    query: Ints
    number: Ints
    verdict: Ints
    distinct: Bools
    cut: Bools
    tokens: Ints

    @classmethod
    def read(cls, rows: Iterable[SampleRow]) -> Drawn:
        """Read rows in the order of the store; texts are not held."""
        codes = {name: i for i, name in enumerate(OUTCOMES)}
        flat = np.fromiter(
            (v for r in rows for v in (r.query, r.number, codes[r.verdict], r.distinct, r.finish == "length", r.tokens)), np.int64
        ).reshape(-1, 6)
        query, number, verdict, distinct, cut, tokens = flat.T.copy()
        return cls(query, number, verdict, distinct.astype(bool), cut.astype(bool), tokens)

    def where(self, mask: Bools) -> Drawn:
        """The samples of a mask."""
        return Drawn(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))

    def of(self, counts: Ints) -> Drawn:
        """The first `counts` samples of each query."""
        return self.where(self.number < counts[self.query])


@dataclass(frozen=True)
class Trace:
    """One run: what it drew and what it wanted.

    Args:
        drawn: Its samples.
        n: Queries.
        targets: Responses wanted per query, at the end.
    """

    drawn: Drawn
    n: int
    targets: Ints

    @property
    def samples(self) -> Ints:
        """Raw samples per query."""
        return np.bincount(self.drawn.query, minlength=self.n)

    def found(self, mask: Bools | None = None) -> Ints:
        """Distinct correct responses per query, among the samples of a mask."""
        hit = self.drawn.distinct if mask is None else self.drawn.distinct & mask
        return np.bincount(self.drawn.query[hit], minlength=self.n)

    @property
    def kept(self) -> Ints:
        """Responses of the data set per query."""
        return np.minimum(self.found(), self.targets)

    def against_cap(self, cap: int | None) -> list[dict[str, float]]:
        """Raw samples, reached share and coverage (both in percent) for caps in powers of two up to `cap`, each read off this run."""
        top = int(self.samples.max(initial=1)) if cap is None else cap
        caps = [2**i for i in range(top.bit_length()) if 2**i < top] + [top]
        lines = []
        for c in caps:
            found = self.found(self.drawn.number < c)
            lines.append(
                {"cap": c, "samples": int(np.minimum(self.samples, c).sum()), "reached": 100 * float(np.mean(found >= self.targets)),
                 "coverage": 100 * float(np.mean(found > 0))}
            )  # fmt: skip
        return lines

    def within(self, *, samples: int | None = None, kept: int | None = None) -> Trace | None:
        """This run stopped in mid-round: by so many raw samples, or when so many responses were kept; None if it has fewer.

        Samples count round by round, all queries' first ones before all second ones.
        """
        order = np.lexsort((self.drawn.query, self.drawn.number))
        if samples is not None:
            if samples > len(order):
                return None
            end = samples
        else:
            hits = np.flatnonzero(self.drawn.distinct[order])
            if kept is None or kept > len(hits):
                return None
            end = int(hits[kept - 1]) + 1 if kept else 0
        mask = np.zeros(len(order), bool)
        mask[order[:end]] = True
        return Trace(self.drawn.where(mask), self.n, self.targets)

    def grades(self) -> dict[str, int]:
        """How many samples were graded how; and of those, cut off ones and duplicates of right ones."""
        counts = np.bincount(self.drawn.verdict, minlength=len(OUTCOMES)).tolist()
        correct = self.drawn.verdict == 0
        more = {"truncated": int(self.drawn.cut.sum()), "duplicate": int((correct & ~self.drawn.distinct).sum())}
        return {**dict(zip(OUTCOMES, map(int, counts), strict=True)), **more}

    def mean_tokens(self) -> NDArray[np.float64]:
        """Tokens of a response by query, NaN where none was drawn."""
        total = np.bincount(self.drawn.query, weights=self.drawn.tokens, minlength=self.n)
        with np.errstate(invalid="ignore"):
            return np.where(self.samples > 0, total / self.samples, np.nan)


def difficulties(tables: Sequence[Sequence[Sequence[float]]]) -> NDArray[np.float64]:
    """One fail rate per query for all runs of a pool: 1 - the unbiased pass rate of the run that drew most of that query.

    Args:
        tables: Lines of each run's curve `queries`.
    """
    from oche.rejection._allocation import REASONS
    from oche.rejection._estimators import pass_rate

    found = []
    for lines in zip(*tables, strict=True):
        n, c, _, _, code, _ = map(int, max(lines, key=lambda line: line[0]))
        rate = pass_rate(c, n, REASONS[code])
        found.append(1.0 if rate is None else float(1 - rate))
    return np.array(found)


def by_bin(values: Any, bins: Ints, n: int) -> list[float | None]:
    """Means of values per bin, None where a bin is empty."""
    values = np.asarray(values, float)
    found = []
    for b in range(n):
        inside = values[(bins == b) & np.isfinite(values)]
        found.append(float(inside.mean()) if inside.size else None)
    return found
