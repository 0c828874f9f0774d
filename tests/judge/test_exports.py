"""Exports as autorank and rliable take them: what their code checks and how it reads axes, and the numbers that they gave for these tables.

Neither is installed here: both pin or break what the rest needs. The numbers were printed by autorank 1.3.0 and rliable 1.2.0 (arch 7.2.0)
for `crossed()`.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from tests.judge.made_records import record, runs

from oche import judge
from oche.errors import JudgeError

METHODS = {"random members": ("random", "random", 90.0), "random search": ("random_search", "random", 91.5)}
METHODS |= {"evolution": ("search", "evolution", 92.0), "darts": ("search", "darts", 91.6)}

# What the two gave.
FRIEDMAN_P, NEMENYI_CD = 0.0001506490162116094, 1.6582924452770451
RANKS = {"random members": 4.0, "random search": 2.625, "darts": 2.25, "evolution": 1.125}
IQM = {"random search": 1.86044624, "evolution": 2.50680708, "darts": 1.98574844}
IMPROVED = {"random search": 0.8645833333333334, "evolution": 0.9513888888888888, "darts": 0.9166666666666667}


def crossed(**more):
    """Four methods on eight data sets with six runs each, without a random number."""
    found = []
    for i, dataset in enumerate("abcdefgh"):
        for j, (kind, algorithm, mean) in enumerate(METHODS.values()):
            values = [mean - 2 * i + 1.3 * ((7 * seed + 3 * i * j + 5 * j) % 11 - 5) / 5 + 0.013 * seed for seed in range(6)]
            found += runs(kind, values, algorithm=algorithm, task=f"classification:{dataset}", **more)
    return found


def test_a_frame_is_what_autorank_checks_and_reads():
    pandas = pytest.importorskip("pandas")
    frame = judge.to_autorank(crossed())
    # Its checks: a frame of two or more columns and five or more rows. It does not check for NaN, and then gives p = NaN.
    assert isinstance(frame, pandas.DataFrame)
    assert frame.shape == (8, 4)
    assert not frame.isna().to_numpy().any() and np.isfinite(frame.to_numpy()).all()
    # Columns are populations: plain, different words, no index of several levels, all of one type.
    assert list(frame.columns) == list(METHODS) and all(type(c) is str for c in frame.columns)
    assert not isinstance(frame.index, pandas.MultiIndex) and frame.index.is_unique and list(frame.index) == list("abcdefgh")
    assert {str(t) for t in frame.dtypes} == {"float64"}
    # Rows are paired: each method's mean on that data set.
    assert frame.loc["c", "darts"] == pytest.approx(np.mean([r.value for r in crossed() if (r.algorithm, r.task[-1]) == ("darts", "c")]))
    assert frame.attrs == {"order": "descending"}


def test_autorank_s_own_numbers_come_out_of_the_frame():
    pytest.importorskip("pandas")
    frame = judge.to_autorank(crossed())
    assert stats.friedmanchisquare(*frame.transpose().to_numpy()).pvalue == pytest.approx(FRIEDMAN_P, rel=1e-9)
    ours = judge.rank_methods(frame.to_dict())
    assert ours.p == pytest.approx(FRIEDMAN_P, rel=1e-9)
    assert dict(zip(ours.methods, ours.mean_ranks, strict=True)) == RANKS
    assert ours.critical_difference == pytest.approx(NEMENYI_CD, abs=2e-5)  # its table of quantiles has fewer digits


def test_arrays_are_what_rliable_reads():
    arrays = judge.to_rliable(crossed())
    assert list(arrays) == list(METHODS)
    for name, scores in arrays.items():
        # It resamples axis 0 within each place of axis 1: runs by tasks, an array and not a list (which it takes for several arguments).
        assert isinstance(scores, np.ndarray) and type(name) is str
        assert (scores.shape, scores.dtype) == ((6, 8), np.float64)
        assert np.isfinite(scores).all()
    of = {r.task[-1]: [x.value for x in crossed() if (x.algorithm, x.task) == ("darts", r.task)] for r in crossed()}
    assert arrays["darts"].T.tolist() == [of[d] for d in "abcdefgh"]


def test_rliable_s_own_numbers_come_out_of_the_arrays():
    arrays, scaled = judge.to_rliable(crossed()), judge.to_rliable(crossed(), normalize=True)
    assert set(scaled) == set(IQM)
    report = judge.report(crossed())
    pooled = {a.algorithm: a for a in report.multi.aggregates if a.against == "random average"}
    for name, value in IQM.items():
        assert stats.trim_mean(scaled[name], proportiontocut=0.25, axis=None) == pytest.approx(value, abs=1e-8)
        assert pooled[name].iqm == pytest.approx(value, abs=1e-8)
        pairs = zip(arrays[name].T, arrays["random members"].T, strict=True)
        wins = [stats.mannwhitneyu(x, y, alternative="greater").statistic / (len(x) * len(y)) for x, y in pairs]
        assert np.mean(wins) == pytest.approx(IMPROVED[name], abs=1e-12)
        assert pooled[name].better == pytest.approx(IMPROVED[name], abs=1e-12)


def test_where_less_is_better_both_are_told():
    pytest.importorskip("pandas")
    found = crossed(direction="min")
    # rliable takes larger for better; a falling error is an improvement above 0.
    assert judge.to_rliable(found, normalize=True)["evolution"].mean() < 0 < judge.to_rliable(crossed(), normalize=True)["evolution"].mean()
    assert judge.to_rliable(found)["evolution"].tolist() == judge.to_rliable(crossed())["evolution"].tolist()
    assert judge.to_autorank(found).attrs == {"order": "ascending"}
    mixed = [*crossed(), *runs("search", [1.0, 2.0], task="classification:z", direction="min")]
    with pytest.raises(JudgeError, match="larger is better on some data sets"):
        judge.to_autorank(mixed)


def test_what_neither_can_read_is_refused_here():
    pytest.importorskip("pandas")
    failed = [r for r in crossed() if (r.algorithm, r.task[-1]) != ("darts", "h")]
    failed.append(record("search", math.nan, 0, algorithm="darts", task="classification:h", status="failed"))
    for export in (judge.to_autorank, judge.to_rliable):
        with pytest.raises(JudgeError, match="no result of 'darts' on h"):
            export(failed)
