"""Every flow is an ask-and-tell algorithm like any other: it keeps the whole contract."""

import pytest

from oche.algorithms import get as algorithm
from oche.errors import ArgumentError, BudgetError, UnknownNameError
from oche.flows import Factorized, Hybrid, Joint, Separate, get, names, text
from oche.loop.contracts import Budget
from oche.testing import AskTellContract
from oche.testing.spaces import SPACES, space

# A flow divides decisions, so it needs two of them.
DIVISIBLE = tuple(name for name in SPACES if len(set(space(name).keys)) > 1)


def first_key(name: str) -> str:
    return "^" + space(name).keys[0].replace("[", r"\[").replace(".", r"\.") + "$"


KEYS = "|".join(sorted({first_key(name) for name in DIVISIBLE}))


class TestSeparate(AskTellContract):
    space_names = DIVISIBLE

    def make_algorithm(self):
        return Separate(KEYS).search(lambda: algorithm("regularized-evolution?population=4&tournament=2"))


class TestFactorized(AskTellContract):
    space_names = DIVISIBLE

    def make_algorithm(self):
        return Factorized(KEYS, outer_trials=6, inner="random").search(lambda: algorithm("regularized-evolution?population=3&tournament=2"))


class TestHybrid(AskTellContract):
    space_names = DIVISIBLE

    def make_algorithm(self):
        flow = Hybrid(0.5, outer=KEYS, outer_trials=4, inner="random")
        return flow.search(lambda: algorithm("regularized-evolution?population=3&tournament=2"))


def test_there_are_spaces_to_test_on():
    assert len(DIVISIBLE) >= 3


def test_names_and_texts():
    assert {"joint", "separate", "factorized", "hybrid"} <= set(names())
    assert isinstance(get(None), Joint)
    assert text(get("factorized?outer=^a&outer_trials=5")) == "factorized?outer=^a&outer_trials=5"
    assert text(get("joint")) == "joint"


def test_a_near_name_is_suggested():
    with pytest.raises(UnknownNameError, match="factorized"):
        get("factorised?outer=^a")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Separate("^a", share=1.0), "share: got 1.0"),
        (lambda: Factorized("^a", outer_trials=0), "outer_trials: got 0"),
        (lambda: Hybrid(share=0), "share: got 0"),
        (lambda: Hybrid(first="hybrid", outer="^a"), "got 'hybrid' inside"),
        (lambda: Hybrid(first="joint", then="joint", outer="^a"), "settings of the one flow"),
    ],
)
def test_wrong_settings_are_refused(make, said):
    with pytest.raises(ArgumentError, match=said):
        make()


def test_a_flow_needs_trials_to_divide():
    with pytest.raises(BudgetError, match="without trials"):
        Separate("^a").search(lambda: algorithm("random")).setup(space(DIVISIBLE[0]), None, Budget(seconds=3))


class Deaf:
    """Random points, without a way to learn of others."""

    def __init__(self):
        self.inner = algorithm("random")
        self.setup, self.ask, self.tell, self.state, self.load = (
            getattr(self.inner, name) for name in ("setup", "ask", "tell", "state", "load")
        )


def test_a_hybrid_needs_an_algorithm_that_learns():
    search = Hybrid(outer=KEYS).search(Deaf)
    with pytest.raises(ArgumentError, match="did not ask for"):
        search.setup(space(DIVISIBLE[0]), None, Budget(trials=9))
