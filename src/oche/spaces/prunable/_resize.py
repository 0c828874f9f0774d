"""A network at other widths: built anew, offered to a search, or cut out of a trained one with its weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from oche.errors import ArgumentError
from oche.networks._channel_select import ChannelSelect
from oche.spaces.prunable._axes import Axes, Group, Layer, trace
from oche.supernets import elastic_width
from oche.supernets.widths import Width


def offer_widths(
    network: nn.Module,
    input_size: Sequence[int],
    steps: int | None = 8,
    min_channels: int = 1,
    streams: bool = False,
    layers: Sequence[str] | None = None,
) -> Axes:
    """Let the widths of a network be chosen: call it at the end of a program that built the network at its largest.

    Args:
        network: Changed in place: its layers get the widths that the present search says, with initial weights of their own.
        input_size: Shape of one input.
        steps: Widths that a group may have: 1/steps, 2/steps, ... of its channels, which are the labels too, so that the space is one for
            networks of several sizes; None: every number of channels.
        min_channels: The smallest width, so that no layer is ever emptied.
        streams, layers: As in `Axes.free`.

    Raises:
        SpaceError: a layer that was asked for cannot be pruned; the message names what it is tied to.
    """
    if steps is not None and (not isinstance(steps, int) or isinstance(steps, bool) or steps < 1):
        raise ArgumentError(f"steps: got {steps!r}; allowed: a whole number from 1, or None for every width")
    if not isinstance(min_channels, int) or isinstance(min_channels, bool) or min_channels < 1:
        raise ArgumentError(f"min_channels: got {min_channels!r}; allowed: a whole number from 1: a layer without channels is no layer")
    axes = trace(network, input_size)
    widths = {g.name: elastic_width(candidates(g, steps, min_channels), name=g.name) for g in axes.free(streams, layers)}
    _resize(network, axes, [widths.get(g.name, g.size) for g in axes.groups])
    return axes


def candidates(group: Group, steps: int | None, min_channels: int) -> dict[str, int]:
    """Widths that a group may have, the smallest first: by their share of all channels, or by their number if there is one for each."""
    smallest = min(min_channels, group.size)
    if steps is None:
        return {str(width): width for width in range(smallest, group.size + 1)}
    return {f"{i}/{steps}": max(smallest, group.size * i // steps) for i in range(1, steps + 1)}


def _resize(network: nn.Module, axes: Axes, sizes: Sequence[int]) -> None:
    for layer in axes.layers:
        module = network.get_submodule(layer.path)
        new = _attributes(layer, sizes)
        if any(isinstance(size, Width) for size in new.values()):
            module.__dict__.update(new)  # the supernet makes the layer elastic, in place
        elif any(int(getattr(module, name)) != size for name, size in new.items()):
            _replace(network, layer.path, _made(module, new))


def _attributes(layer: Layer, sizes: Sequence[int]) -> dict[str, int]:
    """Arguments of a layer that hold its widths."""
    reads, writes = sizes[layer.reads], sizes[layer.writes]
    if layer.kind == "conv":
        return {"in_channels": reads, "out_channels": writes}
    if layer.kind == "depthwise":
        return {"in_channels": writes, "out_channels": writes, "groups": writes}
    if layer.kind == "linear":
        return {"in_features": reads * layer.kernel, "out_features": writes}
    return {"num_features" if layer.kind == "norm" else "channels": writes}


def _made(module: Any, new: Mapping[str, int]) -> nn.Module:
    """A layer of the same class and settings at other sizes, with initial weights."""
    if isinstance(module, nn.Conv2d):
        kept = {name: getattr(module, name) for name in ("kernel_size", "stride", "padding", "dilation", "padding_mode", "groups")}
        return nn.Conv2d(**{**kept, **new, "bias": module.bias is not None})
    if isinstance(module, nn.Linear):
        return nn.Linear(**new, bias=module.bias is not None)
    if isinstance(module, ChannelSelect):
        return ChannelSelect(module.in_channels, **new)
    kept = {name: getattr(module, name) for name in ("eps", "momentum", "affine", "track_running_stats")}
    return type(module)(**{**kept, **new})


def _replace(network: nn.Module, path: str, made: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    holder = network.get_submodule(parent)
    old: nn.Module = getattr(holder, name)
    setattr(holder, name, made.train(old.training))


@torch.no_grad()
def extract(network: nn.Module, axes: Axes, keep: Mapping[str, Sequence[int] | Tensor]) -> nn.Module:
    """The smaller network that some channels make, with their weights.

    Args:
        network: A trained network; it is not changed.
        axes: Of this network.
        keep: By group, the channels that stay, in the order that they are to have.

    Returns:
        A copy; its outputs are those of `masked`.

    Raises:
        ArgumentError: no channel of a group would stay, or one does not exist.
    """
    index = _indices(axes, keep)
    made = copy.deepcopy(network)
    for layer in axes.layers:
        old: Any = network.get_submodule(layer.path)
        reads, writes = index[layer.reads], index[layer.writes]
        new = _made(old, _attributes(layer, [len(i) for i in index]))
        for name, tensor in (*old.named_parameters(recurse=False), *old.named_buffers(recurse=False)):
            target = new._parameters.get(name)
            target = new._buffers.get(name) if target is None else target
            assert target is not None
            target.copy_(_cut(layer, name, tensor, reads, writes))
        for name, parameter in old.named_parameters(recurse=False):
            new._parameters[name].requires_grad_(parameter.requires_grad)  # type: ignore[union-attr]
        _replace(made, layer.path, new.to(next(iter(network.parameters())).device))
    return made


def _cut(layer: Layer, name: str, tensor: Tensor, reads: Tensor, writes: Tensor) -> Tensor:
    reads, writes = reads.to(tensor.device), writes.to(tensor.device)
    if tensor.dim() == 0:
        return tensor
    if name == "weight" and layer.kind == "conv":
        return tensor[writes][:, reads]
    if name == "weight" and layer.kind == "linear":
        # Behind a flattening, the inputs of a channel lie together.
        inner = (reads[:, None] * layer.kernel + torch.arange(layer.kernel, device=reads.device)).flatten()
        return tensor[writes][:, inner]
    return tensor[writes]


@torch.no_grad()
def masked(network: nn.Module, axes: Axes, keep: Mapping[str, Sequence[int] | Tensor]) -> nn.Module:
    """A copy of full size in which all other channels are zero, behind their norms where they have some.

    Args:
        network, axes, keep: As in `extract`.
    """
    index = _indices(axes, keep)
    made = copy.deepcopy(network)
    for group, kept in zip(axes.groups, index, strict=True):
        if len(kept) == group.size:
            continue
        gone = torch.ones(group.size, dtype=torch.bool)
        gone[kept] = False
        for path in (*group.writers, *group.norms):
            module = made.get_submodule(path)
            for parameter in module.parameters(recurse=False):
                parameter[gone.to(parameter.device)] = 0
            mean = module._buffers.get("running_mean")
            if mean is not None and not getattr(module, "affine", True):
                mean[gone.to(mean.device)] = 0
    return made


def _indices(axes: Axes, keep: Mapping[str, Sequence[int] | Tensor]) -> list[Tensor]:
    given = {name: torch.as_tensor(channels, dtype=torch.long) for name, channels in keep.items()}
    axes.sizes({name: len(channels) for name, channels in given.items()})
    found = []
    for group in axes.groups:
        index = given.get(group.name, torch.arange(group.size))
        if not 0 <= int(index.min()) <= int(index.max()) < group.size or len(index.unique()) != len(index):
            raise ArgumentError(f"channels of {group.name!r}: got {index.tolist()}; allowed: each of 0 to {group.size - 1} at most once")
        found.append(index)
    return found
