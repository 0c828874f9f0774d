"""Flows through `oche.search`: whose trials are counted, what is fixed when, what they find."""

import pytest

import oche
from oche.errors import ArgumentError, SpaceError

N = 6


def program():
    return {"a": oche.oneof(list(range(N)), name="a"), "b": oche.oneof(list(range(N)), name="b")}


def additive(child):
    return float(child["a"] + child["b"])


def interacting(child):
    """Best at a = b = 5, and with b at its first candidate best at a = 0: the separate flow is misled."""
    return float(-abs(child["a"] - child["b"]) + 0.1 * child["a"])


def search(flow, reward, trials=2 * N, algorithm="sweep", seeds=1):
    return oche.search(program(), algorithm, reward, flow, budget=oche.Budget(trials=trials), seeds=seeds)


def test_separate_finds_the_best_of_an_additive_reward_in_n_plus_n_trials():
    runs = search("separate?first=^a", additive)
    assert runs.best.record.value == 10.0
    assert runs[0].cost.trials == 2 * N
    tried = [t.dna.flat for t in runs[0].trials]
    assert tried == [(a, 0) for a in range(N)] + [(N - 1, b) for b in range(N)]


def test_separate_is_misled_by_an_interaction_and_joint_is_not():
    assert search("separate?first=^a", interacting).best.record.value == 0.0
    assert search("joint", interacting, trials=N * N).best.record.value == pytest.approx(0.5)


def test_factorized_searches_b_anew_for_each_a():
    runs = search("factorized?outer=^a&outer_trials=3", interacting, trials=18)
    assert [t.dna.flat for t in runs[0].trials] == [(a, b) for a in range(3) for b in range(N)]
    assert runs.best.record.value == pytest.approx(0.2)


def test_trials_that_do_not_divide_are_all_spent():
    runs = search("factorized?outer=^a&outer_trials=3", additive, trials=11, algorithm="random")
    assert len(runs[0].trials) == 11
    outer = [t.dna.flat[0] for t in runs[0].trials]
    # Four, four and three trials per outer point.
    assert [len(set(part)) for part in (outer[:4], outer[4:8], outer[8:])] == [1, 1, 1]


def test_the_outer_search_learns_the_best_inner_reward():
    told = []

    class Spy(oche.algorithms.Random):
        def tell(self, results):
            if self._space.keys == ("a",):
                told.extend((number, feedback.scalar) for number, feedback in results)

    runs = search("factorized?outer=^a&outer_trials=4&inner=sweep", additive, trials=4 * N, algorithm=Spy)
    outer = [t.dna.flat[0] for t in runs[0].trials[::N]]
    assert told == [(number, a + N - 1.0) for number, a in enumerate(outer)]


def test_hybrid_tells_the_second_search_what_the_first_found():
    flow = "hybrid?share=0.75&outer=^a&outer_trials=6&inner=sweep"
    algorithm = "regularized-evolution?population=4&tournament=4&force_change=true"
    runs = search(flow, additive, trials=48, algorithm=algorithm)
    later = runs[0].trials[36:]
    # The population is full at once, of the last points of the first flow: children, no random points, differ in one decision.
    first = [t.dna.flat for t in runs[0].trials[:36]]
    assert any(sum(x != y for x, y in zip(later[0].dna.flat, seen, strict=True)) == 1 for seen in first[-4:])
    assert len(runs[0].trials) == 48


@pytest.mark.parametrize("flow", ["separate?first=^a", "factorized?outer=^a", "hybrid?outer=^a&share=0.4"])
def test_a_resumed_flow_is_the_flow_that_never_stopped(tmp_path, flow):
    def of(store, budget):
        return oche.search(program(), "regularized-evolution?population=3", additive, flow, budget=budget, store=store, name="one")

    budget = oche.Budget(trials=40)
    whole = of(None, budget)
    calls = 0

    def stops(child):
        nonlocal calls
        calls += 1
        if calls == 23:
            raise KeyboardInterrupt
        return additive(child)

    store = tmp_path / "runs.db"
    with pytest.raises((oche.errors.OcheError, KeyboardInterrupt)):
        oche.search(program(), "regularized-evolution?population=3", stops, flow, budget=budget, store=store, name="one")
    # The same task by name goes on.
    stops.__name__ = "stops"
    again = oche.search(program(), "regularized-evolution?population=3", stops, flow, budget=budget, store=store, name="one")
    assert [t.dna.flat for t in again[0].trials] == [t.dna.flat for t in whole[0].trials]


def test_records_name_the_flow_and_hold_a_point_of_the_whole_space():
    record = search("factorized?outer=^a&outer_trials=4", additive, trials=16, algorithm="random").best.record
    assert record.kind == "search"
    assert record.algorithm == "random in factorized?outer=^a&outer_trials=4"
    assert record.settings["flow"] == "factorized?outer=^a&outer_trials=4"
    assert len(record.dna) == 2
    assert record.cost["search"]["trials"] == 16


def test_conditional_decisions_go_with_their_parent():
    nested = {"kind": oche.oneof([1, oche.oneof([2, 3, 4], name="inner")], name="kind"), "b": oche.oneof([0, 10], name="b")}
    reward = lambda child: float(child["kind"] + child["b"])
    runs = oche.search(nested, "sweep", reward, "factorized?outer=^kind$&outer_trials=2", budget=oche.Budget(trials=12))
    assert runs.best.record.value == 14.0
    # Two points under the first candidate; three times two under the second.
    assert len(runs[0].trials) == 8


def test_what_matches_all_or_nothing_is_refused():
    with pytest.raises(ArgumentError, match="matches every choice"):
        search("separate?first=.", additive)
    with pytest.raises(SpaceError, match="matches no choice"):
        search("separate?first=^zz", additive)
    with pytest.raises(SpaceError, match="this is none"):
        search("factorized?outer=(", additive)


@pytest.mark.parametrize("outer", ["^inner", "^inner|^b"])
def test_a_part_without_the_parent_of_a_decision_is_refused(outer):
    """It would drop that decision from the outer search without a word."""
    nested = {"kind": oche.oneof([1, oche.oneof([2, 3, 4], name="inner")], name="kind"), "b": oche.oneof([0, 10], name="b")}
    with pytest.raises(SpaceError, match="names inner but not what"):
        oche.search(nested, "sweep", lambda child: 0.0, f"factorized?outer={outer}", budget=oche.Budget(trials=12))


def test_a_constraint_holds_inside_a_flow():
    runs = oche.search(
        program(),
        "random",
        additive,
        "factorized?outer=^a&outer_trials=5",
        budget=oche.Budget(trials=25),
        constraint=lambda child: child["a"] + child["b"] <= 7,
    )
    assert len(runs[0].trials) == 25
    assert max(t.feedback.scalar for t in runs[0].trials) <= 7
