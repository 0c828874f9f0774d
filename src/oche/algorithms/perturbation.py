"""Selection by perturbation: after the training, the logits are ignored, and what the supernet misses most is kept.

    for each choice of an op, in random order: the candidate whose removal costs the supernet most validation score is decided; tune weights
    for each choice of inputs, in random order: the k inputs whose removal costs most are decided; tune weights

A removed candidate has its multiplier set to zero; the others keep theirs. Everything random derives from (seed, step), so a search that is
continued anywhere ends as one that was not interrupted. Where a budget ends first, the rest is decided by the logits.
Source: Wang et al. 2021 (DARTS-PT): selection by removal; five epochs of tuning after each decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from oche.algorithms.one_shot import OneShot
from oche.algorithms.one_shot_streams import Stream, difference
from oche.errors import ArgumentError
from oche.loop.contracts import Budget, Cost, Problem, Progress, Proposal
from oche.program import DNA, Space
from oche.schemes.rules import set_lr
from oche.seeds import building, derive, generator
from oche.supernets.network import Supernet
from oche.supernets.policy import Row


class Perturbation:
    """A search whose result is selected by perturbation.

    Args:
        make: Makes the search that trains the supernet; its mixer's gates are probabilities of all candidates.
        tune: Epochs of the weights after each decision.
        share: Of a budget, kept for the selection.

    Raises:
        ArgumentError: a number out of its range, or gates of another kind.
    """

    def __init__(self, make: Callable[[], OneShot], tune: float = 5.0, share: float = 0.5) -> None:
        if isinstance(tune, bool) or not isinstance(tune, (int, float)) or tune < 0:
            raise ArgumentError(f"perturbation, tune: got {tune!r}; allowed: a number from 0")
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
            raise ArgumentError(f"perturbation, share: got {share!r}; allowed: a number between 0 and 1")
        mixer = make().mixer
        if not mixer.blends:
            raise ArgumentError(
                f"perturbation: got {type(mixer).__name__}, whose gates are no probabilities of all candidates; allowed: 'softmax'"
            )
        self.make, self.tune, self.share = make, float(tune), float(share)

    def setup(self, space: Space, problem: Problem, seed: int, budget: Budget | None = None) -> None:
        """Start the training; see `WeightSharing.setup`."""
        self.space, self.problem, self.seed, self.budget = space, problem, seed, budget
        self.inner = self.make()
        self.inner.setup(space, problem, seed, _part(budget, 1 - self.share, problem.n_batches.get("train", 1)))
        rows = self.inner.net.policy.rows.values()
        rng = generator(seed, "perturbation")
        ops = [row for row in rows if row.kind == "one" and len(row.allowed) > 1]
        nodes = [row for row in rows if row.kind == "set" and row.k < len(row.allowed)]
        self.order: list[Row] = [group[i] for group in (ops, nodes) for i in rng.permutation(len(group))]
        self._train = Stream(problem, "train", derive(seed, "batches", "tune"))
        self.decided: dict[str, Any] = {}
        self._scores: list[float] = []
        self._tuned = self._units = self._trained = 0
        self._passes = 0.0

    @property
    def network(self) -> Supernet:
        """The shared network."""
        return self.inner.net

    @property
    def cost(self) -> Cost:
        """All that was spent so far."""
        return self.inner.cost + Cost(passes=self._passes)

    def advance(self, steps: int) -> Progress:
        """Do at most `steps` more steps: of the training, then removals and tuning; see `WeightSharing.advance`."""
        before, left = self.cost, steps
        at = self.inner.step
        progress = self.inner.advance(0)
        if not progress.done:
            progress = self.inner.advance(left)
            left -= self.inner.step - at
            self._trained = self.inner.step
        while progress.done and left and not self._done():
            with self.inner.meter.running():
                self._unit()
            left -= 1
        done = progress.done and self._done()
        step = self._trained + self._units
        whole = self._trained + sum(len(row.allowed) + self._n_tune() for row in self.order)
        total = step if done else max(step + 1, whole if progress.done else whole + progress.total - self._trained)
        shown = {**progress.metrics, "decided": float(len(self.decided))}
        note = f"{progress.note} · {len(self.decided)} of {len(self.order)} decided" if progress.done and progress.note else progress.note
        return Progress(step, total, done, difference(self.cost, before), shown, note)

    def propose(self, n: int) -> list[Proposal]:
        """What was selected, then what the logits stand for; see `WeightSharing.propose`."""
        if not (self.inner.advance(0).done and self._done()):
            raise ArgumentError("propose: got a search that goes on; allowed: after the last step; call advance first")
        dna = self._selected()
        found = self.inner.propose(n)
        others = [p for p in found if p.dna != dna]
        score, passes = self.inner.scorer.score(dna, self.inner.training.step, self.inner.net.policy.moment)
        log_p = float(self.inner.net.policy.log_prob(dna).detach())
        spent = Cost(passes=passes) + Cost.from_json(found[0].info["cost"])
        # The mixture, its entropy and its history are those of the training, whatever is selected from it.
        info = {**found[0].info, "log_prob": log_p, "shared_score": score, "cost": spent.to_json()}
        return [replace(p, id=i) for i, p in enumerate([Proposal(0, dna, info=info), *others][:n])]

    def gradients(self, fixed: Mapping[str, str]) -> dict[str, Tensor]:
        """Mean gradient of the shared weights; see `WeightSharing.gradients`."""
        return self.inner.gradients(fixed)

    def state(self) -> dict[str, Any]:
        """The training's state, decisions and counters; see `WeightSharing.state`."""
        return {
            "inner": self.inner.state(),
            "decided": {key: list(labels) for key, labels in self.decided.items()},
            "scores": list(self._scores),
            "counters": [self._tuned, self._units, self._trained],
            "passes": self._passes,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, after `setup`."""
        self.inner.load(state["inner"])
        self.decided = {key: tuple(labels) for key, labels in state["decided"].items()}
        self._scores = [float(score) for score in state["scores"]]
        self._tuned, self._units, self._trained = (int(n) for n in state["counters"])
        self._passes = float(state["passes"])

    # -- selection ----------------------------------------------------------------------------------------------------------

    def _done(self) -> bool:
        at = len(self.decided)
        finished = at == len(self.order) and self._tuned >= self._n_tune()
        return finished or not self.order or (self.budget is not None and self.budget.exhausted(self.cost))

    def _n_tune(self) -> int:
        """Steps of tuning after each decision; under a budget of epochs an equal part of what the training left."""
        n_train = self.problem.n_batches.get("train", 1)
        epochs = self.budget.limits().get("epochs") if self.budget is not None else None
        if epochs is None:
            return round(self.tune * n_train)
        return min(round(self.tune * n_train), int(epochs * self.share * n_train / max(1, len(self.order))))

    def _unit(self) -> None:
        """One removal, or one step of tuning."""
        self._units += 1
        if self.decided and self._tuned < self._n_tune():
            self._tune_step()
            return
        row = self.order[len(self.decided)]
        self._scores.append(self._without(row, row.allowed[len(self._scores)]))
        if len(self._scores) == len(row.allowed):
            # sorted() is stable: of equal ones the lower index is missed more.
            missed = sorted(range(len(row.allowed)), key=lambda i: self._scores[i])[: row.k]
            self.decided[row.key] = tuple(row.labels[row.allowed[i]] for i in sorted(missed))
            self._scores, self._tuned = [], 0

    def _without(self, row: Row, candidate: int) -> float:
        """The validation score of the supernet without one candidate."""
        policy = self.inner.net.policy
        weights = torch.ones(len(row.labels)) if row.kind == "set" and not row.trained else policy.probabilities(row.key).detach()
        removed = weights.index_fill(-1, torch.tensor([candidate], device=weights.device), 0.0)
        score, passes = self.inner.scorer.score(self._fixed(), self.inner.training.step, policy.moment, {row.key: removed})
        self._passes += passes
        return score

    def _tune_step(self) -> None:
        inner = self.inner
        set_lr(inner.training.weight_optimizer, max(inner.plan.lr_min, inner.plan.lr / 10))
        inner.net.train()
        with building(derive(self.seed, "tune", self._units)), inner.net.fixed(self._fixed()):
            inner.scheme.step(inner.training, self._train.at(inner.training.step), None, update_arch=False)
        inner.net.eval()
        self._tuned += 1
        self._passes += 1

    def _fixed(self) -> dict[str, Any]:
        rows = self.inner.net.policy.rows
        return {key: labels[0] if rows[key].kind == "one" else labels for key, labels in self.decided.items()}

    def _selected(self) -> DNA:
        policy = self.inner.net.policy
        others = {(key, label) for key, labels in self.decided.items() for label in policy.rows[key].labels if label not in labels}
        return policy.derive(exclude=others)


def _part(budget: Budget | None, share: float, n_train: int) -> Budget | None:
    """A share of what a training may spend; at least a step."""
    if budget is None:
        return None
    limits: dict[str, Any] = dict(budget.limits())
    limits.update({unit: limits[unit] * share for unit in ("epochs", "passes", "seconds", "cpu_seconds") if unit in limits})
    if "epochs" in limits:
        limits["epochs"] = max(limits["epochs"], 1 / n_train)
    return Budget(**limits)
