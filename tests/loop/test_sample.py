"""The plain loop: one feedback per trial, the same proposals as ever after a stop, clear errors."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oche
from oche.algorithms import RegularizedEvolution, Sweep
from oche.errors import ArgumentError, BudgetError, FeedbackError, MissingFeedback, ResumeError, SpaceError, UnknownNameError
from oche.loop.sampling import describe_algorithm, sample
from oche.program import Space, oneof
from oche.store import Store
from oche.testing.spaces import categorical, conditional, space

EVOLUTION = "regularized-evolution?population=10&tournament=3"


def _score(child: dict[str, str]) -> float:
    return float(sum(ord(v) for v in child.values()))


def _proposals(n: int, algorithm: Any = EVOLUTION, stop: int | None = None, **kwargs: Any) -> list[tuple[Any, ...]]:
    found = []
    for child, feedback in sample(space("categorical"), algorithm, n, **kwargs):
        found.append(feedback.dna.flat)
        feedback(_score(child))
        if stop is not None and len(found) == stop:
            break
    return found


def test_a_child_is_the_decoded_point_and_comes_n_times() -> None:
    on = Space(conditional())
    count = 0
    for child, feedback in oche.sample(on, "random", 25, seed=3):
        assert child == on.decode(feedback.dna)
        assert feedback.number == count
        feedback(1.0)
        count += 1
    assert count == 25


def test_a_program_may_be_given_instead_of_its_space() -> None:
    seen = set()
    for child, feedback in sample({"x": oneof([1, 2, 3])}, Sweep()):
        seen.add(child["x"])
        feedback(0.0)
    assert seen == {1, 2, 3}


def test_evolution_beats_random_on_a_separable_score() -> None:
    def best(algorithm: str) -> float:
        top = []
        for seed in range(5):
            rewards = []
            for child, feedback in sample(space("categorical"), algorithm, 150, seed=seed):
                rewards.append(_score(child))
                feedback(rewards[-1])
            top.append(max(rewards))
        return sum(top) / len(top)

    # The maximum is 6 x ord('e') = 606; 150 random points of 15,625 stay below it.
    assert best(EVOLUTION) > best("random")
    assert best(EVOLUTION) >= 605


@pytest.mark.parametrize("stops", [(1, 7, 49), (3, 30, 31, 32)])
def test_a_stopped_loop_goes_on_with_the_same_proposals(stops: tuple[int, ...], any_path: Path) -> None:
    whole = _proposals(60)
    parts: list[Any] = []
    for stop in stops:
        parts += _proposals(60, stop=stop - len(parts), store=any_path, name="try")
    parts += _proposals(60, store=any_path, name="try")
    assert parts == whole
    assert _proposals(60, store=any_path, name="try") == []
    assert _proposals(80, store=any_path, name="try") == _proposals(80)[60:]


@pytest.fixture
def any_path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


def test_a_store_object_stays_open_and_keeps_everything(any_path: Path) -> None:
    with Store(any_path) as store:
        for number, (_, feedback) in enumerate(sample(space("categorical"), "random", 5, store=store, name="try")):
            feedback.report({"loss": number / 4}, step=1)
            feedback.report(0.5, step=2)
            if number == 1:
                feedback.skip("known")
            elif number == 2:
                feedback.fail(ValueError("no"))
            elif number == 3:
                feedback((1.0, 2.0))
            else:
                feedback(np.float32(0.5), valid=91.5)  # type: ignore[arg-type]
        (row,) = store.runs("try")
        saved = store.load(row.id)
    assert saved is not None
    assert (saved.run.status, saved.run.asked, saved.run.told) == ("done", 5, 5)
    assert [t.status for t in saved.trials] == ["done", "skipped", "failed", "done", "done"]
    assert [t.reason for t in saved.trials] == ["", "known", "ValueError: no", "", ""]
    assert [t.reward for t in saved.trials] == [0.5, None, None, 1.0, 0.5]
    assert saved.trials[0].metrics == '{"valid":91.5}'
    assert len(saved.measures) == 10
    assert (saved.measures[2].proposal, saved.measures[2].step, saved.measures[2].metrics) == (1, 1.0, '{"loss":0.25}')


def test_a_trial_takes_one_feedback() -> None:
    for call in (lambda f: f(1.0), lambda f: f.skip(), lambda f: f.fail("x")):
        for again in (lambda f: f(1.0), lambda f: f.skip(), lambda f: f.fail("x"), lambda f: f.report({}, 1)):
            _, feedback = next(sample(space("categorical"), "random", 3))
            call(feedback)
            with pytest.raises(FeedbackError, match="trial 0"):
                again(feedback)


def test_going_on_without_feedback_is_an_error() -> None:
    loop = sample(space("categorical"), "random", 3)
    next(loop)
    with pytest.raises(MissingFeedback, match="trial 0"):
        next(loop)


@pytest.mark.parametrize("reward", [float("nan"), float("inf"), (1.0, float("nan")), ()])
def test_a_reward_must_be_finite_and_the_trial_stays_open(reward: Any) -> None:
    loop = sample(space("categorical"), "random", 2)
    _, feedback = next(loop)
    with pytest.raises(FeedbackError, match="reward"):
        feedback(reward)
    feedback(1.0)
    next(loop)


def test_an_error_in_the_body_keeps_what_was_done(any_path: Path) -> None:
    def body() -> None:
        for _, feedback in sample(space("categorical"), "random", 5, store=any_path, name="try"):
            if feedback.number == 3:
                raise ZeroDivisionError
            feedback(1.0)

    with pytest.raises(ZeroDivisionError):
        body()
    assert len(_proposals(5, "random", store=any_path, name="try")) == 2


def test_a_program_without_choices_is_refused() -> None:
    with pytest.raises(SpaceError, match="no choices"):
        sample({"x": 1}, "random", 3)


def test_bad_arguments_are_refused_before_anything_runs() -> None:
    on = space("categorical")
    with pytest.raises(UnknownNameError, match="did you mean 'random'"):
        sample(on, "randm", 3)
    with pytest.raises(UnknownNameError, match="did you mean 'population'"):
        sample(on, "regularized-evolution?populatoin=3", 3)
    with pytest.raises(BudgetError, match="population: got 10 with a budget of 10 trials"):
        sample(on, EVOLUTION, 10)
    with pytest.raises(BudgetError, match="got None"):
        sample(on, "random")
    for bad in (0, -1, 1.5, True):
        with pytest.raises(ArgumentError, match="n: got"):
            sample(on, "random", bad)  # type: ignore[arg-type]


def test_one_name_is_one_space_and_one_algorithm(any_path: Path) -> None:
    _proposals(3, "random", store=any_path, name="try")
    for other in (lambda: sample(space("conditional"), "random", 3, store=any_path, name="try"),):
        with pytest.raises(ResumeError, match=r"'conditional'.*'categorical'"):
            other()
    with pytest.raises(ResumeError, match=r"sweep.*random"):
        sample(space("categorical"), "sweep", 3, store=any_path, name="try")
    with pytest.raises(ResumeError, match="resume=False"):
        sample(space("categorical"), "random", 3, store=any_path, name="try", resume=False)
    # Another seed under the name is another run.
    assert len(_proposals(3, "random", store=any_path, name="try", seed=1)) == 3


def test_where_leaves_the_other_choices_open() -> None:
    outer = {"a": oneof([1, 2], name="a"), "b": oneof([3, 4], name="b")}
    pairs = []
    for half, feedback in sample(outer, "sweep", where="^a$"):
        best = 0
        for child, inner in sample(half, "sweep"):
            pairs.append((child["a"], child["b"]))
            inner(0.0)
            best = max(best, child["b"])
        feedback(float(best))
    assert pairs == [(1, 3), (1, 4), (2, 3), (2, 4)]


def test_the_global_generators_are_left_alone() -> None:
    before = random.getstate(), str(np.random.get_state())  # noqa: NPY002
    _proposals(30)
    assert before == (random.getstate(), str(np.random.get_state()))  # noqa: NPY002


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("regularized-evolution?population=9", "RegularizedEvolution?population=9", True),
        ("regularized-evolution?population=9&tournament=2", "regularized-evolution?tournament=2&population=9", True),
        ("regularized-evolution?population=9", "regularized-evolution?population=8", False),
        (RegularizedEvolution(population=9), RegularizedEvolution(population=9), True),
        (RegularizedEvolution(population=9), RegularizedEvolution(population=8), False),
        (Sweep(), "sweep", True),
    ],
)
def test_equal_settings_have_one_description(one: Any, other: Any, same: bool) -> None:
    assert (describe_algorithm(one) == describe_algorithm(other)) is same


def test_a_killed_loop_goes_on_with_the_same_proposals(any_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from oche.loop.sampling import sample\n"
        "from oche.testing.spaces import space\n"
        "for child, feedback in sample(space('categorical'), sys.argv[2], 60, store=sys.argv[1], name='try'):\n"
        "    if feedback.number == int(sys.argv[3]): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    feedback(float(sum(ord(v) for v in child.values())))\n"
    )
    for number in (13, 14, 40):
        done = subprocess.run([sys.executable, "-c", script, str(any_path), EVOLUTION, str(number)], check=False, timeout=60)
        assert done.returncode == -signal.SIGKILL
    rest = _proposals(60, store=any_path, name="try")
    # At most the last 50 ms of work are done again.
    assert 20 <= len(rest) <= 60
    assert rest == _proposals(60)[-len(rest) :]
    with Store(any_path) as store:
        saved = store.load(store.find("try").id)
    assert saved is not None
    assert [p.dna for p in saved.proposals] == [str(list(flat)).replace(" ", "") for flat in _proposals(60)]


def test_categorical_programs_need_no_torch() -> None:
    code = (
        "import sys, oche; from oche.testing.spaces import space\n"
        "for c, f in oche.sample(space('categorical'), 'random', 3): f(1.0)\n"
        "assert not {'torch', 'sqlalchemy', 'ray', 'pydantic', 'matplotlib'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert categorical()
