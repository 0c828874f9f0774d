"""Smooth weighting: weights are trained under perturbed mixtures, so that the supernet is good around its mixture and not at it alone.

    q = simplex(p + delta),   |delta| <= eps for every entry,   in weight steps only; arch steps see p
    simplex(v) = clamp(v, 0, 1) / sum, per row; a row that is all zero gets 1 where p was largest

`random`: delta is uniform in the box. `adversarial`: delta raises the training loss, by sign ascent from a random start, on the present
batch and in evaluation mode; it is kept only if the loss did not fall. eps grows with the epochs: `eps_min + (eps - eps_min) * share`.
Source: Chen and Hsieh 2020 (SDARTS): eps from 0.03 to 0.3, 7 steps of 2 eps / 7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from oche.errors import ArgumentError
from oche.supernets.drawn import Moment

#: How delta is found.
KINDS = ("random", "adversarial")

#: Maps mixtures by key to the loss and its gradient by key.
Probe = Callable[[Mapping[str, Tensor]], tuple[float, dict[str, Tensor]]]


@dataclass(frozen=True)
class Smooth:
    """Perturb the probabilities in weight steps.

    Args:
        kind: One of `KINDS`.
        eps: Size of the box at the end of the search, in (0, 1].
        eps_min: At its start.
        steps: Ascents of the adversary.
    """

    kind: str = "random"
    eps: float = 0.3
    eps_min: float = 0.03
    steps: int = 7

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ArgumentError(f"smooth, kind: got {self.kind!r}; allowed: {', '.join(repr(k) for k in KINDS)}")
        if not 0 <= self.eps_min <= self.eps <= 1:
            raise ArgumentError(f"smooth, eps: got {self.eps!r} from {self.eps_min!r}; allowed: 0 <= eps_min <= eps <= 1")
        if not isinstance(self.steps, int) or isinstance(self.steps, bool) or self.steps < 1:
            raise ArgumentError(f"smooth, steps: got {self.steps!r}; allowed: a whole number from 1")

    def __call__(self, probabilities: Tensor) -> Tensor:
        """Multipliers `(n,)` of probabilities `(n,)` outside of weight steps: the same."""
        return probabilities

    @property
    def passes(self) -> float:
        """Forward-and-backward passes that the search for delta takes in a step; a forward pass alone counts one third."""
        return self.steps + 2 / 3 if self.kind == "adversarial" else 0.0

    def perturb(self, rows: Mapping[str, Tensor], moment: Moment, generator: torch.Generator, probe: Probe) -> dict[str, Tensor]:
        """Mixtures of a weight step.

        Args:
            rows: Probabilities by key, `(n,)` or `(k, n)`.
            moment: How far the search is.
            generator: Of the step.
            probe: The training loss on the present batch in evaluation mode.
        """
        eps = self.eps_min + (self.eps - self.eps_min) * moment.share
        centre = {key: p.detach() for key, p in rows.items()}
        noise = {key: (2 * torch.rand(p.shape, generator=generator).to(p) - 1) * eps for key, p in centre.items()}
        delta = noise if self.kind == "random" else self._worst(centre, noise, eps, probe)
        return {key: simplex(p + delta[key], centre[key]) for key, p in rows.items()}

    def _worst(self, centre: Mapping[str, Tensor], start: Mapping[str, Tensor], eps: float, probe: Probe) -> dict[str, Tensor]:
        zero = {key: torch.zeros_like(p) for key, p in centre.items()}
        before, _ = probe(centre)
        point = {key: simplex(p + start[key], p) for key, p in centre.items()}
        for _ in range(self.steps):
            _, gradients = probe(point)
            point = {
                key: simplex(torch.clamp(point[key] + 2 * eps / self.steps * torch.sign(gradients[key]), p - eps, p + eps), p)
                for key, p in centre.items()
            }
        after, _ = probe(point)
        return {key: point[key] - p for key, p in centre.items()} if after >= before else zero


def simplex(values: Tensor, before: Tensor) -> Tensor:
    """Rows that are clamped to [0, 1] and divided by their sum; a row without any becomes 1 where `before` was largest.

    Example:
        >>> simplex(torch.tensor([1.1, -0.2]), torch.tensor([0.9, 0.1])).tolist()
        [1.0, 0.0]
    """
    clamped = values.clamp(0, 1)
    total = clamped.sum(-1, keepdim=True)
    fallback = torch.zeros_like(clamped).scatter(-1, before.argmax(-1, keepdim=True), 1.0)
    return torch.where(total > 0, clamped / total.clamp_min(1e-12), fallback)
