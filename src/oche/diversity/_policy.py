"""The policies of the environments: small feed-forward networks whose weights are one flat genome.

Genomes are run side by side: every array has its genomes in the last axis, and only elementwise operations are used, in a fixed order.
So a policy acts the same, bit for bit, whatever lies beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from oche.errors import ArgumentError

#: Genes are clipped to this.
LOW, HIGH = -5.0, 5.0


@dataclass(frozen=True)
class PolicyShape:
    """A network of `layers` hidden layers; `h <- tanh((h W + b) / 2)` in every layer, the last one included.

    The bias is one number per layer. Order of the genes: W1 (row by row, inputs x hidden), b1, W2, b2, ..., Wout, bout.

    Args:
        inputs: Numbers of an observation.
        outputs: Numbers of an action.
        layers: Hidden layers.
        hidden: Width of each.

    Source: the neural controller of the SERENE and STAX repositories.

    Example:
        >>> PolicyShape(6, 2, layers=3).length
        94
    """

    inputs: int
    outputs: int
    layers: int = 2
    hidden: int = 5

    @property
    def length(self) -> int:
        """Number of genes."""
        return sum(a * b + 1 for a, b in self.sizes)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Inputs and outputs of each layer."""
        widths = [self.inputs, *([self.hidden] * self.layers), self.outputs]
        return list(pairwise(widths))


class Policies:
    """Some genomes as networks that act at once.

    Args:
        shape: Their network.
        genomes: `(n, shape.length)`, float64.
    """

    def __init__(self, shape: PolicyShape, genomes: np.ndarray) -> None:
        self.shape = shape
        columns = np.ascontiguousarray(np.asarray(genomes, dtype=np.float64).T)
        self._layers: list[tuple[np.ndarray, np.ndarray]] = []
        at = 0
        for a, b in shape.sizes:
            self._layers.append((columns[at : at + a * b].reshape(a, b, -1), columns[at + a * b]))
            at += a * b + 1

    def take(self, rows: np.ndarray) -> Policies:
        """Some of them, in the order of `rows`."""
        made = object.__new__(Policies)
        made.shape = self.shape
        made._layers = [(np.ascontiguousarray(w[:, :, rows]), b[rows]) for w, b in self._layers]
        return made

    def act(self, observations: np.ndarray) -> np.ndarray:
        """Actions `(outputs, n)` in (-1, 1) for observations `(inputs, n)`."""
        values = observations
        for weights, bias in self._layers:
            total = weights[0] * values[0]
            for i in range(1, len(weights)):
                total += weights[i] * values[i]
            total += bias
            total *= 0.5
            values = np.tanh(total, out=total)
        return values


def checked_genomes(genomes: Any, length: int) -> np.ndarray:
    """Genomes as `(n, length)` float64, clipped to [-5, 5]; one genome alone counts as a batch of one.

    Raises:
        ArgumentError: another length, or a gene that is not a finite number.
    """
    found = np.asarray(genomes, dtype=np.float64)
    if found.ndim == 1:
        found = found[None]
    if found.ndim != 2 or found.shape[1] != length:
        shape: Sequence[int] = found.shape
        raise ArgumentError(f"genomes: got shape {tuple(shape)}; allowed: (n, {length}), one genome of {length} genes per row")
    bad = np.flatnonzero(~np.isfinite(found).all(1))
    if len(bad):
        raise ArgumentError(f"genomes: got a gene that is not a finite number in row {bad[0]}; allowed: numbers in [{LOW:g}, {HIGH:g}]")
    return np.clip(found, LOW, HIGH)
