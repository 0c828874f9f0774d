"""Trials that were made before: where they come from, what algorithms make of them, and what records and reports say."""

from __future__ import annotations

import json

import pytest

import oche
from oche import seeds
from oche.algorithms import get
from oche.errors import ArgumentError, ResumeError, StoreError
from oche.loop import Budget, Feedback, known_trials
from oche.loop.warm_start import WarmStarted, warm_started
from oche.store import Store
from oche.testing import AskTellContract
from oche.testing.spaces import SPACES, ScoreTask, space


def program():
    return {"x": oche.oneof(list(range(8)), name="x"), "y": oche.oneof(list(range(8)), name="y")}


def score(child):
    return -float((child["x"] - 3) ** 2 + (child["y"] - 5) ** 2)


def search(algorithm, trials=20, **more):
    return oche.search(program(), algorithm, score, budget=Budget(trials=trials), progress=False, **more)


# -- sources ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("known") / "runs.db"
    search("random", seeds=2, store=path, name="first: part")
    search("random", 10, seeds=[7], store=path, name="second")
    return path


def test_a_store_gives_the_trials_of_all_its_runs_or_of_one_name(store):
    on = oche.Space(program())
    found = known_trials(store, on)
    assert len(found.trials) == 50 and found.source == "runs.db"
    part = known_trials(f"{store}:first: part", on)
    assert len(part.trials) == 40 and part.source == "runs.db:first: part"
    assert all(feedback.reward == score(on.decode(dna)) for dna, feedback in part.trials)
    with Store(store) as opened:
        assert known_trials(opened, on).describe() == found.describe()


def test_runs_records_and_pairs(store):
    on = oche.Space(program())
    runs = search("random", seeds=2)
    assert len(known_trials(runs, on).trials) == 40
    records = known_trials(runs.records, on)
    assert [f.reward for _, f in records.trials] == [r.metrics["valid"] for r in runs.records]
    pairs = [({"x": "3", "y": "5"}, 0.0), ((1, 2), -13), (on.at(0), Feedback(status="failed", reason="no"))]
    found = known_trials(pairs, on)
    assert [dna.flat for dna, _ in found.trials] == [(3, 5), (1, 2), (0, 0)]
    assert [f.reward for _, f in found.trials] == [0.0, -13.0, None]


def test_a_table_gives_decisions_of_every_kind(tmp_path):
    on = space("numbers")
    path = tmp_path / "known.csv"
    momentum = next(p for p in on.points if p.key == "kind").labels
    path.write_text(
        "rate,width,kind,momentum,mix,reward,status\n"
        f"0.1,3,{momentum[0]},,0.5,0.7,\n"
        f"0.01,9.0,{momentum[1]},-0.25,0.25,,failed\n"
        f"0.001,1,{momentum[1]},1,0.0,-1e-3,stopped\n"
    )  # fmt: skip
    found = known_trials(path, on)
    assert [dna.flat for dna, _ in found.trials] == [(0.1, 3, 0, None, 0.5), (0.01, 9, 1, -0.25, 0.25), (0.001, 1, 1, 1.0, 0.0)]
    assert [(f.reward, f.status) for _, f in found.trials] == [(0.7, "done"), (None, "failed"), (-0.001, "stopped")]
    picks = space("picks")
    path.write_text('sorted,distinct,repeated,reward_0,reward_1\n"[""a"",""c""]","[""d"",""a""]","[""b"",""b""]",1,2\n')
    dna, feedback = known_trials(str(path), picks).trials[0]
    assert dna.flat == (0, 2, 3, 0, 1, 1) and feedback.reward == (1.0, 2.0)
    path.write_text('dna,reward\n"[0, 2, 3, 0, 1, 1]",4\n')
    assert known_trials(path, picks).trials[0][0].flat == dna.flat


def test_final_results_are_not_search_signals(tmp_path):
    path = tmp_path / "runs.db"
    oche.baseline(program(), score, n=4, store=path, progress=False)
    with pytest.raises(ArgumentError, match="no trials of space"):
        known_trials(path, oche.Space(program()))


class SharesWeights:
    def advance(self, steps):
        return None


def test_bad_sources_are_named(tmp_path, store):
    on = oche.Space(program())
    with pytest.raises(StoreError, match="no such file"):
        known_trials(tmp_path / "nothing.db", on)
    with pytest.raises(ArgumentError, match="no trials of space"):
        known_trials(store, space("picks"))
    with pytest.raises(ArgumentError, match="allowed: a store"):
        known_trials([3], on)
    (tmp_path / "bad.csv").write_text("x,y,reward\n3,5,1\n3,50,1\n")
    with pytest.raises(ArgumentError, match=r"bad.csv line 3.*50"):
        known_trials(tmp_path / "bad.csv", on)
    (tmp_path / "none.csv").write_text("x,y,value\n3,5,1\n")
    with pytest.raises(ArgumentError, match="called 'reward'"):
        known_trials(tmp_path / "none.csv", on)
    with pytest.raises(ArgumentError, match=r"runs\.db:name"):
        search("random", store=store, warm_start=store)
    other_spelling = store.parent / "." / ".." / store.parent.name / store.name
    with pytest.raises(ArgumentError, match=r"runs\.db:name"):
        search("random", store=store, warm_start=str(other_spelling))
    with pytest.raises(ArgumentError, match="of the new run itself"):
        search("random", store=store, warm_start=f"{store}:second", name="second")
    with pytest.raises(ArgumentError, match="shares weights"):
        warm_started(SharesWeights(), known_trials([((0, 0), 1)], on))


# -- what algorithms make of it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["regularized-evolution?population=10", "reinforce?lr=0.2", "nsga2?population=10"])
def test_what_is_known_makes_the_first_proposals_better(text):
    known = [((x, y), score({"x": x, "y": y})) for x in range(8) for y in range(8) if (x + y) % 3]

    def first(warm_start):
        runs = search(text, seeds=8, warm_start=warm_start)
        return sum(t.feedback.reward for run in runs for t in run.trials[:5]) / 40

    assert first(known) > first(None) + 3


@pytest.mark.parametrize("text", ["hill-climbing", "dedup?inner=hill-climbing"])
def test_hill_climbing_starts_from_the_best_that_is_known(text):
    runs = search(text, 10, seeds=4, warm_start=[((0, 0), -34.0), ((3, 5), 0.0), ((3, 6), -1.0)])
    points = [t.dna.flat for run in runs for t in run.trials]
    assert all((x == 3) + (y == 5) == 1 for x, y in points)  # one decision of (3, 5) is changed


def test_evolution_that_forgets_keeps_the_best():
    known = known_trials([((x, y), score({"x": x, "y": y})) for x in range(8) for y in range(8)], oche.Space(program()))
    algorithm = WarmStarted(get("regularized-evolution?population=5"), known)
    algorithm.setup(oche.Space(program()), seeds.generator(0))
    assert sorted(reward for _, reward in algorithm.algorithm.members) == [-1.0, -1.0, -1.0, -1.0, 0.0]


def test_cma_es_starts_where_the_known_points_were_good():
    on = oche.Space({"a": oche.floatv(0, 1, name="a"), "b": oche.floatv(0, 1, name="b")})
    rng = seeds.generator(0)
    points = [tuple(rng.random(2)) for _ in range(100)]
    known = known_trials([(p, -((p[0] - 0.8) ** 2) - (p[1] - 0.2) ** 2) for p in points], on)
    algorithm = WarmStarted(get("cma-es"), known)
    algorithm.setup(on, seeds.generator(1))
    first = [p.dna.flat for p in algorithm.ask(50)]
    best = sorted(points, key=lambda p: (p[0] - 0.8) ** 2 + (p[1] - 0.2) ** 2)[:10]
    mean = [sum(p[i] for p in best) / 10 for i in range(2)]
    assert algorithm.distribution.mean == pytest.approx(mean)
    assert sum(p[0] for p in first) / 50 == pytest.approx(0.8, abs=0.08)
    # alpha^2 I + the spread of the best, and a determinant of 1 for its shape.
    spread = sum((p[0] - mean[0]) ** 2 for p in best) / 10 + 0.01
    assert algorithm.distribution.covariance[0, 0] * algorithm.distribution.sigma**2 == pytest.approx(spread)


def test_a_point_from_elsewhere_is_drawn_to_the_mean_of_a_running_cma_es():
    algorithm = get("cma-es?sigma=0.01&population=4")
    on = oche.Space({"a": oche.floatv(0, 1, name="a"), "b": oche.floatv(0, 1, name="b")})
    algorithm.setup(on, seeds.generator(0))
    proposals = algorithm.ask(3)
    algorithm.tell([(p.id, Feedback(reward=0.0)) for p in proposals])
    algorithm.learn(oche.DNA((1.0, 1.0)), Feedback(reward=1.0))
    # At most sqrt(2) + 1 steps of 0.01 away from (0.5, 0.5), and the best of four: the mean follows it, but not to the corner.
    assert 0.5 < algorithm.distribution.mean[0] < 0.53


class TestWarmStarted(AskTellContract):
    trials = 24

    def make_algorithm(self):
        class Known(WarmStarted):
            # The contract has several spaces, each with trials of its own.
            def setup(self, on, rng, budget=None):
                points = [on.sample(i) for i in range(12)]
                self.known = known_trials([(dna, ScoreTask().evaluate(dna.flat, 0)) for dna in points], on)
                super().setup(on, rng, budget)

        return Known(get("regularized-evolution"), known_trials([((0, 0), 0.0)], oche.Space(program())))


# -- records, reports, resuming --------------------------------------------------------------------------------------------


def test_known_trials_are_no_trials_of_the_run_and_the_record_says_so():
    known = [((3, 5), 0.0), ((3, 4), -1.0)]
    runs = search("regularized-evolution?population=4", 12, warm_start=known)
    record = runs.records[0]
    assert runs[0].cost.trials == len(runs[0].trials) == 12
    assert record.algorithm.endswith("after 2 known trials") and record.kind == "search"
    assert record.settings["warm_start"]["trials"] == 2
    assert search("random", 12, warm_start=known).records[0].kind == "search"
    # The best known point is nobody's pick unless it was tried.
    picked = search("random", 4, warm_start=known).records[0]
    assert picked.metrics["valid"] < 0


def test_a_report_does_not_call_the_cost_equal():
    known = [((x, 5), -float((x - 3) ** 2)) for x in range(8)]
    warm = search("hill-climbing", 12, seeds=3, warm_start=known)
    cold = search("hill-climbing", 12, seeds=3)
    base, rs = oche.baseline(program(), score, n=4, progress=False), search("random", 12, seeds=3)
    said = str(oche.judge.report(warm, cold, baseline=base, random_search=rs))
    assert "hill-climbing after 8 known trials: 8 known trials that it started with are in no cost here" in said
    entries = {e.algorithm: e for e in oche.judge.report(warm, cold, baseline=base, random_search=rs).entries}
    by = {name: entry.search.equal_cost for name, entry in entries.items() if entry.search is not None}
    assert by["hill-climbing"] is True
    assert by["hill-climbing after 8 known trials"] is False


def test_resuming_needs_the_same_known_trials(tmp_path):
    path = tmp_path / "runs.db"
    known = [((3, 5), 0.0), ((3, 4), -1.0)]
    whole = [c for c, f in oche.sample(program(), "hill-climbing", n=12, seed=3, warm_start=known) if f(score(c)) is None]

    def some(n):
        seen = []
        for child, feedback in oche.sample(program(), "hill-climbing", n=12, seed=3, store=path, name="w", warm_start=known):
            if len(seen) == n:
                break
            seen.append(child)
            feedback(score(child))
        return seen

    assert some(5) + some(4) + some(12) == whole
    with pytest.raises(ResumeError, match="warm start"):
        next(oche.sample(program(), "hill-climbing", n=20, seed=3, store=path, name="w", warm_start=known[:1]))
    with pytest.raises(ResumeError, match="warm start"):
        next(oche.sample(program(), "hill-climbing", n=20, seed=3, store=path, name="w"))


def test_a_search_is_found_again_by_its_known_trials(tmp_path, store):
    path = tmp_path / "runs.db"
    given = {"store": path, "name": "w", "warm_start": f"{store}:second"}
    first, again = search("hill-climbing", **given), search("hill-climbing", **given)
    assert first.records[0].content_hash() == again.records[0].content_hash()
    search("hill-climbing", store=path, name="w")
    with Store(path) as opened:
        assert [("warm_start" in row.settings) for row in opened.runs()] == [True, False]
        assert json.dumps(opened.records()[0].settings["warm_start"])


def test_every_space_takes_known_trials_of_every_algorithm():
    for text in ("random", "regularized-evolution", "evolution?initial=4", "hill-climbing", "dedup?inner=random", "pareto-local-search"):
        for name in SPACES:
            on = space(name)
            algorithm = WarmStarted(get(text), known_trials([(on.sample(i), float(i)) for i in range(6)], on))
            algorithm.setup(on, seeds.generator(0), Budget(trials=20))
            on.validate(algorithm.ask(1)[0].dna)
