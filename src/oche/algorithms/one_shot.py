"""One search with shared weights: mixer x scheme x plan, over any space.

The supernet is trained by the scheme on `train` and `valid` batches as the plan says. At the end either the logits say which point they
stand for (`derive`), or many random points are scored with the shared weights on the same validation data and the best one wins
(`score`). Published methods are settings of this class, see `oche.algorithms.weight_sharing`.

Everything random is a function of (seed, step): a search that is continued from a checkpoint takes the very steps of one that was not
interrupted, bit for bit on the CPU.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from oche.algorithms.one_shot_plan import Plan, Schedule
from oche.algorithms.one_shot_watch import EpochWatch
from oche.errors import ArgumentError
from oche.loop.contracts import Budget, Cost, Problem, Progress, Proposal
from oche.program import DNA, Space
from oche.schemes.base import Scheme, SchemeState
from oche.schemes.first_order import FirstOrder
from oche.schemes.problem import BilevelProblem
from oche.schemes.rules import set_lr
from oche.seeds import building, derive, generator
from oche.supernets.mixer import Mixer
from oche.supernets.network import Functional, Supernet

#: How the result is picked.
PICKS = ("derive", "score")


class OneShot:
    """A weight-sharing algorithm.

    Args:
        mixer: How candidates are mixed.
        scheme: Order and rule of updates; default `FirstOrder()`.
        plan: Length, rates and warm-up.
        weighting: Maps probabilities to multipliers, or None.
        pick: `derive` or `score`.
        n_candidates: Points that are scored. Default: the random search with parameter sharing of NAS-Bench-201.
        n_scored: Validation images for a score, at least one batch. Default: the batch of 512 of the same code, but the same images
            for all candidates.
        batch_norm: As in `Supernet`.
    """

    def __init__(
        self,
        mixer: Mixer,
        scheme: Scheme | None = None,
        plan: Plan | None = None,
        weighting: Any = None,
        pick: str = "derive",
        n_candidates: int = 100,
        n_scored: int = 512,
        batch_norm: str = "batch",
    ) -> None:
        if pick not in PICKS:
            raise ArgumentError(f"pick: got {pick!r}; allowed: {', '.join(repr(p) for p in PICKS)}")
        if pick == "derive" and not mixer.learns_arch:
            raise ArgumentError(f"pick: got 'derive' with {type(mixer).__name__}, which trains no logits; allowed: 'score'")
        for what, value in (("n_candidates", n_candidates), ("n_scored", n_scored)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ArgumentError(f"{what}: got {value!r}; allowed: a whole number from 1")
        self.mixer = mixer
        self.scheme = FirstOrder() if scheme is None else scheme
        self.plan = Plan() if plan is None else plan
        self.weighting = weighting
        self.pick = pick
        self.n_candidates = n_candidates
        self.n_scored = n_scored
        self.batch_norm = batch_norm

    # -- life ---------------------------------------------------------------------------------------------------------------

    def setup(self, space: Space, problem: Problem, seed: int, budget: Budget | None = None) -> None:
        """Build the supernet and the optimizers; see `WeightSharing.setup`."""
        self.watch = EpochWatch(problem)
        problem = self.watch.problem
        self.space, self.problem, self.seed = space, problem, seed
        if problem.n_batches.get("valid", 0) < 1:
            raise ArgumentError("valid split: got no batches; allowed: at least one; use more data, or a larger share for valid")
        self.schedule = Schedule(self.plan, budget, problem.n_batches.get("train", 0))
        self.net = Supernet(space, self.mixer, self.weighting, derive(seed, "supernet"), self.batch_norm).to(problem.device)
        self.bilevel = BilevelProblem(
            train_loss=self._train_loss,
            valid_loss=self._valid_loss,
            weights=self.net.named_weights(),
            arch=self.net.named_arch() if self.mixer.learns_arch else {},
            accept=self._accept,
        )
        self.training: SchemeState = self.scheme.init(self.bilevel, self.plan.weight_rule, self.plan.arch_rule)
        self.meter = _Meter()
        self._train = _Stream(problem, "train", derive(seed, "batches", "train"))
        self._valid = _Stream(problem, "valid", derive(seed, "batches", "valid"))
        self._scores: list[float] = []
        self._metrics: dict[str, float] = {}
        self._ended = False
        self._model: Functional | None = None
        self._kept: dict[str, Any] = {}

    @property
    def network(self) -> Supernet:
        """The shared network, after `setup`."""
        return self.net

    @property
    def step(self) -> int:
        """Steps done: of the training, then one for each scored candidate."""
        return self.training.step + len(self._scores)

    @property
    def cost(self) -> Cost:
        """All that was spent so far."""
        return replace(self.meter.cost, epochs=self.training.step / self.schedule.n_train)

    def advance(self, steps: int) -> Progress:
        """Do at most `steps` more steps; see `WeightSharing.advance`."""
        before = self.cost
        for _ in range(steps):
            if self._done():
                break
            with self.meter.running():
                if self._in_training():
                    self._train_step()
                    self.watch.step(self.net, self.training.step, self.schedule.n_train, self.schedule.epochs, self.mixer.learns_arch)
                else:
                    self._score_step()
        self.net.eval()
        spent = _difference(self.cost, before)
        return Progress(
            self.step,
            self._total(),
            self._done(),
            spent,
            {**self._metrics, "entropy": float(self.net.policy.entropy().detach())},
            self.watch.line,
        )

    def propose(self, n: int) -> list[Proposal]:
        """The `n` best points, best first; `info` of the first one holds the scores that it rests on and their cost."""
        if not self._done():
            raise ArgumentError(
                f"propose: got a search at step {self.step} of {self._total()}; allowed: after the last step; call advance first"
            )
        dnas = self._best_scored(n) if self.pick == "score" else self._best_derived(n)
        proposals = [Proposal(i, dna, info=self._info(dna)) for i, dna in enumerate(dnas)]
        if proposals:
            proposals[0] = replace(proposals[0], info={**proposals[0].info, **self._diagnose(proposals[0].dna)})
        return proposals

    def gradients(self, fixed: Mapping[str, str]) -> dict[str, Tensor]:
        """Mean gradient of the shared weights over the training split with some decisions fixed.

        Returns:
            By the names of `Supernet.named_weights`; weights that the loss does not use are left out.
        """
        weights = self.net.named_weights()
        total: dict[str, Tensor] = {}
        count = 0
        self.net.train()
        with self.net.fixed(fixed):
            for batch in self.problem.batches("train", derive(self.seed, "gradients"), 0):
                with building(derive(self.seed, "gradients", count)):
                    loss = self._loss("weights", count, weights, self._frozen_arch(), batch)
                    found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
                for name, gradient in zip(weights, found, strict=True):
                    if gradient is not None:
                        total[name] = total[name] + gradient if name in total else gradient
                count += 1
        self.net.eval()
        return {name: gradient / count for name, gradient in total.items()}

    def state(self) -> dict[str, Any]:
        """Tensors, optimizers, counters; see `WeightSharing.state`."""
        return {
            "training": self.training.state_dict(),
            "buffers": {name: buffer.detach().clone() for name, buffer in self.net.named_buffers()},
            "cost": self._lasting_cost().to_json(),
            "scores": list(self._scores),
            "metrics": dict(self._metrics),
            "ended": self._ended,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, after `setup`."""
        self.training.load_state_dict(state["training"])
        buffers = dict(self.net.named_buffers())
        for name, value in state["buffers"].items():
            buffers[name].copy_(value)
        self.meter.cost = Cost.from_json(state["cost"])
        self._scores = [float(score) for score in state["scores"]]
        self._metrics = dict(state["metrics"])
        self._ended = bool(state["ended"])

    def _lasting_cost(self) -> Cost:
        """What the rest of the search depends on: times only if the budget limits them, so that equal searches have equal states."""
        cost = self.meter.cost
        return replace(cost, **{unit: 0.0 for unit in ("seconds", "cpu_seconds") if unit not in self.schedule.measured})

    # -- steps --------------------------------------------------------------------------------------------------------------

    def _in_training(self) -> bool:
        # Once over, always over: a share of measured time may never be computed twice with different results.
        self._ended = self._ended or self.schedule.trained(self.training.step, self.cost)
        return not self._ended

    def _done(self) -> bool:
        if self._in_training():
            return False
        return self.pick != "score" or len(self._scores) >= len(self._candidates()) or self.schedule.spent(self.cost)

    def _total(self) -> int:
        training = self.training.step if self._ended else self.schedule.total(self.training.step, self.cost)
        if self.pick != "score":
            return training
        return training + (len(self._scores) if self._done() else len(self._candidates()))

    def _train_step(self) -> None:
        step, state = self.training.step, self.training
        moves = self.mixer.learns_arch and self.schedule.arch_moves(step, self.cost)
        lr = self.schedule.lr(step, self.cost)
        set_lr(state.weight_optimizer, lr)
        train_batch = self._train.at(step)
        valid_batch = self._valid.at(step) if moves else None
        self.net.train()
        with building(derive(self.seed, "step", step)):
            record = self.scheme.step(state, train_batch, valid_batch, update_arch=moves)
        paths = self.mixer.paths_per_step
        self.meter.cost += Cost(passes=record.passes + (paths - 1))
        self._metrics = {"train_loss": record.train_loss, "lr": lr}
        if record.valid_loss is not None:
            self._metrics["valid_loss"] = record.valid_loss

    def _train_loss(self, weights: Mapping[str, Tensor], arch: Mapping[str, Tensor], batch: Any = None) -> Tensor:
        return self._loss("weights", self.training.step, weights, arch or self._frozen_arch(), batch)

    def _loss(self, phase: str, step: int, weights: Mapping[str, Tensor], arch: Mapping[str, Tensor], batch: Any) -> Tensor:
        losses = []
        for path in range(self.mixer.paths_per_step):
            self._model = self.net.functional(weights, arch)
            with self.net.at(step, phase, path):
                losses.append(self.problem.loss(self._model, batch))
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def _valid_loss(self, weights: Mapping[str, Tensor], arch: Mapping[str, Tensor], batch: Any = None) -> Tensor:
        model = self.net.functional(weights, arch)
        with self.net.at(self.training.step, "arch"):
            return self.mixer.arch_objective(
                lambda: self.problem.loss(model, batch), lambda: self.problem.score(model, batch), self.net.policy, lambda: self.net.drawn
            )

    def _accept(self) -> None:
        if self._model is not None:
            self._model.accept()
            self._model = None

    def _frozen_arch(self) -> dict[str, Tensor]:
        return {key: logits.detach() for key, logits in self.net.named_arch().items()}

    # -- scores -------------------------------------------------------------------------------------------------------------

    def _candidates(self) -> Sequence[DNA]:
        """Different points in a fixed order: all of a small space, else random ones."""
        if "candidates" not in self._kept:
            size = self.space.size
            if size <= self.n_candidates:
                self._kept["candidates"] = list(self.space)
            else:
                rng = generator(self.seed, "candidates")
                found: dict[DNA, None] = {}
                while len(found) < self.n_candidates:
                    found.setdefault(self.space.sample(rng))
                self._kept["candidates"] = list(found)
        return self._kept["candidates"]

    def _score_step(self) -> None:
        score, passes = self._score(self._candidates()[len(self._scores)])
        self._scores.append(score)
        self.meter.cost += Cost(passes=passes)
        self._metrics = {**self._metrics, "best_score": max(self._scores)}

    def _score(self, dna: DNA | None) -> tuple[float, float]:
        """Mean validation score with shared weights, of one point or of the mixture, and the passes that it took."""
        self.net.eval()
        total, count, batches = 0.0, 0, self._score_batches()
        with torch.no_grad(), building(derive(self.seed, "score")), self.net.at(self.training.step, "arch"):
            for batch in batches:
                if dna is None:
                    added, n = self.problem.score(self.net, batch)
                else:
                    with self.net.fixed(dna):
                        added, n = self.problem.score(self.net, batch)
                total, count = total + float(added), count + int(n)
        return total / count, len(batches) / 3

    def _score_batches(self) -> list[Any]:
        """The validation batches of every score."""
        if "batches" not in self._kept:
            stream = iter(self.problem.batches("valid", derive(self.seed, "batches", "score"), 0))
            first = next(stream)
            needed = math.ceil(self.n_scored / max(1, len(first[0]))) - 1
            self._kept["batches"] = [first, *itertools.islice(stream, needed)]
        return self._kept["batches"]

    def _best_scored(self, n: int) -> list[DNA]:
        if not self._scores:  # the budget ended before anything could be scored
            return list(self._candidates()[:n])
        order = sorted(range(len(self._scores)), key=lambda i: -self._scores[i])
        return [self._candidates()[i] for i in order[:n]]

    def _best_derived(self, n: int) -> list[DNA]:
        """The derived point, then the most probable ones among points drawn from the policy."""
        first = self.net.derive()
        others: dict[DNA, float] = {}
        rng = generator(self.seed, "proposals", self.training.step)
        for _ in range(16 * n if n > 1 else 0):
            dna = self.net.policy.sample(rng)
            if dna != first and dna not in others:
                others[dna] = float(self.net.policy.log_prob(dna).detach())
        return [first, *sorted(others, key=lambda dna: -others[dna])[: n - 1]]

    def _info(self, dna: DNA) -> dict[str, Any]:
        info: dict[str, Any] = {"log_prob": float(self.net.policy.log_prob(dna).detach())}
        if self._scores:
            scored = dict(zip(self._candidates(), self._scores, strict=False))
            info["shared_score"] = scored[dna]
        return info

    def _diagnose(self, dna: DNA) -> dict[str, Any]:
        """How well the pick does inside the supernet, and the supernet itself: their gap is what discretization costs."""
        info: dict[str, Any] = {"entropy": float(self.net.policy.entropy().detach()), "notes": dict(self.net.notes)}
        passes = 0.0
        info["shared_score"], passes = self._score(dna)
        if self.mixer.learns_arch:
            info["supernet_score"], more = self._score(None)
            passes += more
        return {**info, "cost": Cost(passes=passes).to_json()}


@dataclass
class _Meter:
    """What was spent: counted passes, and measured times."""

    cost: Cost = field(default_factory=Cost)

    def running(self) -> _Timer:
        """Measure the time of a block."""
        return _Timer(self)


class _Timer:
    def __init__(self, meter: _Meter) -> None:
        self.meter = meter

    def __enter__(self) -> None:
        self.started = time.perf_counter(), time.process_time()

    def __exit__(self, *exception: object) -> None:
        seconds, cpu_seconds = time.perf_counter() - self.started[0], time.process_time() - self.started[1]
        self.meter.cost += Cost(seconds=seconds, cpu_seconds=cpu_seconds)


class _Stream:
    """An endless stream of the batches of a split, epoch after epoch, that can be entered at any place."""

    def __init__(self, problem: Problem, split: str, seed: int) -> None:
        self.problem, self.split, self.seed = problem, split, seed
        self.n = problem.n_batches[split]
        self._iterator: Iterator[Any] | None = None
        self._next = -1

    def at(self, index: int) -> Any:
        """Batch number `index` of the stream."""
        epoch, position = divmod(index, self.n)
        if self._iterator is None or index != self._next or position == 0:
            self._iterator = iter(self.problem.batches(self.split, self.seed, epoch))
            for _ in range(position):
                next(self._iterator)
        self._next = index + 1
        return next(self._iterator)


def _difference(after: Cost, before: Cost) -> Cost:
    names = ("passes", "epochs", "seconds", "cpu_seconds")
    return Cost(**{name: getattr(after, name) - getattr(before, name) for name in names})
