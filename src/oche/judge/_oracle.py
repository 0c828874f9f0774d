"""Picks that were chosen by test accuracy: what must stand beside their numbers."""

from __future__ import annotations

from collections.abc import Sequence

from oche.store.record import Record


def oracle_words(records: Sequence[Record]) -> str:
    """What must stand beside a number that was chosen by test accuracy; empty for all others."""
    found = [r.settings["oracle"] for r in records if r.settings.get("oracle")]
    if not found:
        return ""
    mean = {key: sum(o[key] for o in found) / len(found) for key in ("best", "mean", "random_best")}
    return (
        f"{found[0]['words']}: the best by test accuracy of {found[0]['benchmark']} ({mean['best']:.2f}), which no search can know; mean "
        f"over leaves {mean['mean']:.2f}, best of {found[0]['leaves']} random points {mean['random_best']:.2f}"
    )
