"""The `math-verify` package as a grader, behind our deadline.

The package limits time by an alarm signal, which fails outside of the main thread; here its limit is off and a worker process is
killed instead. The package raises nothing by default; what it cannot read is unparsable here, not wrong.
"""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

from oche.errors import MissingExtraError
from oche.rejection.graders._extract import boxed
from oche.rejection.graders._grade import Facts, Grade, GradeOutcome, Grader

#: The grammar of LaTeX behind the package takes time that grows fast with depth; a text beyond this is not given to it at all.
_MAX_LENGTH = 20_000


@functools.cache
def available() -> bool:
    """Whether the package is installed; imports it."""
    if importlib.util.find_spec("math_verify") is None:
        return False
    import logging

    import math_verify  # noqa: F401

    # It logs a traceback for every answer that it cannot read; the outcome says so already.
    for name in ("math_verify", "latex2sympy2_extended"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return True


def read(text: str) -> list[Any]:
    """What the package makes of a text; empty if it makes nothing of it."""
    from math_verify import parse

    return parse(text, parsing_timeout=None)  # type: ignore[arg-type]


def verdict(answer: str, reference: str) -> bool | None:
    """Whether the package finds two answers equal; None if it cannot read one of them."""
    from math_verify import verify

    wanted, given = read(_boxed(reference)), read(_boxed(answer))
    if not wanted or not given:
        return None
    return bool(verify(wanted, given, timeout_seconds=None))


def _boxed(text: str) -> str:
    return text if boxed(text) is not None else f"\\boxed{{{text}}}"


class MathVerify(Grader):
    """Grades by the `math-verify` package, which also extracts.

    Args:
        timeout: Seconds per response in a worker.
        workers: Worker processes.
        memory_mb: Megabytes per response.

    Raises:
        MissingExtraError: the package is not installed.
    """

    name = "math-verify"

    def __init__(self, timeout: float = 5.0, workers: int = 1, memory_mb: int | None = 1024) -> None:
        if importlib.util.find_spec("math_verify") is None:
            raise MissingExtraError("math_verify", "llm")
        super().__init__(timeout, workers, memory_mb)

    def prepare(self) -> None:
        """Load the package."""
        available()

    def extract(self, response: str, facts: Facts) -> str | None:
        """The whole response: the package extracts by itself."""
        return response

    def fast(self, answer: str, facts: Facts) -> Grade | None:
        """Nothing is decided here but that a text is too long."""
        if len(answer) > _MAX_LENGTH:
            return Grade(GradeOutcome.UNPARSABLE, answer[:200], f"longer than {_MAX_LENGTH} characters")
        return None

    def slow(self, answer: str, facts: Facts) -> Grade:
        """The verdict of the package."""
        from math_verify import verify

        references = [facts.reference] if isinstance(facts.reference, str) else list(facts.reference)
        wanted = read(_boxed(", ".join(references)))
        given = read(answer)
        if not given:
            return Grade(GradeOutcome.UNPARSABLE, None, "math-verify found no answer")
        equal = bool(verify(wanted, given, timeout_seconds=None))
        return Grade(
            GradeOutcome.CORRECT if equal else GradeOutcome.WRONG, str(given[-1]), "math-verify", 0.0, str(given[0]), str(wanted[:1])[1:-1]
        )
