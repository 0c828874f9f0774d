"""Weighted sums of candidate outputs: tensors, or equal nestings of tuples, lists and dicts of tensors.

Shapes are compared at every pass (a handful of tuple comparisons), because broadcasting would hide a mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from oche.errors import ShapeMismatch


def weighted_sum(outputs: Sequence[Any], weights: Sequence[Tensor] | None, labels: Sequence[str], place: str) -> Any:
    """Sum of `weights[i] * outputs[i]`; a single output without a weight comes back as it is.

    Args:
        outputs: One per active candidate.
        weights: As many scalars, or None for a plain sum.
        labels: Names of the candidates, for the error.
        place: Names the choice, for the error.

    Raises:
        ShapeMismatch: two outputs differ in shape or nesting; names both candidates and both shapes.
    """
    check_equal(outputs, labels, place)
    return combine(outputs, lambda parts: _sum(parts, weights))


def combine(outputs: Sequence[Any], function: Callable[[Sequence[Any]], Any]) -> Any:
    """Apply `function` to the tensors that stand at equal places of equally nested outputs."""
    first = outputs[0]
    if isinstance(first, dict):
        return {key: combine([output[key] for output in outputs], function) for key in first}
    if isinstance(first, (tuple, list)):
        items = [combine(parts, function) for parts in zip(*outputs, strict=True)]
        return type(first)(*items) if hasattr(first, "_fields") else type(first)(items)
    return function(outputs)


def check_equal(outputs: Sequence[Any], labels: Sequence[str], place: str) -> None:
    """Raise `ShapeMismatch` unless all outputs have the shapes and nesting of the first."""
    expected = shape(outputs[0])
    for output, label in zip(outputs[1:], labels[1:], strict=True):
        found = shape(output)
        if found != expected:
            raise ShapeMismatch(
                f"outputs of choice {place}: got {_text(expected)} from {labels[0]!r} and {_text(found)} from {label!r}; "
                "allowed: equal shapes; give the candidates equal strides, paddings and channels"
            )


def shape(output: Any) -> Any:
    """The shape of a tensor, or the nesting of shapes."""
    if isinstance(output, Tensor):
        return tuple(output.shape)
    if isinstance(output, dict):
        return {key: shape(item) for key, item in output.items()}
    if isinstance(output, (tuple, list)):
        return [shape(item) for item in output]
    return type(output).__name__


def _sum(parts: Sequence[Any], weights: Sequence[Tensor] | None) -> Any:
    total = None
    for i, part in enumerate(parts):
        term = part if weights is None else weights[i] * part
        total = term if total is None else total + term
    return total


def _text(found: Any) -> str:
    return str(found)
