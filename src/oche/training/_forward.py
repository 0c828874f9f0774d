"""A forward pass as a recipe says: memory format of the images, precision of the arithmetic."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from oche.networks import AuxiliaryOutput
from oche.training._recipe import Recipe


def forward(model: Any, x: Tensor, recipe: Recipe) -> Any:
    """What a model gives, in float32.

    With `channels_last` images are handed over with their channels innermost; operations keep that. With precision `bf16` matrix products
    and convolutions run in bfloat16 (autocast); weights, gradients of weights and the loss stay in float32.

    Args:
        model: Maps inputs to scores, or to an `AuxiliaryOutput`.
        x: Normalized inputs.
        recipe: Says how.
    """
    if recipe.channels_last and x.ndim == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    if recipe.precision == "float32":
        return model(x)
    with torch.autocast(x.device.type, dtype=torch.bfloat16):
        output = model(x)
    if isinstance(output, AuxiliaryOutput):
        return AuxiliaryOutput(output.logits.float(), output.auxiliary.float(), output.weight)
    return output.float()


def lay_out(model: nn.Module, recipe: Recipe) -> None:
    """Give the weights of convolutions the memory format of the recipe."""
    if recipe.channels_last:
        # A keyword that the stubs of torch leave out.
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
