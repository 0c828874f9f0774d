"""Only queries that the sampler is neither sure of nor lost on: the filter of reinforcement learning with checked answers."""

from __future__ import annotations

from typing import Any

from oche.errors import ArgumentError
from oche.rejection._allocation import REASONS
from oche.rejection._fixed import Uniform


class Banded(Uniform):
    """Probe every query with `probe` raw samples, then keep `k` responses of those whose pass rate lies in [lo, hi], none of the others.

    The probe is drawn whole, so its share of right responses is without bias; what it got counts towards `k`. A query outside the band
    stops as `gave_up`.

    Args:
        lo, hi: Ends of the band. Default: neither all wrong nor all right.
        k: Responses per query.
        probe: Raw samples that decide.
        cap: Most raw samples per query.

    Source: dynamic sampling of Yu et al. 2025 (DAPO), which leaves out groups that are all right or all wrong.
    """

    name = "banded"

    def __init__(self, lo: float = 0.05, hi: float = 0.95, k: int = 8, probe: int = 16, cap: int | None = 2048, **settings: Any) -> None:
        super().__init__(k=k, cap=cap, **settings)
        if not 0 <= lo <= hi <= 1:
            raise ArgumentError(f"band: got lo={lo!r}, hi={hi!r}; allowed: 0 <= lo <= hi <= 1")
        if isinstance(probe, bool) or not isinstance(probe, int) or probe < 1 or (cap is not None and probe > cap):
            raise ArgumentError(f"probe: got {probe!r}; allowed: a whole number above 0, at most the cap ({cap})")
        self.lo, self.hi, self.probe = lo, hi, probe

    @property
    def settings(self) -> dict[str, Any]:
        """Band, `probe`, `k`, and what differs from the defaults."""
        return {"lo": self.lo, "hi": self.hi, "probe": self.probe, **super().settings}

    def want(self, i: int) -> int | None:  # type: ignore[override]
        """Nothing but raw samples while probing, then `k`."""
        return None if self.samples[i] < self.probe else self.k

    def size(self, i: int) -> int:
        """The rest of the probe, then what `k` is expected to take."""
        return super().size(i) if self.samples[i] >= self.probe else min(self.lot, self.probe - int(self.samples[i]))

    def _close(self, i: int) -> None:
        if self.samples[i] == self.probe and not self.lo <= self.correct[i] / self.probe <= self.hi:
            self.reason[i] = REASONS.index("gave_up")
        else:
            super()._close(i)

    def keep(self) -> list[int]:
        """`k` inside the band, none outside."""
        out = REASONS.index("gave_up")
        return [0 if r == out else self.k for r in self.reason.tolist()]
