"""Which layers can be built once at their largest width and used at smaller ones, and how: one registration for each class.

A rule names the sizes among a layer's arguments and says along which axes its tensors grow with them. That is all that is needed to
read the layer at a smaller width (the first channels of each tensor) and to cut a smaller layer out of it, so a rule holds no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from oche.errors import ArgumentError


@dataclass(frozen=True)
class ElasticRule:
    """How a layer depends on its widths.

    Args:
        sizes: Axis by argument, where the layer keeps the argument as an attribute of the same name.
        tensors: Axis of each dimension of its weights and buffers, by name; None for dimensions that do not grow.
        output: Axis of the output's channels; None if it has no width of its own.
        channel_dim: Dimension of the output that holds channels.
        normalizes: Whether the output of a channel depends on which other channels there are (a norm over channels). Such a layer is
            run once for each width in a mixture; any other once, and its output masked.
        groups: Argument that splits channels into groups, if there is one.
    """

    sizes: Mapping[str, str]
    tensors: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    output: str | None = "out"
    channel_dim: int = 1
    normalizes: bool = False
    groups: str | None = None


_rules: dict[type[nn.Module], ElasticRule] = {}


def register_elastic(layer: type[nn.Module], rule: ElasticRule) -> None:
    """Let a layer take elastic widths.

    Args:
        layer: A class of modules.
        rule: How it depends on its widths. `ElasticRule(sizes={"channels": "out"})`, without tensors, is for a block of the user's that
            hands its width on to layers inside of it.

    Raises:
        ArgumentError: the rule names an axis that no size has.
    """
    axes = set(rule.sizes.values())
    used = {axis for dims in rule.tensors.values() for axis in dims if axis is not None}
    for axis in sorted(used - axes):
        raise ArgumentError(
            f"elastic layer {layer.__name__}: got axis {axis!r} of a tensor; allowed: axes of sizes, {', '.join(sorted(axes))}"
        )
    _rules[layer] = rule


def elastic_rule(layer: type) -> ElasticRule | None:
    """The rule of a class, or of the class from which it takes its `forward`; None if there is none."""
    for base in getattr(layer, "__mro__", ()):
        if base in _rules:
            same = getattr(layer, "forward", None) is getattr(base, "forward", None)
            return _rules[base] if same or not _rules[base].tensors else None
    return None


def elastic_layers() -> tuple[str, ...]:
    """Names of all registered layers."""
    return tuple(sorted(layer.__name__ for layer in _rules))


def _convolution(channel_dim: int, rank: int) -> ElasticRule:
    sizes = {"in_channels": "in", "out_channels": "out", "groups": "groups"}
    return ElasticRule(sizes, {"weight": ("out", "in", *(None,) * rank), "bias": ("out",)}, channel_dim=channel_dim, groups="groups")


_statistics = {"weight": ("out",), "bias": ("out",), "running_mean": ("out",), "running_var": ("out",)}
_affine = {"weight": ("out",), "bias": ("out",)}

register_elastic(nn.Conv1d, _convolution(-2, 1))
register_elastic(nn.Conv2d, _convolution(-3, 2))
register_elastic(
    nn.Linear, ElasticRule({"in_features": "in", "out_features": "out"}, {"weight": ("out", "in"), "bias": ("out",)}, channel_dim=-1)
)
for _norm in (nn.BatchNorm1d, nn.BatchNorm2d):
    register_elastic(_norm, ElasticRule({"num_features": "out"}, _statistics))
register_elastic(nn.GroupNorm, ElasticRule({"num_channels": "out"}, _affine, normalizes=True))
register_elastic(nn.LayerNorm, ElasticRule({"normalized_shape": "out"}, _affine, channel_dim=-1, normalizes=True))
register_elastic(nn.PReLU, ElasticRule({"num_parameters": "out"}, {"weight": ("out",)}))
register_elastic(nn.Embedding, ElasticRule({"embedding_dim": "out"}, {"weight": (None, "out")}, channel_dim=-1))
