"""Gated early stopping: exact verdicts by value and by rank, once per gate, and their composition."""

from __future__ import annotations

from pathlib import Path

import pytest

from oche.errors import ArgumentError, ResumeError
from oche.loop.gates import ByRank, ByValue, Gates
from oche.loop.sampling import sample
from oche.testing.spaces import space

EARLIER = [[(1, v)] for v in (0.1, 0.2, 0.3, 0.4, 0.5)]


def test_by_value_an_equal_value_goes_on() -> None:
    policy = Gates([ByValue(1, 0.5)])
    assert [policy.verdict([(1, v)], []) for v in (0.49, 0.5, 0.51)] == [True, False, False]
    assert policy.verdict([(0, 0.0)], []) is None


@pytest.mark.parametrize(("rank", "stopped"), [(1, (0.1, 0.2, 0.3, 0.4)), (3, (0.1, 0.2)), (0.5, (0.1, 0.2)), (0.4, (0.1, 0.2, 0.3))])
def test_by_rank_counts_strictly_better_ones_and_rounds_half_up(rank: float, stopped: tuple[float, ...]) -> None:
    policy = Gates([ByRank(1, rank)])
    assert tuple(v for v in (0.1, 0.2, 0.3, 0.4, 0.5) if policy.verdict([(1, v)], EARLIER)) == stopped


def test_below_its_trigger_a_gate_says_nothing() -> None:
    assert Gates([ByRank(1, 1, trigger=6)]).verdict([(1, 0.0)], EARLIER) is None
    assert Gates([ByRank(1, 1, trigger=5)]).verdict([(1, 0.0)], EARLIER) is True


def test_a_trial_is_judged_on_its_first_measurement_in_the_last_gate() -> None:
    policy = Gates([ByValue(5, 0.8), ByValue(1, 0.5)])
    assert policy.verdict([(2, 0.4), (3, 0.9)], []) is True
    assert policy.verdict([(2, 0.6), (4, 0.1)], []) is False
    assert policy.verdict([(2, 0.4), (7, 0.8), (9, 0.0)], []) is False


def test_policies_compose_with_three_values() -> None:
    stop, go, silent = Gates([ByValue(0, 2.0)]), Gates([ByValue(0, 0.0)]), Gates([ByValue(9, 2.0)])
    say = [(0, 1.0)]
    parts = (stop, go, silent)
    assert [(a & b).verdict(say, []) for a in parts for b in parts] == [True, False, None, False, False, False, None, False, None]
    assert [(a | b).verdict(say, []) for a in parts for b in parts] == [True, True, True, True, False, None, True, None, None]
    assert [(~a).verdict(say, []) for a in parts] == [False, True, None]


@pytest.mark.parametrize("rank", [0, -1, True, 0.0, 1.5])
def test_bad_gates_are_refused(rank: float) -> None:
    with pytest.raises(ArgumentError, match="rank"):
        ByRank(1, rank)
    with pytest.raises(ArgumentError, match="gates"):
        Gates([ByValue(1, 0.0), ByRank(1, 1)])


def _loop(store: Path | None = None, stop: int | None = None) -> list[tuple[float, int]]:
    """Reward and epochs of each trial; the worse half of all that came before stops after its first epoch."""
    found = []
    gates = Gates([ByRank(1, 0.5, trigger=3)])
    for child, feedback in sample(space("categorical"), "random", 20, store=store, name="try", early_stopping=gates):
        reward = float(sum(ord(v) for v in child.values()))
        for epoch in (1, 2, 3):
            feedback.report(reward * epoch, epoch)
            if feedback.should_stop():
                break
        feedback(reward)
        found.append((reward, epoch))
        if len(found) == stop:
            break
    return found


def test_a_loop_stops_trials_by_those_that_ended_before() -> None:
    found = _loop()
    for number, (reward, epochs) in enumerate(found):
        better = sum(other > reward for other, _ in found[:number])
        assert epochs == (1 if number >= 3 and better >= int(0.5 * number + 0.5) else 3)
    assert {epochs for _, epochs in found} == {1, 3}


def test_a_stopped_loop_resumes_with_the_same_verdicts_and_statuses(tmp_path: Path) -> None:
    whole = _loop()
    path = tmp_path / "runs.db"
    parts = _loop(path, 4)
    parts += _loop(path, 7)
    parts += _loop(path)
    assert parts == whole
    from oche.store import Store

    with Store(path) as store:
        saved = store.load(store.find("try").id)
    assert saved is not None
    assert [t.status for t in saved.trials] == ["stopped" if epochs == 1 else "done" for _, epochs in whole]


def test_another_policy_on_resume_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    _loop(path, 4)
    with pytest.raises(ResumeError, match="early stopping None"):
        next(sample(space("categorical"), "random", 20, store=path, name="try"))
    with pytest.raises(ResumeError, match=r"rank=0\.5, trigger=3"):
        next(sample(space("categorical"), "random", 20, store=path, name="try", early_stopping=Gates([ByRank(1, 0.5, trigger=4)])))
