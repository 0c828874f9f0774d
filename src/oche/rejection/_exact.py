"""The grader of simulated and exact tasks: what follows the last `####`, or the whole response, must be the reference to the letter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class ExactGrade(NamedTuple):
    """A verdict: `correct`, `wrong` or `unparsable`, and the answer that was read."""

    outcome: str
    answer: str | None


class Exact:
    """Compares answers as text, white space at the ends aside."""

    name = "exact"

    def grade(self, response: str, query: Any) -> ExactGrade:
        """Grade one response."""
        answer = response.rpartition("####")[2].strip()
        if not answer:
            return ExactGrade("unparsable", None)
        reference = query if isinstance(query, str) else query.reference
        right = answer in reference if isinstance(reference, list) else answer == reference
        return ExactGrade("correct" if right else "wrong", answer)

    def grade_many(self, pairs: Sequence[tuple[str, Any]]) -> list[ExactGrade]:
        """Grade many responses, in their order."""
        return [self.grade(response, query) for response, query in pairs]


def grader(value: Any) -> Any:
    """The grader of a text form, or `value` itself."""
    if not isinstance(value, str):
        return value
    if value == "exact":
        return Exact()
    from oche.loop.registry import load

    return load("oche.rejection.graders:get")(value)
