"""What the bridge to Optuna's samplers does beyond the contract: what is suggested, how trials end in the study, what records say."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oche
from oche import seeds
from oche.algorithms import get
from oche.algorithms._optuna_parameters import Parameters, known
from oche.errors import ArgumentError, MissingExtraError, ResumeError, UnknownNameError
from oche.loop.contracts import Feedback
from oche.testing.spaces import SPACES, space

optuna = pytest.importorskip("optuna")


def started(text, on, **settings):
    algorithm = get(text, **settings)
    algorithm.setup(on, seeds.generator(0))
    return algorithm


@pytest.mark.parametrize("name", SPACES)
@given(seed=st.integers(0, 10_000))
def test_parameters_of_a_point_lead_back_to_it(name, seed):
    on = space(name)
    parameters, dna = Parameters(on), on.sample(seed)
    back = parameters.read(known(parameters.values(dna.flat)))
    assert [type(gene) for gene in back] == [type(gene) for gene in dna.flat]
    assert [gene or 0 for gene in back] == pytest.approx([gene or 0 for gene in dna.flat], rel=1e-12)


def test_distinct_picks_are_lehmer_codes():
    on = oche.Space({"order": oche.permutate(list("abcd"), name="order")})
    parameters = Parameters(on)
    found = {parameters.read(known(dict(zip((f"order[{i}]" for i in range(4)), code, strict=True)))) for code in _codes(4)}
    assert len(found) == on.size == 24
    assert parameters.values((2, 0, 3, 1)) == {"order[0]": 2, "order[1]": 0, "order[2]": 1, "order[3]": 0}
    distributions = parameters.distributions((2, 0, 3, 1))
    assert [len(d.choices) for d in distributions.values()] == [4, 3, 2, 1]


def _codes(n):
    return [()] if not n else [(first, *rest) for first in range(n) for rest in _codes(n - 1)]


def test_conditional_points_are_suggested_only_where_they_are_active():
    on = space("conditional")
    algorithm = started("optuna:random", on)
    for _ in range(30):
        algorithm.ask(1)
    seen = {trial.params["a"]: set(trial.params) for trial in algorithm.study.trials}
    assert len(seen) == 3
    assert sorted(map(len, seen.values())) == [2, 3, 4]
    assert all({"a", "c"} <= names for names in seen.values())


def test_numbers_are_suggested_natively_and_on_their_scale():
    parameters = Parameters(space("reals"))
    d = parameters.distributions(space("reals").sample(0).flat)
    assert (d["rate"].low, d["rate"].high, d["rate"].log) == (1e-4, 1.0, True)
    assert (d["decay"].log, d["mix"].log, d["width"].step, d["depth"].log) == (True, False, 1, True)
    # Mirrored: the suggestion is near the lower end where the decay is near its upper one.
    flat = parameters.read(known({"rate": 0.1, "decay": 0.901, "width": 3, "depth": 8, "mix": 0.0}))
    assert flat[1] == pytest.approx(0.998)


def test_steps_on_a_logarithmic_scale_are_kept():
    on = oche.Space({"n": oche.intv(4, 64, 4, log=True, name="n")})
    algorithm = started("optuna:random", on)
    found = {algorithm.ask(1)[0].dna.flat[0] for _ in range(200)}
    assert found <= set(range(4, 65, 4))
    assert {4, 8, 12} <= found


def test_proposals_are_those_of_the_sampler_itself():
    # The same study made by hand: a sampler with the seed of the ask, all trials so far, and the same suggestions.
    on = space("reals")
    algorithm = started("optuna:tpe?n_startup_trials=5", on)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    rng = seeds.generator(0)
    rng.integers(2**31 - 1)
    for number in range(12):
        study.sampler = optuna.samplers.TPESampler(seed=int(rng.integers(2**31 - 1)), n_startup_trials=5)
        trial = study.ask()
        trial.suggest_float("rate", 1e-4, 1.0, log=True)
        low, high = 0.9, 0.999
        trial.suggest_float("decay", low, high, log=True)
        trial.suggest_int("width", 1, 9)
        trial.suggest_int("depth", 1, 64, log=True)
        trial.suggest_float("mix", -1.0, 1.0)
        proposal = algorithm.ask(1)[0]
        assert algorithm.study.trials[number].params == trial.params
        assert proposal.dna.flat[0] == trial.params["rate"]
        reward = -abs(trial.params["mix"])
        study.tell(trial, reward)
        algorithm.tell([(proposal.id, Feedback(reward=reward))])


def test_tpe_finds_better_points_than_random():
    def score(child):
        return -sum(abs("abcde".index(child[f"op{i}"]) - 3) for i in range(6))

    best = {}
    for name in ("optuna:tpe", "random"):
        runs = oche.search(SPACES["categorical"](), name, score, budget=oche.Budget(trials=80), seeds=4, progress=False)
        best[name] = sum(run.records[0].metrics["valid"] for run in runs) / 4
    assert best["optuna:tpe"] > best["random"] + 1


@pytest.mark.parametrize("text", ["optuna:nsgaii?population_size=8", "optuna:tpe?n_startup_trials=10"])
def test_several_objectives(text):
    task = oche.tasks.objectives(lambda c: (c["width"] ** 0.5, c["width"] + c["waste"]), ("quality", "max"), ("price", "min"))
    program = {"width": oche.intv(1, 64, name="width"), "waste": oche.intv(0, 20, name="waste")}
    runs = oche.search(program, text, task, budget=oche.Budget(trials=60), seeds=2, progress=False)
    again = oche.search(program, text, task, budget=oche.Budget(trials=60), seeds=2, progress=False)
    assert [t.dna.flat for t in runs[0].trials] == [t.dna.flat for t in again[0].trials]
    waste = [t.dna.flat[1] for run in runs for t in run.trials]
    assert sum(waste[40:60] + waste[100:]) < sum(waste[:20] + waste[60:80])  # it learned that waste never pays
    assert len(runs.front) > 3


def test_several_objectives_with_a_sampler_for_one_are_an_error():
    pytest.importorskip("cmaes")
    algorithm = started("optuna:cmaes", space("reals"))
    proposal = algorithm.ask(1)[0]
    with pytest.raises(ArgumentError, match="optuna:nsgaii"):
        algorithm.tell([(proposal.id, Feedback(reward=(1.0, 2.0)))])


def test_ends_of_trials_are_states_of_the_study():
    algorithm = started("optuna:random", space("categorical"))
    ends = [
        Feedback(reward=1.0),
        Feedback(status="failed", reason="broken"),
        Feedback(status="skipped", reason="constraint: too large"),
        Feedback(reward=0.25, status="stopped", curves={"reward": [(1, 0.5), (2, 0.25)]}),
    ]
    proposals = algorithm.ask(len(ends))
    algorithm.tell([(p.id, feedback) for p, feedback in zip(proposals, ends, strict=True)])
    trials = algorithm.study.trials
    assert [t.state.name for t in trials] == ["COMPLETE", "FAIL", "PRUNED", "PRUNED"]
    assert [t.value for t in trials] == [1.0, None, None, 0.25]
    assert trials[3].intermediate_values == {1: 0.5, 2: 0.25}


def test_records_say_where_suggestions_were_independent():
    pytest.importorskip("cmaes")
    runs = oche.search(SPACES["numbers"](), "optuna:cmaes", lambda c: c["mix"], budget=oche.Budget(trials=20), progress=False)
    said = runs.records[0].settings["optuna"]
    assert said["version"] == optuna.__version__
    assert 0 < said["independent"] < said["suggestions"]
    assert said["independent_of"]["kind"] == 20  # a choice between candidates is never part of the distribution
    assert said["independent_of"]["mix"] < 5  # a number is, after the first trials
    fallen = [t.proposal.info.get("independent", []) for t in runs[0].trials]
    assert sum("kind" in names for names in fallen) > 10


def test_a_repeated_ask_that_gives_something_else_is_an_error():
    pytest.importorskip("cmaes")
    algorithm = started("optuna:cmaes", space("reals"))
    for proposal in algorithm.ask(3):
        algorithm.tell([(proposal.id, Feedback(reward=1.0))])
    state = json.loads(json.dumps(algorithm.state()))
    assert "optimizer" not in json.dumps(state)  # nothing pickled is stored
    state["events"][0][2]["mix"] = 0.123
    with pytest.raises(ResumeError, match="repeated"):
        started("optuna:cmaes", space("reals")).load(state)


def test_a_sampler_of_ones_own():
    class Middle(optuna.samplers.RandomSampler):
        def sample_independent(self, study, trial, param_name, param_distribution):
            return param_distribution.choices[2]

    def middle(seed):
        return Middle(seed)

    algorithm = oche.algorithms.OptunaSampler(middle)
    algorithm.setup(space("categorical"), seeds.generator(0))
    assert algorithm.ask(1)[0].dna.flat == (2,) * 6
    assert algorithm.name.startswith("optuna:") and algorithm.name.endswith("middle")


def test_trials_that_were_not_asked_for_are_learned():
    on = space("reals")
    algorithm = started("optuna:tpe?n_startup_trials=5", on)
    for seed in range(8):
        algorithm.learn(on.sample(seed), Feedback(reward=float(seed)))
    first = algorithm.ask(1)[0]
    algorithm.tell([(first.id, Feedback(reward=1.0))])
    assert first.id == 0 and [t.state.name for t in algorithm.study.trials] == ["COMPLETE"] * 9
    other = started("optuna:tpe?n_startup_trials=5", on)
    other.load(json.loads(json.dumps(algorithm.state())))
    assert [t.params for t in other.study.trials] == [t.params for t in algorithm.study.trials]
    assert [t.values for t in other.study.trials] == [t.values for t in algorithm.study.trials]


def test_wrong_names_and_settings_are_named():
    with pytest.raises(UnknownNameError, match="did you mean 'optuna:tpe'"):
        get("optuna:tp")
    with pytest.raises(UnknownNameError, match="multivariate"):
        get("optuna:tpe?multivariat=true")
    with pytest.raises(ArgumentError, match="population"):
        get("optuna:nsgaii?population_size=1")
    text = oche.Space({"t": oche.custom(encode=str, decode=str, random=lambda rng: "a", mutate=lambda v, rng: v, name="t")})
    with pytest.raises(ArgumentError, match="kind 'custom'"):
        started("optuna:tpe", text)


def test_a_missing_package_names_the_extra(monkeypatch):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "optuna" else found(name, *rest))
    with pytest.raises(MissingExtraError, match=r"oche\[optuna\]"):
        get("optuna:tpe")


def test_optuna_is_imported_only_where_it_is_used():
    code = "import sys, oche; oche.algorithms.names(); oche.algorithms.get('random'); assert 'optuna' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
