"""Which channels of elastic widths matter, and the point that is left when the least of them go.

    importance `bn`    mean over the norms of a width of |scale| of a channel (network slimming)
    importance `l1`    mean over the layers that write a width of the mean |weight| of a channel, over the mean of that layer; of those that
                       read it, where nothing with weights writes it (what a block reads of a stream)
    threshold          entry int(P r) of all P importances, sorted upwards; larger ones stay, and never less than a number for each width

Sources: Liu et al. 2017 (network slimming); Li et al. 2017 (filter norms; dividing by the layer's mean, so that layers can be compared, is
ours).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from oche.errors import ArgumentError
from oche.program import DNA
from oche.supernets.elastic import ElasticLayer, axes_of, elastic_layers_of
from oche.supernets.network import Supernet

logger = logging.getLogger("oche.supernets")

#: What the importance of a channel is read from.
CRITERIA = ("bn", "l1")


@torch.no_grad()
def channel_importance(supernet: Supernet, criterion: str = "bn") -> dict[str, Tensor]:
    """Importance of every channel of each width that is a decision of its own, `(channels,)`, by key.

    Raises:
        ArgumentError: no such criterion, or a width has no layer that it could be read from.
    """
    if criterion not in CRITERIA:
        raise ArgumentError(f"criterion: got {criterion!r}; allowed: {', '.join(repr(c) for c in CRITERIA)}")
    keys = [key for key, row in supernet.policy.rows.items() if row.axis == "width"]
    sizes = widths_of(supernet)
    written: dict[str, list[Tensor]] = {key: [] for key in keys}
    read: dict[str, list[Tensor]] = {key: [] for key in keys}
    for _, layer in elastic_layers_of(supernet.network):
        norm = isinstance(layer, _BatchNorm)
        if norm != (criterion == "bn"):
            continue
        for block, tensor, dim, offset, axis, _ in axes_of(layer):
            # Only where a channel of the layer is one channel of the width: not where a width enters at a multiple.
            if len(block.keys) != 1 or tensor is not _scale(layer):
                continue
            if dict(zip(block.labels[0], block.sizes, strict=True)) != sizes[block.keys[0]]:
                continue
            part = tensor.narrow(dim, offset, block.largest).abs()
            one = part if part.dim() == 1 else part.transpose(0, dim).flatten(1).mean(1)
            parts = written if axis == "out" else read
            parts[block.keys[0]].append(one if norm else one / one.mean().clamp_min(1e-12))
    found = {key: written[key] or read[key] for key in keys}
    for key, parts in found.items():
        if not parts:
            what = "norm with a scale" if criterion == "bn" else "layer with weights"
            raise ArgumentError(f"width {key!r}: got no {what} on it; allowed: widths with one; leave it out by space.where(...)")
    return {key: torch.stack(parts).mean(0) for key, parts in found.items()}


def scales(supernet: Supernet) -> list[str]:
    """Names of the scales of norms on elastic widths, as in `Supernet.named_weights`."""
    return [
        f"network.{path}.weight" for path, layer in elastic_layers_of(supernet.network) if isinstance(layer, _BatchNorm) and layer.affine
    ]


def global_threshold(scores: Mapping[str, Tensor], ratio: float, min_channels: int = 1) -> dict[str, Tensor]:
    """The channels that stay when the least important of all go together.

    Args:
        scores: Importance of each channel, by name.
        ratio: Share that goes, from 0 to below 1. With P scores that differ, int(P ratio) + 1 of them go; with 0 none.
        min_channels: So many channels stay at least under each name (all, if there are fewer): no layer is emptied.

    Returns:
        Indices of the channels that stay, by name, rising.

    Raises:
        ArgumentError: the ratio or the minimum is not allowed.
    """
    check_threshold(ratio, min_channels)
    if ratio == 0:
        return {name: torch.arange(len(score)) for name, score in scores.items()}
    every = torch.cat([score.flatten() for score in scores.values()]).sort().values
    threshold = every[int(len(every) * ratio)]
    kept, saved = {}, []
    for name, score in scores.items():
        stay = score > threshold
        if int(stay.sum()) < min(min_channels, len(score)):
            saved.append(name)
            stay = torch.zeros_like(stay)
            stay[score.argsort(descending=True, stable=True)[:min_channels]] = True
        kept[name] = stay.nonzero().flatten()
    if saved:
        logger.warning(
            "pruning %.0f %%: %d of %d widths would be empty and keep %d: %s",
            100 * ratio,
            len(saved),
            len(kept),
            min_channels,
            ", ".join(saved),
        )
    return kept


def check_threshold(ratio: float, min_channels: int) -> None:
    """Refuse settings of `global_threshold` that make no sense."""
    if isinstance(ratio, bool) or not isinstance(ratio, (int, float)) or not 0 <= ratio < 1:
        raise ArgumentError(f"ratio: got {ratio!r}; allowed: a number from 0 to below 1")
    if isinstance(min_channels, bool) or not isinstance(min_channels, int) or min_channels < 1:
        raise ArgumentError(f"min_channels: got {min_channels!r}; allowed: a whole number from 1")


def nearest_point(supernet: Supernet, channels: Mapping[str, int]) -> DNA:
    """The point whose widths are next to some numbers of channels; of two as near the larger one. Other decisions stand at their best."""
    decisions = dict(supernet.space.decisions(supernet.derive()))
    sizes = widths_of(supernet)
    for key, count in channels.items():
        row = supernet.policy.rows[key]
        options = [(abs(sizes[key][row.labels[i]] - count), -sizes[key][row.labels[i]], row.labels[i]) for i in row.allowed]
        decisions[key] = min(options)[2]
    return supernet.space.encode_decisions(decisions)


def widths_of(supernet: Supernet) -> dict[str, dict[str, int]]:
    """Channels of each candidate of each width, by key and label."""
    found: dict[str, dict[str, int]] = {}
    for _, layer in elastic_layers_of(supernet.network):
        for block, _, _, _, _, _ in axes_of(layer):
            if len(block.keys) == 1:
                sizes = dict(zip(block.labels[0], block.sizes, strict=True))
                known = found.get(block.keys[0])
                # A width may enter a layer at a multiple; the smallest is that of the channels.
                found[block.keys[0]] = sizes if known is None or max(sizes.values()) < max(known.values()) else known
    return found


def _scale(layer: ElasticLayer) -> Tensor | None:
    return layer._parameters.get("weight")
