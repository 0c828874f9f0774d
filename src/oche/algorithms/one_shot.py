"""One search with shared weights: mixer x scheme x plan, over any space.

The supernet is trained by the scheme on `train` and `valid` batches as the plan says. At the end either the logits say which point they
stand for (`derive`), or many random points are scored with the shared weights on the same validation data and the best one wins
(`score`). Published methods are settings of this class, see `oche.algorithms.weight_sharing`.

Everything random is a function of (seed, step): a search that is continued from a checkpoint takes the very steps of one that was not
interrupted, bit for bit on the CPU.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from oche import ranks, schemes, weightings
from oche.algorithms.guards._guard import Watched, guards_of
from oche.algorithms.one_shot_cost import CostObjective
from oche.algorithms.one_shot_pairs import check_pair
from oche.algorithms.one_shot_picks import Points, check_picks, likely
from oche.algorithms.one_shot_plan import Plan, Schedule
from oche.algorithms.one_shot_scores import Scorer
from oche.algorithms.one_shot_smoothing import perturbed
from oche.algorithms.one_shot_streams import Heard, Meter, Stream, difference
from oche.algorithms.one_shot_watch import EpochWatch, logits_entropy
from oche.errors import ArgumentError
from oche.loop.contracts import Budget, Cost, Problem, Progress, Proposal
from oche.program import DNA, Space
from oche.schemes.base import Scheme, SchemeState
from oche.schemes.first_order import FirstOrder
from oche.schemes.problem import BilevelProblem
from oche.schemes.rules import set_lr
from oche.seeds import building, derive, generator, torch_generator
from oche.supernets.drawn import Drawn, Moment
from oche.supernets.mixer import Mixer
from oche.supernets.network import Functional, Supernet


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
        points: Where scored points come from, see `oche.algorithms.one_shot_picks`.
        n_recalibrated: Training batches from which batch-norm statistics are computed anew for each point that is scored; 0: a score uses
            the statistics of its own batches.
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
        points: str = "random",
        n_recalibrated: int = 0,
    ) -> None:
        check_picks(mixer, pick, points)
        check_pair(mixer, scheme, weighting)
        for what, value, low in (("n_candidates", n_candidates, 1), ("n_scored", n_scored, 1), ("n_recalibrated", n_recalibrated, 0)):
            if not isinstance(value, int) or isinstance(value, bool) or value < low:
                raise ArgumentError(f"{what}: got {value!r}; allowed: a whole number from {low}")
        self.mixer = mixer
        self.scheme = FirstOrder() if scheme is None else scheme
        self.plan = Plan() if plan is None else plan
        self.weighting = weighting
        self.pick = pick
        self.n_candidates = n_candidates
        self.n_scored = n_scored
        self.batch_norm = batch_norm
        self.points = points
        self.n_recalibrated = n_recalibrated

    def exchanged(self, scheme: Any = None, weighting: Any = None) -> OneShot:
        """A search with the same settings but another scheme or weighting.

        Args:
            scheme: A scheme or its text; None keeps the present one.
            weighting: A weighting or its text; None keeps the present one.

        Raises:
            ArgumentError: the parts do not go together.
        """
        scheme = schemes.registry.get(scheme) if isinstance(scheme, str) else scheme
        weighting = weightings.registry.get(weighting) if isinstance(weighting, str) else weighting
        changed = copy.copy(self)
        changed.scheme, changed.weighting = scheme or self.scheme, weighting or self.weighting
        check_pair(changed.mixer, changed.scheme, changed.weighting)
        return changed

    # -- life ---------------------------------------------------------------------------------------------------------------

    def setup(self, space: Space, problem: Problem, seed: int, budget: Budget | None = None) -> None:
        """Build the supernet and the optimizers; see `WeightSharing.setup`."""
        self.watch = EpochWatch(problem)
        problem = self.watch.problem
        self.space, self.problem, self.seed = space, problem, seed
        if problem.n_batches.get("valid", 0) < 1:
            two = f", since {type(self.scheme).__name__} needs two disjoint splits, one for each copy of the weights"
            why = two if self.scheme.copies == 2 else ""
            raise ArgumentError(f"valid split: got no batches; allowed: at least one{why}; use more data, or a larger share for valid")
        self.schedule = Schedule(self.plan, budget, problem.n_batches.get("train", 0))
        self.net = Supernet(space, self.mixer, self.weighting, derive(seed, "supernet"), self.batch_norm).to(problem.device)
        self.bilevel = BilevelProblem(
            train_loss=self._train_loss,
            valid_loss=self._valid_loss,
            weights=self.net.named_weights(),
            arch=self.net.named_arch() if self.mixer.learns_arch else {},
            accept=self._accept,
            settle=self._settle,
        )
        self.training: SchemeState = self.scheme.init(self.bilevel, self.plan.weight_rule, self.plan.arch_rule)
        self.meter = Meter()
        self._train = Stream(problem, "train", derive(seed, "batches", "train"))
        # A second copy of the weights is trained on validation data: then scores need data that neither copy has seen.
        apart = self.scheme.copies == 2 and {"valid-fit", "valid-select"} <= set(problem.parts)
        self._splits = ("valid-fit", "valid-select") if apart else ("valid", "valid")
        self._valid = Stream(problem, self._splits[0], derive(seed, "batches", "valid"))
        self.scorer = Scorer(self.net, problem, seed, self.n_scored, self.n_recalibrated, self._splits[1])
        self._scores: list[float] = []
        self._metrics: dict[str, float] = {}
        self._in_hand: list[dict[str, Any]] = []
        self._ended = False
        self._model: Functional | None = None
        #: Weights of a network that was trained before, for mixers that learn from one.
        self.teacher: dict[str, Tensor] = {}
        self._guards = guards_of(self.plan.guards)
        self._cost = CostObjective(self.plan.cost, space, self.mixer)
        self.training.keep_gradients = any(guard.needs_gradients for guard in self._guards)
        self._passes = 0.0
        self._update = 0
        self._moment = Moment()
        self._arch_drawn: Drawn | None = None
        self._kept: dict[str, Any] = {}

    @property
    def network(self) -> Supernet:
        """The shared network, after `setup`."""
        return self.net

    def splits(self) -> dict[str, str]:
        """Which data each group of the search saw, and where its scores are taken."""
        arch, select = self._splits
        second = f", {arch} (second copy)" if self.scheme.copies == 2 else ""
        if second and arch == select:  # a problem that does not part its validation data
            select += ", on which the second copy was trained"
        both = f"train and {arch}" if self.scheme.arch_descends_train else arch
        return {"weights": f"train{second}", "arch": both if self.mixer.learns_arch else "none", "scores": select}

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
            if self._in_training():
                with self.meter.running():
                    self._train_step()
                last = not self._in_training()  # once the step is paid for
                with self.meter.running():
                    self._say(last)
            else:
                with self.meter.running():
                    self._score_step()
            if self.schedule.measured:
                self.meter.cost = ranks.first(self.meter.cost)
        self.net.eval()
        # Running statistics are those of each rank's share; from here on, as from the state, all go on with their mean.
        ranks.average([buffer for buffer in self.net.buffers() if buffer.is_floating_point()])
        spent = difference(self.cost, before)
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
            # Where a second copy of the weights learns from validation data, the record says what was kept for the scores.
            splits = {"splits": self.splits()} if self.scheme.copies == 2 else {}
            proposals[0] = replace(proposals[0], info={**proposals[0].info, **self._diagnose(proposals[0].dna), **splits})
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
        self._moment = self.schedule.moment(self.training.step, self.cost)
        with self.net.fixed(fixed):
            for batch in self.problem.batches("train", derive(self.seed, "gradients"), 0):
                with building(derive(self.seed, "gradients", count)):
                    loss = self._loss("weights", count, weights, self._frozen_arch(), batch, self.watch.plain)
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
            "in_hand": [dict(entry) for entry in self._in_hand],
            "metrics": dict(self._metrics),
            "ended": self._ended,
            "costs": dict(self._cost.table),
            "guards": [guard.state() for guard in self._guards],
            "teacher": {name: tensor.detach().clone() for name, tensor in self.teacher.items()},
            "watch": self.watch.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, after `setup`."""
        self.training.load_state_dict(state["training"])
        buffers = dict(self.net.named_buffers())
        for name, value in state["buffers"].items():
            buffers[name].copy_(value)
        self.meter.cost = Cost.from_json(state["cost"])
        self._scores = [float(score) for score in state["scores"]]
        self._in_hand = [dict(entry) for entry in state.get("in_hand", [])]
        self._metrics = dict(state["metrics"])
        self._ended = bool(state["ended"])
        self.watch.load(state["watch"])
        self.teacher = dict(state["teacher"])
        self._cost.table = dict(state["costs"])
        self._cost.expected = self._metrics.get("expected_cost")
        for guard, saved in zip(self._guards, state["guards"], strict=True):
            guard.load(saved)

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
        updates = self.schedule.arch_updates(step, self.cost) if self.mixer.learns_arch else 0
        lr = self.schedule.lr(step, self.cost)
        self._moment = self.schedule.moment(step, self.cost)
        set_lr(state.weight_optimizer, lr)
        train_batch = self._train.at(step)
        # A second copy of the weights is trained on the validation split in warm-up too.
        valid_batch = self._valid.at(step) if (moves and self.scheme.needs_valid) or self.scheme.copies == 2 else None
        self.net.train()
        self._passes, self._update = 0.0, 0
        with building(derive(self.seed, "step", step)):
            record = self.scheme.step(state, train_batch, valid_batch, update_arch=moves)
        stop = self._watch(step)
        valid_loss = record.valid_loss
        if updates:
            valid_loss = self._arch_phase(step, updates, train_batch)
        self.meter.cost += Cost(passes=self._passes)
        self._metrics = {"train_loss": record.train_loss, "lr": lr}
        if valid_loss is not None:
            self._metrics["valid_loss"] = valid_loss
        if self._cost.expected is not None:
            self._metrics["expected_cost"] = self._cost.expected
        for guard in self._guards:
            self._metrics.update(guard.metrics())
        self._ended = self._ended or (ranks.first(stop) if self._guards else stop)

    def _say(self, last: bool) -> None:
        """Note an epoch, or what there is of it at the end."""
        guarded = {name: value for guard in self._guards for name, value in guard.metrics().items()}
        plan, step = self.schedule, self.training.step
        self.watch.step(self.net, step, plan.n_train, plan.epochs, self.mixer.learns_arch, guarded, last)
        if self.pick == "derive" and (last or not step % plan.n_train):
            self._hold()

    def _hold(self) -> None:
        """Note the point that the logits stand for, if it is another one than before."""
        dna = list(self.net.derive().flat)
        if not self._in_hand or self._in_hand[-1]["dna"] != dna:
            self._in_hand.append({"passes": self.meter.cost.passes, "dna": dna})

    def _watch(self, step: int) -> bool:
        """Let the guards look at a step; whether one of them ends the training."""
        stop, ends = False, (step + 1) % self.schedule.n_train == 0
        for guard in self._guards:
            if not (guard.every_step or ends):
                continue
            moves = self.mixer.learns_arch and self.schedule.share(step, self.cost) >= self.schedule.warmup - 1e-9
            watched = Watched(self.net, self.watch.plain, self.training, None, derive(self.seed, "guard"), moves)
            with building(derive(self.seed, "guard", step)):
                if guard.every_step:
                    watched.valid_batch = self._valid.at(step)
                    self._passes += guard.after_step(watched)
                if ends:
                    watched.valid_batch = self.scorer.batches[0]
                    ended, passes = guard.after_epoch(watched)
                    stop, self._passes = stop or ended, self._passes + passes
        return stop

    def _arch_phase(self, step: int, updates: int, train_batch: Any) -> float:
        """Arch steps after an epoch of the weights; the mean of what they lowered."""
        epoch, losses = step // self.schedule.n_train, []
        for number in range(updates):
            self._update = 1 + number
            valid_batch = self._valid.at(epoch * updates + number) if self.scheme.needs_valid else None
            with building(derive(self.seed, "arch", step, number)):
                losses.append(self.scheme.arch_step(self.training, train_batch, valid_batch)[0])
        return sum(losses) / len(losses)

    def _train_loss(self, weights: Mapping[str, Tensor], arch: Mapping[str, Tensor], batch: Any = None) -> Tensor:
        # Asked for arch alone (second order, mixed level, RARTS), it is a loss of the arch phase, whose gates carry gradients.
        alone = any(row.requires_grad for row in arch.values()) and not any(weight.requires_grad for weight in weights.values())
        return self._loss("arch" if alone else "weights", self.training.step, weights, arch or self._frozen_arch(), batch)

    def _loss(
        self,
        phase: str,
        step: int,
        weights: Mapping[str, Tensor],
        arch: Mapping[str, Tensor],
        batch: Any,
        problem: Problem | None = None,
    ) -> Tensor:
        losses: list[Tensor] = []
        lesson = self._lesson(step, arch, batch) if self.mixer.teacher == "fixed" else None
        for path in range(self.mixer.paths(self.net.policy)):
            self._model = self.net.functional(weights, arch)
            heard = Heard(self._model)
            moved = self._moved(step, path, weights, arch, batch)
            with self.net.at(step, phase, path, self._moment, moved):
                loss = (problem or self.problem).loss(heard, batch)
            losses.append(loss if lesson is None else self.mixer.path_loss(loss, heard.output, lesson))
            if self.mixer.teacher == "first" and path == 0:
                lesson = heard.output.detach()
        self._passes += len(losses)
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def _moved(
        self, step: int, path: int, weights: Mapping[str, Tensor], arch: Mapping[str, Tensor], batch: Any
    ) -> dict[str, Tensor] | None:
        """Multipliers of a weight step where the weighting perturbs them."""
        if not hasattr(self.weighting, "perturb"):
            return None
        self._passes += self.weighting.passes
        generator, clock = torch_generator(self.seed, "perturb", step, path), (step, path, self._moment)
        return perturbed(self.net, self.weighting, lambda model: self.watch.plain.loss(model, batch), weights, arch, clock, generator)

    def _lesson(self, step: int, arch: Mapping[str, Tensor], batch: Any) -> Tensor | None:
        """What the largest path gives with the weights of a network that was trained before; None without one."""
        if not self.teacher:
            return None
        self._passes += 1 / 3
        return self._largest(self.teacher, step, arch, batch, self._moment)

    def _largest(self, weights: Mapping[str, Tensor], step: int, arch: Mapping[str, Tensor], batch: Any, moment: Moment) -> Tensor:
        """Output of the largest path with some weights, without a graph."""
        heard = Heard(self.net.functional(weights, arch))
        with torch.no_grad(), self.net.at(step, "weights", 0, moment), self.net.fixed(self.mixer.largest(self.net.policy)):
            self.watch.plain.loss(heard, batch)
        return heard.output

    def lesson(self, step: int, batch: Any, moment: Moment) -> Tensor:
        """What paths learn from beside the labels, if their mixer has a teacher: the output of the largest path, with its own weights.

        Args:
            step: Of the draw.
            batch: Inputs and targets.
            moment: How far the search is.
        """
        weights = self.teacher or {name: weight.detach() for name, weight in self.net.named_weights().items()}
        return self._largest(weights, step, self._frozen_arch(), batch, moment)

    def _valid_loss(self, weights: Mapping[str, Tensor], arch: Mapping[str, Tensor], batch: Any = None) -> Tensor:
        n = self.mixer.paths_per_arch_step
        objectives = []
        for path in range(n):
            model = self.net.functional(weights, arch)
            with self.net.at(self.training.step, "arch", self._update * n + path, self._moment):
                objectives.append(
                    self.mixer.arch_objective(
                        lambda model=model: self.problem.loss(model, batch),
                        lambda model=model: self._evaluated(model, batch),
                        self.net.policy,
                        lambda: self.net.drawn,
                    )
                )
        self._passes += n * self.mixer.arch_passes
        self._arch_drawn = self.net.drawn
        objective = objectives[0] if n == 1 else torch.stack(objectives).mean()
        return objective if self._cost.term is None else self._cost.added(objective, self.net.policy, tuple(batch[0].shape[1:]))

    def _evaluated(self, model: Functional, batch: Any) -> Any:
        """The score of a batch in evaluation mode."""
        self.net.eval()
        try:
            return ranks.total(*self.problem.score(model, batch))
        finally:
            self.net.train()

    def _settle(self, before: Mapping[str, Tensor]) -> None:
        self.mixer.settle(self.net.policy, self._arch_drawn, before)

    def _accept(self) -> None:
        if self._model is not None:
            self._model.accept()
            self._model = None

    def _frozen_arch(self) -> dict[str, Tensor]:
        return {key: logits.detach() for key, logits in self.net.named_arch().items()}

    # -- scores -------------------------------------------------------------------------------------------------------------

    def _candidates(self) -> Points:
        """The points that are scored, in order."""
        if "candidates" not in self._kept:
            self._kept["candidates"] = Points(self.points, self.n_candidates, self.space, self.net.policy, self.seed)
        return self._kept["candidates"]

    def _score_step(self) -> None:
        points = self._candidates()
        dna, known = points.after(self._scores), points.scored(self._scores)
        score, passes = (known[dna], 0.0) if dna in known else self._score(dna)
        self._scores.append(score)
        self.meter.cost += Cost(passes=passes)
        self._metrics = {**self._metrics, "best_score": max(self._scores)}

    def _score(self, dna: DNA | None) -> tuple[float, float]:
        return self.scorer.score(dna, self.training.step, self.schedule.moment(self.training.step, self.cost))

    def _best_scored(self, n: int) -> list[DNA]:
        if not self._scores:  # the budget ended before anything could be scored
            first = self._candidates().after([])
            return [first]
        scored = self._candidates().scored(self._scores)
        return sorted(scored, key=lambda dna: -scored[dna])[:n]  # sorted() is stable: of equal ones the first

    def _best_derived(self, n: int) -> list[DNA]:
        """The derived point, then the most probable ones among points drawn from the policy."""
        kept = [point for guard in self._guards if (point := guard.point()) is not None]
        first = kept[0] if kept else self.net.derive()
        return [first, *likely(self.net.policy, first, n - 1, generator(self.seed, "proposals", self.training.step))]

    def _info(self, dna: DNA) -> dict[str, Any]:
        info: dict[str, Any] = {"log_prob": float(self.net.policy.log_prob(dna).detach())}
        if self._scores:
            info["shared_score"] = self._candidates().scored(self._scores)[dna]
        return info

    def _diagnose(self, dna: DNA) -> dict[str, Any]:
        """How well the pick does inside the supernet, and the supernet itself: their gap is what discretization costs."""
        info: dict[str, Any] = {"entropy": float(self.net.policy.entropy().detach()), "notes": dict(self.net.notes)}
        info["curves"] = self.watch.trace.curves()
        if self._scores:
            info["in_hand"] = self._candidates().incumbents(self._scores, self.meter.cost.passes, self.scorer.passes)
        elif self._in_hand:
            info["in_hand"] = [dict(entry) for entry in self._in_hand]
        passes = 0.0
        info["shared_score"], passes = self._score(dna)
        if self.mixer.learns_arch:
            undecided = logits_entropy(self.net)
            info |= {"logits_entropy": undecided} if undecided is not None else {}
            info["supernet_score"], more = self._score(None)
            passes += more
        return {**info, "cost": Cost(passes=passes).to_json()}
