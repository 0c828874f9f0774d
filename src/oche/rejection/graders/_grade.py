"""What a grader says, and what every grader does.

A grade has one of four outcomes that are never mixed: a response that could not be read is not wrong, and one that took too long
is neither. A grader extracts, normalizes and compares in separate pure steps (`steps`); this file joins them, decides what is cheap
in this process, and sends the rest to worker processes with a hard deadline.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from oche.errors import ArgumentError


class GradeOutcome(StrEnum):
    """What became of a response."""

    CORRECT = "correct"
    WRONG = "wrong"
    UNPARSABLE = "unparsable"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True)
class Grade:
    """The verdict on one response.

    Args:
        outcome: One of four.
        answer: What was extracted from the response, None if nothing was found.
        reason: The stage that decided (`text`, `number`, `expression`, ...), or why there is no verdict.
        seconds: Wall-clock time that grading took.
        normal: Normal form of the answer.
        normal_reference: Normal form of the reference.
        warnings: What was let pass by a policy, for example a dropped percent sign.
    """

    outcome: GradeOutcome
    answer: str | None = None
    reason: str = ""
    seconds: float = 0.0
    normal: str = ""
    normal_reference: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def correct(self) -> bool:
        """Whether the response is right; the three other outcomes are not."""
        return self.outcome is GradeOutcome.CORRECT

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON lines."""
        return {**asdict(self), "outcome": self.outcome.value, "warnings": list(self.warnings)}


def counts(grades: Iterable[Grade]) -> dict[str, int]:
    """How many grades have each of the four outcomes, all four always named."""
    found = Counter(g.outcome for g in grades)
    return {outcome.value: found[outcome] for outcome in GradeOutcome}


@dataclass(frozen=True)
class Facts:
    """What a grader may know of a query.

    Args:
        reference: The true answer; a list where the query has several.
        text: The question.
        fields: Everything else: answer type, tolerance, unit.
    """

    reference: str | Sequence[str]
    text: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


def facts(query: Any) -> Facts:
    """Read a query: its reference as text, a mapping, or an object with `reference`, `text` and `fields`.

    Raises:
        ArgumentError: there is no reference, or it is empty.
    """
    if isinstance(query, Facts):
        found = query
    elif isinstance(query, str):
        found = Facts(query)
    elif isinstance(query, Mapping):
        found = Facts(query.get("reference", ""), str(query.get("text", "")), {**query, **(query.get("fields") or {})})
    elif hasattr(query, "reference"):
        found = Facts(query.reference, str(getattr(query, "text", "")), getattr(query, "fields", None) or {})
    else:
        raise ArgumentError(f"query: got {type(query).__name__}; allowed: the reference as text, or an object with 'reference'")
    reference: Any = found.reference
    if isinstance(reference, (bool, int, float)):
        reference = str(reference)
    elif isinstance(reference, (list, tuple)):
        reference = [str(r) for r in reference]
    elif not isinstance(reference, str):
        raise ArgumentError(f"reference: got {type(reference).__name__}; allowed: text, a number, or a list of them")
    if not reference or not all(r.strip() for r in ([reference] if isinstance(reference, str) else reference)):
        raise ArgumentError(f"reference: got {reference!r}; allowed: a reference that is not empty; leave the query out")
    return replace(found, reference=reference)


@dataclass(frozen=True)
class Work:
    """What cannot be decided cheaply: an answer and the facts of its query, for `Grader.slow`."""

    answer: str
    facts: Facts


class Grader(ABC):
    """Decides whether a response answers a query.

    Subclasses say how an answer is extracted (`extract`), what is decided at once (`fast`) and how the rest is compared (`slow`,
    which always runs in a worker process). All three are pure.

    Args:
        timeout: Seconds that one comparison may take in a worker; then its worker is killed and replaced.
        workers: Worker processes, started when the first comparison needs one.
        memory_mb: Megabytes that one comparison may take, on Linux.
    """

    name: str = ""

    def __init__(self, timeout: float = 5.0, workers: int = 1, memory_mb: int | None = 1024) -> None:
        from oche.rejection.graders._pool import Pool

        self.timeout = timeout
        self._pool = Pool(timeout, workers, memory_mb)

    @abstractmethod
    def extract(self, response: str, facts: Facts) -> str | None:
        """The final answer in `response`, or None."""

    @abstractmethod
    def fast(self, answer: str, facts: Facts) -> Grade | None:
        """A verdict by strings and numbers alone, in bounded time; None if it takes more."""

    def slow(self, answer: str, facts: Facts) -> Grade:
        """The verdict of everything else; may take any time, since it is watched."""
        return Grade(GradeOutcome.WRONG, answer, "text")

    def prepare(self) -> None:  # noqa: B027 - most graders need nothing
        """Import in a worker what `slow` needs."""

    def grade(self, response: str, query: Any) -> Grade:
        """Grade one response; never raises on odd responses.

        Args:
            response: Sampled text.
            query: The reference as text, a mapping, or an object with `reference` and optionally `text` and `fields`.

        Raises:
            ArgumentError: the query has no reference.
        """
        return self.grade_many([(response, query)])[0]

    def grade_many(self, pairs: Iterable[tuple[str, Any]]) -> list[Grade]:
        """Grade pairs of response and query, in order; what is not decided at once goes through the pool.

        Raises:
            ArgumentError: a query has no reference.
        """
        read = [(response, facts(query)) for response, query in pairs]
        grades: list[Grade | None] = [self._at_once(response, known) for response, known in read]
        waiting = {i: Work(g.answer, read[i][1]) for i, g in enumerate(grades) if g is not None and g.reason == _UNDECIDED and g.answer}
        for index, grade in self._pool.run(self, waiting):
            grades[index] = grade
        return [g for g in grades if g is not None]

    def compare(self, answer: str, query: Any) -> Grade:
        """Grade an answer that was extracted already.

        Raises:
            ArgumentError: the query has no reference.
        """
        known = facts(query)
        found = self.fast(answer, known)
        return found if found is not None else next(self._pool.run(self, {0: Work(answer, known)}))[1]

    def _at_once(self, response: str, known: Facts) -> Grade:
        begun = time.perf_counter()
        answer = self.extract(response, known)
        if answer is None or not answer.strip():
            return Grade(GradeOutcome.UNPARSABLE, None, "no answer found", time.perf_counter() - begun)
        found = self.fast(answer, known)
        if found is None:
            return Grade(GradeOutcome.UNPARSABLE, answer, _UNDECIDED)
        return replace(found, seconds=time.perf_counter() - begun)

    def close(self) -> None:
        """Stop the worker processes; they start again when needed."""
        self._pool.close()

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_UNDECIDED = "undecided"
