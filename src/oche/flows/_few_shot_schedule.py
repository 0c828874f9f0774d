"""When a few-shot search splits, in steps, under a budget that includes probing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from oche.algorithms.one_shot import OneShot
from oche.algorithms.one_shot_plan import Plan
from oche.algorithms.staged import Staged
from oche.errors import ArgumentError, BudgetError
from oche.flows._few_shot_halving import rung_steps
from oche.loop.contracts import Budget
from oche.program import Space

#: Largest share of a short budget that goes to probing, if that is enough for one batch.
_PROBING = 0.25


class Timetable:
    """Steps of every level.

    Where the budget is shorter than the plan, all lengths shrink alike, and probing gets at most a quarter.

    Args:
        flow: The settings.
        plan: Of the algorithm.
        space: The whole space.
        n_train: Steps of an epoch.
        budget: Epochs of all supernets and of probing together (a pass over a batch is a step), or None.

    Raises:
        BudgetError: a budget in other units, or one that is too short.
    """

    def __init__(self, flow: Any, plan: Plan, space: Space, n_train: int, budget: Budget | None) -> None:
        if n_train < 1:
            raise ArgumentError("train split: got no batches; allowed: at least one; use more data or smaller batches")
        self.flow, self.n_train = flow, n_train
        self._budget = budget
        widths = [p.n for p in space.points if p.kind == "categorical"]
        self._choices, self._widest = len(widths), max(widths, default=2)
        self.epochs = [epoch * n_train for epoch, _ in flow.splits]
        self.final = (flow.final_epochs or plan.epochs) * n_train
        #: Steps of the first rung on which picks are trained alone.
        self.rung = flow.rung_epochs * n_train if flow.select == "halving" else 0
        self.batches = flow.batches
        limits = budget.limits() if budget is not None else {}
        if flow.splits and limits and set(limits) != {"epochs"}:
            shown = ", ".join(f"{unit}={limit}" for unit, limit in limits.items())
            raise BudgetError(f"budget of flow few-shot: got {shown}; allowed: epochs (of all supernets and of probing), or None")
        probes = flow.criterion == "gm" or flow.choose == "gm"
        self._probed = sum(widths) * sum(self._nodes(level) for level in range(len(flow.splits))) if probes else 0
        if flow.splits and limits:
            self._shrink(limits["epochs"] * n_train)

    def _nodes(self, level: int) -> int:
        return self.flow.nodes(level, self._widest)

    def _trained(self) -> int:
        ends = [0, *self.epochs]
        levels = range(len(self.epochs))
        leaves = self._nodes(len(self.epochs))
        return sum(self._nodes(t) * (ends[t + 1] - ends[t]) for t in levels) + leaves * self.final + rung_steps(leaves, self.rung)

    def _shrink(self, allowed: float) -> None:
        if self._trained() + self._probed * self.batches <= allowed:
            return
        if self._probed:
            self.batches = max(1, min(self.batches, int(allowed * _PROBING // self._probed)))
        left = allowed - self._probed * self.batches
        factor, before = min(1.0, left / self._trained()), -1
        for level, steps in enumerate(self.epochs):
            self.epochs[level] = before = max(math.floor(steps * factor), before + 1, 1 if steps else 0)
        self.final = max(1, math.floor(self.final * factor))
        self.rung = max(1, math.floor(self.rung * factor)) if self.rung else 0
        if self._trained() > left:
            raise BudgetError(
                f"budget of flow few-shot: got epochs={allowed / self.n_train:g}; allowed: enough for a step of each of up to "
                f"{self._nodes(len(self.epochs))} supernets and for {self._probed} passes of probing with one batch, at {self.n_train} "
                "passes an epoch; use fewer splits, or choose=random"
            )

    @property
    def steps(self) -> int:
        """An estimate of all steps."""
        nodes = sum(self._nodes(t) for t in range(len(self.epochs)))
        probes = nodes * self._choices * self.batches if self._probed else nodes
        return self._trained() + probes + self._nodes(len(self.epochs))

    def until(self, level: int) -> int:
        """Step of its own training at which a node of a level is split."""
        if self.flow.restart == "all" and level:
            return self.epochs[level] - self.epochs[level - 1]
        return self.epochs[level]

    def prepare(self, algorithm: OneShot | Staged, level: int) -> Budget | None:
        """Give the algorithm of a node of a level its length; the budget with which it is set up.

        A node that starts anew runs through a schedule of its own length; the others follow one schedule to the end of the last ones, in
        which the architecture parameters rest until the last split. Stages share that length as they share a budget.
        """
        if not self.flow.splits:
            if self.flow.final_epochs is None:
                return self._budget
            if isinstance(algorithm, OneShot):
                algorithm.plan = replace(algorithm.plan, epochs=self.flow.final_epochs)
                return self._budget
            algorithm.fill = True
            limits: dict[str, Any] = dict(self._budget.limits()) if self._budget is not None else {}
            limits["epochs"] = min(limits.get("epochs", math.inf), self.flow.final_epochs)
            return Budget(**limits)
        leaf = level == len(self.epochs)
        if leaf and self.flow.restart != "none":
            total, rest = self.final, None
        elif self.flow.restart == "all":
            total, rest = max(1, self.until(level)), 1 - 1e-6
        else:
            total = self.epochs[-1] + self.final
            rest = self.epochs[-1] / total
        epochs = total / self.n_train
        if isinstance(algorithm, Staged):
            algorithm.fill = True
        else:
            algorithm.plan = self._plan(algorithm.plan, epochs, rest, leaf)
        return Budget(epochs=epochs)

    @staticmethod
    def _plan(plan: Plan, epochs: float, rest: float | None, leaf: bool) -> Plan:
        """A plan of another length; `rest` is the share in which architecture parameters rest, None for that of the plan."""
        if rest is None:
            rest = plan.warmup if plan.warmup < 1 else plan.warmup / plan.epochs
        return replace(plan, epochs=max(1, math.ceil(epochs - 1e-9)), warmup=rest, guards=plan.guards if leaf else None)
