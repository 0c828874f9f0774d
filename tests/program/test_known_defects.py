"""Defects that were reproduced in the library that these programs are compared with: each test shows that ours does not have it."""

from __future__ import annotations

import copy
import math
import random
import time

import numpy as np
import pytest
import torch
from torch import nn

import oche
from oche import Feedback
from oche.algorithms import RegularizedEvolution
from oche.errors import DNAError, FeedbackError, ResumeError, Undecided
from oche.program import DNA, Space
from oche.store import Store

SLinear = oche.symbolic(nn.Linear)


def test_1_copies_keep_weights_and_nodes_hold_none():
    node = SLinear(3, 2)
    built = node.build()
    before = built.weight.clone()
    assert torch.equal(copy.deepcopy(built).weight, before)
    node.clone().set({"out_features": 5})
    assert torch.equal(built.weight, before)
    assert type(built) is nn.Linear
    with pytest.raises(oche.errors.ArgumentError, match=r"Linear that is already built"):
        oche.symbolic(nn.Sequential)(built)


def test_2_a_choice_works_inside_a_plain_container_of_layers():
    space = Space(lambda: nn.Sequential(oche.oneof({"a": lambda: nn.Linear(2, 3), "b": nn.Identity}, name="op"), nn.ReLU()))
    net = oche.supernet(space, mixer=oche.mixers.UniformPath(), seed=0)
    assert isinstance(net, nn.Module)
    assert [type(space.decode(dna)[0]) for dna in space] == [nn.Linear, nn.Identity]


def test_3_an_undecided_object_fails_at_its_first_use_and_names_the_place():
    node = oche.symbolic(nn.Sequential)(SLinear(2, oche.oneof([3, 4])))
    with pytest.raises(Undecided, match=r"args\[0\]\.out_features"):
        node.build()
    with pytest.raises(Undecided, match=r"not built"):
        _ = SLinear(2, 3).weight
    assert not hasattr(SLinear(2, 3), "weight")
    assert SLinear(2, 3).out_features == 3


def test_4_a_reward_that_is_no_number_never_becomes_the_best():
    loop = oche.sample({"x": oche.oneof([1, 2])}, "random", 3)
    _, feedback = next(loop)
    with pytest.raises(FeedbackError, match=r"nan"):
        feedback(math.nan)


def test_5_the_name_of_a_run_of_another_space_is_refused(tmp_path):
    with Store(tmp_path / "runs.db") as store:
        for _, feedback in oche.sample({"x": oche.oneof([1, 2])}, "random", 2, store=store, name="study"):
            feedback(1.0)
        with pytest.raises(ResumeError):
            list(oche.sample({"y": oche.oneof([1, 2, 3])}, "random", 2, store=store, name="study"))


def test_6_sizes_of_sorted_distinct_picks_cost_no_time():
    start = time.process_time()
    assert Space(oche.manyof(15, list(range(30)), sorted=True)).size == 155_117_520
    assert time.process_time() - start < 1.0
    assert Space(oche.manyof(2, list(range(1200)), sorted=True)).size == 1200 * 1199 // 2


def test_7_logarithmic_scales_are_drawn_logarithmically():
    space = Space({"rate": oche.floatv(1e-4, 1.0, "log")})
    rng = np.random.default_rng(0)
    draws = [space.sample(rng).flat[0] for _ in range(2000)]
    assert 0.45 < sum(d < 1e-2 for d in draws) / 2000 < 0.55
    point = space.sample(rng)
    mutated = [space.resample(point.flat, 0, rng)[0] for _ in range(2000)]
    assert 0.45 < sum(m < 1e-2 for m in mutated) / 2000 < 0.55


@pytest.mark.parametrize(("force", "low", "high"), [(False, 0.1, 0.3), (True, 0.0, 0.0)])
def test_8_mutations_that_change_nothing_can_be_ruled_out(force, low, high):
    evolution = RegularizedEvolution(population=2, tournament=2, force_change=force)
    evolution.setup(Space({"x": oche.oneof(list(range(5)))}), np.random.default_rng(0))
    first = [evolution.ask(1)[0] for _ in range(2)]
    evolution.tell([(first[0].id, Feedback(reward=1.0)), (first[1].id, Feedback(reward=0.0))])
    best = first[0].dna.flat
    share = sum(evolution.ask(1)[0].dna.flat == best for _ in range(400)) / 400
    assert low <= share <= high


@pytest.mark.parametrize("gene", [-1, 2, 0.0])
def test_9_only_indices_of_candidates_are_genes(gene):
    with pytest.raises(DNAError):
        Space({"x": oche.oneof([1, 2])}).validate(DNA((gene,)))
    with pytest.raises(DNAError, match=r"True"):
        DNA((True,))


def test_10_both_measures_are_there_and_differ():
    space = Space(oche.oneof([0, oche.oneof(list(range(1, 10)))]))
    rng = np.random.default_rng(0)
    zeros = {m: sum(space.sample(rng, measure=m).flat[0] == 0 for _ in range(2000)) / 2000 for m in ("choice", "space")}
    assert 0.45 < zeros["choice"] < 0.55
    assert 0.07 < zeros["space"] < 0.13


def test_11_skipped_trials_have_no_reward(tmp_path):
    with Store(tmp_path / "runs.db") as store:
        for i, (_, feedback) in enumerate(oche.sample({"x": oche.oneof([1, 2])}, "random", 4, store=store, name="study")):
            if i % 2:
                feedback.skip("odd")
                assert feedback.feedback.status == "skipped"
                assert feedback.feedback.reward is None
            else:
                feedback(1.0)


def test_12_evolution_proposes_while_no_evaluation_has_arrived():
    evolution = RegularizedEvolution(population=4, tournament=2)
    evolution.setup(Space({"x": oche.oneof(list(range(5)))}), np.random.default_rng(0))
    assert len([p for _ in range(12) for p in evolution.ask(1)]) == 12


def test_13_evolution_of_a_simple_program_does_hundreds_of_steps_a_second():
    program = {f"op{i}": oche.oneof(list(range(5))) for i in range(6)}
    start = time.process_time()
    for _, feedback in oche.sample(program, "regularized-evolution?population=50&tournament=10", 300):
        feedback(0.0)
    assert 300 / (time.process_time() - start) > 100


def test_15_no_part_uses_a_global_generator():
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    proposals = []
    for _ in range(2):
        run = oche.sample({"x": oche.floatv(0, 1), "y": oche.oneof([1, 2, 3])}, "regularized-evolution?population=4&tournament=2", 12)
        proposals.append([])
        for child, feedback in run:
            proposals[-1].append(child)
            feedback(child["x"])
            random.seed(len(proposals))
            np.random.seed(len(proposals))  # noqa: NPY002
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
    assert proposals[0] == proposals[1]
    assert torch.equal(torch.get_rng_state(), states[2])
