"""Channel scores: each step of channels of a width has a score of its own, which a penalty shrinks to zero.

    candidates C_1 < ... < C_K;  channels above C_(k-1) up to C_k are multiplied by s_k = 1 + logit_k, so that all scores start at 1
    as weights of the K prefixes that a width mixes:  s_k - s_(k+1) for k < K, and s_K
    `proximal`:  after each arch step  s <- sign(s) max(|s| - lr mu, 0),  which gives exact zeros
    `l1`:        mu * sum |s| is added to the arch objective,  which gives none

The width that is derived holds all steps up to the last one whose score is above the threshold. With one candidate for each number of
channels that is a score for each channel. Choices of operations are mixed by a softmax beside them.
Source: Xue et al. 2022 (RARTS, width search) after Liu et al. 2017 (network slimming) and Huang and Wang 2018 (proximal steps); scores of
prefixes instead of single channels are ours, so that what is derived is a width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from oche.errors import ArgumentError
from oche.supernets.drawn import Drawn, Gate
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy, Row

#: How scores shrink.
SHRINKS = ("proximal", "l1")


class ChannelScores(Mixer):
    """Scores of steps of channels.

    Args:
        mu: Strength of the penalty, at least 0.
        shrink: `proximal` or `l1`.
        lr: Step size of the proximal step; that of the arch optimizer, if the two are to be one method.
        threshold: A step of channels stays if its score is above it.
    """

    def __init__(self, mu: float = 0.1, shrink: str = "proximal", lr: float = 1e-2, threshold: float = 1e-3) -> None:
        for what, value in (("mu", mu), ("lr", lr), ("threshold", threshold)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
                raise ArgumentError(f"channel scores, {what}: got {value!r}; allowed: a number from 0")
        if shrink not in SHRINKS:
            raise ArgumentError(f"channel scores, shrink: got {shrink!r}; allowed: {', '.join(repr(s) for s in SHRINKS)}")
        self.mu, self.shrink, self.lr, self.threshold = float(mu), shrink, float(lr), float(threshold)
        self.objective = "penalty" if shrink == "l1" and mu else "loss"

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """Scores as weights of prefixes; probabilities where operations are chosen."""
        gates: dict[str, Gate] = {}
        for key, row in policy.rows.items():
            if row.axis == "width" and row.kind == "one":
                scores = 1 + policy.logits(key)
                gates[key] = Gate(scores - torch.cat([scores[1:], scores.new_zeros(1)]))
            else:
                gates[key] = Gate(policy.probabilities(key)) if row.trained else Gate()
        return Drawn(gates)

    def arch_objective(
        self, loss: Callable[[], Tensor], score: Callable[[], Tensor], policy: Policy, drawn: Callable[[], Drawn | None]
    ) -> Tensor:
        """The validation loss, and with `l1` the penalty."""
        value = loss()
        if self.shrink != "l1":
            return value
        return value + self.mu * sum((1 + policy.logits(key)).abs().sum() for key, row in policy.rows.items() if _scored(row))

    @torch.no_grad()
    def settle(self, policy: Policy, drawn: Drawn | None, before: Mapping[str, Tensor]) -> None:
        """The proximal step."""
        if self.shrink == "proximal":
            for key, row in policy.rows.items():
                if _scored(row):
                    logits = policy.logits(key)
                    logits.copy_(shrunk(1 + logits, self.lr * self.mu) - 1)

    def policy(self, space: object, rows: object, seed: int) -> Policy:
        """Logits, whose rows of widths are compared by their scores."""
        return _ScoredPolicy(space, rows, seed, self.threshold)  # type: ignore[arg-type]


class _ScoredPolicy(Policy):
    """Derives a width from scores, and the rest from probabilities."""

    def __init__(self, space: object, rows: list[Row], seed: int, threshold: float) -> None:
        super().__init__(space, rows, seed)  # type: ignore[arg-type]
        self.threshold = threshold

    def _decidable(self, row: Row) -> Any:
        if not _scored(row):
            return super()._decidable(row)
        scores = (1 + self.logits(row.key)).detach().double().cpu()
        above = [i for i in range(len(row.labels)) if float(scores[i]) ** 2 > self.threshold**2]
        last = max(above, default=0)
        # Of the candidates that can be decided, the smallest that holds all steps up to the last one.
        chosen = min((i for i in row.allowed if i >= last), default=row.allowed[-1])
        return torch.tensor([float(i == chosen) for i in row.allowed]).numpy()


def _scored(row: Row) -> bool:
    return row.axis == "width" and row.kind == "one"


def shrunk(scores: Tensor, by: float) -> Tensor:
    """Scores nearer to zero by `by`, and zero where that passes it: `sign(s) max(|s| - by, 0)`.

    Example:
        >>> [round(v, 2) for v in shrunk(torch.tensor([0.5, -0.02, 0.03]), 0.03).tolist()]
        [0.47, 0.0, 0.0]
    """
    return scores.sign() * (scores.abs() - by).clamp_min(0)
