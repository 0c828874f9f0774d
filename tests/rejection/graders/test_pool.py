"""Deadlines: pathological responses cost themselves, nobody else."""

from __future__ import annotations

import time

import pytest

from oche.errors import ArgumentError
from oche.rejection.graders import GradeOutcome, Strict, counts, get

PATHOLOGICAL = [r"\boxed{10^{10^{10}}!}", "\\boxed{" + "{" * 5000 + "1" + "}" * 5000 + "}", "\\boxed{" + "1+" * 500_000 + "1}"]


class Sleeper(Strict):
    """Needs a worker for each answer; one answer never ends."""

    def fast(self, answer, facts):
        return None

    def slow(self, answer, facts):
        while answer == "0":
            pass
        return super().fast(answer, facts)


def test_a_thousand_with_pathological_ones_finish_with_the_others_right():
    pairs = [(f"\\boxed{{{i}}}", str(i)) for i in range(1000)]
    for at, text in enumerate(PATHOLOGICAL):
        pairs[100 * at] = (text, "5")
    begun = time.monotonic()
    with get("strict") as grader:
        grades = grader.grade_many(pairs)
    assert time.monotonic() - begun < 20
    assert counts(grades) == {"correct": 997, "wrong": 0, "unparsable": 3, "timed_out": 0}


def test_only_the_guilty_worker_is_killed():
    with Sleeper(timeout=1.0, workers=2) as grader:
        grades = grader.grade_many([(f"\\boxed{{{i}}}", str(i)) for i in range(20)])
    assert grades[0].outcome is GradeOutcome.TIMED_OUT
    assert grades[0].seconds < 2
    assert all(g.correct for g in grades[1:])


def test_an_empty_reference_is_refused():
    with pytest.raises(ArgumentError, match="reference"):
        get("strict").grade("1", "")


def test_benchmarks_compare_by_their_own_rules():
    olympiad = get("olympiadbench")
    assert olympiad.grade(r"\boxed{2, 1}", {"reference": ["1", "2"]}).correct
    assert olympiad.grade(r"\boxed{1.05}", {"reference": "1", "error": "0.1"}).correct
    assert not olympiad.grade(r"\boxed{1.05}", {"reference": "1"}).correct
    theorem = get("theoremqa")
    assert theorem.grade("The answer is 1.03", {"reference": "1.0", "Answer_type": "float"}).correct
    assert not theorem.grade("The answer is 4", {"reference": "3", "Answer_type": "integer"}).correct
    assert theorem.grade("The answer is yes", {"reference": "True", "Answer_type": "bool"}).correct
    assert theorem.grade("The answer is [1, 2]", {"reference": "[1, 2]", "Answer_type": "list of integer"}).correct
    assert get("choice").grade("so (C).", "C").correct
    assert get("numeric").grade("It makes 12 in all", "12").correct
    assert get("exact").grade(" 12 ", "12").correct


@pytest.mark.parametrize("profile", ["strict", "dart"])
@pytest.mark.parametrize(
    "response",
    [
        "1" * 1_000_000,
        "The answer is " + "1" * 1_000_000,
        "\\boxed{" + "1" * 499 + "}",
        "\\boxed{" * 100_000,
        "." * 1_000_000,
        "$" + "x" * 500_000 + "$",
        "the answer is " + "9^" * 500_000,
        "1 meter " * 100_000,
        *PATHOLOGICAL,
    ],
    ids=["digits", "said-digits", "boxed-digits", "boxes", "dots", "formula", "powers", "units", "factorial", "braces", "sum"],
)
def test_no_response_is_right_by_its_length_or_breaks_the_deadline(profile, response):
    with get(f"{profile}?timeout=2") as grader:
        begun = time.monotonic()
        grade = grader.grade(response, "42")
    assert not grade.correct
    assert time.monotonic() - begun < 3


def test_a_long_response_is_read_at_its_end():
    with get("dart") as grader:
        assert grader.grade("So we go on. " * 1000 + "The answer is 42", "42").correct
