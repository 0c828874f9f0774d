"""A run that draws raw samples: each proposal is drawn whole, and each sample has a row of its own in the store."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from oche.loop.asktell_run import AskTellRun
from oche.loop.contracts import AskTell, Cost, DrawItem, Proposal
from oche.loop.messages import Draw
from oche.loop.run import Plan, Trial, Work
from oche.program import Space
from oche.store.log import NullLog, RunLog


class SampleRun(AskTellRun):
    """An ask-and-tell run on a `SamplingTask`: proposals are evaluated by `Draw`, and it ends in the algorithm's own `outcome()`.

    Args:
        space: The space of queries.
        algorithm: A new algorithm with `outcome()`; the run sets it up.
        plan: Seed, budget, order.
        log: From `plan.open(AskTellRun.kind, store)`.
        pool: Which samples these are, see `SamplingTask.pool`.
        history: Whether the task wants the earlier samples of a point (to tell duplicates).
        bundle: Proposals per message, at most. It changes no result.
        kwargs: As in `AskTellRun`.
    """

    modes = ("samples",)

    def __init__(
        self,
        space: Space,
        algorithm: AskTell,
        plan: Plan,
        log: RunLog | NullLog,
        *,
        pool: str = "",
        history: bool = False,
        bundle: int = 1,
        **kwargs: Any,
    ) -> None:
        self._pool, self._history = pool, history
        self._pooled = log.sample_counts(pool)
        self._out = 0
        super().__init__(space, algorithm, plan, log, mode="samples", bundle=bundle, **kwargs)

    def _has_room(self) -> bool:
        return self._evaluations_left() > 0

    def _evaluations_left(self) -> float:
        """Samples that the budget has left when everything that is out is drawn."""
        limits = self.plan.budget.limits() if self.plan.budget is not None else {}
        limit = limits.get("samples")
        spent: Cost = self.cost
        return math.inf if limit is None else limit - spent.samples - self._out

    def _trials_of(self, proposal: Proposal, seen: int) -> list[Trial]:
        # One trial for the whole proposal: its samples have seeds and rows of their own.
        self._in_flight += 1
        self._left[proposal.id] = 1
        self._out += proposal.count
        whole = Trial(proposal, 0, self.seed, self._phase, seen=seen)
        self._by_key[proposal.id, 0] = whole
        self.trials.append(whole)
        return [whole]

    def _count(self, trial: Trial) -> None:
        super()._count(trial)
        self._out -= trial.proposal.count

    def _evaluation(self) -> Work:
        trials = self._bundled()
        items = []
        for trial in trials:
            proposal = trial.proposal
            first, query = int(proposal.info.get("first", 0)), int(proposal.info["query"])
            stored = self._pooled.get(query, 0) > first
            have = self.log.samples(self._pool, query, first + proposal.count) if stored or (self._history and first) else ()
            need = proposal.info.get("need")
            items.append(DrawItem(proposal.id, proposal.dna, self.seed, first, proposal.count, need, have))
        return Work(Draw(tuple(items)), True, trials[0], trials)

    def _hand_over(self, trial: Trial) -> None:
        """Hand the rows of raw samples to the log, once, and forget them."""
        if trial.feedback is not None and trial.feedback.samples:
            self.log.sampled(self._pool, trial.feedback.samples)
            trial.feedback = replace(trial.feedback, samples=())

    def _conclude(self) -> None:
        self._finish(None, self.algorithm.outcome())  # type: ignore[attr-defined] - what such algorithms add
