"""The discretization gap: what is lost between the mixture that a search trains and the one network that it stands for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from oche.store.record import Record


def discretization_gap(records: Sequence[Record]) -> str | None:
    """Three accuracies in one sentence: the mixture, its point with the shared weights, and that point trained anew.

    The first two are shares of the same validation images, in percent; they are means over the runs that hold them. Methods that train
    paths and no mixture have no first one.

    Args:
        records: Runs of one search.

    Returns:
        The sentence, None if no run shared weights.
    """
    shared = [r for r in records if r.status == "done" and "shared_score" in r.metrics]
    if not shared:
        return None
    mixed = [r for r in shared if "supernet_score" in r.metrics]
    point = 100 * math.fsum(r.metrics["shared_score"] for r in shared) / len(shared)
    parts = []
    if len(mixed) == len(shared):
        mixture = 100 * math.fsum(r.metrics["supernet_score"] for r in mixed) / len(mixed)
        parts.append(f"mixture {mixture:.1f} % valid")
        parts.append(f"its point with the shared weights {point:.1f} % ({point - mixture:+.1f})")
    else:
        parts.append(f"point with the shared weights {point:.1f} % valid")
    first = shared[0]
    anew = math.fsum(r.value for r in shared) / len(shared)
    parts.append(f"as the final network {anew:.1f}{f' {first.unit}' if first.unit else ''} {first.metric}")
    runs = "one run" if len(shared) == 1 else f"means of {len(shared)} runs"
    return f"discretization of {first.algorithm}, {runs}: {', '.join(parts)}"
