"""TuNAS path: one sampled candidate of each choice, logits that learn from scores, and a warm-up for widths.

    warm-up, share t of the search below `warmup`:  with probability 1 - t / warmup the largest widths, else any, all alike
    r = score of a validation batch on the drawn path, in percent points
    m <- decay m + (1 - decay) r,   B = m / (1 - decay^n),   arch objective = -log P(path) * (r - B)

The mean B holds r already when it is taken off. A width of which one candidate is drawn runs as the first channels of the largest, which is
what a mask of ones on them computes. During the warm-up the logits do not move and the first scores do not count: give the search the same
`warmup`. Source: Bender et al. 2020 (TuNAS); constants and warm-up as in the size search of NATS-Bench.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from oche.errors import ArgumentError
from oche.mixers._gates import point
from oche.program import Space
from oche.supernets.drawn import Drawn, Gate
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy, Row


class TunasPath(Mixer):
    """One candidate by its probability, REINFORCE for the logits.

    Args:
        warmup: Share of the search in which the largest widths are preferred, from 0 to below 1.
        decay: Of the mean of scores.
    """

    needs_edges = True
    objective = "reward"
    arch_passes = 1 / 3

    def __init__(self, warmup: float = 0.25, decay: float = 0.95) -> None:
        for what, value in (("warmup", warmup), ("decay", decay)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
                raise ArgumentError(f"tunas path, {what}: got {value!r}; allowed: a number from 0 to below 1")
        self.warmup, self.decay = float(warmup), float(decay)

    def policy(self, space: Space, rows: Iterable[Row], seed: int) -> Policy:
        """Logits, with the mean of scores among their buffers."""
        made = Policy(space, rows, seed)
        made.register_buffer("scores", torch.zeros(2, dtype=torch.float64))  # m, and how many there were
        return made

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """The candidates of one point, unweighted; in the warm-up the largest of each width, or any."""
        if policy.moment.share < self.warmup:
            drawn = policy.uniform(generator)
            if float(torch.rand((), generator=generator)) < 1 - policy.moment.share / self.warmup:
                for key, row in policy.rows.items():
                    if row.axis == "width" and row.kind == "one":
                        drawn.gates[key] = Gate(None, (row.by_size[-1],))
            return drawn
        return point(policy, generator)

    def arch_objective(
        self, loss: Callable[[], Tensor], score: Callable[[], Tensor], policy: Policy, drawn: Callable[[], Drawn | None]
    ) -> Tensor:
        """The policy loss of the path that is drawn; nothing in the warm-up."""
        with torch.no_grad():
            total, count = score()
            reward = 100 * float(total) / float(count)
        found = drawn()
        assert found is not None  # a score was asked for, so a path was drawn
        if "dna" not in found.extra:
            return sum((logits.sum() for logits in policy.named_logits().values()), torch.zeros(())) * 0
        scores: Tensor = policy.scores  # type: ignore[assignment]
        mean, n = self.decay * float(scores[0]) + (1 - self.decay) * reward, float(scores[1]) + 1
        scores.copy_(torch.tensor([mean, n], dtype=torch.float64))
        return -policy.log_prob(found.extra["dna"]) * (reward - mean / (1 - self.decay**n))
