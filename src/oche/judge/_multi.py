"""What a report says of several data sets at once: every method pooled, and all methods ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from oche.judge._aggregate import Aggregate, aggregate
from oche.judge._arms import Arm
from oche.judge._compare import Settings
from oche.judge._entries import Entry, choose_random_search
from oche.judge._grouping import Group, dataset_name
from oche.judge._ranking import Ranking, rank_methods


@dataclass(frozen=True)
class Multi:
    """Several data sets at once.

    Args:
        aggregates: Every method pooled over its data sets, against the random average and against random search.
        ranking: Methods ranked over the data sets that all have; None with fewer than 3 methods or 2 such data sets.
        ranked_by: What was ranked.
        notes: What was left out, and what these counts cannot decide.
    """

    aggregates: tuple[Aggregate, ...]
    ranking: Ranking | None
    ranked_by: str
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return {
            "aggregates": [a.to_json() for a in self.aggregates],
            "ranking": None if self.ranking is None else self.ranking.to_json(),
            "ranked_by": self.ranked_by,
            "notes": list(self.notes),
        }


def multi_of(groups: Sequence[Group], entries: Sequence[Entry], settings: Settings) -> Multi | None:
    """Pool and rank; None with fewer than 2 data sets."""
    datasets = list(dict.fromkeys(dataset_name(g.first) for g in groups if g.role != "baseline"))
    if len(datasets) < 2:
        return None
    aggregates = [*_aggregates(groups, settings, "random average"), *_aggregates(groups, settings, "random search")]
    ranking, ranked_by, notes = _rank(entries, settings)
    return Multi(tuple(aggregates), ranking, ranked_by, tuple(notes))


def _aggregates(groups: Sequence[Group], settings: Settings, against: str) -> list[Aggregate]:
    judged = [g for g in groups if g.role != "baseline" and len(g.done) > 1]
    found = []
    for label in dict.fromkeys(g.label for g in judged):
        arms: dict[str, tuple[Arm, Arm]] = {}
        direction, unit = "max", "%"
        for group in (g for g in judged if g.label == label):
            other = _opponent(group, groups, against)
            if other is None:
                continue
            pair = group.arm(), other.arm()
            if pair[1].mean > 0 and pair[0].mean > 0:
                arms[dataset_name(group.first)] = pair
                direction, unit = group.first.direction, group.first.unit
        if len(arms) > 1:
            found.append(
                aggregate(
                    {d: (m.values, r.values) for d, (m, r) in arms.items()},
                    algorithm=label,
                    against=against,
                    direction=direction,
                    alpha=settings.alpha,
                    seed=settings.seed,
                    populations=[d for d, (_, r) in arms.items() if r.population],
                    unit=unit,
                )
            )
    return found


def _opponent(group: Group, groups: Sequence[Group], against: str) -> Group | None:
    here = [g for g in groups if g.place == group.place]
    if against == "random average":
        return next((g for g in here if g.role == "baseline" and (g.population or len(g.done) > 1)), None)
    if group.role != "search":
        return None
    chosen = choose_random_search(group, [g for g in here if g.role == "random_search" and len(g.done) > 1], None)
    return None if chosen is None else chosen[0]


def _rank(entries: Sequence[Entry], settings: Settings) -> tuple[Ranking | None, str, list[str]]:
    """Rank by improvement over the random average of each data set, which for methods of one space is the order of their means."""
    tested = [e for e in entries if e.n > 1]
    by_improvement = bool(tested) and all(e.average is not None and e.average.scale == "relative" for e in tested)
    table: dict[str, dict[str, float]] = {}
    for entry in tested:
        value = entry.average.ri if by_improvement and entry.average is not None else entry.mean
        table.setdefault(entry.algorithm, {})[entry.dataset] = value
    ranked_by = "improvement over the random average" if by_improvement else "mean result"
    directions = {(e.average or e.search).direction for e in tested if (e.average or e.search) is not None}  # type: ignore[union-attr]
    datasets = [d for d in dict.fromkeys(e.dataset for e in tested) if all(d in row for row in table.values())]
    notes = []
    left = [d for d in dict.fromkeys(e.dataset for e in tested) if d not in datasets]
    if left and len(table) > 2:
        notes.append(f"not ranked on {', '.join(left)}: a method has no result there")
    if len(table) < 3 or len(datasets) < 2 or (len(directions) > 1 and not by_improvement):
        return None, ranked_by, notes
    direction = "max" if by_improvement else next(iter(directions), "max")
    ranking = rank_methods({m: {d: row[d] for d in datasets} for m, row in table.items()}, direction=direction, alpha=settings.alpha)
    return ranking, ranked_by, [*notes, *([ranking.note] if ranking.note else [])]
