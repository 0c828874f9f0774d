"""The loss of a classifier, and its scores, whether or not it has an auxiliary head."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from oche.networks import AuxiliaryOutput


def cross_entropy(output: Any, y: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy; that of an auxiliary head is added with its weight.

    Args:
        output: Scores `(batch, classes)`, or an `AuxiliaryOutput`.
        y: Classes, `(batch,)`.
        label_smoothing: Share of the target that is spread over all classes.
    """
    if isinstance(output, AuxiliaryOutput):
        auxiliary = F.cross_entropy(output.auxiliary, y, label_smoothing=label_smoothing)
        return F.cross_entropy(output.logits, y, label_smoothing=label_smoothing) + output.weight * auxiliary
    return F.cross_entropy(output, y, label_smoothing=label_smoothing)


def scores(output: Any) -> Tensor:
    """Scores of the main classifier, `(batch, classes)`."""
    return output.logits if isinstance(output, AuxiliaryOutput) else output
