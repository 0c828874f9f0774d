"""The default grader: exact mathematics with stated policies.

Text decides where it can; else our parser and exact rationals or sixty digits; what our parser cannot read goes to Math-Verify
(over SymPy) in a worker process. Policies, each noted as a warning of the grade: a percent sign may be dropped or worked out; a unit
may be left out but not replaced by another.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from oche.errors import ArgumentError
from oche.rejection.graders import _words
from oche.rejection.graders._compare import same
from oche.rejection.graders._evaluate import TooLarge
from oche.rejection.graders._extract import find
from oche.rejection.graders._grade import Facts, Grade, GradeOutcome, Grader
from oche.rejection.graders._normalize import normalize
from oche.rejection.graders._parse import Tree, parse
from oche.rejection.graders._tokens import MAX_LENGTH, Unreadable

_CORRECT, _WRONG, _UNPARSABLE = GradeOutcome.CORRECT, GradeOutcome.WRONG, GradeOutcome.UNPARSABLE
_FORMULA = re.compile(r"\\[a-zA-Z]|\d|[=^_+]")
_MAX_DEPTH = 40


class Strict(Grader):
    """Grades by mathematical equality.

    Args:
        lenient: Guess the last formula or number where a response does not say its answer.
        timeout: Seconds per comparison in a worker.
        workers: Worker processes.
        memory_mb: Megabytes per comparison.
    """

    name = "strict"

    def __init__(self, lenient: bool = False, timeout: float = 5.0, workers: int = 1, memory_mb: int | None = 1024) -> None:
        super().__init__(timeout, workers, memory_mb)
        self.lenient = lenient

    def extract(self, response: str, facts: Facts) -> str | None:
        """The last boxed answer, else what stands after `####` or "answer is", else a response that is nothing else."""
        found = find(response, self.lenient)
        return found.answer if found else None

    def fast(self, answer: str, facts: Facts) -> Grade | None:
        """The verdict without SymPy, or None."""
        return decide(answer, facts.reference)

    def prepare(self) -> None:
        """Load Math-Verify, if it is there."""
        from oche.rejection.graders import _math_verify

        _math_verify.available()

    def slow(self, answer: str, facts: Facts) -> Grade:
        """The verdict of Math-Verify on what our parser cannot read."""
        from oche.rejection.graders import _math_verify

        left, right = normalize(answer), normalize(_text(facts.reference))
        if not _math_verify.available():
            return Grade(_UNPARSABLE, answer, "not read by our parser, and math-verify is not installed", 0.0, left, right)
        read = _math_verify.verdict(left, right)
        if read is None:
            return Grade(_UNPARSABLE, answer, "not read by any parser", 0.0, left, right)
        equal = read or _math_verify.verdict(right, left) is True
        return Grade(_CORRECT if equal else _WRONG, answer, "math-verify", 0.0, left, right)


def equivalent(a: str, b: str, timeout: float = 5.0) -> bool:
    r"""Whether two answers mean the same, by the `strict` profile. The order does not matter.

    Args:
        a: An answer, LaTeX or plain.
        b: Another one.
        timeout: Seconds, should a worker process be needed; then the answer is False.

    Raises:
        ArgumentError: one is empty.

    Example:
        >>> equivalent(r"1\frac{3}{4}", "7/4")
        True
    """
    for name, text in (("a", a), ("b", b)):
        if not isinstance(text, str) or not text.strip():
            raise ArgumentError(f"{name}: got {text!r}; allowed: an answer as text that is not empty")
    grade = decide(a, b)
    if grade is None:
        grade = _shared(timeout).compare(a, b)
    return grade.correct


@functools.lru_cache(maxsize=4)
def _shared(timeout: float) -> Strict:
    return Strict(timeout=timeout)


def decide(answer: str, reference: Any) -> Grade | None:
    """The verdict by text, exact numbers and digits; None where a worker has to look."""
    wanted = _text(reference)
    if len(answer) > MAX_LENGTH:
        if answer.strip() == wanted.strip():
            return Grade(_CORRECT, answer, "text")
        return Grade(_UNPARSABLE, answer[:200], f"longer than {MAX_LENGTH} characters")
    if _depth(answer) > _MAX_DEPTH:
        return Grade(_UNPARSABLE, answer, f"nested deeper than {_MAX_DEPTH}")
    left, right = normalize(answer), normalize(wanted)
    by_words = _by_words(left, right)
    if by_words is not None:
        return Grade(_CORRECT if by_words else _WRONG, answer, "text", 0.0, left, right)
    first, why = _read(left)
    second, _ = _read(right)
    if first is None or second is None:
        return _unread(answer, left, right, first, second, why)
    return _compared(answer, left, right, first, second)


def _compared(answer: str, left: str, right: str, first: Tree, second: Tree) -> Grade | None:
    warnings: list[str] = []
    try:
        verdict = same(first, second, warnings)
        for apart in _apart(left, right) if verdict is False else ():
            verdict = verdict or same(*apart, warnings)
    except TooLarge as error:
        return Grade(_UNPARSABLE, answer, f"{error} too large to compute", 0.0, left, right)
    if verdict is None:
        return None
    return Grade(_CORRECT if verdict else _WRONG, answer, "value", 0.0, left, right, tuple(dict.fromkeys(warnings)) if verdict else ())


def _apart(left: str, right: str) -> list[tuple[Tree, Tree]]:
    """Both sides read once more with every comma a separator: `1,234` may be two numbers, if the other side has as many."""
    if not re.search(r"\d,\d{3}", left) or not re.search(r"\d,\d{3}", right):  # noqa: SIM102
        if not (re.search(r"\d,\d{3}", left + right) and "," in left and "," in right):
            return []
    try:
        return [(parse(left, separate=True), parse(right, separate=True))]
    except Unreadable:
        return []


def _read(text: str) -> tuple[Tree | None, str]:
    try:
        return parse(text), ""
    except Unreadable as error:
        return None, str(error)
    except RecursionError:
        return None, "nested too deep"


def _by_words(left: str, right: str) -> bool | None:
    """A verdict on words and equal texts; None if mathematics has to decide."""
    if left == right or "".join(left.split()) == "".join(right.split()):
        return True
    for known in (_words.truth, _words.weekday):
        one, other = known(left), known(right)
        if one and other:
            return one == other
    one, other = _words.number(left), _words.number(right)
    if one is not None and other is not None:
        return one == other
    if one is not None or other is not None:
        worded, text = (one, right) if one is not None else (other, left)
        tree, _ = _read(text)
        return same(("number", worded), tree) if tree is not None else False
    if _is_words(left) and _is_words(right):
        return _words.plain(left) == _words.plain(right)
    return None


def _is_words(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z][A-Za-z' .,-]{3,}", text) is not None


def _unread(answer: str, left: str, right: str, first: Tree | None, second: Tree | None, why: str) -> Grade | None:
    if second is None and not _FORMULA.search(right):
        # The reference is words: text decides.
        equal = _words.plain(left) == _words.plain(right) and bool(_words.plain(right))
        return Grade(_CORRECT if equal else _WRONG, answer, "text", 0.0, left, right)
    if first is None and not _FORMULA.search(left):
        return Grade(_UNPARSABLE, answer, f"not mathematics: {why}", 0.0, left, right)
    return None


def _depth(text: str) -> int:
    depth = deepest = 0
    for sign in text:
        if sign in "{([":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in "})]":
            depth = max(0, depth - 1)
    return deepest


def _text(reference: Any) -> str:
    return reference if isinstance(reference, str) else ", ".join(reference)
