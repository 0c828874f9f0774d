"""What records lack before they can be judged, said before anybody reads a verdict into them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from oche.errors import JudgeError
from oche.judge import _numbers as numbers
from oche.judge._grouping import Group, dataset_name, flatten_records, make_groups
from oche.judge._power import runs_to_decide


@dataclass(frozen=True)
class Shortcoming:
    """One thing that is missing.

    Args:
        what: What is missing, and where.
        needed: What would mend it.
        fatal: Whether nothing at all can be judged without it.
    """

    what: str
    needed: str
    fatal: bool = False

    def __str__(self) -> str:
        return f"{self.what}; {self.needed}"

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


def shortcomings(*runs: Any, alpha: float = 0.05) -> tuple[Shortcoming, ...]:
    """What is missing for a verdict on every search of a heap of records, worst first.

    Args:
        *runs: Records, lists of them, or objects with `.records`.
        alpha: Level of the tests.

    Raises:
        JudgeError: no records.
    """
    records = flatten_records(runs, "runs")
    if not records:
        raise JudgeError("judge: got no records; allowed: one or more")
    bases = make_groups([r for r in records if r.kind in ("random", "population")], "baseline")
    randoms = make_groups([r for r in records if r.kind == "random_search"], "random_search")
    searches = make_groups([r for r in records if r.kind == "search"], "search")
    found: list[Shortcoming] = []
    if not searches and not randoms:
        found.append(Shortcoming("no search among the runs", "add runs of kind 'search' or 'random_search'", True))
    if not bases and not randoms:
        found.append(
            Shortcoming(
                "nothing random to compare with",
                "add runs of kind 'random' (random members of the same space, trained alike) or 'random_search' (searches by random draws)",
                True,
            )
        )
    judged = [*searches, *randoms]
    if judged and not any(len(g.done) > 1 for g in judged):
        found.append(
            Shortcoming("every method has a single run", "run each with more seeds: 2 for an interval, 5 or more for a verdict", True)
        )
    for place in dict.fromkeys(g.place for g in judged):
        here = [[g for g in groups if g.place == place] for groups in (searches, bases, randoms)]
        found += _of_place(dataset_name(next(g for g in judged if g.place == place).first), *here)
    found += _of_counts(judged, bases, alpha)
    return tuple(sorted(dict.fromkeys(found), key=lambda s: not s.fatal))


def _of_place(data: str, searches: Sequence[Group], bases: Sequence[Group], randoms: Sequence[Group]) -> list[Shortcoming]:
    found = []
    if not bases:
        found.append(
            Shortcoming(f"{data}: no random members, so nothing is judged against the random average", "add runs of kind 'random'")
        )
    elif not bases[0].population and len(bases[0].done) < 2:
        found.append(Shortcoming(f"{data}: {len(bases[0].done)} random member", "draw at least 2, better 8", True))
    if searches and not randoms:
        found.append(
            Shortcoming(
                f"{data}: random search at equal cost was not run, so nothing says that searching was worth its cost",
                "add runs of kind 'random_search' with the budget of the methods",
            )
        )
    if searches and randoms and not all(g.first.budget or g.first.cost for g in (*searches, *randoms)):
        found.append(
            Shortcoming(f"{data}: costs are not recorded, so no comparison is called 'at equal cost'", "add budget_trials or cost_seconds")
        )
    for group in (*searches, *randoms):
        if len(group.done) == 1:
            found.append(Shortcoming(f"{data}: one run of '{group.label}', which is described and not judged", "run it with more seeds"))
        if group.role == "search" and any(r.search_seed is None for r in group.done):
            found.append(Shortcoming(f"{data}: runs of '{group.label}' without a seed", "record the seed of every search"))
    return found


def _of_counts(judged: Sequence[Group], bases: Sequence[Group], alpha: float) -> list[Shortcoming]:
    """Too few runs for any verdict in a report of so many tests."""
    tested = [g for g in judged if len(g.done) > 1]
    has_base = {g.place for g in bases}
    family = sum((g.place in has_base) + (g.role == "search" and any(o.role == "random_search" for o in judged)) for g in tested)
    if not tested or not family:
        return []
    smallest = min(len(g.done) for g in tested)
    try:
        needed = runs_to_decide(alpha, family)
    except JudgeError:
        return [Shortcoming(f"{family} tests in one report", f"alpha {alpha:g} is too small for so many; judge fewer at a time")]
    if smallest < needed and not all(b.population for b in bases):
        return [
            Shortcoming(
                f"{smallest} runs of a method in a report of {family} tests: even complete separation could not be significant",
                f"{needed} + {needed} runs can be decided",
            )
        ]
    return []


def describe(*runs: Any) -> str:
    """Counts, means and spreads of every arm, with no verdict.

    Args:
        *runs: Records, lists of them, or objects with `.records`.
    """
    records = flatten_records(runs, "runs")
    lines = []
    for role, kinds in (("baseline", ("random", "population")), ("random_search", ("random_search",)), ("search", ("search",))):
        for group in make_groups([r for r in records if r.kind in kinds], role):
            values = [r.value for r in group.done if not group.population]
            name = f"{group.label} on {dataset_name(group.first)}"
            if group.population:
                lines.append(f"{name}: all {group.arm().n:,} members, mean {numbers.quantity(group.arm().mean, group.first.unit, 2)}")
            elif not values:
                lines.append(f"{name}: no run ended")
            elif len(values) == 1:
                lines.append(f"{name}: one run, {numbers.quantity(values[0], group.first.unit, 2)}")
            else:
                mean = math.fsum(values) / len(values)
                sd = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))
                lines.append(f"{name}: {len(values)} runs, {numbers.mean_sd(mean, sd, 2)} {group.first.unit}".rstrip())
    return "\n".join(lines)
