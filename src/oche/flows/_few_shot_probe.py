"""The probe of a node: which of its choices is split, and into which groups.

A step is one batch for one choice, so that a checkpoint can fall between any two of them. All choices see the same batch in the same
context before the next one is read; then those drop out that are surely not the one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from oche.algorithms.one_shot import OneShot
from oche.algorithms.one_shot_streams import Heard, Stream
from oche.flows._few_shot import ALL, FewShot
from oche.flows._few_shot_node import SplitNode
from oche.flows._few_shot_points import random_groups
from oche.flows._matching import Score, similarity, survivors, training_mode
from oche.flows._partition import as_similarity
from oche.loop.contracts import Problem
from oche.seeds import derive, generator
from oche.supernets.drawn import Moment


class Probe:
    """Similarities of the choices of one node.

    Args:
        flow: The settings.
        node: The node.
        inner: Its search.
        problem: Losses and batches.
        level: Number of splits above.
        seed: Of the whole tree.
        batches: Most batches for a choice.
    """

    def __init__(self, flow: FewShot, node: SplitNode, inner: OneShot, problem: Problem, level: int, seed: int, batches: int) -> None:
        self.flow, self.node, self.inner, self.problem = flow, node, inner, problem
        self.level, self.seed, self.batches = level, seed, batches
        self.first = min(flow.first, batches)
        #: Choices that may still be the one, and those that are not.
        self.alive, self.out = self._choices(), list[Score]()
        self._stream = Stream(problem, "train", derive(inner.seed, "probe"))
        self._batch: tuple[int, Any] = (-1, None)
        self._taught: tuple[int, Any] = (-1, None)

    @property
    def passes(self) -> int:
        """Passes so far."""
        return sum(len(s.labels) * len(s.matrices) for s in (*self.alive, *self.out)) if self.flow.reads_gradients else 0

    def _choices(self) -> list[Score]:
        """Choices of the node that can be split, in the order of the space.

        Where candidates are opened stage by stage (Once-for-All), choices whose candidates are not drawn yet wait, if there are others.
        """
        flow, net, found = self.flow, self.inner.net, []
        groups, mixer = flow.splits[self.level][1], self.inner.mixer
        for key in dict.fromkeys(point.key for point in net.space.points):
            row = net.policy.rows.get(key)
            if row is None or row.kind != "one" or (key in self.node.split and not flow.resplit):
                continue
            # A row of a chain has a candidate for each state before it; what is split are its decisions.
            decisions = row.labels if row.link is None else row.link.decisions
            labels = tuple(dict.fromkeys(decisions[i] for i in row.allowed))
            apart = groups == ALL or flow.criterion == "exhaustive"
            if len(labels) >= 2 and (apart or len(labels) >= int(groups)):
                found.append(Score(key, labels, len(labels) if apart else int(groups)))
        drawn = [score for score in found if len(mixer.open_candidates(net.policy.rows[score.choice])) > 1]
        if isinstance(flow.choose, list):
            return [score for score in found if score.choice == flow.choose[self.level]]
        found = drawn or found
        if flow.choose == "random" and found:
            return [found[int(generator(self.seed, "choose", self.node.path).integers(len(found)))]]
        return found

    def step(self) -> tuple[int, bool]:
        """One batch for one choice: the passes that it took, and whether the probe is over."""
        if not self.alive or not (self.flow.reads_gradients or callable(self.flow.criterion)):
            return 0, True
        if callable(self.flow.criterion):
            score = next(s for s in self.alive if not s.matrices)
            score.add(as_similarity(self.flow.criterion(self.inner.net, score.choice)))
            return 0, score is self.alive[-1]
        number = len(self.alive[-1].matrices)
        score = next(s for s in self.alive if len(s.matrices) == number)
        inner = self.inner
        moment = inner.schedule.moment(inner.training.step, inner.cost)
        batch = self._batch_at(number)
        net, sketch, batched = inner.net, self.flow.sketch, self.flow.batched
        taught = replace(self.problem, loss=self._loss(batch, number, moment))
        score.add(similarity(net, taught, score.choice, score.labels, batch, number, inner.seed, moment, sketch, batched))
        return len(score.labels), score is self.alive[-1] and self._over()

    def _loss(self, batch: Any, number: int, moment: Moment) -> Callable[[Any, Any], Tensor]:
        """The loss by which paths are trained: where they learn from a teacher, with its output on the batch."""
        inner, plain = self.inner, self.problem.loss
        if inner.mixer.teacher is None or (inner.mixer.teacher == "fixed" and not inner.teacher):
            return plain
        if self._taught[0] != number:
            with training_mode(inner.net):
                self._taught = number, inner.lesson(number, batch, moment)
        taught = self._taught[1]

        def loss(model: Any, batch: Any) -> Tensor:
            heard = Heard(model)
            return inner.mixer.path_loss(plain(heard, batch), heard.output, taught)

        return loss

    def _over(self) -> bool:
        """Let choices drop out after a batch for all of them; whether no more batches are needed."""
        if len(self.alive[0].matrices) < self.first:
            return False
        left = survivors(self.alive, self.first, self.flow.tolerance)
        self.out += [score for score in self.alive if score not in left]
        self.alive = left
        return len(left) == 1 or len(left[0].matrices) >= self.batches

    def _batch_at(self, number: int) -> Any:
        if self._batch[0] != number:
            self._batch = number, self._stream.at(number)
        return self._batch[1]

    def found(self) -> dict[str, Any]:
        """What it says: choice, groups, cut, and what is known of every choice; nothing where no choice can be split."""
        if not self.alive:
            return {}
        score = min(self.alive, key=lambda s: s.cut) if self.alive[0].matrices else self.alive[0]
        if self.flow.criterion == "random":
            parts = random_groups(len(score.labels), score.groups, generator(self.seed, "groups", self.node.path))
        else:
            parts = score.parts if score.matrices else [[i] for i in range(len(score.labels))]
        found: dict[str, Any] = {"choice": score.choice, "groups": [[score.labels[i] for i in part] for part in parts]}
        if score.matrices:
            every = [*self.alive, *self.out]
            found |= {
                "cut": score.cut,
                "labels": list(score.labels),
                "similarity": score.similarity.tolist(),
                "batches": {s.choice: len(s.matrices) for s in every},
                "cuts": {s.choice: [s.cut, s.error if math.isfinite(s.error) else None] for s in every},
            }
        return found

    def state(self) -> dict[str, Any]:
        """For checkpoints."""
        return {"alive": [score.state() for score in self.alive], "out": [score.state() for score in self.out]}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        self.alive, self.out = ([Score.load(score) for score in state[name]] for name in ("alive", "out"))
