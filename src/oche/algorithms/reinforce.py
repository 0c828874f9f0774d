"""REINFORCE: logits for every decision, moved by the reward's advantage over its own running mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oche.errors import ArgumentError
from oche.loop.contracts import Budget, Feedback, Proposal
from oche.program import DNA, Space


class Reinforce:
    """Samples points from a policy over decisions and makes better ones more probable.

        A = R - b,    logits += lr (A grad log P(point) + entropy grad H),    b <- m b + (1 - m) R

    Only decisions that are active in a point move: for each, `grad log P` is its one-hot minus the softmax. The first reward is the first
    baseline. With a `cost`, `R = reward + beta |cost / target - 1|`, as in TuNAS.

    Args:
        lr: Step.
        momentum: m of the running mean.
        entropy: Weight of the policy's entropy, in nats.
        cost: Name of a metric of the feedback, for example `params`, `macs` or `latency_ms`; None: the reward alone.
        target: The wanted cost, above 0.
        beta: Below 0; in units of the reward, so that accuracies in percent need 100 times as much.

    Raises:
        ArgumentError: a setting out of its range.

    Source: Williams 1992; the constrained reward and -0.07 are of Bender et al. 2020 (TuNAS), for accuracies in [0, 1]. The defaults of
        lr and momentum are ours.
    """

    def __init__(
        self,
        lr: float = 0.05,
        momentum: float = 0.95,
        entropy: float = 0.0,
        cost: str | None = None,
        target: float | None = None,
        beta: float = -0.07,
    ) -> None:
        if not lr > 0:
            raise ArgumentError(f"lr: got {lr!r}; allowed: a number above 0")
        if not 0 <= momentum < 1:
            raise ArgumentError(f"momentum: got {momentum!r}; allowed: a number in [0, 1)")
        if (cost is None) != (target is None) or (target is not None and not target > 0):
            raise ArgumentError(f"cost and target: got {cost!r} and {target!r}; allowed: a metric with a number above 0, or neither")
        if not beta < 0:
            raise ArgumentError(f"beta: got {beta!r}; allowed: a number below 0")
        self.lr, self.momentum, self.entropy = float(lr), float(momentum), float(entropy)
        self.cost, self.target, self.beta = cost, target, float(beta)

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        constrained = {} if self.cost is None else {"cost": self.cost, "target": self.target, "beta": self.beta}
        return {"lr": self.lr, "momentum": self.momentum, "entropy": self.entropy, **constrained}

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space` with all candidates alike.

        Raises:
            NotRelaxable: the space has a numeric decision.
        """
        from oche.supernets.policy import Policy

        self._space = space
        self._rng = rng
        self.policy = Policy(space, scale=0.0)
        self.baseline: float | None = None
        self._asked = 0
        self._pending: dict[int, DNA] = {}

    def ask(self, n: int) -> list[Proposal]:
        """`n` points drawn from the policy."""
        made = []
        for _ in range(n):
            dna = self.policy.sample(self._rng)
            self._pending[self._asked] = dna
            made.append(Proposal(self._asked, dna))
            self._asked += 1
        return made

    def constrained(self, feedback: Feedback) -> float:
        """The reward that counts.

        Raises:
            ArgumentError: several objectives, or a feedback without the cost.
        """
        if self.cost is None:
            return feedback.scalar
        if self.cost not in feedback.metrics:
            raise ArgumentError(
                f"reinforce cost: got {self.cost!r}; allowed: a metric of the task, "
                f"{', '.join(sorted(feedback.metrics)) or 'which has none'}"
            )
        assert self.target is not None
        return feedback.scalar + self.beta * abs(feedback.metrics[self.cost] / self.target - 1)

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Move the logits; failed and skipped trials move nothing.

        Raises:
            ArgumentError: a result for a proposal that was not asked, or one that `constrained` refuses.
        """
        for number, feedback in results:
            dna = self._pending.pop(number, None)
            if dna is None:
                raise ArgumentError(f"tell: got proposal {number}; allowed: one that was asked and not told yet")
            self.learn(dna, feedback)

    def learn(self, dna: DNA, feedback: Feedback) -> None:
        """Move the logits by a trial that may not have been asked for."""
        if not feedback.ok:
            return
        reward = self.constrained(feedback)
        self._step(dna, reward - (reward if self.baseline is None else self.baseline))
        self.baseline = reward if self.baseline is None else self.momentum * self.baseline + (1 - self.momentum) * reward

    def _step(self, dna: DNA, advantage: float) -> None:
        import torch

        logits = list(self.policy.parameters())
        objective = advantage * self.policy.log_prob(dna)
        if self.entropy:
            objective = objective + self.entropy * self.policy.entropy()
        if not objective.requires_grad:
            return
        gradients = torch.autograd.grad(objective, logits, allow_unused=True)
        with torch.no_grad():
            for row, gradient in zip(logits, gradients, strict=True):
                if gradient is not None:
                    row += self.lr * gradient

    def state(self) -> dict[str, Any]:
        """Logits, baseline and open proposals."""
        return {
            "asked": self._asked,
            "baseline": self.baseline,
            "pending": [[i, list(d.flat)] for i, d in self._pending.items()],
            "logits": {key: row.tolist() for key, row in self.policy.named_logits().items()},
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        import torch

        self._asked, self.baseline = state["asked"], state["baseline"]
        self._pending = {int(i): DNA.trusted(tuple(flat), self._space.fingerprint) for i, flat in state["pending"]}
        with torch.no_grad():
            for key, row in self.policy.named_logits().items():
                row.copy_(torch.tensor(state["logits"][key], dtype=row.dtype))
