"""Operations, stem, reduction and classifier."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from oche import networks
from oche.errors import ArgumentError


def test_operations_are_the_five_of_the_benchmark_in_order():
    assert list(networks.NASBENCH201_OPS) == ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]


@pytest.mark.parametrize("name", list(networks.NASBENCH201_OPS))
@pytest.mark.parametrize("affine", [True, False])
def test_every_operation_keeps_the_shape(name: str, affine: bool):
    x = torch.randn(2, 6, 5, 7)
    assert networks.NASBENCH201_OPS[name](channels=6, affine=affine)(x).shape == x.shape


@pytest.mark.parametrize(("kernel", "weights"), [(1, 4 * 4), (3, 4 * 4 * 9)])
def test_the_convolution_has_a_bias_only_without_affine_normalization(kernel: int, weights: int):
    name = f"nor_conv_{kernel}x{kernel}"
    affine = networks.NASBENCH201_OPS[name](channels=4, affine=True)
    plain = networks.NASBENCH201_OPS[name](channels=4, affine=False)
    assert sum(p.numel() for p in affine.parameters()) == weights + 2 * 4
    assert sum(p.numel() for p in plain.parameters()) == weights + 4
    assert {name for name, _ in plain.named_parameters()} == {"1.weight", "1.bias"}


def test_zero_is_zero_even_for_input_that_is_not_finite_and_stores_nothing():
    x = torch.full((2, 3, 4, 4), float("nan"))
    out = networks.Zero()(x)
    assert torch.equal(out, torch.zeros(2, 3, 4, 4))
    assert out.untyped_storage().nbytes() == 4


def test_zero_in_a_mixture_gives_its_probability_the_gradient_zero_and_its_input_none():
    x = torch.randn(1, 2, 3, 3, requires_grad=True)
    p = torch.tensor([0.5, 0.5], requires_grad=True)
    (p[0] * networks.Zero()(x) + p[1] * x).sum().backward()
    assert p.grad is not None and p.grad[0] == 0 and p.grad[1] == x.sum()
    assert x.grad is not None and torch.equal(x.grad, torch.full_like(x, 0.5))


def test_pooling_does_not_count_places_outside_the_image():
    out = networks.AvgPool()(torch.ones(1, 1, 3, 3))
    assert torch.equal(out, torch.ones(1, 1, 3, 3))


def test_even_kernels_are_refused():
    with pytest.raises(ArgumentError, match="kernel_size: got 2"):
        networks.ReluConvNorm(4, 2)


@pytest.mark.parametrize(("size", "half"), [((8, 8), (4, 4)), ((7, 5), (4, 3)), ((1, 1), (1, 1))])
def test_reduction_halves_any_size_rounding_up(size: tuple[int, int], half: tuple[int, int]):
    assert networks.ResidualReduction(3, 6)(torch.randn(2, 3, *size)).shape == (2, 6, *half)


def test_reduction_is_two_convolutions_beside_pool_and_convolution():
    block = networks.ResidualReduction(2, 4).eval()
    with torch.no_grad():
        block.second[1].weight.zero_()
    x = torch.randn(1, 2, 4, 4)
    pooled = nn.functional.avg_pool2d(x, 2)
    expected = nn.functional.conv2d(pooled, block.shortcut[1].weight)
    assert torch.allclose(block(x), expected, atol=1e-6)
    assert sum(p.numel() for p in block.parameters()) == 2 * 4 * 9 + 8 + 4 * 4 * 9 + 8 + 2 * 4


def test_stem_gives_the_same_values_in_either_memory_format():
    stem = networks.Stem(3, 4)
    x = torch.randn(2, 3, 6, 6)
    assert torch.allclose(stem(x), stem[1](stem[0](x)), atol=1e-5)
    assert stem(x).is_contiguous(memory_format=torch.channels_last)
