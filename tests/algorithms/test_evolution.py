"""Evolution from operators: the published one as a composition, draw by draw; hill climbing; duplicates."""

from __future__ import annotations

import json

import pytest

import oche
from oche import seeds
from oche.algorithms import Dedup, Evolution, RegularizedEvolution, get
from oche.algorithms import operators as op
from oche.errors import ArgumentError
from oche.loop.contracts import Feedback
from oche.testing.spaces import SPACES, space


def _run(search, name, trials, score, parallel=1):
    """Proposals of a search whose tells come `parallel` - 1 asks late, on one stream of random numbers per ask."""
    on, rng, open_, made = space(name), seeds.generator(0), [], []
    search.setup(on, rng)
    for number in range(trials):
        rng.bit_generator.state = seeds.generator(1, number).bit_generator.state
        (proposal,) = search.ask(1)
        made.append(proposal.dna.flat)
        open_.append(proposal)
        if len(open_) == parallel:
            first = open_.pop(0)
            reward = score(first.dna.flat)
            search.tell([(first.id, Feedback(status="failed") if reward is None else Feedback(reward=reward))])
    return made


def _score(flat):
    value = sum((i + 1) * hash(gene) % 17 for i, gene in enumerate(flat) if gene is not None)
    return None if value % 7 == 0 else float(value % 5)


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", SPACES)
def test_regularized_evolution_is_a_composition_draw_by_draw(name, force, parallel):
    fused = RegularizedEvolution(8, 3, force)
    assert _run(fused, name, 150, _score, parallel) == _run(fused.composed(8, 3), name, 150, _score, parallel)


def test_the_comparison_sees_another_composition():
    other = Evolution(op.Random(4) >> op.Top(1) >> op.Mutate(), op.Last(8), initial=8)
    assert _run(RegularizedEvolution(8, 3), "categorical", 150, _score) != _run(other, "categorical", 150, _score)


def test_the_population_is_what_the_update_keeps():
    search = Evolution(op.Random(2) >> op.Top(1) >> op.Mutate(), op.Last(5), initial=5)
    _run(search, "categorical", 30, lambda flat: 0.0)
    search.ask(1)
    assert [m.born for m in search.members] == [25, 26, 27, 28, 29]


def test_proposals_stay_random_while_there_is_nobody_to_reproduce():
    search = Evolution(op.First(0), op.Last(5), initial=1)
    assert len(_run(search, "categorical", 20, lambda flat: 1.0)) == 20
    late = Evolution(op.Top(1) >> op.Mutate(), op.Top(1), initial=3)
    assert len(_run(late, "categorical", 30, lambda flat: None)) == 30
    assert late.members == []


def test_children_wait_in_line_and_memory_survives_a_state():
    search = Evolution((op.Top(1) >> op.Remember("best") >> op.Mutate(True)) * 4, op.Last(9), initial=2)
    _run(search, "categorical", 8, lambda flat: float(sum(flat)))
    text = json.dumps(search.state())
    assert len(search.state()["waiting"]) == 2
    other = Evolution((op.Top(1) >> op.Remember("best") >> op.Mutate(True)) * 4, op.Last(9), initial=2)
    other.setup(space("categorical"), seeds.generator(0))
    other.load(json.loads(text))
    assert json.dumps(other.state()) == text
    bad = Evolution(op.Remember("x", lambda members, context: object()) >> op.First(1), initial=1)
    _run(bad, "categorical", 3, lambda flat: 1.0)
    with pytest.raises(ArgumentError, match="memory"):
        bad.state()


def test_a_reward_that_is_not_a_number_never_becomes_the_best():
    runs = oche.search(
        {"x": oche.oneof([0, 1, 2], name="x")},
        "evolution?initial=3",
        lambda child: float("nan") if child["x"] == 2 else float(child["x"]),
        budget=oche.Budget(trials=30),
    )
    assert runs.best.record.value == 1.0
    assert {t.feedback.status for t in runs[0].trials} == {"done", "failed"}


def test_hill_climbing_proposes_neighbors_of_the_best_only():
    search = get("hill-climbing?batch=3")
    made = _run(search, "categorical", 31, lambda flat: float(sum(flat)))
    for start in range(1, 31, 3):
        best = max(made[:start], key=sum)
        assert all(sum(a != b for a, b in zip(best, child, strict=True)) == 1 for child in made[start : start + 3])
    assert sum(made[-1]) > sum(made[0])


@pytest.mark.parametrize(
    "text", ["evolution?initial=0", "hill-climbing?batch=0", "nsga2?population=1", "nsga2?crossover=pmx", "nsga2?p_crossover=2"]
)
def test_settings_are_checked(text):
    with pytest.raises(ArgumentError, match="allowed"):
        get(text)


def test_the_text_of_a_composition_is_the_same_in_every_process():
    made = repr(Evolution((op.Random(op.Linear(1, 2, 3)) >> op.Top(1)).with_prob(0.5) | op.Last(0.1)).reproduction)
    assert made == "(_Maybe((Random(Linear(start=1, end=2, steps=3)) >> Top(1)), 0.5) | Last(0.1))"


def test_dedup_never_proposes_a_point_twice_while_there_are_others():
    made = _run(Dedup("random"), "conditional", 14, lambda flat: 1.0)
    assert len(set(made)) == 14
    assert len(set(_run(get("random"), "conditional", 14, lambda flat: 1.0))) < 14


def test_dedup_counts_and_lets_through_when_the_space_is_exhausted():
    made = _run(Dedup("random", max_duplicates=2), "conditional", 32, lambda flat: 1.0)
    assert max(made.count(flat) for flat in made) == 2 and len(set(made)) == 16
    assert len(_run(Dedup("random", max_attempts=3), "conditional", 40, lambda flat: 1.0)) == 40


def test_dedup_by_a_hash_of_the_users_own():
    made = _run(Dedup("random", hash=lambda dna: dna.flat[0]), "categorical", 5, lambda flat: 1.0)
    assert sorted(flat[0] for flat in made) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("rule", "told"), [(None, ["skipped"]), ("max", [3.0]), ("mean", [2.0]), ("first", [1.0]), (min, [1.0])])
def test_dedup_tells_the_inner_algorithm_what_is_known(rule, told):
    class Inner:
        """Proposes one point for ever and keeps what it is told."""

        def setup(self, space, rng, budget=None):
            self.space, self.asked, self.told = space, 0, {}

        def ask(self, n):
            self.asked += 1
            return [oche.loop.contracts.Proposal(self.asked - 1, self.space.at(0))]

        def tell(self, results):
            self.told.update(results)

        def state(self):
            return {}

        def load(self, state):
            pass

    search = Dedup(Inner(), max_duplicates=2, max_attempts=1, auto_reward=rule)
    rewards = iter([1.0, 3.0])
    _run(search, "categorical", 2, lambda flat: next(rewards))
    search.ask(1)
    feedback = search.inner.told[2]
    assert [feedback.reward if feedback.ok else feedback.status] == told


def test_dedup_of_a_sweep_ends_with_it_and_weight_sharing_is_refused():
    assert Dedup("sweep").finite and not Dedup("random").finite
    with pytest.raises(ArgumentError, match="ask and tell"):
        Dedup("darts")
