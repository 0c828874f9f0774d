"""Sizes of a network: weights, and multiply-adds for one input.

Multiply-adds are those of convolutions and matrix products, in whatever way the network calls them; normalization, activation and
pooling are left out, as is usual. Some papers count otherwise, and say so nowhere: that count is kept apart, by its name. The
network runs once, as a copy on the meta device: no arithmetic, and nothing of the network that was passed is touched.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.pooling import _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd, _AvgPoolNd, _MaxPoolNd
from torch.utils.flop_counter import FlopCounterMode

from oche.errors import ArgumentError, unknown

#: Ways to count multiply-adds.
COUNTS = ("macs", "thop", "sharpdarts")


@dataclass(frozen=True)
class Counts:
    """Sizes of a network.

    Args:
        params: Number of weights; a weight that is used twice counts once.
        macs: Multiply-adds for one input, in the way that was asked for.
    """

    params: int
    macs: int


def count(module: nn.Module, input_size: Sequence[int], count: str = "macs") -> Counts:
    """Count the weights of `module` and its multiply-adds for one input.

    Args:
        module: A network that maps a batch of inputs to something; it is not changed.
        input_size: Shape of one input without the batch, for example `(3, 32, 32)`.
        count: `macs`: convolutions and matrix products. `thop`: these, two for each output of a batch normalization and one for each of
            a ReLU module, as the counter does with which the figures of PC-DARTS (586 M, 597 M) were made. `sharpdarts`: convolutions
            and matrix products, outputs of ReLU modules, inputs of pools, and two (without scale and shift one) for each input of a
            batch normalization, as the counter does with which the tables of sharpDARTS were made.

    Raises:
        UnknownNameError: no such way to count.
        ArgumentError: the shape is empty or has a side below 1, or the network cannot take it.

    Example:
        >>> count(nn.Linear(3, 2), (3,))
        Counts(params=8, macs=6)
    """
    size = tuple(input_size)
    if not size or any(side < 1 for side in size):
        raise ArgumentError(f"input_size: got {size}; allowed: positive sides without the batch, for example (3, 32, 32)")
    if count not in COUNTS:
        raise unknown("count", str(count), COUNTS)
    params = sum(p.numel() for p in module.parameters())
    try:
        macs = _macs(_meta_copy(module), torch.empty(1, *size, device="meta"), count)
    except Exception:  # the meta device refuses values (`item`, plain tensors on the CPU): then a copy really runs
        try:
            macs = _macs(copy.deepcopy(module).cpu(), torch.zeros(1, *size), count)
        except RuntimeError as error:
            raise ArgumentError(f"input_size: got {size}; allowed: a shape that the network takes; it said: {error}") from error
    return Counts(params, macs)


def _meta_copy(module: nn.Module) -> nn.Module:
    """A copy without data: the memo hands out meta tensors in place of weights and buffers, so that nothing large is copied."""
    memo: dict[int, object] = {}
    for parameter in module.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), requires_grad=parameter.requires_grad)
    for buffer in module.buffers():
        memo[id(buffer)] = buffer.detach().to("meta")
    return copy.deepcopy(module, memo)


@torch.no_grad()
def _macs(module: nn.Module, x: Tensor, count: str) -> int:
    # In evaluation mode batch normalization takes a batch of one, whatever its size.
    module.eval()
    dtype = next((p.dtype for p in module.parameters()), x.dtype)
    counter = FlopCounterMode(display=False)
    extra = [0]
    if count != "macs":
        _count_elements(module, _per_element[count], extra)
    with counter:
        module(x.to(dtype))
    # torch counts a multiply-add as two operations.
    return counter.get_total_flops() // 2 + extra[0]


def _count_elements(module: nn.Module, cost: Callable[[nn.Module, Tensor, Tensor], int], total: list[int]) -> None:
    """Let each layer of a copy add what it costs beside its multiply-adds to `total` while it runs."""

    def hook(layer: nn.Module, inputs: Any, output: Any) -> None:
        if inputs and isinstance(inputs[0], Tensor) and isinstance(output, Tensor):
            total[0] += cost(layer, inputs[0], output)

    for layer in module.modules():
        layer.register_forward_hook(hook)


def _thop(layer: nn.Module, x: Tensor, output: Tensor) -> int:
    return output.numel() * (2 if isinstance(layer, _BatchNorm) else 1 if isinstance(layer, nn.ReLU) else 0)


def _sharpdarts(layer: nn.Module, x: Tensor, output: Tensor) -> int:
    if isinstance(layer, _BatchNorm):
        return x.numel() * (2 if layer.affine else 1)
    if isinstance(layer, nn.ReLU):
        return output.numel()
    if isinstance(layer, _POOLS):
        return x.numel()
    biased = isinstance(layer, _ConvNd) and layer.bias is not None
    return output.numel() if biased else 0


_POOLS = (_MaxPoolNd, _AvgPoolNd, _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd)
_per_element = {"thop": _thop, "sharpdarts": _sharpdarts}
