"""Traps of published code that have no test of their own elsewhere; the whole list is in docs/systems/differentiable.md."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from tests.algorithms.test_one_shot import Net
from torch import nn

import oche
from oche import training
from oche.errors import ArgumentError
from oche.mixers import PartialChannels, Softmax


@pytest.mark.parametrize("mixer", [Softmax(), PartialChannels(4)])
def test_every_candidate_is_evaluated_once_in_a_pass(mixer):
    net = oche.supernet(oche.Space(Net), mixer)
    calls: Counter[str] = Counter()
    for name, module in net.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Dropout, nn.Identity)):
            module.register_forward_hook(lambda *_, name=name: calls.update([name]))
    net(torch.randn(2, 1, 4, 4))
    assert sum("stem" not in name for name in calls) == 3 * 4
    assert set(calls.values()) == {1}


def test_a_search_sees_two_disjoint_parts_and_never_the_test_images():
    data = training.data.load("digits[:64]")
    train, valid, test = (set(data.indices(split).tolist()) for split in ("train", "valid", "test"))
    assert not train & valid
    assert not (train | valid) & test
    problem = training.problem(data, training.recipe("digits?batch_size=16"), seed=0)
    with pytest.raises(ArgumentError, match="split: got 'test'"):
        next(iter(problem.batches("test", 0, 0)))
