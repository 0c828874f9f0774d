"""Sizes of a network: weights, and multiply-adds for one input.

Multiply-adds are those of convolutions and matrix products, in whatever way the network calls them; normalization, activation and
pooling are left out, as is usual. Some papers count otherwise, and say so nowhere: that count is kept apart, by its name. The
network runs once, as a copy: nothing of the network that was passed is touched. Small networks really run on the CPU, large ones on the
meta device without arithmetic; the first use of that device makes torch load its compiler, which takes longer than a small network.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.pooling import _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd, _AvgPoolNd, _MaxPoolNd
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from oche.errors import ArgumentError, unknown
from oche.seeds import building

#: Ways to count multiply-adds.
COUNTS = ("macs", "thop", "sharpdarts")

# Weights times positions of the input, about the multiply-adds of one input, up to which a network really runs: tens of milliseconds.
_SMALL = 50_000_000


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
    if _is_small(module, size, params):
        try:
            return Counts(params, _macs(copy.deepcopy(module).cpu(), torch.zeros(1, *size), count, strict=True))
        except Exception:  # an operation that may hold products of its own, or a shape that does not fit: the meta device tells
            pass
    try:
        return Counts(params, _macs(_meta_copy(module), torch.empty(1, *size, device="meta"), count))
    except Exception:  # the meta device refuses values (`item`, plain tensors on the CPU): then a copy really runs
        pass
    try:
        return Counts(params, _macs(copy.deepcopy(module).cpu(), torch.zeros(1, *size), count))
    except RuntimeError as error:
        raise ArgumentError(f"input_size: got {size}; allowed: a shape that the network takes; it said: {error}") from error


def _is_small(module: nn.Module, size: tuple[int, ...], params: int) -> bool:
    if params * math.prod(size[1:]) > _SMALL:
        return False
    return not any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers()))


def _meta_copy(module: nn.Module) -> nn.Module:
    """A copy without data: the memo hands out meta tensors in place of weights and buffers, so that nothing large is copied."""
    memo: dict[int, object] = {}
    for parameter in module.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), requires_grad=parameter.requires_grad)
    for buffer in module.buffers():
        memo[id(buffer)] = buffer.detach().to("meta")
    return copy.deepcopy(module, memo)


@torch.no_grad()
def _macs(module: nn.Module, x: Tensor, count: str, strict: bool = False) -> int:
    # In evaluation mode batch normalization takes a batch of one, whatever its size.
    module.eval()
    dtype = next((p.dtype for p in module.parameters()), x.dtype)
    counter = _Counting(strict)
    extra = [0]
    if count != "macs":
        _count_elements(module, _per_element[count], extra)
    with building(0), counter:
        module(x.to(dtype))
    # torch counts a multiply-add as two operations.
    return counter.operations // 2 + extra[0]


_PLAIN = frozenset(
    [
        "native_batch_norm",
        "_native_batch_norm_legit",
        "_native_batch_norm_legit_no_training",
        "relu",
        "relu_",
        "hardtanh",
        "hardtanh_",
        "hardswish",
        "hardswish_",
        "sigmoid",
        "tanh",
        "silu",
        "gelu",
        "sin",
        "add",
        "add_",
        "sub",
        "mul",
        "mul_",
        "div",
        "cat",
        "stack",
        "max_pool2d_with_indices",
        "avg_pool2d",
        "_adaptive_avg_pool2d",
        "mean",
        "sum",
        "view",
        "_unsafe_view",
        "t",
        "transpose",
        "permute",
        "clone",
        "slice",
        "select",
        "expand",
        "unsqueeze",
        "squeeze",
        "detach",
        "alias",
        "zeros_like",
        "new_zeros",
        "zeros",
        "empty",
        "empty_like",
        "_to_copy",
        "constant_pad_nd",
        "split",
        "index",
        "as_strided",
        "as_strided_",
    ]
)


class _Counting(TorchDispatchMode):
    """Adds up the operations of convolutions and matrix products, by torch's own formulas.

    Args:
        strict: Refuse operations that are not known to hold no products: the CPU fuses attention and recurrent layers into one.
    """

    def __init__(self, strict: bool) -> None:
        super().__init__()
        self.strict = strict
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        formula = flop_registry.get(func.overloadpacket)
        if formula is None:
            with self:
                parts = func.decompose(*args, **given)  # into others, if it is made of others
            if parts is not NotImplemented:
                return parts
            if self.strict and func.overloadpacket.__name__ not in _PLAIN:
                raise RuntimeError(f"{func} may hold products")
        output = func(*args, **given)
        if formula is not None:
            self.operations += int(formula(*args, **given, out_val=output))
        return output


# torch marks the method as not to be compiled, and for that loads its compiler on the first use.
_Counting.__torch_dispatch__ = inspect.unwrap(_Counting.__torch_dispatch__)


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
