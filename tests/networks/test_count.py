"""Counts of weights and multiply-adds."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from oche import networks
from oche.errors import ArgumentError
from oche.networks import count


def test_convolution_and_linear_by_hand():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, groups=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 5))
    counts = count(net, (3, 8, 8))
    assert counts.params == 3 * 8 * 9 + 8 + 8 * 16 * 5 + 5
    assert counts.macs == 16 * 3 * 8 * 9 + 8 * 16 * 5


def test_grouped_and_dilated_convolutions():
    assert count(nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8, bias=False), (8, 6, 6)).macs == 36 * 8 * 9


def test_functional_calls_count_too():
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 2, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.conv2d(x, self.weight)

    assert count(Functional(), (2, 3, 3)).macs == 9 * 8


def test_a_shared_weight_counts_once_and_its_use_twice():
    layer = nn.Linear(4, 4, bias=False)
    counts = count(nn.Sequential(layer, layer), (4,))
    assert (counts.params, counts.macs) == (16, 32)


def test_the_module_is_not_touched():
    net = nn.Sequential(networks.Stem(3, 4), networks.Classifier(4, 10)).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    attributes = {name: set(vars(module)) for name, module in net.named_modules()}
    count(net, (3, 8, 8))
    assert net.training and all(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert {name: set(vars(module)) for name, module in net.named_modules()} == attributes
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_a_network_that_reads_values_is_counted_on_a_copy():
    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) if float(x.sum()) == 0.0 else x

    assert count(Reads(), (3,)).macs == 6


def test_half_precision_is_taken():
    assert count(nn.Linear(3, 2).half(), (3,)) == networks.Counts(8, 6)


@pytest.mark.parametrize("size", [(), (0, 3), (4,)])
def test_a_shape_that_does_not_fit_is_refused(size: tuple[int, ...]):
    with pytest.raises(ArgumentError, match="input_size"):
        count(nn.Linear(3, 2), size)


def test_layers_that_the_processor_fuses_are_counted():
    class First(nn.Module):
        def __init__(self, layer: nn.Module) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x)[0]

    # Four gates of 6 from 8 inputs and 6 states, at 5 places.
    assert count(First(nn.LSTM(8, 6, batch_first=True)), (5, 8)).macs == 5 * 4 * 6 * (8 + 6)
    # Queries, keys, values and the way out; two products of 5 x 5 x 8; two linear layers of 16.
    assert count(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (5, 8)).macs == 5 * 4 * 8 * 8 + 2 * 5 * 5 * 8 + 5 * 2 * 8 * 16
