"""The verdict in whole sentences, for a reader who has not read anything else yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oche.judge import _numbers as numbers
from oche.judge._entries import Entry
from oche.judge._row import Row
from oche.judge._verdict import NOT_DISTINGUISHABLE, UNDECIDABLE, unequal_search

# More lines than this are summed up instead of told one by one.
_TOLD_ONE_BY_ONE = 4
_NAMED = 8


@dataclass(frozen=True)
class Sentence:
    """A claim, and what it rests on.

    Args:
        claim: One sentence.
        detail: Sizes, intervals, what it would take; may be empty.
    """

    claim: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.claim} {self.detail}".strip()


def headline(entries: Sequence[Entry]) -> list[Sentence]:
    """What the report found: first the whole in one sentence, then one sentence per line unless there are too many."""
    judged = [e for e in entries if e.role == "search" and e.decisive is not None] or [e for e in entries if e.decisive is not None]
    if len(judged) > _TOLD_ONE_BY_ONE:
        return [*_summary(judged), *_single(entries)]
    told = [sentence(e) for e in judged]
    if len(judged) > 1:
        told.insert(0, _overall(judged))
    if all(e.search is None for e in judged) and any(e.role == "search" for e in judged):
        told.append(Sentence("Random search at equal cost was not run, so nothing here says that searching was worth its cost."))
    return [*told, *_single(entries)]


def sentence(entry: Entry) -> Sentence:
    """The verdict on one algorithm and task."""
    row = entry.decisive
    if row is None:
        return Sentence(f"{entry.algorithm} on {entry.dataset} was compared with nothing.")
    name, place = _start(entry.algorithm), entry.dataset
    other, change = _opponent(row), numbers.improvement(row)
    if row.verdict == UNDECIDABLE:
        claim = f"{row.n_m} + {row.n_r} runs cannot decide whether {entry.algorithm} beats {other} on {place}."
        detail = f"Even a perfect separation would not pass the test; it {entry.needed_to_decide(row)}. Measured: {change}."
    elif row.verdict == NOT_DISTINGUISHABLE:
        claim = f"{name} is not distinguishable from {other} on {place}."
        power = (
            entry.needed_to_see(row).replace("would need", "it would take").replace(" runs to see", " runs per arm to see a difference of")
        )
        detail = f"Measured: {change}; {power}."
    else:
        claim = f"{name} {'beats' if row.wins else 'is worse than'} {other} on {place}."
        detail = f"By {_by(row)}."
    return Sentence(claim, f"{detail}{_average_too(entry)}")


def _overall(judged: Sequence[Entry]) -> Sentence:
    """All lines in one claim."""
    opponent = _common_opponent(judged)
    better = [e for e in judged if e.decisive is not None and e.decisive.wins]
    what = "searches" if len({e.task for e in judged}) == 1 else "comparisons"
    if len(better) == len(judged):
        return Sentence(f"All {len(judged)} {what} beat {opponent}.")
    if not better:
        return Sentence(f"No search here is shown to beat {opponent}.")
    names = ", ".join(e.algorithm if what == "searches" else f"{e.algorithm} on {e.dataset}" for e in better)
    return Sentence(f"{len(better)} of {len(judged)} {what} {'beats' if len(better) == 1 else 'beat'} {opponent}: {names}.")


def _common_opponent(judged: Sequence[Entry]) -> str:
    if all(e.search is None for e in judged):
        return "the average random program"
    if all(e.search is not None and e.search.equal_cost for e in judged):
        return "random search at equal cost"
    return "what it was compared with" if any(e.search is None for e in judged) else "random search"


def _summary(judged: Sequence[Entry]) -> list[Sentence]:
    by_opponent: dict[str, list[Entry]] = {}
    for entry in judged:
        by_opponent.setdefault(_opponent_kind(entry), []).append(entry)
    told = []
    for opponent, entries in by_opponent.items():
        better = [e for e in entries if e.decisive is not None and e.decisive.wins]
        worse = [e for e in entries if e.decisive is not None and e.decisive.loses]
        left = len(entries) - len(better) - len(worse)
        parts = [f"{len(better)} {'is' if len(better) == 1 else 'are'} better", f"{len(worse)} {'is' if len(worse) == 1 else 'are'} worse"]
        told.append(Sentence(f"{', '.join(parts)}, and {left} cannot be told from {opponent}, of {len(entries)} comparisons."))
        if better:
            told.append(Sentence(f"Better: {_names(better)}."))
        if worse:
            told.append(Sentence(f"Worse: {_names(worse)}."))
    if all(e.search is None for e in judged):
        told.append(Sentence("Random search at equal cost: not run."))
    return told


def _single(entries: Sequence[Entry]) -> list[Sentence]:
    """One sentence for all methods with a single run."""
    single = [e for e in entries if e.n == 1]
    if not single:
        return []
    return [Sentence(f"Described, not judged, since it is one run: {_names(single)}.")]


def _opponent_kind(entry: Entry) -> str:
    if entry.search is None:
        return "the random average"
    return "random search at equal cost" if entry.search.equal_cost else "random search at another cost"


def _opponent(row: Row) -> str:
    if row.against == "random average":
        return "the average random program"
    return "random search at equal cost" if row.equal_cost else unequal_search(row.cost_ratio)


def _average_too(entry: Entry) -> str:
    """What the row against the average adds to the row against random search."""
    row = entry.average
    if entry.search is None or row is None:
        return ""
    if row.wins:
        return f" It beats the average random program by {_by(row)}."
    if row.loses:
        return f" It is worse than the average random program by {_by(row)}."
    return " It is not shown to differ from the average random program either." if not entry.search.wins else ""


def _by(row: Row) -> str:
    """The size of a difference without its sign, `0.32 % (0.11 to 0.53)`."""
    unit = "%" if row.scale == "relative" else numbers.points_unit(row.unit)
    places = numbers.decimals((row.high - row.low) / 2)
    low, high = sorted((abs(row.low), abs(row.high)))
    return f"{numbers.number(abs(row.estimate), places)} {unit} ({numbers.number(low, places)} to {numbers.number(high, places)})"


def _names(entries: Sequence[Entry]) -> str:
    named = [f"{e.algorithm} on {e.dataset}" for e in entries[:_NAMED]]
    more = len(entries) - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def _start(text: str) -> str:
    """A name at the start of a sentence; algorithm names keep their spelling."""
    return "Random search" if text == "random search" else text
