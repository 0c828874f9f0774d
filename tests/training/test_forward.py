"""Channels-last and bf16: the same training within rounding, and no memory is corrupted."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from oche import algorithms, seeds
from oche.loop.contracts import Budget
from oche.networks import AuxiliaryOutput, FactorizedReduce
from oche.spaces import get as space_of
from oche.training import Recipe, data, fit, problem
from oche.training._forward import forward

RECIPE = Recipe(epochs=1, batch_size=20, lr=0.05)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), FactorizedReduce(8, 8, True), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Linear(8, 10)
        self.seen: list[tuple[bool, torch.dtype]] = []

    def forward(self, x):
        y = self.body[0](x)
        self.seen.append((y.is_contiguous(memory_format=torch.channels_last), y.dtype))
        scores = self.head(self.body[1:](y).flatten(1))
        return AuxiliaryOutput(scores, scores, 0.4) if self.training else scores


def trained(**changes) -> tuple[Net, float]:
    with seeds.building(0):
        net = Net()
    return net, fit(net, data.load("digits[:80]"), RECIPE.derive(**changes), seed=0).history[-1].loss


def test_training_in_channels_last_and_bf16_is_the_same_within_rounding():
    plain, loss = trained()
    last, last_loss = trained(channels_last=True)
    half, half_loss = trained(precision="bf16", channels_last=True)
    assert plain.seen[0] == (False, torch.float32)
    assert last.seen[0] == (True, torch.float32) and half.seen[0] == (True, torch.bfloat16)
    assert last_loss == pytest.approx(loss, abs=1e-4) and half_loss == pytest.approx(loss, abs=0.05) and half_loss != loss
    for a, b, c in zip(plain.parameters(), last.parameters(), half.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-4) and torch.allclose(a, c, atol=0.1)
        assert b.dtype == c.dtype == torch.float32
    assert last.body[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_outputs_are_float32_whatever_the_arithmetic():
    net, x = Net(), torch.rand(4, 1, 8, 8)
    recipe = RECIPE.derive(precision="bf16")
    found = forward(net, x, recipe)
    assert found.logits.dtype == found.auxiliary.dtype == torch.float32 and found.weight == 0.4
    assert forward(net.eval(), x, recipe).dtype == torch.float32


@pytest.mark.parametrize("channels", [2, 4, 6])
def test_a_reduction_of_few_channels_in_channels_last_gives_the_gradients_of_the_plain_layout(channels: int):
    # torch 2.13 on CPUs writes past its buffers in the backward pass of a strided 1x1 convolution of few channels in this layout.
    with seeds.building(1):
        layer = FactorizedReduce(channels, channels, True)
        x = torch.randn(6, channels, 10, 10)
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        given = x.clone(memory_format=layout).requires_grad_(True)
        found.append(torch.autograd.grad(layer(given).pow(3).sum(), [given, *layer.parameters()]))
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(*found, strict=True))


def test_a_search_takes_both_options():
    space = space_of("nasbench201", channels=4, cells=1, in_channels=1)
    losses = []
    for changes in ({}, {"channels_last": True}, {"channels_last": True, "precision": "bf16"}):
        search = algorithms.get("pc-darts?k=2&warmup=0")
        search.setup(space, problem(data.load("digits[:40]"), RECIPE.derive(batch_size=10, **changes)), 0, Budget(epochs=1))
        losses.append(search.advance(1).metrics["valid_loss"])
        assert search.network.named_arch() and all(w.dtype == torch.float32 for w in search.network.named_weights().values())
    assert losses[1] == pytest.approx(losses[0], rel=1e-3) and losses[2] == pytest.approx(losses[0], rel=0.1)
    assert losses[2] != losses[1]
