"""Verdicts of the DART-Math evaluator, for comparison with published numbers. For anything else use `strict`.

Its oddities are kept: a factor of 100 is a percent sign, a mixed number is a product, any two texts with "no" in them are equal, an
inequality is not an interval, and questions that say "find the" compare sets. Its calls of `eval` are not: our parser stands there.
"""

from __future__ import annotations

import math

from oche.rejection.graders import _dart_text as text_of
from oche.rejection.graders._compare import same
from oche.rejection.graders._evaluate import NoValue, TooLarge, numeric
from oche.rejection.graders._grade import Facts, Grade, GradeOutcome, Grader
from oche.rejection.graders._parse import Tree, parse
from oche.rejection.graders._tokens import Unreadable

#: Larger sets are compared in a worker: pairing costs their square.
_MAX_ITEMS = 12


class Dart(Grader):
    """Grades as the evaluator of DART-Math does.

    Args:
        sets: Compare sets: True, False, or None to look at the question, as the evaluator does.
        timeout: Seconds per comparison in a worker; the evaluator's own are 5.
        workers: Worker processes.
    """

    name = "dart"

    def __init__(self, sets: bool | None = None, timeout: float = 5.0, workers: int = 1) -> None:
        super().__init__(timeout, workers)
        self.sets = sets

    def extract(self, response: str, facts: Facts) -> str | None:
        """As the evaluator; what follows the last "herefore" is all that counts."""
        return text_of.extract(response) or None

    def fast(self, answer: str, facts: Facts) -> Grade | None:
        """The verdict, or None for a comparison of large sets; anything else is bounded in length, depth and size."""
        if len(answer) > text_of.LONGEST:
            return Grade(GradeOutcome.UNPARSABLE, answer[:200], f"longer than {text_of.LONGEST} characters")
        return None if self._sets(facts) and answer.count(",") + answer.count("or") >= _MAX_ITEMS else self.slow(answer, facts)

    def slow(self, answer: str, facts: Facts) -> Grade:
        """The verdict."""
        reference = facts.reference if isinstance(facts.reference, str) else ",".join(facts.reference)
        left, right = text_of.normalize(answer), text_of.normalize(reference)
        try:
            equal, stage = _equal(answer, reference, left, right, self._sets(facts))
        except Unreadable as error:
            return Grade(GradeOutcome.UNPARSABLE, answer, str(error), 0.0, left, right)
        except TooLarge as error:
            return Grade(GradeOutcome.UNPARSABLE, answer, f"{error} too large to compute", 0.0, left, right)
        return Grade(GradeOutcome.CORRECT if equal else GradeOutcome.WRONG, answer, stage, 0.0, left, right)

    def _sets(self, facts: Facts) -> bool:
        return self.sets if self.sets is not None else _asks_for_a_set(facts.text)


def _asks_for_a_set(question: str) -> bool:
    return "ind the" in question or ("all" in question and "separate" in question)


def _equal(answer: str, reference: str, left: str, right: str, sets: bool) -> tuple[bool, str]:
    """The verdict and the stage that decided.

    Raises:
        Unreadable: where the evaluator raises.
        TooLarge: where the evaluator runs into its limit.
    """
    one, other = text_of.moment(answer), text_of.moment(reference)
    if one is not None and one == other:
        return True, "date"
    if not left:
        return False, "empty"
    if not left.isascii():
        return False, "not ASCII"
    if left.lower() == right.lower():
        return True, "text"
    if sets:
        return _sets(left, right), "set"
    by_number = _numbers(left, right)
    if by_number:
        return True, "number"
    first, second = _tree(left), _tree(right)
    if first is None or second is None:
        return False, "text"
    return _trees(first, second), "expression"


def _sets(left: str, right: str) -> bool:
    """Items paired, each with the first that equals it; an item that cannot be read makes the evaluator raise."""
    given, wanted = sorted(text_of.items(left)), sorted(text_of.items(right))
    if len(given) != len(wanted):
        return False
    for item in given:
        found = next((w for w in wanted if _equal(item, w, item, w, False)[0]), None)
        if found is None:
            if any(item.startswith(b) or item.endswith(b) for b in "()[]"):
                raise Unreadable(f"half an interval: {item!r}")
            return False
        wanted.remove(found)
    return True


def _numbers(left: str, right: str) -> bool:
    try:
        value, wanted = float(left), float(right)
    except ValueError:
        return False
    if math.isclose(value, wanted, rel_tol=1e-9, abs_tol=1e-8):
        return True
    return any(math.isclose(value, wanted * factor, rel_tol=1e-3) for factor in (100, 0.01))


def _tree(text: str) -> Tree | None:
    try:
        # No white space is left, so that 1\frac{3}{4} can be told from nothing: it is a product there.
        return _as_product(parse(text))
    except (Unreadable, RecursionError):
        return None


def _as_product(tree: Tree) -> Tree:
    """Mixed numbers as products; inequalities as they stand."""
    if tree[0] == "add" and tree[1][0] == "number" and tree[2][0] == "div":
        return ("mul", tree[1], tree[2])
    return tuple(_as_product(part) if isinstance(part, tuple) and part else part for part in tree)


def _trees(first: Tree, second: Tree) -> bool:
    if (first[0] == "relation") != (second[0] == "relation"):
        return False
    for tree in (first, second):
        if tree[0] == "interval" and tree[3:] == (True, True) and tree[0] != (second if tree is first else first)[0]:
            return False
    try:
        verdict = same(first, second)
        if verdict is None or verdict:
            return bool(verdict)
        from mpmath import mp

        values = [numeric(t, {}, mp) for t in (first, second)]
        return bool(abs(values[0] - values[1]) <= max(1e-9 * abs(values[1]), 1e-8))
    except (NoValue, KeyError, ZeroDivisionError, ValueError, OverflowError, TypeError):
        return False
