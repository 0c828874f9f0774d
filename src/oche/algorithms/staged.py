"""A weight-sharing search in stages: each trains a supernet over fewer candidates than the one before.

A stage has an algorithm of its own, may call the program with other arguments (more cells), and says how many candidates of each choice
stay. Weights start anew, or are carried over, widened where candidates have become larger. The last stage proposes.

Everything random derives from (seed, stage), so a search that is continued in any stage ends as one that was not interrupted.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from oche.algorithms.one_shot import OneShot
from oche.algorithms.one_shot_streams import difference
from oche.errors import ArgumentError
from oche.loop.contracts import Budget, Cost, Problem, Progress, Proposal
from oche.program import Space
from oche.seeds import derive
from oche.supernets.network import Supernet
from oche.supernets.widening import Widening, narrowed

#: Limits that are divided between stages.
_DIVIDED = ("epochs", "passes", "seconds", "cpu_seconds")


@dataclass(frozen=True)
class Stage:
    """One stage.

    Args:
        make: Makes its algorithm.
        keep: Candidates of each choice that go on to the next stage; None: all.
        share: Of a budget, relative to the other stages.
        carry: Whether it starts from the weights, the logits and the momentum of the stage before.
        cells: Its number of cells as a multiple of the program's own, if that takes `cells`; None: unchanged.
        momentum: Whether the momentum is carried, too.
        teacher: Whether the network of the end of this stage teaches all later ones.
        prepare: Called with the supernet before the first step, after weights are carried.
    """

    make: Callable[[], OneShot]
    keep: int | None = None
    share: float = 1.0
    carry: bool = False
    cells: float | None = None
    momentum: bool = True
    teacher: bool = False
    prepare: Callable[[Supernet], Any] | None = None


@dataclass
class Staged:
    """Stages one after another.

    Args:
        stages: At least one.
        limit: At most so many decisions for a label in a proposal, by label; None: no limit. See `limited`.
        fill: Whether stages take their whole share of a budget in epochs; else at most their own length.

    Raises:
        ArgumentError: there is no stage, or one keeps more than its predecessor.
    """

    stages: Sequence[Stage]
    limit: Limit | None = None
    fill: bool = False
    _spent: Cost = field(default_factory=Cost, init=False)

    def __post_init__(self) -> None:
        if not self.stages:
            raise ArgumentError("stages: got none; allowed: at least one")
        kept = [stage.keep for stage in self.stages if stage.keep is not None]
        if any(keep < 1 for keep in kept) or kept != sorted(kept, reverse=True):
            raise ArgumentError(f"stages, keep: got {kept}; allowed: numbers from 1 that do not grow")

    def setup(self, space: Space, problem: Problem, seed: int, budget: Budget | None = None) -> None:
        """Start the first stage; see `WeightSharing.setup`."""
        self.space, self.problem, self.seed, self.budget = space, problem, seed, budget
        self._survivors: dict[str, list[str]] = {}
        self._spent, self._steps = Cost(), 0
        self._note = ""
        self._enter(0)

    @property
    def network(self) -> Supernet:
        """The shared network of the present stage."""
        return self.inner.net

    @property
    def step(self) -> int:
        """Steps of all stages so far."""
        return self._steps + self.inner.step

    @property
    def narrows(self) -> bool:
        """Whether stages change what is searched: fewer candidates, or another program."""
        return any(stage.keep is not None or stage.cells is not None for stage in self.stages)

    @property
    def cost(self) -> Cost:
        """All that was spent so far."""
        return self._spent + self.inner.cost

    def advance(self, steps: int) -> Progress:
        """Do at most `steps` more steps, over the ends of stages; see `WeightSharing.advance`."""
        before, left = self.cost, steps
        while True:
            at = self.inner.step
            progress = self.inner.advance(left)
            left -= self.inner.step - at
            self._note = self._said(progress.note)
            if not progress.done or self._over:
                break
            self._next()
            if not left:
                progress = self.inner.advance(0)
                break
        done = progress.done and self._over
        step = self._steps + progress.step
        total = step if done else self._steps + progress.total * (len(self.stages) - self.stage)
        metrics = {**progress.metrics, "stage": float(self.stage)}
        return Progress(step, max(total, step), done, difference(self.cost, before), metrics, self._note)

    def propose(self, n: int) -> list[Proposal]:
        """The best points of the last stage, as points of the whole space; see `WeightSharing.propose`."""
        if not (self._over and self.inner.advance(0).done):
            raise ArgumentError(f"propose: got a search in stage {self.stage + 1} of {len(self.stages)}; allowed: after the last one")
        # What the last stage had in hand is counted from its own start.
        found = [replace(p, info={k: v for k, v in p.info.items() if k != "in_hand"}) for p in self.inner.propose(n)]
        if self.limit is not None and found:
            found[0] = replace(found[0], dna=self.limit(self.inner.net))
            found = [found[0], *(p for p in found[1:] if p.dna != found[0].dna)]
        decided = [self.space.encode_decisions({**self._only(), **self.inner.space.decisions(p.dna)}) for p in found]
        return [replace(p, id=i, dna=dna) for i, (p, dna) in enumerate(zip(found, decided, strict=True))]

    def gradients(self, fixed: Mapping[str, str]) -> dict[str, Tensor]:
        """Mean gradient of the present stage's weights; see `WeightSharing.gradients`."""
        return self.inner.gradients(fixed)

    def state(self) -> dict[str, Any]:
        """The stage, who survived, and the state of its algorithm; see `WeightSharing.state`."""
        return {
            "stage": self.stage,
            "survivors": {key: list(labels) for key, labels in self._survivors.items()},
            "spent": self._lasting(self._spent).to_json(),
            "steps": self._steps,
            "inner": self.inner.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, after `setup`."""
        self._survivors = {key: list(labels) for key, labels in state["survivors"].items()}
        self._spent, self._steps = Cost.from_json(state["spent"]), int(state["steps"])
        self._enter(int(state["stage"]))
        self.inner.load(state["inner"])

    def continue_from(self, other: Staged) -> None:
        """Enter the stage in which another search with the same stages stands, after `setup`; its weights are left to the caller."""
        self._spent, self._steps = other._spent, other._steps
        self._enter(other.stage)

    # -- stages -------------------------------------------------------------------------------------------------------------

    @property
    def _over(self) -> bool:
        """Whether no stage follows: this is the last one, or a further one could not take a step within the budget."""
        if self.stage == len(self.stages) - 1:
            return True
        left = self._left(self.cost)
        return any(value <= 0 for value in left.values()) or left.get("epochs", 1.0) < 1 / self._n_train - 1e-9

    @property
    def _n_train(self) -> int:
        return self.problem.n_batches.get("train", 1)

    def _left(self, cost: Cost) -> dict[str, float]:
        """What is left of each limit that is divided between stages."""
        limits = self.budget.limits() if self.budget is not None else {}
        return {unit: limit - getattr(cost, unit) for unit, limit in limits.items() if unit in _DIVIDED}

    def _said(self, line: str) -> str:
        """The line of the latest epoch, that of the stage before until there is one."""
        return f"stage {self.stage + 1} of {len(self.stages)} · {line}" if line else self._note

    def _only(self) -> dict[str, Any]:
        """Decisions that a stage no longer has, because one candidate was left."""
        return {key: labels[0] for key, labels in self._survivors.items() if len(labels) == 1}

    def _enter(self, number: int) -> None:
        self.stage = number
        stage = self.stages[number]
        self.inner = stage.make()
        arguments = _cells(self.space, stage.cells)
        space = self.space.with_arguments(**arguments) if arguments else self.space
        space = space.restrict(self._survivors) if self._survivors else space
        budget = self._budget(number)
        if self.fill and budget is not None and budget.epochs is not None:
            self.inner.plan = replace(self.inner.plan, epochs=max(1, math.ceil(budget.epochs - 1e-9)))
        self.inner.setup(space, self.problem, derive(self.seed, "stage", number), budget)

    def _next(self) -> None:
        before, stage = self.inner, self.stages[self.stage]
        if stage.keep is not None:
            self._survivors.update(narrowed(before.net, stage.keep))
        self._spent += before.cost
        self._steps += before.step
        self._enter(self.stage + 1)
        self.inner.watch.follow(before.watch)
        now = self.stages[self.stage]
        if now.carry:
            self._carry(before, now.momentum)
        if stage.teacher:
            self.inner.teacher = {name: weight.detach().clone() for name, weight in before.net.named_weights().items()}
        else:
            self.inner.teacher = before.teacher
        if now.prepare is not None:
            now.prepare(self.inner.net)

    @torch.no_grad()
    def _carry(self, before: OneShot, momentum: bool) -> None:
        """Start the present stage where the one before ended."""
        widening = Widening(before.net, self.inner.net, derive(self.seed, "widen", self.stage))
        widening.apply()
        old, new = before.training, self.inner.training
        for name, weight in new.weight_group.tensors.items() if momentum else ():
            source = old.weight_group.tensors.get(name)
            buffer = old.weight_optimizer.state.get(source, {}).get("momentum_buffer") if source is not None else None
            if buffer is not None:
                widened = widening.widened(name.removeprefix("network."), buffer, weight)
                new.weight_optimizer.state[weight]["momentum_buffer"] = widened.clone()

    def _budget(self, number: int) -> Budget | None:
        """The share of a stage in what is left; of epochs at least a step."""
        if self.budget is None:
            return None
        share = self.stages[number].share / sum(stage.share for stage in self.stages[number:])
        limits: dict[str, Any] = {**self.budget.limits(), **{unit: left * share for unit, left in self._left(self._spent).items()}}
        if "epochs" in limits:
            limits["epochs"] = max(limits["epochs"], 1 / self._n_train)
        return Budget(**limits)

    def _lasting(self, cost: Cost) -> Cost:
        measured = set(self.budget.limits()) if self.budget is not None else set()
        return replace(cost, **{unit: 0.0 for unit in ("seconds", "cpu_seconds") if unit not in measured})


@dataclass(frozen=True)
class Limit:
    """At most so many skips in what is derived.

    While more are kept, the kept one with the smallest probability is barred, and the whole point is derived anew.

    Args:
        most: M, from 0.
        label: The label that is counted.
        where: Part of the keys that are counted; if no key has it, all are.

    Source: Chen et al. 2019 (P-DARTS): 2 skips in the normal cell.
    """

    most: int = 2
    label: str = "skip_connect"
    where: str = "normal"

    def __post_init__(self) -> None:
        if isinstance(self.most, bool) or not isinstance(self.most, int) or self.most < 0:
            raise ArgumentError(f"limit of {self.label!r}: got {self.most!r}; allowed: a whole number from 0")

    def __call__(self, supernet: Supernet) -> Any:
        """The point of a supernet, within the limit as far as other candidates are left."""
        policy, barred = supernet.policy, set()
        keys = [key for key in policy.keys if self.where in key] or list(policy.keys)
        while True:
            dna = policy.derive(exclude=barred)
            active = supernet.space.decisions(dna)  # those alone that the point uses
            kept = [key for key in keys if active.get(key) == self.label and (key, self.label) not in barred]
            count = sum(active.get(key) == self.label for key in keys)
            if count <= self.most or not kept:
                return dna
            p = {key: float(policy.probabilities(key)[policy.rows[key].labels.index(self.label)].detach()) for key in kept}
            barred.add((min(kept, key=lambda key: p[key]), self.label))


def _cells(space: Space, multiple: float | None) -> dict[str, int]:
    """The argument `cells` of a stage; at least what the program has or 3, whichever is less."""
    if multiple is None:
        return {}
    try:
        parameters = inspect.signature(space.program).parameters  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return {}
    if "cells" not in parameters:
        return {}
    own = space.arguments.get("cells", parameters["cells"].default)
    if not isinstance(own, int):
        return {}
    return {"cells": max(min(own, 3), round(own * multiple))}
