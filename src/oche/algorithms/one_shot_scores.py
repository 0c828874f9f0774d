"""Validation scores with shared weights, of points and of the mixture, always on the same images."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from oche import ranks
from oche.loop.contracts import Problem
from oche.program import DNA
from oche.seeds import building, derive
from oche.supernets.drawn import Moment
from oche.supernets.network import Supernet


class Scorer:
    """Scores of one search.

    Args:
        net: The shared network.
        problem: Scores and batches.
        seed: Of the search.
        n_scored: Validation images, at least one batch.
        n_recalibrated: Training batches from which batch-norm statistics are computed anew for each point.
        split: Where scores are taken.
    """

    def __init__(self, net: Supernet, problem: Problem, seed: int, n_scored: int, n_recalibrated: int, split: str = "valid") -> None:
        self.split = split
        self.net, self.problem, self.seed = net, problem, seed
        self.n_scored, self.n_recalibrated = n_scored, n_recalibrated

    @cached_property
    def batches(self) -> list[Any]:
        """The validation batches of every score."""
        stream: Iterator[Any] = iter(self.problem.batches(self.split, derive(self.seed, "batches", "score"), 0))
        first = next(stream)
        needed = math.ceil(self.n_scored / max(1, len(first[0]))) - 1
        return [first, *itertools.islice(stream, needed)]

    @property
    def passes(self) -> float:
        """Passes that the score of a point takes."""
        return (len(self.batches) + len(self._recalibration)) / 3

    @cached_property
    def _recalibration(self) -> list[Any]:
        stream = self.problem.batches("train", derive(self.seed, "batches", "recalibration"), 0)
        return list(itertools.islice(stream, self.n_recalibrated))

    def score(
        self, dna: DNA | Mapping[str, Any] | None, step: int, moment: Moment, multipliers: Mapping[str, Tensor] | None = None
    ) -> tuple[float, float]:
        """Mean validation score of a point, or of the mixture, and the passes that it took.

        Args:
            dna: The point; some decisions, the rest mixed; None: the mixture.
            step: Of the draw of a mixture.
            moment: How far the search is.
            multipliers: By key, in place of the weights that are drawn.
        """
        self.net.eval()
        total, count, passes = 0.0, 0, len(self.batches) / 3
        forced = self.net.fixed({} if dna is None else dna)
        with torch.no_grad(), building(derive(self.seed, "score")), self.net.at(step, "arch", 0, moment, multipliers), forced:
            if isinstance(dna, DNA) and self.n_recalibrated:
                self.net.recalibrate(self._recalibration)
                passes += len(self._recalibration) / 3
            for batch in self.batches:
                added, n = self.problem.score(self.net, batch)
                total, count = total + float(added), count + int(n)
        # The best candidate must be the same one on every rank, whatever the last digit is there.
        return ranks.first(total / count), passes
