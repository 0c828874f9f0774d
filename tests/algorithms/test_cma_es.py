"""CMA-ES: 1e-8 in a stated number of evaluations beside the `cmaes` package; scales, rounding, restarts, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest

import oche
from oche import seeds
from oche.algorithms import get
from oche.errors import ArgumentError
from oche.loop.cma import CMA
from oche.loop.contracts import Feedback
from oche.testing.spaces import space

SPHERE = lambda x: float(x @ x)
ELLIPSOID = lambda x: float((10.0 ** (6 * np.arange(len(x)) / (len(x) - 1)) * x**2).sum())


def _evaluations(ask, tell, population, function, limit=8000):
    best, spent = np.inf, 0
    while best > 1e-8 and spent < limit:
        points = [ask() for _ in range(population)]
        values = [function(x) for x in points]
        best, spent = min(best, *values), spent + population
        tell(points, values)
    return spent


@pytest.mark.parametrize(("function", "limit"), [(SPHERE, 2000), (ELLIPSOID, 5500)], ids=["sphere", "ellipsoid"])
def test_ten_dimensions_to_1e_8_in_as_many_evaluations_as_the_cmaes_package(function, limit):
    cmaes = pytest.importorskip("cmaes")
    ours, theirs = [], []
    for seed in range(5):
        rng, core = seeds.generator(seed), CMA(np.full(10, 3.0), 2.0)
        rank = lambda points, values, core=core: core.update([points[i] for i in np.argsort(values, kind="stable")])
        ours.append(_evaluations(lambda core=core, rng=rng: core.sample(rng, 1)[0], rank, core.population, function))
        other = cmaes.CMA(mean=np.full(10, 3.0), sigma=2.0, seed=seed)
        tell = lambda points, values, other=other: other.tell(list(zip(points, values, strict=True)))
        theirs.append(_evaluations(other.ask, tell, other.population_size, function))
    assert max(ours) <= limit
    assert np.mean(ours) <= 1.15 * np.mean(theirs)


def test_the_algorithm_finds_the_middle_of_a_sphere_on_a_space():
    program = {f"x{i}": oche.floatv(-1.0, 3.0, name=f"x{i}") for i in range(10)}
    runs = oche.search(program, "cma-es", lambda c: -sum(v * v for v in c.values()), budget=oche.Budget(trials=2500))
    assert runs.best.record.value > -1e-8


def test_log_scales_are_honored_and_whole_numbers_rounded():
    search, on = get("cma-es"), space("reals")
    search.setup(on, seeds.generator(0))
    drawn = [p.dna for p in search.ask(400)]
    for dna in drawn:
        on.validate(oche.DNA(dna.flat))
    rates = np.log10([dna.flat[0] for dna in drawn])
    assert abs(np.median(rates) + 2) < 0.2  # the middle of 1e-4 and 1 is 1e-2
    assert {type(dna.flat[2]) for dna in drawn} == {int} and {dna.flat[2] for dna in drawn} == set(range(1, 10))
    assert np.median([dna.flat[3] for dna in drawn]) < 12  # of 1 to 64 by logarithm


def test_choices_between_candidates_are_refused():
    with pytest.raises(ArgumentError, match=r"cma-es.*'op0'.*regularized-evolution"):
        get("cma-es").setup(space("categorical"), seeds.generator(0))


@pytest.mark.parametrize("text", ["cma-es?population=1", "cma-es?sigma=0", "cma-es?restarts=-1"])
def test_settings_are_checked(text):
    with pytest.raises(ArgumentError, match="allowed"):
        get(text)


def test_a_distribution_that_has_shrunk_starts_again_with_twice_the_population():
    search = get("cma-es?restarts=1&population=6")
    search.setup(space("reals"), seeds.generator(0))
    for number in range(4000):
        (proposal,) = search.ask(1)
        search.tell([(number, Feedback(reward=-abs(proposal.dna.flat[4] - 0.3) - abs(proposal.dna.flat[0] - 0.5)))])
    assert search.distribution.population == 12


def test_failed_trials_rank_last_and_ranks_are_all_that_counts():
    ends = []
    for scale in (1.0, 1000.0):
        search = get("cma-es")
        search.setup(space("reals"), seeds.generator(0))
        for number in range(60):
            (proposal,) = search.ask(1)
            value = scale * proposal.dna.flat[4]
            search.tell([(number, Feedback(status="failed") if proposal.dna.flat[4] > 0.9 else Feedback(reward=value))])
        ends.append(search.distribution.mean.tolist())
    assert ends[0] == ends[1]


def test_the_core_goes_on_from_its_state_bit_for_bit():
    core, rng = CMA(np.zeros(4), 1.0), seeds.generator(0)
    for _ in range(10):
        points = core.sample(rng, core.population)
        core.update(sorted(points, key=ELLIPSOID))
    again = CMA.from_state(json.loads(json.dumps(core.state())))
    points = core.sample(seeds.generator(1), core.population)
    assert np.array_equal(points, again.sample(seeds.generator(1), core.population))
    core.update(points)
    again.update(points)
    assert core.state() == again.state()


def test_the_core_checks_what_it_gets():
    for make in (lambda: CMA([], 1.0), lambda: CMA([0.0], 0.0), lambda: CMA([0.0], 1.0, 1), lambda: CMA([0.0], 1.0).update([[0.0]])):
        with pytest.raises(ArgumentError, match="allowed"):
            make()
