"""The checklist of good practice, filled from records as far as records can tell.

Sixteen questions of Lindauer and Hutter, in short words. Nothing is "yes" by default: what the records do not show is "unknown" until
the author answers it, and an answer is shown as the author's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from oche.errors import JudgeError, unknown
from oche.judge._entries import Entry
from oche.judge._grouping import Group
from oche.store.record import Record

#: Possible answers.
STATUSES = ("yes", "no", "n/a", "unknown")

_QUESTIONS = {
    "C1": ("code", "Is the code of the final training released?"),
    "C2": ("code", "Is the code of the search space released?"),
    "C3": ("code", "Are hyper-parameters and seeds of the final training given?"),
    "C4": ("code", "Is the code of the method released?"),
    "C5": ("code", "Are hyper-parameters and seeds of the method given?"),
    "K1": ("comparison", "Do all methods share data split, space, training code and settings?"),
    "K2": ("comparison", "Are hardware, library versions and run times equal or stated?"),
    "K3": ("comparison", "Are parts of the method switched off one by one?"),
    "K4": ("comparison", "Do all methods share the protocol of evaluation, with the number of candidates trained before one is picked?"),
    "K5": ("comparison", "Is performance shown over time?"),
    "K6": ("comparison", "Is there a comparison with random sampling and random search?"),
    "K7": ("comparison", "Are there several runs, with their seeds?"),
    "K8": ("comparison", "Is a tabular or surrogate benchmark used where one exists?"),
    "R1": ("reporting", "Is it said how the method's own hyper-parameters were tuned, and at what cost?"),
    "R2": ("reporting", "Is the end-to-end cost given?"),
    "R3": ("reporting", "Is the whole set-up described?"),
}


@dataclass(frozen=True)
class ChecklistItem:
    """One question.

    Args:
        id: Such as `K6`.
        group: `code`, `comparison` or `reporting`.
        question: In words.
        status: `yes`, `no`, `n/a` or `unknown`.
        evidence: What the answer rests on.
    """

    id: str
    group: str
    question: str
    status: str
    evidence: str

    def to_json(self) -> dict[str, str]:
        """All fields."""
        return asdict(self)


def checklist(
    groups: Sequence[Group],
    entries: Sequence[Entry],
    answers: Mapping[str, Any] | None = None,
    *,
    has_ladder: bool = False,
    differing: Sequence[str] = (),
) -> tuple[ChecklistItem, ...]:
    """All sixteen questions.

    Args:
        groups: The records, by arm.
        entries: What was judged.
        answers: The author's own, by id: a status, or (status, evidence). They count where records cannot tell.
        has_ladder: Whether the report holds an ablation.
        differing: Fields of the protocol that were allowed to differ, and did.

    Raises:
        UnknownNameError: an id that does not exist.
        JudgeError: a status that does not exist.

    Source: Lindauer and Hutter 2020.
    """
    given = dict(answers or {})
    for key in given:
        if key not in _QUESTIONS:
            raise unknown("question of the checklist", key, _QUESTIONS)
    records = [r for g in groups for r in g.records]
    found = _from_records(records, groups, entries, has_ladder, differing)
    items = []
    for key, (group, question) in _QUESTIONS.items():
        status, evidence = found.get(key, ("unknown", "not in the records"))
        if key in given:
            status, evidence = _answer(key, given[key], status, evidence)
        items.append(ChecklistItem(key, group, question, status, evidence))
    return tuple(items)


def _answer(key: str, value: Any, status: str, evidence: str) -> tuple[str, str]:
    said, why = value if isinstance(value, (tuple, list)) else (value, "")
    said = {True: "yes", False: "no"}.get(said, said) if isinstance(said, bool) else said
    if said not in STATUSES:
        raise JudgeError(f"answer to {key}: got {said!r}; allowed: {', '.join(map(repr, STATUSES))}")
    if status != "unknown" and said != status:
        return status, f"{evidence}; the author says {said!r}"
    return said, f"the author's answer{': ' + why if why else ''}"


def _from_records(
    records: Sequence[Record], groups: Sequence[Group], entries: Sequence[Entry], has_ladder: bool, differing: Sequence[str]
) -> dict[str, tuple[str, str]]:
    done = [r for r in records if r.status == "done" and r.kind != "population"]
    searches = [r for r in done if r.kind != "random"]
    tabular = [r for r in records if r.protocol.get("task") == "tabular" or r.protocol.get("table")]
    n_arms = [len(g.done) for g in groups if g.role != "baseline"]
    checks: dict[str, tuple[bool | None, str, str]] = {
        "C3": (
            _all(done, lambda r: r.train_seed is not None and _has_training(r)) if not tabular else None,
            "every record holds its training settings and its seed",
            "a record lacks its training settings or its seed",
        ),
        "C5": (
            # No record with a seed: they do not tell, which is no "no".
            _all(searches, lambda r: r.search_seed is not None and bool(r.algorithm))
            if any(r.search_seed is not None for r in searches)
            else None,
            "every search holds its settings and its seed",
            "a search lacks its seed",
        ),
        "K1": (
            (bool(entries) and not differing) if differing or _all(done, _tells_protocol) else None,
            "records of unequal protocol or space are refused",
            f"protocols differ: {'; '.join(differing)}" if differing else "nothing is compared",
        ),
        "K2": (
            _all(done, lambda r: bool(r.env) and bool(_seconds(r))),
            "every record holds machine, versions and times",
            "a record lacks machine, versions or times",
        ),
        "K3": (True if has_ladder else None, "the report holds a ladder", ""),
        "K4": (
            _all(searches, lambda r: bool(r.budget) or "trials" in r.cost.get("search", {})),
            "every search holds its budget or its trials",
            "a search holds neither its budget nor its trials",
        ),
        "K5": (
            any(len(c) > 1 for r in searches for n, c in r.curves.items() if n != "members"),
            "records hold curves over cost",
            "no record holds a curve over cost",
        ),
        "K6": (
            any(e.average is not None for e in entries) and any(g.role == "random_search" for g in groups),
            "random members and random search are in the report",
            "random members or random search are missing",
        ),
        "K7": (
            bool(n_arms) and min(n_arms) > 1 and _all(searches, lambda r: r.search_seed is not None),
            f"{min(n_arms, default=0)} or more runs of every method, with seeds",
            "a method has a single run, or runs without seeds",
        ),
        "K8": (
            True if tabular else None,
            "results are read from a table",
            "",
        ),
        "R2": (
            _all(searches, lambda r: bool(r.cost.get("search")) and (bool(tabular) or bool(r.cost.get("final")))),
            "every search holds the cost of search and of final training",
            "a search lacks a cost",
        ),
        "R3": (
            _all(done, lambda r: bool(r.protocol) and bool(r.env)),
            "every record holds its protocol and its environment",
            "a record lacks its protocol or its environment",
        ),
    }
    found = {}
    for key, (good, why, why_not) in checks.items():
        if good is not None:
            found[key] = ("yes", why) if good else ("no", why_not)
    if tabular:
        found["C3"] = ("n/a", "results are read from a table: the table's authors trained the networks")
    return found


def _all(records: Sequence[Record], test: Callable[[Record], bool]) -> bool:
    return bool(records) and all(test(r) for r in records)


def _tells_protocol(record: Record) -> bool:
    """Whether a record says how results were made, and not only where they were read and what they are."""
    return bool(set(record.protocol) - {"source", "metric", "accuracy"})


def _has_training(record: Record) -> bool:
    return any(k in record.protocol for k in ("recipe", "train", "training"))


def _seconds(record: Record) -> float:
    return sum(part.get("seconds", part.get("cpu_seconds", 0.0)) for part in record.cost.values())
