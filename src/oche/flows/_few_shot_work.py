"""The work of one node: a search of its own, which depends on the node and on nothing that is done beside it.

    train    the node to the epoch of its split (a last node: to its end)
    probe    similarities of its choices, batch by batch
    select   a last node proposes, and its pick is scored

Every random choice derives from (seed, path of the node), so it does not matter where or after how many interruptions a node is worked on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from oche.algorithms.one_shot import OneShot
from oche.algorithms.one_shot_streams import Meter, difference
from oche.algorithms.staged import Staged
from oche.errors import ArgumentError
from oche.flows._few_shot import FewShot
from oche.flows._few_shot_inherit import inherit
from oche.flows._few_shot_leaves import RECALIBRATED, Oracle, rating, scored
from oche.flows._few_shot_node import SplitNode
from oche.flows._few_shot_probe import Probe
from oche.flows._few_shot_schedule import Timetable
from oche.loop.contracts import Budget, Cost, Problem, Progress
from oche.program import Space
from oche.seeds import derive
from oche.supernets.network import Supernet


class NodeSearch:
    """One node, as a search with a result.

    Args:
        flow: The settings.
        make: Makes the algorithm.
        node: The node.
        level: Number of splits above it.
    """

    def __init__(self, flow: FewShot, make: Callable[[], Any], node: SplitNode, level: int) -> None:
        self.flow, self.make, self.node, self.level = flow, make, node, level

    def setup(self, space: Space, problem: Problem, seed: int, budget: Budget | None = None) -> None:
        """Start anew; `space`, `seed` and `budget` are those of the whole search."""
        self.space, self.problem, self.seed, self.budget = space, problem, seed, budget
        self.times = Timetable(self.flow, plan_of(self.make()), space, problem.n_batches.get("train", 0), budget)
        self.inner = self._made(self.node, self.level)
        chained = next((key for key, row in self.one.net.policy.rows.items() if row.link is not None), None)
        if chained is not None and self.flow.reads_gradients:
            raise ArgumentError(
                f"flow few-shot, criterion: got {self.flow.criterion!r}, choose {self.flow.choose!r} on space {space.name!r}, where a "
                f"candidate of {chained!r} also needs what was decided before it; allowed there: criterion 'random' or 'exhaustive' with "
                "choose 'random' or names, which read no gradients of single candidates"
            )
        #: What the node found out: its split, or its pick. Empty until it is through.
        self.result: dict[str, Any] = {}
        self.phase = "train"
        self._meter, self._epochs = Meter(), 0.0
        #: Steps of this node.
        self.step = 0
        self._before = self.inner.cost
        self._probe: Probe | None = None

    def inherit(self, state: Mapping[str, Any]) -> None:
        """Go on where the parent stood at its end, after `setup`.

        Args:
            state: Of the parent.
        """
        parent = self._made(SplitNode(**state["node"]), self.level - 1)
        parent.load(state["inner"])
        inherit(parent, self.inner, self.node.allowed)
        self._before = self.inner.cost

    def _made(self, node: SplitNode, level: int) -> OneShot | Staged:
        made = self.make()
        limit = self.times.prepare(made, level)
        made.setup(
            node.part_of(self.space), self.problem, self.seed if node.path == "root" else derive(self.seed, "node", node.path), limit
        )
        return made

    @property
    def last(self) -> bool:
        """Whether no split follows."""
        return self.level == len(self.flow.splits)

    @property
    def one(self) -> OneShot:
        """The search that trains at present: of the present stage."""
        return self.inner.inner if isinstance(self.inner, Staged) else self.inner

    @property
    def network(self) -> Supernet:
        """The shared network of the node."""
        return self.one.net

    @property
    def trained(self) -> int:
        """Steps of training behind the weights, those of the nodes above included."""
        return round(self.inner.cost.epochs * self.times.n_train)

    @property
    def done(self) -> bool:
        """Whether the node is through."""
        return self.phase == "done"

    @property
    def cost(self) -> Cost:
        """What the node has spent; epochs are those of its training and, by their passes, of probing."""
        own = difference(self.inner.cost, self._before)
        return self._meter.cost + replace(own, epochs=own.epochs + self._epochs)

    def advance(self, steps: int) -> Progress:
        """Do at most `steps` more steps: a batch of training, a batch of a probe for one choice, or the pick; see `WeightSharing`."""
        before, left, metrics = self.cost, steps, {}
        while left > 0 and not self.done:
            if self.phase == "train":
                taken, metrics = self._train(left)
                left -= taken
                continue
            with self._meter.running():
                (self._probed if self.phase == "probe" else self._select)()
            left -= 1
            self.step += 1
        return Progress(self.step, self._total, self.done, difference(self.cost, before), metrics, self.node.path)

    @property
    def _total(self) -> int:
        if self.done:
            return self.step
        return max(self.step + 1, (self.times.final if self.last else self.times.until(self.level) - self.node.start) + 1)

    def _train(self, left: int) -> tuple[int, Mapping[str, float]]:
        before = self.inner.step
        if self.last:
            progress = self.inner.advance(left)
            over = progress.done
        else:
            until = self.times.until(self.level)
            progress = self.inner.advance(min(left, until - self.trained))
            over = self.trained >= until or progress.done
        taken = self.inner.step - before
        self.step += taken
        if over and self.last:
            # Without splits there is nothing to choose, and this is the plain search.
            self.phase = "select" if self.flow.splits else "done"
        elif over:
            self.start_probe()
        return taken, progress.metrics

    # -- probing --------------------------------------------------------------------------------------------------------------

    def start_probe(self) -> Probe:
        """Begin to ask which choice is split."""
        self.phase = "probe"
        self._probe = Probe(self.flow, self.node, self.one, self.problem, self.level, self.seed, self.times.batches)
        return self._probe

    def _probed(self) -> None:
        """One batch for one choice; then, perhaps, the end of the node."""
        assert self._probe is not None
        passes, over = self._probe.step()
        self._spend(passes, epochs=passes / self.times.n_train)
        if not over:
            return
        found = {**self._probe.found(), **self._spent()}
        if self.flow.prune is not None and self.level:
            found["rating"], passes = rating(self.one, self.problem, self.seed, self.node.path)
            self._spend(passes)
        self._end(found)

    def _spent(self) -> dict[str, Any]:
        """Epochs that the node was trained, and passes of its probe."""
        return {
            "epochs": difference(self.inner.cost, self._before).epochs,
            "probe_passes": self._probe.passes if self._probe is not None else 0,
        }

    def _spend(self, passes: float, epochs: float = 0.0) -> None:
        self._meter.cost += Cost(passes=passes)
        self._epochs += epochs

    def _end(self, found: dict[str, Any]) -> None:
        self.result, self.phase, self._probe = found, "done", None

    # -- the pick of a last node ----------------------------------------------------------------------------------------------

    def _select(self) -> None:
        """The pick of a last node and what it is worth."""
        proposal = self.inner.propose(1)[0]
        info = dict(proposal.info)
        self._spend(Cost.from_json(info.pop("cost", {})).passes)
        info.pop("in_hand", None)  # counted from the start of this node
        inner, dna, rate = self.one, proposal.dna, self.flow.select
        decisions = self.inner.space.decisions(dna)
        if self.flow.benchmark is not None:
            score = Oracle(self.flow.benchmark, self.space).value({**inner.space.fixed, **decisions})
        elif not isinstance(rate, str):
            score = float(rate(inner.net, dna))
        else:
            score, passes = scored(inner, self.problem, dna, self.seed, min(RECALIBRATED, self.times.n_train))
            self._spend(passes)
        pick = {k: list(v) if isinstance(v, tuple) else v for k, v in decisions.items()}
        self._end({"pick": pick, "score": score, "size": int(self.inner.space.size), "info": info, **self._spent()})

    # -- state ----------------------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Where the node stands; see `WeightSharing.state`. A node that inherits reads the end state of its parent."""
        return {
            "node": asdict(self.node),
            "phase": self.phase,
            "passes": self._meter.cost.passes,
            "epochs": self._epochs,
            "step": self.step,
            "before": replace(self._before, seconds=0.0, cpu_seconds=0.0).to_json(),
            "probe": self._probe.state() if self._probe is not None else None,
            "result": dict(self.result),
            "inner": self.inner.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, after `setup`."""
        self.phase, self.step, self._epochs = state["phase"], int(state["step"]), float(state["epochs"])
        self._meter.cost, self._before = Cost(passes=state["passes"]), Cost.from_json(state["before"])
        self.result = dict(state["result"])
        self.inner.load(state["inner"])
        if state["probe"] is not None:
            self.start_probe().load(state["probe"])


def plan_of(algorithm: OneShot | Staged) -> Any:
    """The plan whose epochs are those of the whole algorithm."""
    if isinstance(algorithm, OneShot):
        return algorithm.plan
    plans = [stage.make().plan for stage in algorithm.stages]
    return replace(plans[-1], epochs=sum(plan.epochs for plan in plans))
