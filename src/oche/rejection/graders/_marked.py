"""Answers behind a mark, compared to the letter: as GSM8K writes its solutions, and as simulated samplers answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from oche.rejection.graders._grade import Facts, Grade, GradeOutcome, Grader, facts


class Marked(Grader):
    """What follows the last mark, or the whole response, must be the reference to the letter, white space at the ends aside.

    Of several references any one will do.

    Args:
        mark: The mark.
    """

    name = "marked"

    def __init__(self, mark: str = "####") -> None:
        super().__init__()
        self.mark = mark

    def extract(self, response: str, facts: Facts) -> str | None:
        """What follows the last mark."""
        return response.rpartition(self.mark)[2].strip() or None

    def fast(self, answer: str, facts: Facts) -> Grade:
        """Compare two texts."""
        wanted = (facts.reference,) if isinstance(facts.reference, str) else facts.reference
        return Grade(GradeOutcome.CORRECT if answer in wanted else GradeOutcome.WRONG, answer, "text")

    def grade_many(self, pairs: Iterable[tuple[str, Any]]) -> list[Grade]:
        """Grade pairs of response and query, in order. Samples of one query follow each other, so it is read once."""
        grades, last, known = [], None, None
        for response, query in pairs:
            if known is None or query is not last:
                last, known = query, facts(query)
            answer = self.extract(response, known)
            grades.append(self.fast(answer, known) if answer is not None else Grade(GradeOutcome.UNPARSABLE, None, "no answer found"))
        return grades
