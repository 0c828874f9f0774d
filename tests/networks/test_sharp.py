"""Blocks of sharpDARTS: counts of weights and multiply-adds, order of layers, sizes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from oche.errors import ArgumentError
from oche.networks import ResizablePool, SharpSepConv, count


def weights(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("kernel", "more", "affine", "plain"),
    [
        (3, {}, 864, 800),
        (5, {}, 1376, 1312),
        (7, {}, 2144, 2080),
        (3, {"dilation": 2}, 864, 800),
        (3, {"mid_multiplier": 4}, 2928, 2768),
        (5, {"mid_multiplier": 4}, 4208, 4048),
        (3, {"mid": 32}, 1552, 1456),
        (3, {"mid": 32, "dilation": 2}, 1552, 1456),
    ],
)
def test_weights_at_sixteen_channels(kernel, more, affine, plain):
    assert weights(SharpSepConv(16, 16, kernel, **more)) == affine
    assert weights(SharpSepConv(16, 16, kernel, affine=False, **more)) == plain


def test_weights_at_other_widths():
    assert weights(SharpSepConv(36, 36, 3)) == 3384
    assert weights(SharpSepConv(36, 36, 3, mid_multiplier=4)) == 12348
    assert weights(SharpSepConv(36, 36, 3, mid=32)) == 3052
    assert weights(SharpSepConv(16, 32, 3, 2)) == 2096
    assert weights(SharpSepConv(16, 32, 3, 2, mid_multiplier=4)) == 7760
    assert weights(SharpSepConv(16, 32, 3, 2, mid=32)) == 2096 - 0
    assert weights(ResizablePool(16, 32, stride=2)) == weights(ResizablePool(16, 32, stride=2, kind="avg")) == 576
    assert weights(ResizablePool(16, 16)) == 0


def test_multiply_adds():
    assert count(SharpSepConv(16, 16, 3), (16, 32, 32)).macs == 819_200
    assert count(SharpSepConv(16, 16, 3, 2), (16, 32, 32)).macs == 204_800


def test_order_of_layers():
    block = SharpSepConv(4, 8, 5, 2, 2)
    assert [type(layer) for layer in block] == [nn.ReLU, nn.Conv2d, nn.Conv2d, nn.BatchNorm2d] * 2
    depthwise = [layer for layer in block if isinstance(layer, nn.Conv2d) and layer.groups > 1]
    assert [(d.stride[0], d.dilation[0]) for d in depthwise] == [(2, 2), (1, 1)]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [31, 32])
@pytest.mark.parametrize(
    "make",
    [
        lambda s: SharpSepConv(16, 32, 3, s),
        lambda s: SharpSepConv(16, 32, 5, s, 2, mid_multiplier=4),
        lambda s: SharpSepConv(16, 32, 7, s, mid=4),
        lambda s: ResizablePool(16, 32, stride=s),
        lambda s: ResizablePool(16, 16, 5, s, "avg"),
    ],
)
def test_sizes(make, side, stride):
    out = make(stride)(torch.zeros(2, 16, side, side))
    assert out.shape[2:] == (-(-side // stride),) * 2


def test_a_mean_counts_the_zeros_around():
    assert float(ResizablePool(1, 1, kind="avg")(torch.ones(1, 1, 4, 4))[0, 0, 0, 0]) == pytest.approx(4 / 9)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SharpSepConv(4, 4, 2), "kernel_size: got 2; allowed: an odd number"),
        (lambda: SharpSepConv(4, 4, 3, mid=0), "mid: got 0"),
        (lambda: SharpSepConv(4, 4, 3, mid_multiplier=0.1), "mid_multiplier: got 0.1"),
        (lambda: ResizablePool(4, 4, 4), "kernel_size: got 4"),
        (lambda: ResizablePool(4, 4, kind="min"), "kind: got 'min'; allowed: 'max', 'avg'"),
    ],
)
def test_what_is_refused(make, said):
    with pytest.raises(ArgumentError, match=said):
        make()
