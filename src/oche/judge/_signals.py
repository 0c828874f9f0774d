"""What searches with shared weights say of themselves: how undecided their logits are.

A path that was picked from logits that are nearly uniform rests on differences that mean little, whatever its accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence

from oche.judge._grouping import Group


def signals(groups: Sequence[Group]) -> tuple[str, ...]:
    """One line for each arm that has logits: their entropy as a share of the largest."""
    lines = []
    for group in groups:
        values = [r.metrics["logits_entropy"] for r in group.done if "logits_entropy" in r.metrics]
        if not values:
            continue
        spread = f", {min(values):.3f} to {max(values):.3f} in {len(values)} runs" if len(values) > 1 else ""
        lines.append(f"logits of {group.label}: entropy {sum(values) / len(values):.3f} of that of uniform ones{spread}")
    return tuple(lines)
