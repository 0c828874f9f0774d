"""Policies of early stopping by name, and what a policy of one's own gets to see."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oche.errors import ArgumentError, UnknownNameError
from oche.loop import Gates, HalvingPolicy, HyperbandPolicy, MedianPolicy, as_policy
from oche.loop.gates import ByRank, ByValue, Curve, Policy
from oche.loop.reports import Reports, TrialCurve, Watch
from oche.loop.rungs import hyperband
from oche.loop.sampling import sample
from oche.loop.stopping import registry
from oche.testing.spaces import space


def ended(*values: float, step: float = 1, status: str = "done") -> list[TrialCurve]:
    return [TrialCurve(((step, v),), number, status, v) for number, v in enumerate(values)]


def test_text_gives_the_same_policies_as_objects() -> None:
    assert repr(as_policy("asha?min=2&eta=4")) == repr(HalvingPolicy(min=2, eta=4))
    assert repr(as_policy("successive-halving")) == repr(HalvingPolicy())
    assert repr(as_policy("Hyperband?max=27")) == repr(HyperbandPolicy(27))
    assert repr(as_policy("median?trials=3&warmup=2")) == repr(MedianPolicy(3, 2))
    expected = Gates([ByRank(3, 0.5, 4), ByRank(9, 2, 4), ByValue(1, 20.0)])
    assert repr(as_policy("gates?rank=3:0.5,9:2&value=1:20&trigger=4")).replace(".0", "") == repr(expected).replace(".0", "")
    assert as_policy(None) is None
    assert all(name in {e.name for e in registry.entries()} for name in ("asha", "gates", "hyperband", "median", "successive-halving"))


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("ahsa", "did you mean 'asha'"),
        ("asha?et=3", "eta"),
        ("asha?eta=1", "eta: got 1"),
        ("hyperband", "max"),
        ("gates?rank=0.5", "step:limit"),
        ("gates?value=1:x", "step:limit"),
        ("gates", "gates"),
        ("median?trials=0", "trials"),
        ("median?warmup=-1", "warmup"),
    ],
)
def test_mistakes_in_text_are_named(text: str, fragment: str) -> None:
    with pytest.raises((ArgumentError, UnknownNameError), match=fragment):
        as_policy(text)
    with pytest.raises(ArgumentError, match="early stopping"):
        as_policy(7)


@given(st.lists(st.integers(0, 9), max_size=20), st.integers(0, 9), st.integers(2, 4))
def test_asha_lets_the_best_share_go_on_and_equals_share_their_place(known: list[int], value: int, eta: int) -> None:
    policy = HalvingPolicy(min=1, eta=eta)
    places = max(1, (len(known) + 1) // eta)
    limit = sorted([*known, value], reverse=True)[places - 1]
    assert policy.verdict([(1, float(value))], ended(*map(float, known))) is (value < limit)


def test_asha_judges_each_rung_on_the_first_report_there() -> None:
    policy = HalvingPolicy(min=1, eta=3, max=9)
    earlier = [TrialCurve(((1, 0.1), (2, 0.9), (4, 0.5)))] * 3
    assert policy.verdict([(1, 0.2), (2, 0.0)], earlier) is False, "0.2 is best at step 1; what follows before step 3 does not count"
    assert policy.verdict([(1, 0.2), (4, 0.4)], earlier) is True, "0.5 stands in the rung of step 3"
    assert policy.verdict([(1, 0.2), (4, 0.6), (9, 0.0)], earlier) is False, "nothing is judged at the end"
    assert [step for step in range(12) if policy.wants(step)] == [1, 3]


def test_asha_without_a_range_below_its_end_stops_nothing() -> None:
    assert HalvingPolicy(min=4, max=4).verdict([(4, 0.0)], ended(1.0, step=4)) is None


def test_hyperband_compares_within_a_bracket() -> None:
    policy = HyperbandPolicy(9, 1, 3)
    sizes = [bracket[0].size for bracket in hyperband(1, 9, 3)]
    assert sizes == [9, 5, 3]
    assert [policy.bracket(n) for n in range(18)] == [0] * 9 + [1] * 5 + [2] * 3 + [0]
    strong = [TrialCurve(((1, 1.0), (3, 1.0)), number) for number in range(9)]
    assert policy.verdict(TrialCurve(((1, 0.5),), 17), strong) is True
    assert policy.verdict(TrialCurve(((3, 0.5),), 10), strong) is False, "the first of its own bracket"
    assert policy.verdict(TrialCurve(((1, 0.5),), 10), strong) is None, "its bracket begins at step 3"
    assert policy.verdict(TrialCurve(((3, 0.0),), 15), strong) is None, "the last bracket stops nothing"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.floats(0, 1), st.integers(1, 6))
def test_median_is_that_of_finished_trials_at_the_step(values: list[float], value: float, trials: int) -> None:
    policy = MedianPolicy(trials)
    earlier = [*ended(*values), *ended(9.0, 9.0, status="stopped"), TrialCurve(((2, 9.0),), 50, "done")]
    expected = None if len(values) < trials else value < statistics.median(values)
    assert policy.verdict([(1, value)], earlier) is expected
    assert policy.verdict([(0.5, 1.0), (1, value)], earlier) in (None, False), "the best report so far counts"


def test_median_waits_for_its_warm_up() -> None:
    assert MedianPolicy(1, warmup=2).verdict([(1, 0.0)], ended(1.0)) is None
    assert not MedianPolicy(1, warmup=2).wants(1)


class Spy(Policy):
    """Stops the third trial, and keeps what it was shown."""

    seen: list[tuple[int, list[tuple[int, str, float | None, int]]]] = []

    def __repr__(self) -> str:
        return "Spy()"

    def verdict(self, curve: Curve, earlier: Sequence[Curve]) -> bool | None:
        assert isinstance(curve, TrialCurve)
        Spy.seen.append((curve.number, [(c.number, c.status, c.reward, len(c)) for c in earlier if isinstance(c, TrialCurve)]))
        return curve.number == 2


def test_a_policy_of_one_s_own_sees_numbers_statuses_and_rewards() -> None:
    Spy.seen.clear()
    for number, (_, feedback) in enumerate(sample(space("categorical"), "random", 4, early_stopping=Spy())):
        if number == 1:
            feedback.skip("no")
            continue
        feedback.report(0.5, step=1)
        if not feedback.should_stop():
            feedback.report({"reward": 0.7, "loss": 1.0}, step=2)
        feedback(0.9)
    assert Spy.seen == [
        (0, []),
        (2, [(0, "done", 0.9, 2), (1, "skipped", None, 0)]),
        (3, [(0, "done", 0.9, 2), (1, "skipped", None, 0), (2, "stopped", 0.9, 1)]),
    ]


def test_reports_end_at_the_fidelity_and_say_what_they_want() -> None:
    reports = Reports(Watch(fidelity=5, policy=HalvingPolicy(1, 3), previous=3, source="/no/such/file"))
    assert [step for step in range(7) if reports.wants(step)] == [1, 3, 5, 6]
    assert reports.source is None and reports.start == 0, "a file that is gone is a start from nothing"
    reports.report(0.5, 4)
    assert not reports.should_stop()
    reports.report(0.6, 5)
    assert reports.should_stop() and not reports.stopped
    with pytest.raises(ArgumentError, match="step 4 after 5"):
        reports.report(0.1, 4)
    with pytest.raises(ArgumentError, match="finite"):
        reports.report(float("nan"), 6)
    with pytest.raises(ArgumentError, match="reward"):
        reports.report({"loss": 1.0}, 6)
