"""What a last node of a few-shot search is worth, by its own weights, by a function, or by a benchmark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from oche.algorithms.one_shot import OneShot
from oche.algorithms.one_shot_streams import Stream
from oche.errors import ArgumentError
from oche.loop.contracts import Problem
from oche.program import DNA, Space
from oche.seeds import building, derive, generator

#: Training batches for the statistics of a pick.
RECALIBRATED = 10
#: Random points that rate a node, of which the best quarter counts.
RATED = 16


@torch.no_grad()
def scored(inner: OneShot, problem: Problem, dna: DNA, seed: int, recalibrated: int = 0) -> tuple[float, float]:
    """Mean score of a point with a node's weights on all data that is kept for scores, and the passes that it took.

    Args:
        inner: Search of the node.
        problem: Scores and batches.
        dna: The point.
        seed: Of the whole tree.
        recalibrated: Training batches from which batch-norm statistics are computed anew.
    """
    net, total, count, read = inner.net, 0.0, 0, 0
    training = net.training
    net.eval()
    with building(derive(inner.seed, "select")), net.fixed(dna):
        if recalibrated:
            stream = Stream(problem, "train", derive(inner.seed, "recalibration"))
            net.recalibrate([stream.at(i) for i in range(recalibrated)])
        for batch in problem.batches(inner.scorer.split, derive(seed, "select"), 0):
            added, n = problem.score(net, batch)
            total, count, read = total + float(added), count + int(n), read + 1
    net.train(training)
    return total / count, (read + recalibrated) / 3


def rating(inner: OneShot, problem: Problem, seed: int, path: str) -> tuple[float, float]:
    """Mean score of the best quarter of some random points of a node, and the passes that it took."""
    rng = generator(seed, "rating", path)
    found = [scored(inner, problem, inner.space.sample(rng), seed) for _ in range(RATED)]
    best = sorted((score for score, _ in found), reverse=True)[: RATED // 4]
    return float(np.mean(best)), sum(passes for _, passes in found)


class Oracle:
    """Test accuracies of a benchmark, for the reproduction of results that chose among leaves by them.

    Args:
        text: `table:dataset:epochs`.
        space: The whole space, whose program must name its points as the table does.

    Raises:
        ArgumentError: not such a text, or a space without text forms.
    """

    def __init__(self, text: str, space: Space) -> None:
        from oche import spaces

        parts = text.split(":")
        if len(parts) != 3 or not parts[2].isdigit():
            raise ArgumentError(f"flow few-shot, benchmark: got {text!r}; allowed: table:dataset:epochs, such as 'nasbench201:cifar10:200'")
        self.text, self.space = text, space
        self.table = spaces.table(parts[0])
        self.where = {"dataset": parts[1], "epochs": int(parts[2]), "split": "test"}
        self.name = getattr(space.root.program, "architecture", None)
        if self.name is None:
            raise ArgumentError(
                f"flow few-shot, benchmark: got space {space.name!r}, whose points have no text form; allowed: spaces that have a table"
            )
        self.values = np.sort(self.table.values(**self.where))

    def value(self, decisions: Mapping[str, Any]) -> float:
        """Test accuracy of a point in percent."""
        assert self.name is not None
        return float(self.table.query(str(self.name({**self.space.fixed, **decisions})), **self.where))

    def summary(self, values: Sequence[float]) -> dict[str, Any]:
        """What must stand beside a number that was chosen by test accuracy.

        Args:
            values: Test accuracies of the picks of all leaves.
        """
        n = len(values)
        return {
            "benchmark": self.text,
            "leaves": n,
            "best": max(values),
            "mean": float(np.mean(values)),
            "random_best": best_of(self.values, n),
            "words": f"oracle over {n} leaves",
        }


def best_of(values: np.ndarray, n: int) -> float:
    """Expected largest of n different ones, drawn at random.

    Args:
        values: In ascending order.
        n: At most so many as there are values.

    Example:
        >>> best_of(np.array([1.0, 2.0, 3.0]), 2)
        2.6666666666666665
    """
    total, share, found = len(values), n / len(values), 0.0
    for i in range(total - 1, n - 2, -1):
        # `share` is the chance that the i-th smallest is the largest of the draw.
        found += share * float(values[i])
        share *= (i - n + 1) / i if i else 0.0
    return found if math.isfinite(found) else math.nan
