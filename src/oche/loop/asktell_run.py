"""A run of an ask-and-tell algorithm: ask, evaluate, tell; then one final training of the pick.

The order of asks and tells is fixed: ask t comes as soon as proposal t - parallel has been told, and before anything else is
told. So it sees exactly the tells up to t - parallel, however many workers there are, and a resumed run goes the same way.
A log of trials after the stored state is replayed through the same code.
"""

from __future__ import annotations

import json
import logging
import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from oche import seeds
from oche.errors import ArgumentError, BudgetError, ResumeError
from oche.files import file_digest
from oche.loop.contracts import AskTell, Cost, DrawItem, Feedback, Proposal
from oche.loop.executors.base import Outcome
from oche.loop.messages import Draw, Evaluate, EvaluateMany, Report
from oche.loop.rows import dna_text, feedback_of, proposal_of, proposal_row, trial_row
from oche.loop.run import MakeRecord, Observer, Plan, Run, Trial, Work, feedback_from
from oche.loop.watcher import Watcher
from oche.loop.workbench import load_state, save_state
from oche.program import Space
from oche.store.log import NullLog, RunLog
from oche.store.record import Record
from oche.store.rows import CheckpointRow, MeasureRow, ProposalRow, TrialRow

logger = logging.getLogger("oche.loop")


class AskTellRun(Run):
    """One ask-and-tell algorithm on one space with one seed.

    Args:
        space: The space.
        algorithm: A new algorithm; the run sets it up.
        plan: Seed, budget, order.
        log: From `plan.open(AskTellRun.kind, store)`.
        mode: `search` evaluates by `Evaluate`, picks the best and reports it once. `baseline` reports every proposal: each
            trial is a final result with a record of its own. `loop` evaluates elsewhere (`oche.sample`) and ends without a pick.
            `samples` evaluates each proposal whole, by `Draw`, and stores a row per raw sample; it ends without a pick in the
            algorithm's own `outcome()`.
        pool: With `samples`: which samples these are, see `SamplingTask.pool`.
        history: With `samples`: whether the task wants the earlier samples of a point (to tell duplicates).
        bundle: With `samples` and `together`: proposals per message, at most. It changes no result.
        watcher: Early stopping and files of evaluations; None: no early stopping.
        together: Evaluate waiting proposals side by side, by `EvaluateMany`.
        directory: Folder of checkpoint files for an algorithm whose state is large: one with a `boundary` (a name after the tells at
            which its state should be written, else None), `checkpoint()` and `load_checkpoint()`. None: its state goes where that of
            all others goes.
        make_record: See `MakeRecord`.
        observer: See `Observer`.

    Raises:
        BudgetError: no budget for an algorithm that does not end by itself.
        ResumeError: the stored run does not fit.
    """

    kind = "asktell"

    def __init__(
        self,
        space: Space,
        algorithm: AskTell,
        plan: Plan,
        log: RunLog | NullLog,
        *,
        mode: str = "search",
        pool: str = "",
        history: bool = False,
        bundle: int = 1,
        watcher: Watcher | None = None,
        together: bool = False,
        directory: Path | None = None,
        make_record: MakeRecord | None = None,
        observer: Observer | None = None,
    ) -> None:
        super().__init__(plan, log, make_record, observer)
        if mode not in ("search", "baseline", "loop", "samples"):
            raise ArgumentError(f"mode: got {mode!r}; allowed: 'search', 'baseline', 'loop', 'samples'")
        if plan.budget is None and not getattr(algorithm, "finite", False):
            raise BudgetError(
                "budget: got None; allowed: a budget for an algorithm that does not end by itself, for example oche.Budget(trials=100)"
            )
        self.space = space
        self.algorithm = algorithm
        self.mode = mode
        self.watcher = watcher or Watcher()
        self.watcher.needs_folder = getattr(algorithm, "multi_fidelity", False)
        self.told = 0
        self._phase = "report" if mode == "baseline" else "search"
        self._proposals: list[Proposal] = []
        self._left: dict[int, int] = {}
        self._in_flight = 0
        self._over = False
        self._waits = False
        self._pool, self._history, self._bundle, self._together = pool, history, bundle, together
        self.directory = directory if hasattr(algorithm, "boundary") else None
        self._pooled = log.sample_counts(pool) if mode == "samples" else {}
        self._samples_out = 0
        self._todo: deque[Trial] = deque()
        self._arrived: deque[Trial] = deque()
        self._by_key: dict[tuple[int, int], Trial] = {}
        self._rng = np.random.Generator(np.random.PCG64(0))
        self._stored: dict[tuple[int, int], TrialRow] = {}
        self._logged_order: dict[int, tuple[int, int]] = {}
        self._reports = {t.proposal: feedback_of(t) for t in log.saved.trials if t.phase == "report"} if mode == "search" else {}
        self._final: Trial | None = None
        algorithm.setup(space, self._rng, self.first_budget)
        if self.finished_before:
            self._restore(len(log.saved.proposals), len(log.saved.trials))
            if mode == "search":
                self.pick = pick_best(self.trials)
                known = self._reports.get(self.pick.proposal.id) if self.pick is not None else None
                self.final_cost = known.cost if known is not None else Cost()
            self.load_end()
            return
        self.records = [Record.from_json(r) for r in log.saved.records]
        self._resume()
        log.snapshot = self._snapshot
        self._pump()

    # -- resuming -----------------------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        row = self.log.saved.run
        if self.directory is not None and self.log.saved.checkpoints:
            self._load_checkpoint(self.log.saved.checkpoints[-1])
            return
        if row.state is None or self.directory is not None:
            self._restore(0, 0)
            return
        self.algorithm.load(json.loads(row.state))
        self._restore(row.state_asked, row.state_told)

    def _load_checkpoint(self, row: CheckpointRow) -> None:
        assert self.directory is not None
        path = self.directory / Path(row.path).name
        if not path.exists() or file_digest(path) != row.sha256:
            what = "a changed file" if path.exists() else "no file"
            raise ResumeError(
                f"run {self.id}: got {what} {str(path)!r}; allowed: the checkpoint of boundary {row.boundary!r} as it was written; "
                "put it back or start a new run"
            )
        self.algorithm.load_checkpoint(load_state(str(path)))  # type: ignore[attr-defined] - what such algorithms add
        self._restore(json.loads(row.state)["asked"], row.step)

    def _save_checkpoint(self) -> None:
        """Write the state of an algorithm that has reached a boundary, once nothing is out."""
        if self.directory is None or self._in_flight:
            return
        boundary = self.algorithm.boundary  # type: ignore[attr-defined] - what such algorithms add
        if boundary is None:
            return
        path = self.directory / f"told-{self.told:09d}.pt"
        sha = save_state(self.algorithm.checkpoint(), str(path))  # type: ignore[attr-defined]
        self.notify("checkpoint-file")
        state = json.dumps({"asked": len(self._proposals)})
        self.log.checkpointed(CheckpointRow(self.told, boundary, f"{self.id}/{path.name}", sha, state))
        # A kill before the row was written leaves a file that no row names; it goes with the older ones.
        for other in self.directory.iterdir():
            if other.name.lstrip(".").startswith("told-") and other != path:
                other.unlink(missing_ok=True)
        self.notify("checkpoint")

    def _restore(self, asked: int, told: int) -> None:
        """Take over the first `asked` proposals and `told` tells as they are; what follows them is replayed by `_pump`."""
        stored = {(t.proposal, t.replicate): t for t in self.log.saved.trials if t.phase == self._phase}
        for row in self.log.saved.proposals[:asked]:
            self._add(proposal_of(row, self.space), row.seen)
        known = sorted((t.told, key) for key, t in stored.items() if t.told is not None and t.told < told)
        for _, key in known:
            trial = self._by_key[key]
            trial.feedback = feedback_of(stored.pop(key))
            self._count(trial)
        self._stored = stored
        self._logged_order = {t.told: key for key, t in stored.items() if t.told is not None}
        waiting, self._todo = self._todo, deque()
        for trial in waiting:
            if trial.told is None:
                self._put(trial)

    def _put(self, trial: Trial) -> None:
        """Queue an evaluation, or answer it from the log."""
        row = self._stored.get((trial.proposal.id, trial.replicate))
        # Observations are not stored: an algorithm that learns from them needs the trial again (same seed, same result).
        if row is None or getattr(self.algorithm, "uses_observations", False):
            self._todo.append(trial)
        else:
            trial.feedback = feedback_of(row)
            self._arrived.append(trial)

    def _snapshot(self) -> Mapping[str, Any] | None:
        if self.directory is not None:
            return None
        # While the log is replayed the algorithm is behind it, and its state does not belong to the log's end.
        return self.algorithm.state() if self.told == self.log.run.told and len(self._proposals) == self.log.run.asked else None

    # -- asking and telling -------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Ask and tell as far as possible; asking comes first, which fixes the order."""
        while True:
            if not self._over and not self._waits and self._in_flight < self.plan.parallel:
                self._ask()
            elif (trial := self._tellable()) is not None:
                self._tell(trial)
            else:
                return

    def _ask(self) -> None:
        number = len(self._proposals)
        saved = self.log.saved.proposals
        logged = saved[number] if number < len(saved) else None
        if logged is None and self._spent():
            self._over = True
            return
        if logged is None and self._samples_left() <= 0:
            self._waits = True
            return
        self._rng.bit_generator.state = seeds.generator(self.seed, "ask", number).bit_generator.state
        got = self.algorithm.ask(1)
        if not got and (logged is None or (self._in_flight and logged.seen > self.told)):
            # With proposals out, one of them may open the way for more.
            self._over = not self._in_flight
            self._waits = not self._over
            return
        if logged is not None:
            proposal = self._check_replay(got, logged)
        else:
            proposal = self._check_proposal(got, number)
            self.log.asked(proposal_row(proposal, self.told) if self.log.keeps else None)
        self._proposals.append(proposal)
        for trial in self._trials_of(proposal, self.told):
            self._put(trial)
        self.notify("asked")

    def _check_proposal(self, got: list[Proposal], number: int) -> Proposal:
        proposal = got[0]
        if len(got) > 1 or proposal.id != number or proposal.count < 1:
            raise ArgumentError(
                f"ask(1): got {len(got)} proposals, id {proposal.id}, count {proposal.count}; "
                f"allowed: one, with id {number} and a count above 0"
            )
        self.space.validate(proposal.dna)
        if self.mode == "samples":
            left = self._samples_left()
            return proposal if proposal.count <= left else replace(proposal, count=int(left))
        limit = self.plan.budget.trials if self.plan.budget is not None else None
        # The last proposal may get fewer evaluations than it wants: a budget of trials is exact.
        if limit is None or proposal.count <= limit - len(self.trials):
            return proposal
        return replace(proposal, count=limit - len(self.trials))

    def _check_replay(self, got: list[Proposal], logged: ProposalRow) -> Proposal:
        again = dna_text(got[0].dna) if got else "nothing"
        if again != logged.dna or logged.seen != self.told:
            raise ResumeError(
                f"run {self.id}: got proposal {logged.id} = {again} after {self.told} tells; "
                f"allowed: {logged.dna} after {logged.seen}, as in the store; "
                "the algorithm, its version or its settings changed; start a new run under another name"
            )
        return replace(got[0], count=logged.count)

    def _add(self, proposal: Proposal, seen: int) -> None:
        self._proposals.append(proposal)
        self._todo.extend(self._trials_of(proposal, seen))

    def _trials_of(self, proposal: Proposal, seen: int) -> list[Trial]:
        self._in_flight += 1
        if self.mode == "samples":
            # Its samples have seeds and rows of their own.
            self._left[proposal.id] = 1
            self._samples_out += proposal.count
            whole = Trial(proposal, 0, self.seed, self._phase)
            self._by_key[proposal.id, 0] = whole
            self.trials.append(whole)
            return [whole]
        flat = list(proposal.dna.flat)
        self._left[proposal.id] = proposal.count
        made = []
        first = int(proposal.info.get("first", 0))
        for replicate in range(first, first + proposal.count):
            if self.mode == "baseline":
                seed = self.report_seed(proposal.dna, replicate)
            else:
                seed = seeds.derive(self.seed, "eval", flat, replicate)
            trial = Trial(proposal, replicate, seed, self._phase, seen=seen)
            self._by_key[proposal.id, replicate] = trial
            made.append(trial)
        self.trials += made
        return made

    def _samples_left(self) -> float:
        """Samples that the budget has left when everything that is out is drawn."""
        limits = self.plan.budget.limits() if self.plan.budget is not None and self.mode == "samples" else {}
        limit = limits.get("samples")
        spent: Cost = self.cost
        return math.inf if limit is None else limit - spent.samples - self._samples_out

    def _spent(self) -> bool:
        budget = self.plan.budget
        if budget is None:
            return False
        return (budget.trials is not None and len(self.trials) >= budget.trials) or budget.exhausted(self.cost)

    def _tellable(self) -> Trial | None:
        if self.plan.order == "ask":
            # Tells go in the order of asks, so the number of tells is the place of the next one.
            trial = self.trials[self.told] if self.told < len(self.trials) else None
            return trial if trial is not None and trial.feedback is not None else None
        if self.told in self._logged_order:
            trial = self._by_key[self._logged_order[self.told]]
            return trial if trial.feedback is not None else None
        while self._arrived:
            trial = self._arrived.popleft()
            if trial.told is None:
                return trial
        return None

    def _tell(self, trial: Trial) -> None:
        assert trial.feedback is not None
        proposal, feedback = trial.proposal.id, trial.feedback
        self._count(trial)
        self.algorithm.tell([(proposal, feedback)])
        if feedback.observations is not None:
            # The algorithm has them; all trials stay in memory.
            trial.feedback = feedback = replace(feedback, observations=None)
        row = self._stored.pop((proposal, trial.replicate), None) if self._stored else None
        if row is not None and row.told is not None:
            self._save_checkpoint()
            return
        self._store_samples(trial)
        if not self.log.keeps:
            self.log.count()
        elif row is not None:
            self.log.told(row, self.told - 1)
        else:
            self.log.finished(trial_row(proposal, trial.replicate, self._phase, self.told - 1, feedback))
        if self.mode == "baseline":
            self.record(trial, feedback, {"search": Cost(), "final": feedback.cost})
        if self.watcher.untidy:
            self.log.flush()
            self.watcher.tidy()
        self._save_checkpoint()
        self.notify("told")

    def _count(self, trial: Trial) -> None:
        assert trial.feedback is not None
        trial.told = self.told
        self.told += 1
        self.watcher.told(trial)
        if self.mode == "baseline":
            self.final_cost += trial.feedback.cost
        self.cost += trial.feedback.cost
        self._waits = False
        if self.mode == "samples":
            self._samples_out -= trial.proposal.count
        self._left[trial.proposal.id] -= 1
        if self._left[trial.proposal.id] == 0:
            self._in_flight -= 1

    # -- the engine's side --------------------------------------------------------------------------------------------------

    @property
    def priority(self) -> int:
        """Number of asks: the run that is behind is served first."""
        return len(self._proposals)

    @property
    def share(self) -> float:
        """Used share of the budget; of the space where there is none."""
        if self.done:
            return 1.0
        own = getattr(self.algorithm, "share", None)
        if self.plan.budget is not None:
            spent = self.plan.budget.share(self.cost)
            return spent if own is None else max(spent, own())
        if own is not None:
            return own()
        return min(1.0, self.told / max(1, self.space.size))

    @property
    def note(self) -> str:
        """What the algorithm says of its progress, if it says anything."""
        say = getattr(self.algorithm, "note", None)
        return say() if say is not None else ""

    @property
    def waiting(self) -> Trial | None:
        """The next evaluation to do, without taking it (for `loop` mode)."""
        return self._todo[0] if self._todo else None

    def next_work(self) -> Work | None:
        """The next evaluation, or at the end the final training."""
        if self.done:
            return None
        if self._todo and self.mode == "samples":
            return self._draw()
        if self._todo and self._together and self.mode == "search":
            return self._many()
        if self._todo:
            trial = self._todo.popleft()
            if self.mode == "baseline":
                return Work(Report(trial.dna, trial.seed), False, trial)
            return Work(Evaluate(trial.dna, trial.seed, self.watcher.watch(trial)), True, trial)
        if not self._over or self.told < len(self.trials) or self._final is not None:
            return None
        if self.mode == "samples":
            self._finish(None, self.algorithm.outcome())  # type: ignore[attr-defined] - what such algorithms add
            return None
        if self.mode != "search":
            self.end("done")
            return None
        return self._conclude()

    def _draw(self) -> Work:
        """One message for as many waiting proposals as a bundle holds."""
        trials = tuple(self._todo.popleft() for _ in range(min(self._bundle, len(self._todo))))
        items = []
        for trial in trials:
            proposal = trial.proposal
            first, query = int(proposal.info.get("first", 0)), int(proposal.info["query"])
            stored = self._pooled.get(query, 0) > first
            have = self.log.samples(self._pool, query, first + proposal.count) if stored or (self._history and first) else ()
            need = proposal.info.get("need")
            items.append(DrawItem(proposal.id, proposal.dna, self.seed, first, proposal.count, need, have))
        return Work(Draw(tuple(items)), True, trials[0], trials)

    def _many(self) -> Work:
        """One message for as many waiting evaluations as a bundle holds."""
        trials = tuple(self._todo.popleft() for _ in range(min(self._bundle, len(self._todo))))
        observe = bool(getattr(self.algorithm, "uses_observations", False))
        return Work(EvaluateMany(tuple(t.dna for t in trials), tuple(t.seed for t in trials), observe), True, trials[0], trials)

    def _drawn(self, work: Work, outcome: Outcome) -> None:
        seconds, cpu = outcome.seconds / len(work.trials), outcome.cpu_seconds / len(work.trials)
        for number, trial in enumerate(work.trials):
            value = None if outcome.failure is not None else outcome.value[number]
            feedback = feedback_from(replace(outcome, value=value, seconds=seconds, cpu_seconds=cpu))
            if feedback.status == "failed":
                logger.warning("run %s: proposal %d failed: %s", self.id, trial.proposal.id, feedback.reason)
            self.take(trial, feedback)

    def _store_samples(self, trial: Trial) -> None:
        """Hand the rows of raw samples to the log, once, and forget them."""
        if trial.feedback is not None and trial.feedback.samples:
            self.log.sampled(self._pool, trial.feedback.samples)
            trial.feedback = replace(trial.feedback, samples=())

    def _conclude(self) -> Work | None:
        self.pick = pick_best(self.trials)
        if self.pick is None:
            self._finish(None, Feedback(status="failed", reason=_why_nothing(self.trials), cost=Cost()))
            return None
        self._final = replace(self.pick, phase="report", seed=self.report_seed(self.pick.dna), feedback=None, told=None)
        known = self._reports.get(self.pick.proposal.id)
        if known is not None:
            self._finish(self.pick, known)
            return None
        return Work(Report(self._final.dna, self._final.seed), False, self._final)

    def receive(self, work: Work, outcome: Outcome) -> None:
        """Take an outcome; tell it when its turn comes."""
        if work.trials:
            self._drawn(work, outcome)
            return
        trial = work.trial
        assert trial is not None
        feedback = feedback_from(outcome)
        if feedback.status == "failed":
            logger.warning("run %s: trial %d failed: %s", self.id, trial.proposal.id, feedback.reason)
        if trial is self._final:
            trial.feedback = feedback
            self.log.finished(trial_row(trial.proposal.id, trial.replicate, "report", None, feedback))
            self.notify("reported")
            self._finish(self.pick, feedback)
        else:
            self.take(trial, feedback)

    def take(self, trial: Trial, feedback: Feedback) -> None:
        """Take the feedback of a trial."""
        trial.feedback = feedback
        self._arrived.append(trial)
        self._pump()
        key = (trial.proposal.id, trial.replicate)
        if trial.told is None and self.log.keeps and key not in self._stored:
            # It waits for earlier trials; what is done is kept all the same.
            self._store_samples(trial)
            self._stored[key] = trial_row(*key, self._phase, None, feedback)
            self.log.finished(self._stored[key])

    def take_waiting(self, feedback: Feedback) -> None:
        """Take the feedback of `waiting` (for `loop` mode)."""
        self.take(self._todo.popleft(), feedback)

    def measure(self, trial: Trial, step: float, metrics: Mapping[str, float]) -> None:
        """Log intermediate numbers of a trial."""
        self.log.measured(MeasureRow(trial.proposal.id, trial.replicate, float(step), json.dumps(dict(metrics), separators=(",", ":"))))

    def end(self, status: str, reason: str = "") -> None:
        """The run is over: write everything, remove files that nothing needs any more."""
        super().end(status, reason)
        self.watcher.close()

    def _finish(self, pick: Trial | None, feedback: Feedback) -> None:
        self.final_cost = feedback.cost
        self.record(pick, feedback, {"search": self.cost, "final": feedback.cost})
        self.end("done" if feedback.ok else "failed", feedback.reason)


def pick_best(trials: Sequence[Trial]) -> Trial | None:
    """The first trial of the point with the best mean reward over all its trials; None if there is no reward.

    Of equal ones the first asked; of several objectives the first one counts. Only trials of one kind are compared: those that were not
    stopped, if there are any, and of these the ones at the highest fidelity.
    """
    rewards: dict[tuple[Any, ...], list[float]] = {}
    first: dict[tuple[Any, ...], Trial] = {}
    rewarded = [t for t in trials if t.feedback is not None and t.feedback.reward is not None]
    highest = max(map(_trust, rewarded), default=None)
    for trial in rewarded:
        assert trial.feedback is not None
        reward = trial.feedback.reward
        if reward is None or _trust(trial) != highest:
            continue
        key = tuple(trial.dna.flat)
        rewards.setdefault(key, []).append(reward[0] if isinstance(reward, tuple) else reward)
        first.setdefault(key, trial)
    if not rewards:
        return None
    # max() keeps the first of equal ones, and trials come in the order of asks.
    best = max(rewards, key=lambda i: sum(rewards[i]) / len(rewards[i]))
    return first[best]


def _trust(trial: Trial) -> tuple[bool, float]:
    assert trial.feedback is not None
    return trial.feedback.status != "stopped", trial.proposal.info.get("fidelity") or 0.0


def _why_nothing(trials: Sequence[Trial]) -> str:
    reasons = Counter(f"{t.feedback.status}: {t.feedback.reason}" for t in trials if t.feedback is not None)
    if not reasons:
        return "no trial was made"
    reason, count = reasons.most_common(1)[0]
    return f"no trial gave a reward; {count} of {len(trials)} {reason}"
