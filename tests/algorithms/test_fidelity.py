"""Successive halving, Hyperband and ASHA: exact sizes, who goes on, and what the inner algorithm hears."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oche
from oche import seeds
from oche.algorithms import ASHA, Hyperband, SuccessiveHalving, get
from oche.errors import ArgumentError, SpaceError
from oche.loop.asktell_run import AskTellRun
from oche.loop.contracts import Budget, Cost, Feedback, Proposal
from oche.loop.engine import Engine
from oche.loop.executors.serial import Serial
from oche.loop.run import Plan
from oche.loop.rungs import hyperband
from oche.loop.workbench import Workbench
from oche.testing.spaces import ScoreTask, space

LINE = {"x": oche.floatv(0.0, 1.0)}


def curve(child: dict[str, float], step: float) -> float:
    """Short evaluations say something, not everything."""
    total = sum(child.values())
    return total + 0.3 / step * float(np.sin(40 * total))


def played(algorithm: Any, budget: Budget | None = None, seed: int = 0, program: Any = LINE) -> list[tuple[Proposal, float]]:
    """All proposals with their rewards, one at a time."""
    on = oche.Space(program)
    rng = np.random.Generator(np.random.PCG64(0))
    algorithm.setup(on, rng, budget)
    found: list[tuple[Proposal, float]] = []
    while budget is None or len(found) < (budget.trials or 0):
        rng.bit_generator.state = seeds.generator(seed, len(found)).bit_generator.state
        got = algorithm.ask(1)
        if not got:
            break
        reward = curve(on.decode(got[0].dna), got[0].info["fidelity"])
        found.append((got[0], reward))
        algorithm.tell([(got[0].id, Feedback(reward=reward))])
    return found


def test_one_bracket_has_the_exact_sizes_and_takes_the_best() -> None:
    found = played(SuccessiveHalving(max=81))
    assert Counter(p.info["fidelity"] for p, _ in found) == {1: 81, 3: 27, 9: 9, 27: 3, 81: 1}
    at = {step: [(p, r) for p, r in found if p.info["fidelity"] == step] for step in (1, 3, 9, 27, 81)}
    for low, high in ((1, 3), (3, 9), (9, 27), (27, 81)):
        best = sorted(at[low], key=lambda pair: -pair[1])[: len(at[high])]
        assert [p.info["continues"] for p, _ in at[high]] == [p.id for p, _ in best]
        assert [p.dna.flat for p, _ in at[high]] == [p.dna.flat for p, _ in best]
        assert {p.info["previous"] for p, _ in at[high]} == {low}
    assert all("continues" not in p.info for p, _ in at[1])
    assert {p.info.get("grows", False) for p, _ in at[81]} == {False}


def test_a_bracket_of_34_points_keeps_11_3_and_1() -> None:
    found = played(SuccessiveHalving(n=34, min=3, max=81))
    assert Counter(p.info["fidelity"] for p, _ in found) == {3: 34, 9: 11, 27: 3, 81: 1}


@pytest.mark.parametrize("sizes", ["formula", "table"])
def test_hyperband_plays_all_brackets_of_the_paper(sizes: str) -> None:
    found = played(Hyperband(max=81, sizes=sizes))
    counted = Counter((p.info["bracket"], p.info["fidelity"]) for p, _ in found)
    brackets = hyperband(1, 81, 3, sizes)
    assert counted == {(number, rung.step): rung.size for number, bracket in enumerate(brackets) for rung in bracket}
    assert len(found) == (206 if sizes == "formula" else 121 + 40 + 13 + 8 + 5)


def test_rounds_repeat_the_plan_and_a_budget_ends_it() -> None:
    assert len(played(SuccessiveHalving(max=9, rounds=2))) == 2 * 13
    assert len(played(SuccessiveHalving(max=9), Budget(trials=50))) == 50
    assert len(played(Hyperband(max=9, rounds=3))) == 3 * (9 + 3 + 1 + 5 + 1 + 3)


def test_a_small_budget_leaves_out_what_it_cannot_pay_for() -> None:
    def first(algorithm: Any, **limits: Any) -> list[tuple[int, float]]:
        return [(rung.size, rung.step) for rung in algorithm.plan(Budget(**limits))[0]]

    assert first(SuccessiveHalving(max=81), trials=40) == [(27, 3), (9, 9), (3, 27), (1, 81)]
    assert first(SuccessiveHalving(max=81), trials=1) == [(1, 81)]
    # 81 + 27 * 2 + 9 * 6 + 3 * 18 + 54 epochs, since points go on.
    assert first(SuccessiveHalving(max=81), epochs=297) == [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]
    assert first(SuccessiveHalving(max=81), epochs=296)[0] == (27, 3)
    assert first(SuccessiveHalving(n=10, max=81), trials=2)[0] == (10, 1), "a size that is given is kept"
    assert first(Hyperband(max=81), trials=40) == [(15, 9), (5, 27), (1, 81)]


class Reference:
    """ASHA by the letter of its algorithm 2: rungs as plain lists, sorted anew at every ask."""

    def __init__(self, steps: list[float], eta: int) -> None:
        self.steps, self.eta = steps, eta
        self.rungs: list[list[tuple[int, float]]] = [[] for _ in steps]
        self.promoted: list[set[int]] = [set() for _ in steps]

    def next(self) -> tuple[int | None, int]:
        for k in range(len(self.steps) - 2, -1, -1):
            ranked = sorted(self.rungs[k], key=lambda pair: -pair[1])[: len(self.rungs[k]) // self.eta]
            candidates = [number for number, _ in ranked if number not in self.promoted[k]]
            if candidates:
                self.promoted[k].add(candidates[0])
                return candidates[0], k + 1
        return None, 0


@given(seed=st.integers(0, 10_000), eta=st.integers(2, 4), late=st.integers(1, 5))
def test_asha_is_its_published_algorithm(seed: int, eta: int, late: int) -> None:
    rng = np.random.default_rng(seed)
    algorithm = ASHA(min=1, max=27, eta=eta)
    algorithm.setup(oche.Space(LINE), rng, Budget(trials=60))
    reference = Reference(list(algorithm._steps), eta)
    out: list[tuple[Proposal, int]] = []
    for _ in range(60):
        proposal = algorithm.ask(1)[0]
        before, level = reference.next()
        assert (proposal.info.get("continues"), proposal.info["rung"]) == (before, level)
        assert proposal.info["fidelity"] == reference.steps[level]
        out.append((proposal, level))
        while len(out) >= late:
            done, at = out.pop(int(rng.integers(len(out))))
            reward = float(rng.integers(6))
            reference.rungs[at].append((done.id, reward))
            algorithm.tell([(done.id, Feedback(reward=reward))])


def test_asha_with_a_number_of_points_ends_by_itself() -> None:
    found = played(ASHA(max=9, n=20))
    counted = Counter(p.info["fidelity"] for p, _ in found)
    assert counted[1] == 20 and 20 // 3 <= counted[3] < 20 and counted[9] >= counted[3] // 3 >= 1
    assert ASHA(max=9, n=20).finite and not ASHA(max=9).finite


class Listening:
    """A random source that writes down what it hears."""

    heard: list[tuple[tuple[Any, ...], float]] = []
    learned: list[tuple[tuple[Any, ...], float]] = []
    budgets: list[int] = []

    def setup(self, on: Any, rng: Any, budget: Any = None) -> None:
        self.on, self.rng, self.asked, self.points = on, rng, 0, {}
        Listening.budgets.append(budget.trials)

    def ask(self, n: int) -> list[Proposal]:
        self.points[self.asked] = self.on.sample(self.rng)
        self.asked += 1
        return [Proposal(self.asked - 1, self.points[self.asked - 1])]

    def tell(self, results: Any) -> None:
        Listening.heard += [(self.points[i].flat, f.reward) for i, f in results]

    def learn(self, dna: Any, feedback: Any) -> None:
        Listening.learned.append((dna.flat, feedback.reward))

    def state(self) -> dict[str, Any]:
        return {}

    def load(self, state: Any) -> None:
        raise AssertionError("not loaded here")


def test_the_inner_algorithm_hears_each_point_once_at_its_first_rung_and_learns_equal_fidelities() -> None:
    Listening.heard, Listening.learned, Listening.budgets = [], [], []
    found = played(Hyperband(max=9, inner=Listening))
    begun = [(p.dna.flat, r) for p, r in found if p.info["rung"] == 0]
    assert sorted(Listening.heard) == sorted(begun)
    at_three = [(p.dna.flat, r) for p, r in found if p.info["bracket"] == 0 and p.info["fidelity"] == 3]
    at_nine = [(p.dna.flat, r) for p, r in found if p.info["bracket"] <= 1 and p.info["fidelity"] == 9]
    assert Listening.learned == at_three + at_nine
    assert Listening.budgets == [17, 17, 17]


def test_evolution_inside_finds_better_points_than_random_inside() -> None:
    program = {f"x{i}": oche.oneof([0.0, 0.1, 0.2, 0.3, 0.4]) for i in range(8)}

    def best(inner: str, seed: int) -> float:
        found = played(get(f"asha?max=9&inner={inner}"), Budget(trials=300), seed, program)
        return max(r for p, r in found if p.info["fidelity"] == 9)

    assert sum(best("regularized-evolution", s) > best("random", s) for s in range(10)) >= 9


def test_failures_are_never_taken_further_and_free_rejections_are_replaced() -> None:
    on = oche.Space(LINE)
    algorithm = SuccessiveHalving(max=9)
    algorithm.setup(on, np.random.default_rng(0))
    statuses: dict[int, str] = {}
    begun = 0
    while got := algorithm.ask(1):
        (proposal,) = got
        number = proposal.id
        first = proposal.info["rung"] == 0
        begun += first
        if first and number % 3 == 1:
            told, statuses[number] = Feedback(status="failed", reason="x"), "failed"
        elif first and number % 3 == 2:
            told, statuses[number] = Feedback(status="skipped", reason="constraint", cost=Cost()), "free"
        else:
            told, statuses[number] = Feedback(reward=float(number)), "done"
        if not first:
            assert statuses[proposal.info["continues"]] == "done"
        algorithm.tell([(number, told)])
    counted = Counter(statuses.values())
    assert begun - counted["free"] == 9


def test_a_rung_of_failures_ends_its_bracket() -> None:
    algorithm = SuccessiveHalving(max=9)
    algorithm.setup(oche.Space(LINE), np.random.default_rng(0))
    for _ in range(9):
        (proposal,) = algorithm.ask(1)
        algorithm.tell([(proposal.id, Feedback(status="failed", reason="x"))])
    assert algorithm.ask(1) == []


def test_a_bracket_waits_for_its_rung_and_the_next_one_begins_meanwhile() -> None:
    algorithm = SuccessiveHalving(n=3, max=3)
    algorithm.setup(oche.Space(LINE), np.random.default_rng(0))
    asked = algorithm.ask(5)
    assert len(asked) == 3 and algorithm.ask(1) == []
    for proposal in asked[:2]:
        algorithm.tell([(proposal.id, Feedback(reward=0.0))])
    assert algorithm.ask(1) == []
    algorithm.tell([(asked[2].id, Feedback(reward=1.0))])
    (further,) = algorithm.ask(1)
    assert further.info["continues"] == asked[2].id
    busy = SuccessiveHalving(n=3, max=3)
    busy.setup(oche.Space(LINE), np.random.default_rng(0), Budget(trials=100))
    assert [p.info["bracket"] for p in busy.ask(7)] == [0, 0, 0, 1, 1, 1, 2]


def test_a_source_that_ends_makes_a_smaller_rung() -> None:
    algorithm = get("successive-halving?max=27&inner=sweep")
    algorithm.setup(oche.Space({"x": oche.oneof([1, 2, 3, 4])}), np.random.default_rng(0))
    steps = []
    while got := algorithm.ask(1):
        steps.append(got[0].info["fidelity"])
        algorithm.tell([(got[0].id, Feedback(reward=0.0))])
    assert steps == [1] * 4 + [3] * 4 + [9] * 3 + [27]


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("asha?inner=hyperband", "inner"),
        ("asha?inner=darts", "inner"),
        ("asha?eta=1", "eta"),
        ("asha?n=0", "n: got 0"),
        ("hyperband?sizes=x", "sizes"),
        ("successive-halving?n=0", "n: got 0"),
        ("successive-halving?rounds=0", "rounds"),
        ("successive-halving?min=9&max=3", "max"),
        ("dedup?inner=asha", "dedup"),
    ],
)
def test_mistakes_are_named(text: str, fragment: str) -> None:
    with pytest.raises(ArgumentError, match=fragment):
        get(text)


def test_a_range_must_be_known_and_fit_the_task() -> None:
    with pytest.raises(ArgumentError, match="max: got None"):
        get("asha").setup(space("categorical"), np.random.default_rng(0))
    with pytest.raises(ArgumentError, match="max: got 27; allowed: up to 6"):
        get("asha?max=27").limit_fidelity(6)
    algorithm = get("hyperband")
    algorithm.limit_fidelity(6)
    assert algorithm.max == 6


def test_an_impossible_constraint_ends_with_an_error() -> None:
    with pytest.raises(SpaceError, match="break it"):
        oche.search(
            {"x": oche.intv(1, 9)},
            "successive-halving?max=3",
            lambda child, reports: 0.0,
            constraint={"where": lambda child: False, "attempts": 50},
            progress=False,
        )


RECORDED = {
    "successive-halving?max=9": "101114 102310 332411 211422 102420 413234 142434 340012 240211 211422+3 101114+3 340012+3 211422+9 100144",
    "hyperband?max=9": "101114 102310 332411 211422 102420 413234 142434 340012 240211 211422+3 101114+3 340012+3 211422+9 100144+3",
    "asha?max=9": "101114 102310 332411 101114+3 102420 413234 142434 142434+3 240211 431432 211224 211224+3 101114+9 100144",
}


@pytest.mark.parametrize("text", RECORDED)
def test_the_first_proposals_are_as_recorded(text: str) -> None:
    # A change here changes everybody's results: it needs a line in the change log.
    on = space("categorical")
    plan = Plan(0, Budget(trials=14))
    run = AskTellRun(on, get(text), plan, plan.open(AskTellRun.kind, None))
    Engine([run], Serial(), Workbench(on, ScoreTask()), quiet=True).run()
    steps = [(t.dna.flat, t.proposal.info["fidelity"]) for t in run.trials]
    assert " ".join("".join(map(str, flat)) + (f"+{step}" if step > 1 else "") for flat, step in steps) == RECORDED[text]
