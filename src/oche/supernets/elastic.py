"""Layers of elastic width: built once at their largest, used at the widths of the present draw.

    one width drawn      the first channels of every tensor are used: exactly the smaller layer
    widths mixed         sum over i of w[i] * pad(layer at width i), which is one run at full width times a mask that falls in steps;
                         a norm over channels is run at each width

A layer becomes elastic in place once it holds a `Width` among the sizes of its rule, so it does not matter where a program keeps it.
Copies made for a child are plain layers of the smaller size. In a mixture only what a layer gives is weighted, never what it takes.

Source: Cai et al. 2020 (Once-for-All), weights of the first channels; Wan et al. 2020 (FBNetV2), masks in place of many widths.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from oche.errors import NotRelaxable
from oche.networks._elastic import ElasticRule, elastic_layers, elastic_rule
from oche.supernets.drawn import indices
from oche.supernets.relaxed import Mixed, Runtime, extracted
from oche.supernets.widths import Block, Width

#: Where an elastic layer keeps what it needs.
_MARK = "_oche_elastic"


@dataclass
class Plan:
    """What an elastic layer knows of its widths.

    Args:
        rule: Of its class.
        axes: Width by axis.
        sizes: Axis by attribute, of those attributes that are elastic.
        tensors: Axis of each dimension, of those tensors that are elastic.
        runtime: Shared with the supernet.
        blends: What the layer does with two interpolated widths: blend them, leave that to a norm of the same width, or (None) mask them,
            because its width is a sum.
    """

    rule: ElasticRule
    axes: dict[str, Width]
    sizes: dict[str, str]
    tensors: dict[str, tuple[str | None, ...]]
    runtime: Runtime
    blends: bool | None = None


class ElasticLayer(nn.Module):
    """Mixed into the class of a layer that became elastic."""

    #: The class of the layer in the program.
    plain: type[nn.Module]

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """The output of the layer at the present widths."""
        plan: Plan = self.__dict__[_MARK]
        shares = {axis: [_share(plan.runtime, block) for block in width.blocks] for axis, width in plan.axes.items()}
        out = plan.rule.output
        mixed = out in shares and any(share.mask is not None and share.mask.dim() for share in shares[out])
        if plan.rule.normalizes and mixed:
            return self._at_each_width(inputs[0], plan)
        if mixed and plan.blends is not None and _interpolated(plan):
            return self._interpolate(inputs, named, shares, plan)
        if "in" in shares and any(share.mask is not None and share.mask.dim() for share in shares["in"]):
            support = _multiplier(shares["in"], inputs[0]) > 0
            inputs = (inputs[0] * _along(support, inputs[0], plan.rule.channel_dim), *inputs[1:])
        output = self._at({axis: [s.size for s in found] for axis, found in shares.items()}, plan, *inputs, **named)
        if out in shares and any(share.mask is not None for share in shares[out]):
            output = output * _along(_multiplier(shares[out], output), output, plan.rule.channel_dim)
        return output

    def _interpolate(self, inputs: Any, named: Any, shares: Mapping[str, Any], plan: Plan) -> Tensor:
        """Two widths at once: run at the larger one, and blended by means over neighboring channels where the plan says so."""
        axis = plan.rule.output
        assert axis is not None
        width, dim = plan.axes[axis], plan.rule.channel_dim
        whole = width.table()
        gate = plan.runtime.current(whole.slot).gate(whole.slot)
        active = list(indices(gate, len(whole.sizes)))
        largest = max(whole.sizes[i] for i in active)
        output = self._at({a: [s.size for s in found] for a, found in shares.items()}, plan, *inputs, **named)
        assert gate.weights is not None
        if not plan.blends:
            support = (torch.arange(output.shape[dim], device=output.device) < largest).to(output)
            return output * _along(support, output, dim)
        blended: Any = sum(gate.weights[i] * resampled(output.narrow(dim, 0, whole.sizes[i]), largest, dim) for i in active)
        rest = list(output.shape)
        rest[dim] -= largest
        return torch.cat([blended, blended.new_zeros(rest)], dim)

    def _at(self, sizes: Mapping[str, Sequence[int]], plan: Plan, *inputs: Any, **named: Any) -> Any:
        if all(sum(found) == int(plan.axes[axis]) for axis, found in sizes.items()):
            return self.plain.forward(self, *inputs, **named)
        view, copies = _view(self, sizes, plan)
        output = view.forward(*inputs, **named)
        with torch.no_grad():
            for name, index in copies:  # statistics of channels that do not lie together were copied, and have moved on
                self._buffers[name].index_copy_(0, index, view._buffers[name])  # type: ignore[union-attr]
        return output

    def _at_each_width(self, x: Tensor, plan: Plan) -> Tensor:
        axis = plan.rule.output
        assert axis is not None
        width, dim = plan.axes[axis], plan.rule.channel_dim
        whole = width.table()
        gate = plan.runtime.current(whole.slot).gate(whole.slot)
        total = torch.zeros_like(x)
        for i in indices(gate, len(whole.sizes)):
            chosen = {key: options[c] for key, options, c in zip(whole.keys, whole.labels, whole.combos[i], strict=True)}
            sizes = [block.under(chosen) for block in width.blocks]
            index = _index(width.blocks, sizes, x.device)
            part = self._at({axis: sizes}, plan, x.index_select(dim, index))
            total = total.index_add(dim, index, part if gate.weights is None else gate.weights[i] * part)
        return total

    def cut(self, allowed: Mapping[str, Any]) -> nn.Module:
        """A plain layer with copies of the weights that some decisions use.

        Args:
            allowed: A label, or several of which the largest counts, by key.
        """
        plan: Plan = self.__dict__[_MARK]
        sizes = {axis: [block.under(allowed) for block in width.blocks] for axis, width in plan.axes.items()}
        view, _ = _view(self, sizes, plan)
        own = ("_parameters", "_buffers")
        made = object.__new__(self.plain)
        made.__dict__.update(copy.deepcopy({k: v for k, v in view.__dict__.items() if k not in own}))
        made.__dict__["_parameters"] = {
            name: None if p is None else nn.Parameter(_clone(p), requires_grad=self._parameters[name].requires_grad)  # type: ignore[union-attr]
            for name, p in view._parameters.items()
        }
        made.__dict__["_buffers"] = {name: None if b is None else _clone(b) for name, b in view._buffers.items()}
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        decisions = extracted()
        if decisions is not None:
            made: Any = self.cut(decisions)
        else:
            made = object.__new__(type(self))
            memo[id(self)] = made
            made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        memo[id(self)] = made
        return made

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return (_blank, (self.plain,), self.__dict__)


def make_elastic(network: nn.Module, runtime: Runtime) -> set[str]:
    """Turn every layer of a network that was built from widths into an elastic one, in place.

    Returns:
        Keys of the decisions that reached a layer.

    Raises:
        NotRelaxable: a width reached something that cannot be elastic; names the choice, the argument and the class.
    """
    reached: set[str] = set()
    for path, module in network.named_modules():
        found = dict(_widths(module))
        if not found:
            continue
        rule = elastic_rule(type(module))
        if rule is None and hasattr(module, "relax"):
            module.relax(runtime)  # type: ignore[operator]
        elif rule is None:
            _check_container(module, path, found)
        elif rule.tensors:
            reached |= _convert(module, path, found, rule, runtime)
    _plan_blends(network)
    for module in network.modules() if reached else ():
        if isinstance(module, Mixed):
            module.even = not any(isinstance(inner, ElasticLayer) for inner in module.modules())
    return reached


def elastic_layers_of(network: nn.Module) -> Iterator[tuple[str, ElasticLayer]]:
    """All elastic layers by their path."""
    return ((path, module) for path, module in network.named_modules() if isinstance(module, ElasticLayer))


def axes_of(layer: ElasticLayer) -> Iterator[tuple[Block, Tensor, int, int, str, int]]:
    """Where the channels of each block of a width lie: (block, tensor, dimension, first index, axis, groups that bind channels)."""
    plan: Plan = layer.__dict__[_MARK]
    bound = getattr(layer, plan.rule.groups, 1) if plan.rule.groups else getattr(layer, "num_groups", 1)
    for name, dims in plan.tensors.items():
        tensor = layer._parameters.get(name)
        tensor = layer._buffers.get(name) if tensor is None else tensor
        for dim, axis in enumerate(dims) if tensor is not None else ():
            offset = 0
            for block in plan.axes[axis].blocks if axis in plan.axes else ():
                yield block, tensor, dim, offset, axis or "", int(bound)  # type: ignore[misc]
                offset += block.largest


def _plan_blends(network: nn.Module) -> None:
    """Who blends interpolated widths: norms, and layers whose width no norm has."""
    layers = [layer for _, layer in elastic_layers_of(network)]
    plans: list[Plan] = [layer.__dict__[_MARK] for layer in layers]
    outs = [plan.axes.get(plan.rule.output or "") for plan in plans]
    normed = {out.blocks for layer, out in zip(layers, outs, strict=True) if out is not None and isinstance(layer, _BatchNorm)}
    for layer, plan, out in zip(layers, plans, outs, strict=True):
        if out is not None and len(out.blocks) == 1:
            plan.blends = isinstance(layer, _BatchNorm) or out.blocks not in normed


def _interpolated(plan: Plan) -> bool:
    width = plan.axes[plan.rule.output or ""]
    drawn = plan.runtime.current(width.table().slot)
    return set(width.keys) <= drawn.extra.get("interpolated", set())


def resampled(x: Tensor, size: int, dim: int = 1) -> Tensor:
    """Channels in another number, each the mean of those inputs that it covers.

    Example:
        >>> resampled(torch.arange(1.0, 9.0)[None], 3).tolist()
        [[2.0, 4.5, 7.0]]
    """
    n = x.shape[dim]
    if n == size:
        return x
    out = torch.arange(size, device=x.device)[:, None]
    first, last = out * n // size, -(-(out + 1) * n // size)
    places = torch.arange(n, device=x.device)
    covered = ((places >= first) & (places < last)).to(x.dtype)
    matrix = covered / covered.sum(1, keepdim=True)
    return (x.movedim(dim, -1) @ matrix.T).movedim(-1, dim)


@dataclass(frozen=True)
class _Share:
    """How much of a block counts: its size, and what it is multiplied with: nothing, one scalar, or a mask `(size,)`."""

    size: int
    mask: Tensor | None = None


def _share(runtime: Runtime, block: Block) -> _Share:
    if not block.keys:
        return _Share(block.largest)
    gate = runtime.current(block.slot).gate(block.slot)
    if gate.active is not None and len(gate.active) == 1:
        i = gate.active[0]
        return _Share(block.sizes[i], None if gate.weights is None else gate.weights[i])
    if gate.weights is None and gate.active is None:  # inactive: nothing is weighted
        return _Share(block.largest)
    active = list(indices(gate, len(block.sizes)))
    weights = torch.ones(len(active)) if gate.weights is None else gate.weights[active]
    steps = torch.tensor([block.sizes[i] for i in active], device=weights.device)[:, None]
    return _Share(block.largest, weights @ (torch.arange(block.largest, device=weights.device) < steps).to(weights.dtype))


def running_size(runtime: Runtime, width: Width) -> int:
    """Channels that a layer of this width gives at the present draw: all that are open in a mixture, and masked there."""
    return sum(_share(runtime, block).size for block in width.blocks)


def _multiplier(shares: Sequence[_Share], like: Tensor) -> Tensor:
    """What all channels of an axis are multiplied with, `(channels,)`."""
    parts = []
    for share in shares:
        mask = torch.ones((), dtype=like.dtype, device=like.device) if share.mask is None else share.mask.to(like)
        parts.append(mask if mask.dim() else mask.expand(share.size))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _along(values: Tensor, like: Tensor, dim: int) -> Tensor:
    """A vector as a factor along one dimension of another tensor."""
    shape = [1] * like.dim()
    shape[dim] = -1
    return values.reshape(shape)


def _view(layer: ElasticLayer, sizes: Mapping[str, Sequence[int]], plan: Plan) -> tuple[nn.Module, list[tuple[str, Tensor]]]:
    """The layer at some sizes, over the very same tensors; and buffers that had to be copied, with the indices of their channels."""
    copies: list[tuple[str, Tensor]] = []

    def cut(name: str, tensor: Tensor | None, is_buffer: bool) -> Tensor | None:
        if tensor is None or name not in plan.tensors:
            return tensor
        for dim, axis in enumerate(plan.tensors[name]):
            if axis is None or axis not in sizes:
                continue
            blocks, found = plan.axes[axis].blocks, sizes[axis]
            if _leading(blocks, found):
                tensor = tensor.narrow(dim, 0, sum(found))
            else:
                index = _index(blocks, found, tensor.device)
                tensor = tensor.index_select(dim, index)
                if is_buffer:
                    copies.append((name, index))
        return tensor

    state = {name: value for name, value in layer.__dict__.items() if name != _MARK}
    state["_parameters"] = {name: cut(name, p, False) for name, p in layer._parameters.items()}
    state["_buffers"] = {name: cut(name, b, True) for name, b in layer._buffers.items()}
    for attribute, axis in plan.sizes.items():
        if axis in sizes:
            total = sum(sizes[axis])
            state[attribute] = (total,) if isinstance(layer.__dict__[attribute], tuple) else total
    view = object.__new__(layer.plain)
    view.__dict__.update(state)
    return view, copies


def _leading(blocks: Sequence[Block], sizes: Sequence[int]) -> bool:
    """Whether the used channels are simply the first ones."""
    short = next((i for i, (block, size) in enumerate(zip(blocks, sizes, strict=True)) if size < block.largest), len(blocks))
    return not any(sizes[short + 1 :])


def _index(blocks: Sequence[Block], sizes: Sequence[int], device: torch.device) -> Tensor:
    """The used channels: the first of each block."""
    offset, parts = 0, []
    for block, size in zip(blocks, sizes, strict=True):
        parts.append(torch.arange(offset, offset + size, device=device))
        offset += block.largest
    return torch.cat(parts)


def _clone(tensor: Tensor) -> Tensor:
    return tensor.detach().clone(memory_format=torch.contiguous_format)


def _widths(module: nn.Module) -> Iterator[tuple[str, Width]]:
    """Attributes of a module that are widths, or hold one."""
    for name, value in module.__dict__.items():
        if name.startswith("_") or name == "training":
            continue
        for item in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(item, Width):
                yield name, item


def _check_container(module: nn.Module, path: str, found: Mapping[str, Width]) -> None:
    """A module without a rule may keep a width, unless its own tensors depend on it or it is a layer of torch."""
    sizes = {int(width) for width in found.values()}
    own = [n for n, t in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)) if sizes & set(t.shape)]
    if own or type(module).__module__.startswith("torch.nn."):
        name, width = next(iter(found.items()))
        _refuse(module, path, name, width)


def _refuse(module: nn.Module, path: str, name: str, width: Width) -> None:
    raise NotRelaxable(
        f"choice {width.place}: got a whole number in plain style that became {name!r} of {type(module).__name__} at {path!r}; allowed in "
        f"a supernet: widths of elastic layers ({', '.join(elastic_layers())}; add one with register_elastic); make the layer the choice, "
        "as in oneof({'k1': lambda: nn.Conv2d(c, c, 1), ...}), write it as a symbolic layer with the choice among its arguments, leave it "
        "out with space.where(...), or decide it with space.fix(...)"
    )


def _convert(module: nn.Module, path: str, found: Mapping[str, Width], rule: ElasticRule, runtime: Runtime) -> set[str]:
    for name, width in found.items():
        if name not in rule.sizes or (isinstance(module.__dict__[name], tuple) and len(module.__dict__[name]) != 1):
            _refuse(module, path, name, width)
    _check_groups(module, path, found, rule)
    _check_sum(module, path, found, rule)
    plan = Plan(rule, {rule.sizes[name]: width for name, width in found.items()}, {name: rule.sizes[name] for name in found}, {}, runtime)
    grouped = rule.groups is not None and int(module.__dict__[rule.groups]) > 1
    for name, dims in rule.tensors.items():
        kept = tuple(axis if axis in plan.axes and not (grouped and axis == "in") else None for axis in dims)
        if any(kept):
            plan.tensors[name] = kept
    for name in found:
        module.__dict__[name] = (int(found[name]),) if isinstance(module.__dict__[name], tuple) else int(found[name])
    module.__dict__[_MARK] = plan
    module.__class__ = _elastic_class(type(module))
    return {key for width in found.values() for key in width.keys}


def _check_groups(module: nn.Module, path: str, found: Mapping[str, Width], rule: ElasticRule) -> None:
    """Groups of constant size grow with the channels; others would take other channels at every width."""
    if rule.groups is None:
        return
    groups = module.__dict__[rule.groups]
    if not isinstance(groups, Width) and groups == 1:
        return
    for name in rule.sizes:
        width = found.get(name) or found[next(iter(found))]
        if name != rule.groups and isinstance(module.__dict__[name] // groups, Width):
            raise NotRelaxable(
                f"choice {width.place}: got {name} with groups={int(groups)} in {type(module).__name__} at {path!r}; allowed in a "
                "supernet: groups of constant size, as in groups=c or groups=c // 8"
            )


def _check_sum(module: nn.Module, path: str, found: Mapping[str, Width], rule: ElasticRule) -> None:
    """A layer that writes c + (12 - c) channels has 16 where c is 4 or 8: right for what is concatenated, wrong for who reads 12 of it."""
    if rule.groups is None and "in" not in rule.sizes.values():
        return
    if rule.groups is not None and isinstance(module.__dict__[rule.groups], Width):  # depthwise: it writes what it reads
        return
    for name, width in found.items():
        if rule.sizes[name] == rule.output and not width.coincides:
            raise NotRelaxable(
                f"choice {width.place}: got a sum whose terms are not at their largest together as {name!r} of {type(module).__name__} at "
                f"{path!r}; allowed in a supernet: one term, as {width.table().largest} or 20 - c, or a layer for each term and torch.cat"
            )


@cache
def _elastic_class(plain: type[nn.Module]) -> type[nn.Module]:
    return type(f"Elastic{plain.__name__}", (ElasticLayer, plain), {"plain": plain, "__module__": plain.__module__})


def _blank(plain: type[nn.Module]) -> nn.Module:
    return object.__new__(_elastic_class(plain))
