"""Vanilla and uniform allocation: the same number tried, or the same number kept, for every query."""

from __future__ import annotations

from typing import Any

from oche.errors import ArgumentError
from oche.rejection._allocation import Allocation


class Vanilla(Allocation):
    """`m` raw samples of every query; all correct ones are kept.

    Args:
        m: Raw samples per query. Default: the paper's baseline.
        cover: Go on with a query without a correct response up to `cap`, until it has one.
        cap: See `Allocation`; without `cover` it is `m`.

    Source: Tong et al. 2024 (DART-Math), the baseline "VRT".
    """

    name = "vanilla"

    def __init__(self, m: int = 52, cover: bool = False, cap: int | None = None, **settings: Any) -> None:
        if isinstance(m, bool) or not isinstance(m, int) or m < 1:
            raise ArgumentError(f"m: got {m!r}; allowed: a whole number above 0")
        super().__init__(cap=cap if cover else m, **settings)
        self.m, self.cover = m, cover

    @property
    def settings(self) -> dict[str, Any]:
        """`m`, and what differs from the defaults."""
        more = super().settings
        return {"m": self.m, **({"cover": True, **more} if self.cover else {k: v for k, v in more.items() if k != "cap"})}

    def want(self, i: int) -> int | None:
        """One, after the first `m`, with `cover`; else nothing but raw samples counts."""
        return 1 if self.cover and self.samples[i] >= self.m else None

    def keep(self) -> list[int]:
        """Everything that is correct."""
        return [max(1, int(k)) for k in self.kept]

    def size(self, i: int) -> int:
        """The rest of the first `m`, then what a first correct response is expected to take."""
        return super().size(i) if self.samples[i] >= self.m else min(self.lot, self.m - int(self.samples[i]))


class Uniform(Allocation):
    """Sample every query until `k` correct responses are kept, or the cap is reached.

    Args:
        k: Correct responses per query. Default: the paper's.
        cap: Most raw samples per query; the paper's 2048 reaches nine targets of ten on MATH.

    Source: Tong et al. 2024 (DART-Math), DARS-Uniform. A query is closed by the k-th success itself.
    """

    name = "uniform"

    def __init__(self, k: int = 40, cap: int | None = 2048, **settings: Any) -> None:
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ArgumentError(f"k: got {k!r}; allowed: a whole number above 0")
        super().__init__(cap=cap, **settings)
        self.k = k

    @property
    def settings(self) -> dict[str, Any]:
        """`k`, and what differs from the defaults."""
        return {"k": self.k, **super().settings}

    def want(self, i: int) -> int:
        """`k`."""
        return self.k
