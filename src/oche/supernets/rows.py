"""Rows of a policy: what is decided under one key, and by which numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from oche.errors import ArgumentError, NotRelaxable
from oche.program import Space
from oche.program.spec import Pick, walk
from oche.seeds import generator
from oche.supernets.drawn import Gate

if TYPE_CHECKING:
    from oche.supernets import chains

#: Standard deviation of initial logits. Source: the reference code of DARTS.
INITIAL_SCALE = 1e-3


@dataclass(frozen=True)
class Row:
    """One decision key of a policy.

    Args:
        key: The key.
        labels: All candidates, those that are never a decision included.
        allowed: Indices of the candidates that can be decided.
        k: How many are picked.
        kind: `one` (a candidate), `set` (k inputs in any order) or `slots` (k picks in order).
        trained: Whether the row has logits. Rows without any count all candidates alike.
        distinct: Whether slots take different candidates.
        is_sorted: Whether slots take candidates in their order.
        axis: What the candidates differ in: `op`, `depth` (a number of layers) or `width` (of elastic layers).
        link: How the candidates hang together with the decision before, in a chain of choices.
    """

    key: str
    labels: tuple[str, ...]
    allowed: tuple[int, ...]
    k: int = 1
    kind: str = "one"
    trained: bool = True
    distinct: bool = True
    is_sorted: bool = False
    axis: str = "op"
    link: chains.Link | None = None

    @property
    def by_size(self) -> tuple[int, ...]:
        """Candidates that can be decided, the smallest first: by their number where labels are numbers, else in their order."""
        try:
            return tuple(sorted(self.allowed, key=lambda i: float(self.labels[i])))
        except ValueError:
            return self.allowed

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the logits."""
        return (self.k, len(self.labels)) if self.kind == "slots" else (len(self.labels),)


def rows_of(space: Space) -> list[Row]:
    """One trained row for each choice of a space.

    Raises:
        NotRelaxable: the space has a numeric decision.
    """
    rows: dict[str, Row] = {}
    for decision in walk(space.tree):
        if not isinstance(decision, Pick):
            raise NotRelaxable(f"choice {decision.key!r}: got a number; allowed in a policy: choices between candidates")
        labels = decision.relaxed or decision.labels
        allowed = tuple(labels.index(label) for label in decision.labels)
        kind = "one" if decision.single else "set" if decision.is_sorted and decision.distinct else "slots"
        rows.setdefault(decision.key, Row(decision.key, labels, allowed, decision.k, kind, True, decision.distinct, decision.is_sorted))
    return list(rows.values())


def forced(row: Row, value: Any) -> Gate:
    """The gate of a row that is decided: a label, or several; None for a decision that is not made, where nothing is weighted."""
    if value is None:
        return Gate()
    if row.link is not None and value not in row.labels:
        return Gate(None, tuple(i for i, label in enumerate(row.link.decisions) if label == value))
    return Gate(None, tuple(row.labels.index(label) for label in ((value,) if row.kind == "one" else value)))


def barred(row: Row, taken: Sequence[int], c: int) -> bool:
    """Whether the next slot of a row may not take candidate c, after what earlier slots took."""
    if row.distinct and c in taken:
        return True
    return row.is_sorted and bool(taken) and c < taken[-1]


def initial(row: Row, seed: int, scale: float) -> Tensor:
    """Initial logits, each from its own stream by key and label."""

    def column(label: str) -> np.ndarray:
        return generator(seed, "logits", row.key, label).standard_normal(row.k if row.kind == "slots" else 1)

    values = np.stack([column(label) for label in row.labels], -1) * scale
    return torch.tensor(values if row.kind == "slots" else values[0], dtype=torch.float32)


def by_label(key: str, saved: Mapping[str, Any], row: Row) -> Tensor:
    """Saved logits in the order of a row's labels."""
    values = torch.tensor(saved["logits"], dtype=torch.float32)
    if set(saved["labels"]) != set(row.labels) or values.shape != row.shape:
        raise ArgumentError(
            f"saved logits of {key!r}: got labels {', '.join(saved['labels'])} and shape {tuple(values.shape)}; allowed: "
            f"{', '.join(row.labels)} and {row.shape}"
        )
    return values[..., [saved["labels"].index(label) for label in row.labels]]
