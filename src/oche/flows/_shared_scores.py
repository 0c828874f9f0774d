"""Scores of many points with shared weights: of one supernet, or of the tree of a few-shot search, where each point has its own leaf."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from oche.algorithms.one_shot_scores import Scorer
from oche.errors import ArgumentError
from oche.loop.contracts import Problem
from oche.program import DNA


@torch.no_grad()
def shared_scores(
    search: Any, points: Sequence[DNA], n_scored: int = 512, n_recalibrated: int = 0, problem: Problem | None = None
) -> list[float]:
    """Mean validation score of each point, by the weights that it shares; always on the same images.

    Args:
        search: A search over one supernet, or a few-shot search, at its end.
        points: Of the space of the search.
        n_scored: Validation images, at least one batch.
        n_recalibrated: Training batches from which batch-norm statistics are computed anew for each point; 0: those of its own batches.
        problem: Where the images come from, for example in other batches; None: the problem of the search.

    Raises:
        ArgumentError: the search has no supernet, or no leaf of it holds a point.

    Example:
        >>> scores = shared_scores(search, [space.at(i) for i in range(100)])
        >>> oche.judge.rank_correlation(scores, truth)
    """
    space = getattr(search, "space", None)
    if space is None or not hasattr(search, "network"):
        raise ArgumentError(f"shared scores: got {type(search).__name__}; allowed: a search that trained a supernet, after `setup`")
    groups: dict[str, list[int]] = {}
    for number, dna in enumerate(points):
        groups.setdefault(search.leaf_of(dna) if hasattr(search, "leaf_of") else "", []).append(number)
    found = [0.0] * len(points)
    for path, numbers in groups.items():
        inner = search.leaf(path) if hasattr(search, "leaf") else search
        scorer = Scorer(inner.net, problem or search.problem, search.seed, n_scored, n_recalibrated, inner.scorer.split)
        moment = inner.schedule.moment(inner.training.step, inner.cost)
        for number in numbers:
            known = space.decisions(points[number])
            dna = inner.space.encode_decisions({key: value for key, value in known.items() if key in inner.space.keys})
            found[number] = scorer.score(dna, inner.training.step, moment)[0]
    return found
