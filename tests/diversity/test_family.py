"""The family as algorithms: costs, phases, archives, trainings, switches, errors."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import oche
from oche.diversity import environment, summarize
from oche.diversity._stax import Stax
from oche.errors import ArgumentError, BudgetError, FeedbackError, ResumeError, UnknownNameError
from oche.loop.asktell_run import AskTellRun
from oche.loop.contracts import Feedback

SMALL: dict[str, Any] = {"population": 8, "chunk": 40, "epochs": 1}


def run(algorithm: Any, trials: int, env: Any = None, seed: int = 0, **kw: Any) -> AskTellRun:
    env = env or environment("point?frames=1")
    return oche.search(env.space, algorithm, env, budget=oche.Budget(trials=trials), seeds=[seed], progress=False, **kw)[0]


def phases(found: AskTellRun) -> list[tuple[str, int]]:
    """Phases in their order, with their evaluations."""
    merged: list[tuple[str, int]] = []
    for trial in found.trials:
        name = trial.proposal.info["phase"]
        if merged and merged[-1][0] == name:
            merged[-1] = (name, merged[-1][1] + 1)
        else:
            merged.append((name, 1))
    return merged


class Reward:
    """An environment's space with rewards of our own: a function of the first gene."""

    name, metric, direction, unit, lot = "test", "value", "max", "", 50

    def __init__(self, reward: Any, fails: float = 0.0) -> None:
        self.reward, self.fails = reward, fails
        self.space = environment("point").space

    def describe(self) -> dict[str, Any]:
        return {"task": self.name}

    def child(self, space: Any, dna: Any, seed: int, final: bool = False) -> np.ndarray:
        return np.array(dna.flat)

    def evaluate(self, child: np.ndarray, seed: int) -> Feedback:
        if child[2] > 5 - 10 * self.fails:
            return Feedback(status="failed", reason="broken")
        return Feedback(reward=float(self.reward(child)), descriptor=tuple(child[:2] / 5))

    report = evaluate

    def evaluate_many(self, space: Any, dnas: Any, seeds: Any, observe: bool = True) -> list[Feedback]:
        return [self.evaluate(np.array(d.flat), s) for d, s in zip(dnas, seeds, strict=True)]


# -- costs ------------------------------------------------------------------------------------------------------------------


def test_the_first_chunk_costs_1100_and_the_others_1000_and_the_budget_is_exact() -> None:
    # All are rewarded, equally, so that no candidate improves.
    task = Reward(lambda g: 0.5)
    found = run(Stax(descriptor="given", population=100, chunk=1000), 4500, task)
    assert len(found.trials) == found.cost.trials == 4500
    told = phases(found)
    assert [told[0], told[2]] == [("explore", 1100), ("explore", 1000)]
    assert told[1][0] == told[3][0] == "bootstrap"
    # Each candidate is tried for 66 evaluations, and after the 11th less than a third of the chunk is left.
    assert told[1][1] == 11 * 66
    tries = Counter(t.proposal.info["emitter"] for t in found.trials if t.proposal.info["phase"] == "bootstrap")
    assert set(tries.values()) == {66}
    assert told[3:] == [("bootstrap", 726), ("explore", 4500 - 1100 - 2 * 726 - 1000)]


def test_training_comes_after_exploration_1_3_6_10_15() -> None:
    found = run(Stax(population=4, offspring=1, chunk=4, epochs=1, emitters=False), 4 * 17)
    assert [t["chunk"] for t in found.algorithm.trainings] == [1, 3, 6, 10, 15]
    assert found.algorithm.coder.version == 5


def test_no_reward_means_no_emitter_and_everything_explores() -> None:
    found = run(Stax(descriptor="given", **SMALL), 200, Reward(lambda g: 0.0))
    assert phases(found) == [("explore", 200)]
    assert not found.algorithm.rewarding_ids
    assert found.status == "done"


def test_an_emitter_that_improves_lives_and_raises_the_reward() -> None:
    task = Reward(lambda g: max(0.0, (g[0] + 5) / 10))
    found = run(Stax(descriptor="given", population=8, chunk=600, emitter_steps=10), 1700, task)
    counts = Counter(t.proposal.info["phase"] for t in found.trials)
    assert counts["exploit"] > 100
    assert counts["bootstrap"] % 66 == 0
    last = [t.feedback.scalar for t in found.trials if t.proposal.info["phase"] == "exploit"][-12:]
    assert np.mean(last) > 0.7
    algorithm = found.algorithm
    # The rewarding archive holds each policy once, the ancestors among them.
    assert len(set(algorithm.rewarding_ids)) == len(algorithm.rewarding_ids)
    assert {e.ancestor for e in algorithm.live} <= set(algorithm.rewarding_ids)
    # A step limit of 10 is one of 10: no emitter has more than 6 + 10 x 12 evaluations.
    used = Counter(t.proposal.info["emitter"] for t in found.trials if "emitter" in t.proposal.info)
    assert max(used.values()) <= 6 + 10 * 12


# -- descriptors ------------------------------------------------------------------------------------------------------------


def test_after_training_every_stored_descriptor_is_current() -> None:
    env = environment("point?frames=2")
    algorithm = Stax(population=10, chunk=40, epochs=2)
    seen = []

    def check() -> None:
        members, coder = algorithm.members, algorithm.coder
        latents, errors = coder.encode(members["frames"])
        np.testing.assert_allclose(members["descriptor"], latents.reshape(len(members), -1), atol=1e-5)
        np.testing.assert_allclose(members["surprise"], errors.sum(1), atol=1e-5)
        seen.append(coder.version)

    original = algorithm._train
    algorithm._train = lambda: (original(), check())  # type: ignore[method-assign,func-returns-value]
    drive(algorithm, env, 400)
    check()
    assert seen[-1] >= 2
    assert algorithm.members["descriptor"].shape[1] == 20
    assert any(algorithm.live)  # emitters were there to be brought up to date


def drive(algorithm: Stax, env: Any, trials: int, seed: int = 0) -> list[tuple[float, ...]]:
    """Ask and tell by hand; gives the genomes."""
    rng = np.random.default_rng(seed)
    algorithm.setup(env.space, rng, oche.Budget(trials=trials))
    genomes = []
    while len(genomes) < trials:
        asked = algorithm.ask(trials - len(genomes))
        genomes += [p.dna.flat for p in asked]
        told = env.evaluate_many(env.space, [p.dna for p in asked], [0] * len(asked))
        algorithm.tell(list(zip([p.id for p in asked], told, strict=True)))
    return genomes


def test_a_reward_that_is_nan_is_a_failed_evaluation() -> None:
    env = environment("point?frames=2")
    algorithm = Stax(**SMALL)
    algorithm.setup(env.space, np.random.default_rng(0), oche.Budget(trials=100))
    done = env.rollout(algorithm.ask_batch())
    rewards = done.reward.copy()
    rewards[3] = np.nan
    n = len(rewards)
    algorithm.tell_batch(rewards, None, done.frames)
    assert n - 1 == len(algorithm.members)
    assert 3 not in algorithm.members["number"]


def test_the_last_frame_alone_can_describe() -> None:
    env = environment("point?frames=3")
    algorithm = Stax(describe_by="last", **SMALL)
    drive(algorithm, env, 100)
    assert algorithm.members["descriptor"].shape[1] == 10
    assert algorithm.members["frames"].shape[1] == 3


def test_untrained_means_selection_without_training() -> None:
    found = run("stax-untrained?population=8&chunk=40&emitters=false", 200)
    assert found.algorithm.coder.version == 0
    first = {t.proposal.id: t.dna.flat for t in found.trials[:8]}
    kept = {tuple(g) for g in found.algorithm.members.of("genome", found.algorithm.population)}
    # The population is not the first one any more: it is selected.
    assert len(kept & {tuple(v) for v in first.values()}) < 8


def test_weights_are_reset_where_asked() -> None:
    kept, fresh = (run(Stax(reset_ae=r, emitters=False, **SMALL), 130) for r in (False, True))
    assert kept.algorithm.trainings[0]["chunk"] == fresh.algorithm.trainings[0]["chunk"] == 1
    assert kept.algorithm.trainings[0] != fresh.algorithm.trainings[0]


# -- the switches -----------------------------------------------------------------------------------------------------------

FAMILY = [
    "stax", "stax-untrained", "taxons", "taxons?selection=coin", "taxons?selection=novelty", "taxons?selection=surprise", "serene",
    "serene?emitter=cma-es", "serene?emitter=novelty", "novelty-search", "novelty-search?archive=best", "novelty-nsga2", "nslc",
    "serene?scheduler=mab", "serene?scheduler=time-sampling", "serene?scheduler=fixed-sampling", "serene?local_improvement=true",
    "serene?stagnation=original", "serene?reference_quirks=true",
]  # fmt: skip


def small(text: str) -> str:
    return text + ("&" if "?" in text else "?") + "population=8&chunk=150&epochs=1"


@pytest.fixture(scope="module")
def histories() -> dict[str, AskTellRun]:
    task = environment("point?frames=1")
    # A zone that random policies reach, so that emitters have work.
    from oche.diversity import Zone

    task.simulator.zones = (Zone("near", (0.1, 0.1), 0.8),)
    task.zones = ("near",)
    return {text: run(small(text) if text in FAMILY else text, 450, task) for text in [*FAMILY, "map-elites", "cma-me"]}


def test_every_member_of_the_family_runs_to_its_budget(histories: dict[str, AskTellRun]) -> None:
    for text, found in histories.items():
        assert found.status == "done", (text, found.reason)
        assert len(found.trials) == 450, text
        assert found.records[0].metrics["coverage"] > 0
        genomes = [t.dna.flat for t in found.trials]
        assert len(set(genomes)) > 445, text


def test_every_switch_changes_the_search(histories: dict[str, AskTellRun]) -> None:
    ends = {text: tuple(found.trials[-1].dna.flat) for text, found in histories.items()}
    same = [(a, b) for a in ends for b in ends if a < b and ends[a] == ends[b]]
    # The effect of these comes late: which phase and which emitter is next, and what ends it (see `test_parts.py`).
    late = ("local_improvement", "stagnation", "reference_quirks", "scheduler")
    assert [pair for pair in same if not any(name in text for name in late for text in pair)] == []


def test_emitters_are_on_where_they_should_be(histories: dict[str, AskTellRun]) -> None:
    for text, found in histories.items():
        names = {t.proposal.info.get("phase", "explore") for t in found.trials}
        # Whether a candidate improves, and is exploited, is a matter of luck in so short a search.
        expected = {"explore", "bootstrap"} if text.startswith(("stax", "serene")) else {"explore"}
        assert names - {"exploit"} == expected, text
        for trial in found.trials:
            assert ("emitter" in trial.proposal.info) == (trial.proposal.info.get("phase", "explore") != "explore")
    shares = histories["serene"].records[0].metrics
    used = shares["share_bootstrap"] + shares.get("share_exploit", 0.0)
    assert used + shares["share_explore"] == pytest.approx(1)
    assert shares["share_near"] == pytest.approx(used)


def test_archives_grow_by_five_per_generation(histories: dict[str, AskTellRun]) -> None:
    # 8 first policies, then generations of 16; the last one was cut off by the budget.
    assert len(histories["novelty-search"].algorithm.archive_ids) == 5 * ((450 - 8) // 16)


def test_elites_are_the_best_of_their_cells(histories: dict[str, AskTellRun]) -> None:
    grid = environment("point").grid
    found = histories["map-elites"]
    trials = found.trials[: 22 + 44 * 9]  # whole batches
    best: dict[int, float] = {}
    for t in trials:
        cell = int(grid.cell_index([t.feedback.descriptor])[0])
        best[cell] = max(best.get(cell, 0.0), t.feedback.scalar)
    elites = found.algorithm.elites
    assert dict(zip(elites.cells, elites.rewards, strict=True)) == best


def test_random_search_never_repeats_itself() -> None:
    found = run("random", 300)
    assert len({tuple(t.dna.flat) for t in found.trials}) == 300
    curve = found.records[0].curves["coverage"]
    assert curve[-1][1] > curve[len(curve) // 2][1] > curve[1][1]


def test_failed_policies_do_no_harm() -> None:
    found = run(Stax(descriptor="given", **SMALL), 300, Reward(lambda g: max(0.0, g[0] / 5), fails=0.4))
    assert len(found.trials) == 300
    assert {t.feedback.status for t in found.trials} == {"done", "failed"}


# -- equality ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["stax?population=8&chunk=60&epochs=1", "serene?population=8&chunk=60&emitter=cma-es", "map-elites"])
def test_the_number_in_flight_changes_nothing(text: str) -> None:
    one, many = (run(text, 150, parallel=p) for p in (1, 64))
    assert [t.dna.flat for t in one.trials] == [t.dna.flat for t in many.trials]


@pytest.mark.parametrize("text", ["stax?population=8&chunk=60&epochs=1", "cma-me?population=6"])
def test_state_survives_json_at_any_moment(text: str) -> None:
    env = environment("point?frames=1")

    def fresh() -> Any:
        algorithm = oche.algorithms.get(text)
        algorithm.setup(env.space, np.random.default_rng(0), oche.Budget(trials=400))
        return algorithm

    def go(algorithm: Any, number: int, rngs: int) -> list[tuple[float, ...]]:
        found = []
        for i in range(number):
            algorithm._rng = np.random.default_rng(rngs + i)
            for p in algorithm.ask(1):
                found.append(p.dna.flat)
                algorithm.tell([(p.id, env.evaluate_many(env.space, [p.dna], [0])[0])])
        return found

    whole = fresh()
    go(whole, 130, 0)
    text_form = json.dumps(whole.state(), allow_nan=False)
    other = fresh()
    other.load(json.loads(text_form))
    assert json.dumps(other.state(), allow_nan=False) == text_form
    assert go(whole, 80, 1000) == go(other, 80, 1000)


# -- errors -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"neighbors": 0}, "neighbors: got 0; allowed: a whole number from 1"),
        ({"emitter_population": 1}, "emitter_population: got 1; allowed: a whole number from 2"),
        ({"sigma": 0.0}, "sigma: got 0.0"),
        ({"descriptor": "given", "selection": "pareto"}, "surprise is the error of an autoencoder"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        Stax(**settings)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"emitter": "greedy"}, "unknown emitter: got 'greedy'; allowed: 'cma-es', 'elitist', 'novelty'"),
        ({"scheduler": "never"}, "unknown scheduler"),
        ({"selection": "best"}, "'novelty-local', 'novelty-reward', 'pareto'"),
        ({"descriptor": "hand"}, "unknown descriptor: got 'hand'; allowed: 'given', 'learned'"),
        ({"ae": "tiny"}, "unknown size of the autoencoder"),
    ],
)
def test_unknown_names_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(UnknownNameError, match=says):
        Stax(**settings)


def test_what_does_not_fit_is_refused() -> None:
    env = environment("point")
    with pytest.raises(BudgetError, match="a budget of 50 trials; allowed: at least its population of 100"):
        run("stax?population=100", 50)
    with pytest.raises(ArgumentError, match=r"got choice .* allowed: floatv with a linear scale"):
        oche.search({"x": oche.oneof([1, 2])}, "stax", lambda c: 0.0, budget=oche.Budget(trials=50), progress=False)
    with pytest.raises(ArgumentError, match="got feedback without frames"):
        run("stax", 50, Reward(lambda g: 0.0))
    with pytest.raises(ArgumentError, match="outside its grid"):
        run("map-elites?low=-0.01&high=0.01", 50, env)
    with pytest.raises(ArgumentError, match="got no grid"):
        oche.search({"x": oche.floatv(0, 1)}, "map-elites", lambda c: 0.0, budget=oche.Budget(trials=50), progress=False)
    with pytest.raises(FeedbackError, match="reward: got nan"):
        Feedback(reward=float("nan"))
    frames = np.zeros((10, 2, 3, 64, 64))
    frames[7, 1, 0, 5, 5] = np.nan
    algorithm = Stax(population=10)
    algorithm.setup(env.space, np.random.default_rng(0), oche.Budget(trials=100))
    algorithm.ask_batch()
    with pytest.raises(ArgumentError, match=r"frames: got values from nan to nan; .* \(policy 7 of a batch\)"):
        algorithm.tell_batch(np.zeros(10), observations=frames)
    places = np.zeros((10, 2))
    places[3, 0] = np.inf
    given = Stax(descriptor="given", population=10)
    given.setup(env.space, np.random.default_rng(0), oche.Budget(trials=100))
    given.ask_batch()
    with pytest.raises(ArgumentError, match=r"descriptor: got \[inf, 0.0\] of policy 3"):
        given.tell_batch(np.zeros(10), places)


def test_the_state_of_another_space_is_refused() -> None:
    point, curling = environment("point"), environment("curling")
    made = Stax(descriptor="given", population=10)
    made.setup(point.space, np.random.default_rng(0), oche.Budget(trials=100))
    other = Stax(descriptor="given", population=10)
    other.setup(curling.space, np.random.default_rng(0), oche.Budget(trials=100))
    for go, state in ((other.load_checkpoint, made.checkpoint()), (other.load, made.state())):
        with pytest.raises(ResumeError, match=r"another space, with 48 genes; allowed: of space 'curling-policy', with 94"):
            go(state)


def test_a_zone_whose_rewards_are_below_zero_is_found_too() -> None:
    task = Reward(lambda g: -2.0)
    found = run("random", 40, task)
    trials = [SimpleNamespace(feedback=replace(t.feedback, zone="top" if i == 5 else None), proposal=t.proposal)
              for i, t in enumerate(found.trials)]  # fmt: skip
    metrics, curves = summarize(trials, None, ["top", "bottom"])
    assert (metrics["zones_found"], metrics["reward_top"], metrics["reward_bottom"], metrics["first_top"]) == (1, -2, 0, 6)
    assert [y for _, y in curves["reward_top"]][:5] == [0.0] * 5 and "first_bottom" not in metrics
