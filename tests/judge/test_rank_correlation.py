"""Tau of scores against the truth, over all and over the best."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from oche import judge
from oche.errors import JudgeError


def by_pairs(a, b):
    """Tau without ties, from its definition."""
    signs = [np.sign((a[i] - a[j]) * (b[i] - b[j])) for i, j in itertools.combinations(range(len(a)), 2)]
    return sum(signs) / len(signs)


def test_tau_over_all_and_over_the_truly_best():
    rng = np.random.default_rng(0)
    truth = rng.permutation(40).astype(float)
    scores = truth + rng.normal(size=40) * 8
    found = judge.rank_correlation(scores, truth, top=(1.0, 0.25))
    best = np.argsort(-truth)[:10]
    assert [(r.share, r.n) for r in found.rows] == [(1.0, 40), (0.25, 10)]
    assert found.tau == pytest.approx(by_pairs(scores, truth))
    assert found.rows[1].tau == pytest.approx(by_pairs(scores[best], truth[best]))
    assert all(row.low <= row.tau <= row.high for row in found.rows)
    picked = truth[scores.argmax()]
    assert (found.picked, found.regret, found.rank) == (picked, 39 - picked, 40 - picked)


def test_it_orders_all_but_not_the_best():
    truth = [*range(20), *[100 + i for i in range(5)]]
    scores = [*range(20), *[200 - i for i in range(5)]]
    found = judge.rank_correlation(scores, truth, top=(1.0, 0.2))
    assert found.tau > 0.9 and found.rows[1].tau == pytest.approx(-1) and found.regret == 4
    assert "tau -1.00" in found.verdict and "the true top 20 % (5)" in found.verdict


def test_scores_that_do_not_vary_have_no_tau():
    found = judge.rank_correlation([1, 1, 1, 1], [1, 2, 3, 4], top=(1.0,))
    assert found.to_json()["rows"][0]["tau"] == "undefined" and "no tau over all 4" in found.verdict


@pytest.mark.parametrize(
    ("scores", "top"), [([1, 2], (1.0,)), ([1, 2, 3, float("nan")], (1.0,)), ([1, 2, 3, 4], (0.5,)), ([1, 2, 3, 4], (2,))]
)
def test_what_cannot_be_correlated(scores, top):
    with pytest.raises(JudgeError, match="rank correlation"):
        judge.rank_correlation(scores, [1, 2, 3, 4], top=top)
