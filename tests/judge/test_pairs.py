"""One algorithm against each of several others, with the words and the correction of a report."""

from __future__ import annotations

import pytest

from oche.errors import JudgeError
from oche.judge import compare, pairs
from oche.judge._page import _over_median
from oche.judge._page_studies import study_parts

FIRST = [5.0, 6.0, 7.0, 8.0, 9.0]


def test_each_other_one_is_named_and_tests_are_corrected_over_all() -> None:
    found = pairs({"a": FIRST, "low": [1, 2, 3, 4, 4.5], "high": [20, 21, 22, 23, 24], "same": [5, 6, 7, 8, 9.5]}, "coverage", "%")
    assert found is not None
    assert [row["verdict"] for row in found["rows"]] == ["better than low", "worse than high", "not distinguishable from same"]
    p = [row["p"] for row in found["rows"]]
    assert p[0] == pytest.approx(2 / 252) == p[1]
    assert [row["p_adj"] for row in found["rows"]] == pytest.approx([3 * p[0], 3 * p[0], p[2]])
    row = compare(search=FIRST, random=[1, 2, 3, 4, 4.5], scale="points")
    assert (found["rows"][0]["low"], found["rows"][0]["high"]) == (row.difference_low, row.difference_high)
    assert found["verdict"] == "a is better than low; a is worse than high; a is not distinguishable from same."


def test_counts_that_cannot_decide_are_said() -> None:
    found = pairs({"a": [5.0, 6.0, 7.0], "b": [1.0, 2.0, 3.0]})
    assert found is not None
    assert found["rows"][0]["verdict"] == "cannot be decided with these counts"
    assert pairs({"a": [5.0], "b": [1.0, 2.0]}) is None
    assert pairs({"a": [0.0, 0.0], "b": [0.0, 0.0]}) is None
    with pytest.raises(JudgeError, match="got 1 algorithms"):
        pairs({"a": FIRST})


def test_smaller_is_better_where_it_is_said_so() -> None:
    found = pairs({"a": FIRST, "b": [1, 2, 3, 4, 4.5]}, direction="min")
    assert found is not None
    assert found["rows"][0]["verdict"] == "worse than b"


def test_the_page_has_a_table_of_them() -> None:
    found = pairs({"stax": FIRST, "taxons": [1, 2, 3, 4, 4.5]}, "coverage", "%")
    assert found is not None
    (part,) = study_parts([found])
    assert part["name"] == "stax against the others: coverage"
    assert part["more"]["lines"][0][0] == "taxons"
    assert part["more"]["lines"][0][-1] == "better than taxons"


def test_a_bad_tail_shows_in_the_improvement_over_the_median() -> None:
    row = compare(search=[91.0, 92.0, 93.0], random=[90.0, 91.0, 10.0], unit="%")
    assert row.ri == pytest.approx(100 * (92 - 191 / 3) / (191 / 3))
    assert _over_median(row) == "+2.22 %"  # 92 over 90
    assert _over_median(compare(search=[1.0, 2.0], random=[4.0, 6.0], direction="min", scale="points")) == "+3.50 points"
