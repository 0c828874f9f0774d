"""The semantics of regularized evolution: ages, tournaments, mutations, sizes, failures."""

from __future__ import annotations

from typing import Any

import pytest

from oche import seeds
from oche.algorithms import get
from oche.algorithms.regularized_evolution import RegularizedEvolution
from oche.errors import ArgumentError, BudgetError
from oche.loop.contracts import Budget, Cost, Feedback
from oche.program import Space, oneof
from oche.testing.spaces import space


def _started(budget: Budget | None = None, name: str = "categorical", seed: int = 0, **settings: Any) -> RegularizedEvolution:
    algorithm = RegularizedEvolution(**settings)
    algorithm.setup(space(name), seeds.generator(seed), budget)
    return algorithm


def _step(algorithm: RegularizedEvolution, reward: float | None) -> Any:
    (proposal,) = algorithm.ask(1)
    feedback = Feedback(status="failed") if reward is None else Feedback(reward=reward)
    algorithm.tell([(proposal.id, feedback)])
    return proposal


def test_after_one_more_than_the_population_the_oldest_has_left_even_if_it_was_the_best() -> None:
    algorithm = _started(population=5)
    first = _step(algorithm, 100.0)
    for _ in range(4):
        _step(algorithm, 0.0)
    assert len(algorithm.members) == 5
    assert algorithm.members[0] == (first.dna, 100.0)
    # The best one wins each tournament that it takes part in, and leaves all the same.
    _step(algorithm, 0.0)
    assert len(algorithm.members) == 5
    assert all(reward == 0.0 for _, reward in algorithm.members)


def test_the_first_proposals_are_random_points() -> None:
    algorithm = _started(population=4, seed=9)
    rng, on = seeds.generator(9), space("categorical")
    assert [p.dna for p in algorithm.ask(4)] == [on.sample(rng) for _ in range(4)]


def test_a_proposal_differs_from_a_member_in_at_most_one_decision() -> None:
    algorithm = _started(population=6)
    for i in range(6):
        _step(algorithm, float(i))
    for _ in range(50):
        members = [dna for dna, _ in algorithm.members]
        proposal = _step(algorithm, 1.0)
        assert min(sum(a != b for a, b in zip(proposal.dna.flat, m.flat, strict=True)) for m in members) <= 1


def test_a_tournament_of_everyone_mutates_the_best_and_of_equal_ones_the_first_drawn() -> None:
    algorithm = _started(population=6, tournament=6)
    for reward in (0.0, 3.0, 1.0, 3.0, 2.0, 3.0):
        _step(algorithm, reward)
    best = [dna for dna, reward in algorithm.members if reward == 3.0]
    winners = {algorithm._select() for _ in range(100)}
    assert winners == set(best)


def test_a_tournament_draws_without_replacement() -> None:
    algorithm = _started(population=4, tournament=3)
    for reward in (0.0, 1.0, 2.0, 3.0):
        _step(algorithm, reward)
    # Of 3 out of 4 the winner is the best or, where it is missing, the second best: 3/4 and 1/4.
    second = algorithm.members[2][0]
    top = algorithm.members[3][0]
    wins = [algorithm._select() for _ in range(4000)]
    assert abs(wins.count(top) / 4000 - 0.75) < 0.03
    assert wins.count(top) + wins.count(second) == 4000


def test_a_tournament_of_one_is_no_selection() -> None:
    algorithm = _started(population=4, tournament=1)
    for reward in (0.0, 1.0, 2.0, 3.0):
        _step(algorithm, reward)
    assert len({algorithm._select() for _ in range(200)}) == 4


def test_the_plain_mutation_is_a_no_op_once_in_n_and_the_forced_one_never() -> None:
    # Six choices of five candidates: a redraw gives the same value with probability 1/5.
    rates = {}
    for force in (False, True):
        algorithm = _started(population=2, force_change=force)
        parent = algorithm.ask(1)[0].dna
        rates[force] = sum(algorithm._mutate(parent) == parent for _ in range(4000)) / 4000
    assert rates[True] == 0.0
    assert abs(rates[False] - 0.2) < 0.03


def test_a_forced_mutation_gives_up_where_nothing_can_change() -> None:
    algorithm = RegularizedEvolution(population=2, force_change=True)
    on = Space({"a": oneof([1])})
    algorithm.setup(on, seeds.generator(0))
    for reward in (1.0, 2.0, 3.0):
        _step(algorithm, reward)
    assert on.size == 1


def test_only_active_decisions_are_mutated_and_what_is_below_is_redrawn() -> None:
    algorithm = _started(name="conditional", population=8)
    on = space("conditional")
    for i in range(300):
        proposal = _step(algorithm, float(i % 7))
        on.validate(proposal.dna)
    assert len({dna for dna, _ in algorithm.members}) > 1


def test_failed_and_skipped_trials_never_enter() -> None:
    algorithm = _started(population=3)
    for reward in (None, 1.0, None, 2.0, None):
        _step(algorithm, reward)
    assert [reward for _, reward in algorithm.members] == [1.0, 2.0]
    _step(algorithm, 3.0)
    assert len(algorithm.members) == 3


def test_proposals_stay_random_while_tells_are_missing() -> None:
    algorithm = _started(population=3)
    asked = algorithm.ask(10)
    assert len({p.dna for p in asked}) == 10
    assert algorithm.members == []
    algorithm.tell([(p.id, Feedback(reward=1.0)) for p in asked])
    assert len(algorithm.members) == 3


def test_a_constant_reward_for_long_changes_nothing() -> None:
    algorithm = _started(population=4, tournament=2)
    for _ in range(500):
        _step(algorithm, 0.0)
    assert len(algorithm.members) == 4


@pytest.mark.parametrize(("trials", "size"), [(5, 4), (16, 4), (40, 10), (200, 50), (400, 100), (10_000, 100), (None, 100)])
def test_the_population_is_a_function_of_the_trials(trials: int | None, size: int) -> None:
    assert _started(Budget(trials=trials) if trials else None).size == size


@pytest.mark.parametrize(("population", "tournament"), [(4, 2), (10, 2), (25, 5), (50, 10), (100, 10)])
def test_the_tournament_is_a_function_of_the_population(population: int, tournament: int) -> None:
    algorithm = _started(population=population)
    for i in range(population):
        _step(algorithm, float(i))
    drawn: list[int] = []
    choice = algorithm._rng.choice

    class Spy:
        def choice(self, count: int, size: int, replace: bool) -> Any:
            drawn.append(size)
            return choice(count, size=size, replace=replace)

    algorithm._rng = Spy()  # type: ignore[assignment]
    algorithm._select()
    assert drawn == [tournament]


def test_other_budgets_size_the_population_from_the_first_four_costs() -> None:
    algorithm = _started(Budget(epochs=100))
    for _ in range(4):
        assert algorithm.size is None
        (proposal,) = algorithm.ask(1)
        algorithm.tell([(proposal.id, Feedback(reward=1.0, cost=Cost(trials=1, epochs=2.0)))])
    # 2 epochs each: 50 trials, a quarter of them is 12.
    assert algorithm.size == 12
    again = _started(Budget(epochs=100))
    again.load(algorithm.state())
    assert again.size == 12


@pytest.mark.parametrize("settings", [{"population": 20}, {"population": 30}, {}])
def test_a_population_that_is_not_smaller_than_the_trials_is_refused(settings: dict[str, Any]) -> None:
    trials = 20 if settings else 4
    with pytest.raises(BudgetError, match=rf"population: got \d+ with a budget of {trials} trials"):
        _started(Budget(trials=trials), **settings)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("population=1", "population"), ("population=2.5", "population"), ("population=true", "population"), ("tournament=0", "tournament"),
        ("population=4&tournament=5", "tournament: got 5; allowed: 1 to the population, 4"),
    ],
)  # fmt: skip
def test_sizes_are_checked(text: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        get(f"regularized-evolution?{text}")


def test_an_unknown_result_is_refused() -> None:
    algorithm = _started(population=3)
    with pytest.raises(ArgumentError, match="proposal 7"):
        algorithm.tell([(7, Feedback(reward=1.0))])


def test_several_objectives_are_refused() -> None:
    algorithm = _started(population=3)
    (proposal,) = algorithm.ask(1)
    with pytest.raises(ArgumentError, match="2 objectives"):
        algorithm.tell([(proposal.id, Feedback(reward=(1.0, 2.0)))])
