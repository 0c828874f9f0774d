"""Elastic path: sub-networks between the smallest and the largest, which learn from the largest.

    loss of a path = 2 / (1 + w) * (w * CE(output, softmax(teacher)) + loss of the task)

Which candidates are drawn is limited by axis (ops, depths, widths) to the largest few, so that a plan can open one axis after another.
The teacher is a network that was trained before: the largest path with its weights at the end of the first stage.
Source: Cai et al. 2020 (Once-for-All): progressive shrinking, w = 1.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from oche.errors import ArgumentError, ShapeMismatch
from oche.supernets.drawn import Drawn, Gate
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy, Row


class ElasticPath(Mixer):
    """Random paths among the largest candidates.

    Args:
        op, depth, width: How many of the largest candidates of a choice on this axis are drawn; None: all, 1: the largest alone.
        paths: Paths of a step, whose gradients are added.
        distill: w, weight of the teacher; 0 for none.
    """

    learns_arch = False

    def __init__(
        self, op: int | None = None, depth: int | None = None, width: int | None = None, paths: int = 4, distill: float = 1.0
    ) -> None:
        for what, value in (("op", op), ("depth", depth), ("width", width), ("paths", paths)):
            if (value is None and what != "paths") or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
                continue
            raise ArgumentError(f"elastic path, {what}: got {value!r}; allowed: a whole number from 1")
        if isinstance(distill, bool) or not isinstance(distill, (int, float)) or distill < 0:
            raise ArgumentError(f"elastic path, distill: got {distill!r}; allowed: a number from 0")
        self.open = {"op": op, "depth": depth, "width": width}
        self.paths_per_step = paths
        self.distill = float(distill)
        self.teacher = "fixed" if distill else None

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """One candidate for every choice."""
        drawn = policy.uniform(generator)
        for key, row in policy.rows.items():
            if row.kind == "one":
                among = self.open_candidates(row)
                drawn.gates[key] = Gate(None, (among[int(torch.randint(len(among), (1,), generator=generator))],))
        return drawn

    def open_candidates(self, row: Row) -> tuple[int, ...]:
        """The largest candidates on the axis of a choice, the smallest first."""
        size = self.open[row.axis]
        return row.by_size if size is None else row.by_size[-size:]

    def path_loss(self, hard: Tensor, output: Tensor, teacher: Tensor) -> Tensor:
        """The task's loss and the teacher's, with the weight that keeps their sum in size."""
        return 2 / (1 + self.distill) * (self.distill * soft_loss(output, teacher) + hard)


def soft_loss(output: Tensor, teacher: Tensor) -> Tensor:
    """Mean cross entropy of scores `(batch, classes)` under the softmax of a teacher's scores.

    Raises:
        ShapeMismatch: the outputs are no scores of classes.
    """
    if output.dim() != 2 or output.shape != teacher.shape:
        raise ShapeMismatch(
            f"output of a path: got {tuple(output.shape)}; allowed where paths learn from a teacher: scores (batch, classes); use distill=0"
        )
    return functional.cross_entropy(output, torch.softmax(teacher, -1))


def extreme(row: Row, last: bool) -> Gate:
    """The gate of the largest or the smallest candidate."""
    return Gate(None, (row.by_size[-1 if last else 0],))
