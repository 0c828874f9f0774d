"""Blocks of sharpDARTS: counts of weights and multiply-adds, order of layers, sizes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from oche.errors import ArgumentError
from oche.networks import CELL_OPS, SHARP_OPS, ResizablePool, SharpSepConv, count, sharp_ops
from oche.spaces.darts import Darts
from oche.spaces.darts.op_tables import op_table


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
    assert weights(SharpSepConv(16, 32, 3, 2, mid=32)) == 2096
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
        (lambda: SharpSepConv(4, 4, 3, mid=2.0), "mid: got 2.0; allowed: a whole number from 1, or None"),
        (lambda: SharpSepConv(4, 4, 3, mid_multiplier=0.1), "mid_multiplier: got 0.1"),
        (lambda: ResizablePool(4, 4, 4), "kernel_size: got 4"),
        (lambda: ResizablePool(4, 4, kind="min"), "kind: got 'min'; allowed: 'max', 'avg'"),
    ],
)
def test_what_is_refused(make, said):
    with pytest.raises(ArgumentError, match=said):
        make()


@pytest.mark.parametrize(
    ("name", "affine", "plain"),
    [
        ("sep_conv_3x3", 864, 800),
        ("sep_conv_5x5", 1376, 1312),
        ("sep_conv_7x7", 2144, 2080),
        ("dil_conv_3x3", 864, 800),
        ("flood_conv_3x3", 2928, 2768),
        ("flood_conv_5x5", 4208, 4048),
        ("choke_conv_3x3", 1552, 1456),
        ("conv_7x1_1x7", 3616, 3584),
        ("skip_connect", 0, 0),
        ("none", 0, 0),
    ],
)
def test_operations_by_name_at_sixteen_channels(name, affine, plain):
    assert weights(SHARP_OPS[name](channels=16)) == affine
    assert weights(SHARP_OPS[name](channels=16, affine=False)) == plain


@pytest.mark.parametrize("name", SHARP_OPS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("out", [16, 32])
def test_every_operation_maps_to_the_size_and_width_that_are_asked_for(name, stride, out):
    made = SHARP_OPS[name](channels=16, stride=stride, out_channels=out, normalize=True, drop_path=0.1)
    assert made(torch.zeros(2, 16, 32, 32)).shape == (2, out, 32 // stride, 32 // stride)


def test_weights_where_the_width_changes():
    wide = {name: weights(SHARP_OPS[name](channels=16, stride=2, out_channels=32)) for name in SHARP_OPS}
    assert wide["sep_conv_3x3"] == wide["choke_conv_3x3"] == 2096 and wide["flood_conv_3x3"] == 7760
    assert wide["max_pool_3x3"] == wide["avg_pool_3x3"] == wide["skip_connect"] == 576


def test_the_choke_has_the_width_that_is_given():
    assert weights(sharp_ops(96)["choke_conv_3x3"](channels=16)) == 9 * 16 + 16 * 96 + 9 * 96 + 96 * 16 + 2 * (96 + 16)
    with pytest.raises(ArgumentError, match="mid: got 0"):
        sharp_ops(0)


@pytest.mark.parametrize("mid", [None, 0, True, 2.0])
def test_a_choke_without_a_middle_width_is_refused_and_never_a_plain_convolution(mid):
    said = f"mid: got {mid!r}; allowed: a whole number from 1, the middle width of choke convolutions"
    with pytest.raises(ArgumentError, match=said):
        sharp_ops(mid)
    for ops in ("sharpdarts", {"choke_conv_3x3": SHARP_OPS["choke_conv_3x3"], "none": SHARP_OPS["none"]}):
        with pytest.raises(ArgumentError, match=said):
            Darts(channels=4, cells=3, ops=ops, mid=mid)


@pytest.mark.parametrize("ops", ["darts-ssc", "sharpdarts", "sharperdarts"])
def test_the_lists_of_the_published_searches_have_a_middle_width(ops):
    table = op_table(ops)
    chokes = [op for row in table.values() for name, op in row.items() if "choke" in name]
    assert {op(channels=4).mid for op in chokes} <= {32} and bool(chokes) == (ops == "sharpdarts")


def test_a_dilated_convolution_has_twice_the_layers_of_the_plain_dictionary():
    for name, plain in (("dil_conv_3x3", 432), ("dil_conv_5x5", 688)):
        assert weights(CELL_OPS[name](channels=16)) == plain
        assert weights(SHARP_OPS[name](channels=16)) == 2 * plain


def test_dropping_paths_changes_no_name_of_a_weight():
    for make in SHARP_OPS.values():
        assert set(make(channels=4, stride=2).state_dict()) == set(make(channels=4, stride=2, drop_path=0.2).state_dict())


def test_the_count_of_the_authors_by_hand():
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.BatchNorm2d(4, affine=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(1),
    )
    convolution = 64 * (4 * 2 * 9 + 4)
    assert count(net, (2, 8, 8), count="sharpdarts").macs == convolution + 256 * (2 + 1 + 1 + 1) + 64
    assert count(net, (2, 8, 8)).macs == 64 * 4 * 2 * 9
