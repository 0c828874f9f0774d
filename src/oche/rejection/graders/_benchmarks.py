"""Graders of single benchmarks and of simple answers: OlympiadBench, TheoremQA, numbers, choices, exact text."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from oche.errors import ArgumentError
from oche.rejection.graders import _words
from oche.rejection.graders._evaluate import NoValue, TooLarge, exact, numeric
from oche.rejection.graders._extract import extract_answer, find
from oche.rejection.graders._grade import Facts, Grade, GradeOutcome, Grader
from oche.rejection.graders._normalize import normalize
from oche.rejection.graders._parse import Tree, parse
from oche.rejection.graders._strict import Strict, decide
from oche.rejection.graders._tokens import Unreadable

_CORRECT, _WRONG, _UNPARSABLE = GradeOutcome.CORRECT, GradeOutcome.WRONG, GradeOutcome.UNPARSABLE


def _grade(equal: bool, answer: str, reason: str, left: str = "", right: str = "") -> Grade:
    return Grade(_CORRECT if equal else _WRONG, answer, reason, 0.0, left, right)


def _value(text: str) -> Any:
    """The real number that a text says, in fifteen digits or exactly; None if it says none."""
    text = normalize(text)
    worded = _words.number(text)
    if worded is not None:
        return Fraction(worded)
    try:
        return _real(parse(text))
    except (Unreadable, RecursionError):
        return None


def _real(tree: Tree) -> Any:
    while tree[0] in ("assign", "unit"):
        tree = tree[2] if tree[0] == "assign" else tree[1]
    try:
        value = exact(tree)
        if value is not None:
            return value
        from mpmath import mp

        found = numeric(tree, {}, mp)
    except (NoValue, TooLarge, KeyError, ZeroDivisionError, ValueError, OverflowError):
        return None
    return float(found.real) if found.imag == 0 else None


def _close(value: Any, wanted: Any, abs_tol: float, rel_tol: float) -> bool:
    if value is None or wanted is None:
        return False
    # A rational may be too large for a float; the difference of two rationals is exact.
    bound = max(Fraction(abs_tol), Fraction(rel_tol) * abs(Fraction(wanted)))
    return abs(Fraction(value) - Fraction(wanted)) <= bound


def _tolerance(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ArgumentError(f"{name}: got {value!r}; allowed: a finite number, 0 or above")
    return float(value)


def _first(reference: Any) -> str:
    return reference if isinstance(reference, str) else ", ".join(reference)


class Numeric(Grader):
    """The answer is one number, compared within a tolerance.

    Args:
        abs_tol: Absolute tolerance.
        rel_tol: Relative tolerance, of the reference.
        lenient: Take the last number where nothing says what the answer is.
    """

    name = "numeric"

    def __init__(self, abs_tol: float = 0.0, rel_tol: float = 0.0, lenient: bool = True) -> None:
        super().__init__()
        self.abs_tol, self.rel_tol, self.lenient = _tolerance("abs_tol", abs_tol), _tolerance("rel_tol", rel_tol), lenient

    def extract(self, response: str, facts: Facts) -> str | None:
        """As `extract_answer`."""
        return extract_answer(response, self.lenient)

    def fast(self, answer: str, facts: Facts) -> Grade:
        """Compare two numbers."""
        value, wanted = _value(answer), _value(_first(facts.reference))
        if wanted is None:
            raise ArgumentError(f"reference: got {facts.reference!r}; allowed: a number, for grader 'numeric'; or use grader 'strict'")
        if value is None:
            return Grade(_UNPARSABLE, answer[:200], "not a number")
        return _grade(_close(value, wanted, self.abs_tol, self.rel_tol), answer, "number", str(value)[:100], str(wanted)[:100])


class Choice(Grader):
    """The answer is one letter of a multiple choice.

    Args:
        letters: The letters that may be chosen.
    """

    name = "choice"

    def __init__(self, letters: str = "ABCDEFGHIJ") -> None:
        super().__init__()
        if not letters.isalpha() or len(set(letters.upper())) != len(letters):
            raise ArgumentError(f"letters: got {letters!r}; allowed: different letters, such as ABCDE")
        self.letters = letters.upper()

    def letter(self, text: str) -> str | None:
        """The letter that an answer such as `(C)`, `C. 12` or `option c` names."""
        plain = re.sub(r"\\(?:text|mathrm|mathbf|textbf)\s*\{([^{}]*)\}", r"\1", text).strip().strip("$*{} ")
        named = re.match(rf"(?:option|choice|answer)?\s*[(\[]?\s*([{self.letters}])\s*(?:[)\].:,\s]|$)", plain, re.IGNORECASE)
        if named is None or (named[1] in "ai" and not re.fullmatch(r"\W*\w\W*", plain)):
            # "a" and "i" in a sentence are words.
            return None
        return named[1].upper()

    def extract(self, response: str, facts: Facts) -> str | None:
        """The stated answer, else the last letter that stands alone, in capitals."""
        found = find(response)
        if found is not None and self.letter(found.answer):
            return found.answer
        alone = re.findall(rf"\(([{self.letters}])\)|(?<![A-Za-z\\])([{self.letters}])(?=[).:]|\s*$)", response[-20_000:])
        return next((a or b for a, b in reversed(alone)), found.answer if found else None)

    def fast(self, answer: str, facts: Facts) -> Grade:
        """Compare two letters."""
        given, wanted = self.letter(answer), self.letter(_first(facts.reference))
        if wanted is None:
            raise ArgumentError(f"reference: got {facts.reference!r}; allowed: one of the letters {self.letters}, for grader 'choice'")
        if given is None:
            return Grade(_UNPARSABLE, answer[:200], f"none of the letters {self.letters}")
        return _grade(given == wanted, answer, "letter", given, wanted)


class Exact(Grader):
    """The answer is a text that has to be the same, white space aside.

    Args:
        ignore_case: Whether `Yes` is `yes`.
        whole: The response is the answer; else it is extracted.
    """

    name = "exact"

    def __init__(self, ignore_case: bool = True, whole: bool = True) -> None:
        super().__init__()
        self.ignore_case, self.whole = ignore_case, whole

    def extract(self, response: str, facts: Facts) -> str | None:
        """The response, or what `extract_answer` finds in it."""
        return response.strip() or None if self.whole else extract_answer(response, lenient=True)

    def fast(self, answer: str, facts: Facts) -> Grade:
        """Compare two texts."""
        left, right = (" ".join(t.split()) for t in (answer, _first(facts.reference)))
        equal = left.lower() == right.lower() if self.ignore_case else left == right
        return _grade(equal, answer, "text", left, right)


class OlympiadBench(Strict):
    """OlympiadBench: several answers in any order, numbers within the tolerance of the query (`fields["error"]`).

    Args:
        abs_tol: Absolute tolerance where the query has none; 1e-8 as in the benchmark's own judge.
        lenient: Guess the last formula or number.
        timeout: Seconds per comparison in a worker.
        workers: Worker processes.
    """

    name = "olympiadbench"

    def __init__(self, abs_tol: float = 1e-8, lenient: bool = True, timeout: float = 5.0, workers: int = 1) -> None:
        super().__init__(lenient, timeout, workers)
        self.abs_tol = _tolerance("abs_tol", abs_tol)

    def fast(self, answer: str, facts: Facts) -> Grade | None:
        """Exact equality first, then numbers one by one within the tolerance."""
        found = super().fast(answer, facts)
        if found is not None and found.correct:
            return found
        error = facts.fields.get("error")
        tolerances = [self._read(part) for part in str(error).split(",")] if error not in (None, "") else [self.abs_tol]
        given, wanted = _reals(answer), _reals(_first(facts.reference))
        if not given or not wanted:
            return found
        if len(given) != len(wanted):
            return _grade(False, answer, "number of answers")
        tolerances += tolerances[-1:] * (len(wanted) - len(tolerances))
        left = list(given)
        for value, tolerance in zip(wanted, tolerances, strict=False):
            near = next((g for g in left if _close(g, value, tolerance, 0.0)), None)
            if near is None:
                return _grade(False, answer, "number")
            left.remove(near)
        return _grade(True, answer, "number")

    def _read(self, text: str) -> float:
        try:
            return _tolerance("error", float(text))
        except ValueError as error:
            raise ArgumentError(f"error: got {text!r}; allowed: a tolerance, or several with commas between") from error


def _reals(text: str) -> list[Any]:
    """The numbers of a list; empty if something in it is not a number."""
    try:
        tree = parse(normalize(text))
    except (Unreadable, RecursionError):
        return []
    values = [_real(part) for part in (tree[1:] if tree[0] in ("list", "set", "tuple") else [tree])]
    return [] if any(v is None for v in values) else values


class TheoremQA(Strict):
    """TheoremQA: the answer type of the query (`fields["Answer_type"]`) says how to compare.

    `bool` and `option` by word and letter, `integer` exactly, `float` within `rel_tol`, lists item by item in their order.

    Args:
        rel_tol: Relative tolerance of floats; 0.04, as the benchmark's own evaluation.
        lenient: Guess the last formula or number.
        timeout: Seconds per comparison in a worker.
        workers: Worker processes.
    """

    name = "theoremqa"

    def __init__(self, rel_tol: float = 0.04, lenient: bool = True, timeout: float = 5.0, workers: int = 1) -> None:
        super().__init__(lenient, timeout, workers)
        self.rel_tol = _tolerance("rel_tol", rel_tol)
        self._choice = Choice("ABCDEFGH")

    def extract(self, response: str, facts: Facts) -> str | None:
        """As `strict`; a choice by its letter."""
        return self._choice.extract(response, facts) if _kind(facts) == "option" else super().extract(response, facts)

    def fast(self, answer: str, facts: Facts) -> Grade | None:
        """Compare by type."""
        kind, wanted = _kind(facts), _first(facts.reference)
        if kind == "option":
            return self._choice.fast(answer, facts)
        if kind == "bool":
            given = _words.truth(normalize(answer))
            if given is None:
                return Grade(_UNPARSABLE, answer[:200], "neither true nor false")
            return _grade(given == _words.truth(wanted), answer, "bool", given, wanted.lower())
        if kind.startswith("list"):
            return self._list(answer, facts)
        if kind in ("float", "integer"):
            value, target = _value(answer), _value(wanted)
            if value is None:
                return Grade(_UNPARSABLE, answer[:200], "not a number")
            tolerance = self.rel_tol if kind == "float" else 0.0
            return _grade(_close(value, target, 1e-12 if kind == "float" else 0.0, tolerance), answer, kind, str(value)[:100], wanted)
        return decide(answer, wanted)

    def _list(self, answer: str, facts: Facts) -> Grade:
        given, wanted = _reals(answer.strip().strip("[]")) or _reals(answer), _reals(_first(facts.reference).strip("[] "))
        if not given:
            return Grade(_UNPARSABLE, answer[:200], "not a list of numbers")
        tolerance = self.rel_tol if "float" in _kind(facts) else 0.0
        equal = len(given) == len(wanted) and all(_close(g, w, 1e-12, tolerance) for g, w in zip(given, wanted, strict=True))
        return _grade(equal, answer, "list")


def _kind(facts: Facts) -> str:
    found = facts.fields.get("Answer_type", facts.fields.get("answer_type", ""))
    return str(found).lower()
