"""The tree of a few-shot search over supernets, one node at a time.

    train    the node to the epoch of the next split (a last node: to its end)
    probe    similarities of its choices, batch by batch
    select   a last node proposes, and its pick is scored

A level is split when all its nodes are through. Every random choice of a node derives from (seed, path of the node), so the tree is the
same after any interruption.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch

from oche.algorithms.one_shot import OneShot
from oche.algorithms.one_shot_streams import Meter, Stream, difference
from oche.errors import ArgumentError, unknown
from oche.flows._few_shot import ALL, FewShot
from oche.flows._few_shot_points import random_groups
from oche.flows._few_shot_schedule import Timetable
from oche.flows._matching import Score, similarity, survivors
from oche.flows._partition import as_similarity
from oche.loop.contracts import Budget, Cost, Problem, Progress, Proposal
from oche.program import DNA, Space
from oche.seeds import building, derive, generator
from oche.supernets.network import Supernet

#: Batches before the first choice is rejected.
FIRST = 8
#: Training batches for the statistics of a pick.
RECALIBRATED = 10
#: Random points that rate a node, of which the best quarter counts.
RATED = 16


@dataclass
class SplitNode:
    """A node of the tree.

    Args:
        path: From the root, `root/KEY{labels}/...`.
        allowed: Labels that stay, by key; other choices are whole.
        split: Choices that were split above.
        start: Steps that its weights had when they were inherited.
        parent: Path of the node from which it inherits; empty if it starts anew.
        found: What the probe said: choice, groups of labels, cut, its error, batches of each choice; of a last node its pick.
    """

    path: str
    allowed: dict[str, list[str]] = field(default_factory=dict)
    split: list[str] = field(default_factory=list)
    start: int = 0
    parent: str = ""
    found: dict[str, Any] = field(default_factory=dict)


class FewShotSearch:
    """A weight-sharing search made of others.

    Args:
        flow: The settings.
        make: Makes the search of a node.

    Raises:
        ArgumentError: the algorithm does not train one supernet.
    """

    def __init__(self, flow: FewShot, make: Callable[[], Any]) -> None:
        if not isinstance(make(), OneShot):
            raise ArgumentError(
                f"flow few-shot: got {type(make()).__name__}, whose supernet changes while it is trained; allowed: algorithms with one "
                "supernet, for example 'darts', 'darts-2nd', 'snas', 'rsps'"
            )
        self.flow, self.make = flow, make

    def setup(self, space: Space, problem: Problem, seed: int, budget: Budget | None = None) -> None:
        """Start with the whole space; see `WeightSharing.setup`."""
        self.space, self.problem, self.seed, self.budget = space, problem, seed, budget
        self.times = Timetable(self.flow, self.make().plan, space, problem.n_batches.get("train", 0), budget)
        if isinstance(self.flow.choose, list):
            for key in self.flow.choose:
                if key not in space.keys:
                    raise unknown("choice", key, space.keys)
        self.level, self.index, self.phase = 0, 0, "train"
        self.nodes = [SplitNode("root")]
        #: Every node that is through, by path.
        self.tree: dict[str, dict[str, Any]] = {}
        self._kept: dict[str, Any] = {}
        self._parents: dict[str, Any] = {}
        self._meter, self._steps, self._epochs = Meter(), 0, 0.0
        self._alive: list[Score] = []
        self._out: list[Score] = []
        self._open()

    # -- the node at hand -----------------------------------------------------------------------------------------------------

    @property
    def node(self) -> SplitNode:
        """The node that is worked on."""
        return self.nodes[self.index]

    @property
    def last(self) -> bool:
        """Whether no split follows."""
        return self.level == len(self.flow.splits)

    @property
    def network(self) -> Supernet:
        """The shared network of the present node."""
        return self.inner.net

    @property
    def leaves(self) -> list[dict[str, Any]]:
        """Path, pick and score of every last node that is through."""
        return [{"path": path, **found} for path, found in self.tree.items() if "pick" in found]

    def _made(self, node: SplitNode, level: int) -> OneShot:
        made = self.make()
        made.plan, limit = self.times.plan_of(made.plan, level)
        space = self.space.restrict(node.allowed) if node.allowed else self.space
        made.setup(space, self.problem, self.seed if node.path == "root" else derive(self.seed, "node", node.path), limit)
        return made

    def _open(self) -> None:
        node = self.node
        self.inner = self._made(node, self.level)
        if node.parent:
            parent = self._made(SplitNode(**self._parents[node.parent]["node"]), self.level - 1)
            parent.load(self._parents[node.parent]["state"])
            inherit(parent, self.inner, node.allowed)

    @property
    def cost(self) -> Cost:
        """All that was spent so far; epochs are those of all supernets and, by their passes, of probing."""
        inner = self.inner.cost
        return self._meter.cost + replace(inner, epochs=self._epochs + (self.inner.training.step - self.node.start) / self.times.n_train)

    def advance(self, steps: int) -> Progress:
        """Do at most `steps` more steps, over the ends of nodes; a batch of a probe, and a pick, is a step. See `WeightSharing.advance`."""
        before, left, metrics = self.cost, steps, {}
        while left > 0 and self.phase != "done":
            if self.phase == "train":
                taken, metrics = self._train(left)
                left -= taken
                continue
            with self._meter.running():
                (self._probe if self.phase == "probe" else self._select)()
            left -= 1
            self._steps += 1
        done = self.phase == "done"
        step = self._steps
        total = step if done else max(step + 1, self.times.steps)
        note = f"{len(self.leaves) if self.last else 0} of {len(self.nodes)} leaves" if self.last else f"level {self.level}"
        where = {"level": float(self.level), "node": float(self.index), "nodes": float(len(self.nodes))}
        return Progress(step, total, done, difference(self.cost, before), {**metrics, **where}, f"{self.node.path} · {note}")

    def _train(self, left: int) -> tuple[int, Mapping[str, float]]:
        before = self.inner.step
        if self.last:
            progress = self.inner.advance(left)
            over = progress.done
        else:
            until = self.times.until(self.level)
            progress = self.inner.advance(min(left, until - before))
            over = self.inner.step >= until or progress.done
        taken = self.inner.step - before
        self._steps += taken
        if over and self.last:
            # One last node needs no choice, and is the plain search.
            self.phase = "done" if len(self.nodes) == 1 and not self.tree else "select"
        elif over:
            self._start_probe()
        return taken, progress.metrics

    # -- probing --------------------------------------------------------------------------------------------------------------

    def _choices(self) -> list[Score]:
        """Choices of the node that can be split, in the order of the space."""
        groups, net, found = self.flow.splits[self.level][1], self.inner.net, []
        for key in dict.fromkeys(point.key for point in net.space.points):
            row = net.policy.rows.get(key)
            if row is None or row.kind != "one" or (key in self.node.split and not self.flow.resplit):
                continue
            labels = tuple(row.labels[i] for i in row.allowed)
            apart = groups == ALL or self.flow.criterion == "exhaustive"
            if len(labels) >= 2 and (apart or len(labels) >= int(groups)):
                found.append(Score(key, labels, len(labels) if apart else int(groups)))
        if isinstance(self.flow.choose, list):
            return [score for score in found if score.choice == self.flow.choose[self.level]]
        if self.flow.choose == "random" and found:
            return [found[int(generator(self.seed, "choose", self.node.path).integers(len(found)))]]
        return found

    def _start_probe(self) -> None:
        self.phase, self._alive, self._out = "probe", self._choices(), []

    def _probe(self) -> None:
        """One batch for every choice that may still be the one; then, perhaps, the end of the node."""
        reads = self.flow.criterion == "gm" or (self.flow.choose == "gm" and not callable(self.flow.criterion))
        if self._alive and callable(self.flow.criterion):
            for score in self._alive:
                score.matrices.append(as_similarity(self.flow.criterion(self.inner.net, score.choice)))
        elif self._alive and reads:
            self._read_batch()
            most = self.times.batches
            left = survivors(self._alive, min(FIRST, most))
            self._out += [score for score in self._alive if score not in left]
            self._alive = left
            clear = len(left) == 1 and len(left[0].matrices) >= min(FIRST, most)
            if not clear and len(left[0].matrices) < most:
                return
        self.node.found = self._decided()
        self._close()

    def _read_batch(self) -> None:
        net, number = self.inner.net, len(self._alive[0].matrices)
        seed = self.inner.seed
        batch = Stream(self.problem, "train", derive(seed, "probe")).at(number)
        moment = self.inner.schedule.moment(self.inner.training.step, self.inner.cost)
        for score in self._alive:
            score.matrices.append(similarity(net, self.problem, score.choice, score.labels, batch, number, seed, moment))
        passes = sum(len(score.labels) for score in self._alive)
        self._spend(passes, epochs=passes / self.times.n_train)

    def _spend(self, passes: float, epochs: float = 0.0) -> None:
        self._meter.cost += Cost(passes=passes)
        self._epochs += epochs

    def _decided(self) -> dict[str, Any]:
        """What the probe says."""
        rated = {"rating": self._rating()} if self.flow.prune is not None and self.level else {}
        if not self._alive:
            return rated
        score = min(self._alive, key=lambda s: s.cut) if self._alive[0].matrices else self._alive[0]
        if self.flow.criterion == "random":
            parts = random_groups(len(score.labels), score.groups, generator(self.seed, "groups", self.node.path))
        else:
            parts = score.parts if score.matrices else [[i] for i in range(len(score.labels))]
        found: dict[str, Any] = {"choice": score.choice, "groups": [[score.labels[i] for i in part] for part in parts], **rated}
        if score.matrices:
            every = [*self._alive, *self._out]
            found |= {
                "cut": score.cut,
                "similarity": score.similarity.tolist(),
                "batches": {s.choice: len(s.matrices) for s in every},
                "cuts": {s.choice: [s.cut, s.error if math.isfinite(s.error) else None] for s in every},
            }
        return found

    def _rating(self) -> float:
        rng, space = generator(self.seed, "rating", self.node.path), self.inner.space
        scores = sorted((self._scored(space.sample(rng)) for _ in range(RATED)), reverse=True)
        return float(np.mean(scores[: RATED // 4]))

    # -- ends -----------------------------------------------------------------------------------------------------------------

    def _close(self) -> None:
        """The node is through: on to the next one, or to the next level."""
        node = self.node
        self.tree[node.path] = dict(node.found)
        if not self.last and self._inherits(self.level + 1):
            self._kept[node.path] = {"node": asdict(node), "state": self.inner.state()}
        inner = replace(self.inner.cost, epochs=0.0)
        self._meter.cost += inner
        self._epochs += (self.inner.training.step - node.start) / self.times.n_train
        if self.last and self.index + 1 == len(self.nodes):
            self.phase = "done"
            # What is alive has been counted.
            self.inner.meter.cost, node.start = Cost(), self.inner.training.step
            return
        if self.index + 1 < len(self.nodes):
            self.index += 1
        else:
            self._split()
        self.phase = "train"
        self._open()

    def _inherits(self, level: int) -> bool:
        return self.flow.restart == "none" or (self.flow.restart == "final" and level < len(self.flow.splits))

    def _split(self) -> None:
        """Make the nodes of the next level."""
        nodes = self.nodes
        if self.flow.prune is not None and self.level:
            best = sorted(nodes, key=lambda node: -node.found["rating"])[: self.flow.prune]
            nodes = [node for node in nodes if node in best]
        count, divided = len(nodes), set()
        for node in sorted((n for n in nodes if "choice" in n.found), key=lambda n: n.found.get("cut", 0.0)):
            more = len(node.found["groups"]) - 1
            if self.flow.max_leaves is None or count + more <= self.flow.max_leaves:
                count += more
                divided.add(node.path)
        if not divided and self.flow.max_leaves is None:
            raise ArgumentError(
                f"flow few-shot, split {self.level + 1}: got {self.flow.splits[self.level][1]} groups, and no choice that can be split; "
                "allowed: a choice with as many candidates that was not split before; use fewer groups, or resplit=true"
            )
        inherits = self._inherits(self.level + 1)
        self.nodes = [child for node in nodes for child in self._children(node, node.path in divided, inherits)]
        self._parents = {path: kept for path, kept in self._kept.items() if any(n.parent == path for n in self.nodes)}
        self._kept = {}
        self.level, self.index = self.level + 1, 0

    def _children(self, node: SplitNode, divided: bool, inherits: bool) -> list[SplitNode]:
        start, parent = (self.times.until(self.level), node.path) if inherits else (0, "")
        if not divided:
            return [SplitNode(f"{node.path}/whole", node.allowed, node.split, start, parent)]
        key, space = node.found["choice"], self.space.restrict(node.allowed) if node.allowed else self.space
        # Candidates that are never a decision stay in every group.
        decided = {label for group in node.found["groups"] for label in group}
        also = [label for label in space.relaxed_labels(key) if label not in decided]
        return [
            SplitNode(f"{node.path}/{key}:{{{','.join(g)}}}", {**node.allowed, key: [*g, *also]}, [*node.split, key], start, parent)
            for g in node.found["groups"]
        ]

    def _select(self) -> None:
        """The pick of a last node and what it is worth."""
        proposal = self.inner.propose(1)[0]
        info = dict(proposal.info)
        spent = Cost.from_json(info.pop("cost", {}))
        self._spend(spent.passes)
        if callable(self.flow.select):
            score = float(self.flow.select(self.inner.net, proposal.dna))
        else:
            score = self._scored(proposal.dna, recalibrated=True)
        decisions = {k: list(v) if isinstance(v, tuple) else v for k, v in self.inner.space.decisions(proposal.dna).items()}
        self.node.found = {"pick": decisions, "score": score, "size": int(self.inner.space.size), "info": info}
        self._close()

    @torch.no_grad()
    def _scored(self, dna: DNA, recalibrated: bool = False) -> float:
        """Mean score of a point with the node's weights on all validation data."""
        net, total, count = self.inner.net, 0.0, 0
        training = net.training
        net.eval()
        used = min(RECALIBRATED, self.times.n_train) if recalibrated else 0
        with building(derive(self.inner.seed, "select")), net.fixed(dna):
            if used:
                stream = Stream(self.problem, "train", derive(self.inner.seed, "recalibration"))
                net.recalibrate([stream.at(i) for i in range(used)])
            for batch in self.problem.batches("valid", derive(self.seed, "select"), 0):
                added, n = self.problem.score(net, batch)
                total, count = total + float(added), count + int(n)
        net.train(training)
        self._spend((self.problem.n_batches["valid"] + used) / 3)
        return total / count

    # -- results --------------------------------------------------------------------------------------------------------------

    def propose(self, n: int) -> list[Proposal]:
        """The best pick of the last nodes, then the others by their scores; see `WeightSharing.propose`.

        `info` holds the tree: choice, groups, cuts and batches of every node, pick and score of every last one.
        """
        if self.phase != "done":
            raise ArgumentError(f"propose: got a search at step {self._steps} of {self.times.steps}; allowed: after the last step")
        if not self.tree:
            return self.inner.propose(n)
        ranked = sorted(self.leaves, key=lambda leaf: -leaf["score"])[:n]
        found = []
        for number, leaf in enumerate(ranked):
            taken = {key: tuple(v) if isinstance(v, list) else v for key, v in leaf["pick"].items()}
            info = {**leaf["info"], "leaf": leaf["path"], "leaf_score": leaf["score"]}
            found.append(Proposal(number, self.space.encode_decisions(taken), info=info))
        tree = {path: {k: v for k, v in node.items() if k != "info"} for path, node in self.tree.items()}
        found[0] = replace(found[0], info={**found[0].info, "tree": tree, "leaf_scores": [leaf["score"] for leaf in self.leaves]})
        return found

    def gradients(self, fixed: Mapping[str, str]) -> Any:
        """Mean gradient of the present node's weights; see `WeightSharing.gradients`."""
        return self.inner.gradients(fixed)

    def state(self) -> dict[str, Any]:
        """The tree, what is probed, and the states of the present node and of those that others inherit from."""
        cost = self._meter.cost
        return {
            "level": self.level,
            "index": self.index,
            "phase": self.phase,
            "nodes": [asdict(node) for node in self.nodes],
            "tree": {path: dict(found) for path, found in self.tree.items()},
            "kept": dict(self._kept),
            "parents": dict(self._parents),
            "passes": cost.passes,
            "epochs": self._epochs,
            "steps": self._steps,
            "alive": [score.state() for score in self._alive],
            "out": [score.state() for score in self._out],
            "inner": self.inner.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, after `setup`."""
        self.level, self.index, self.phase = int(state["level"]), int(state["index"]), state["phase"]
        self.nodes = [SplitNode(**node) for node in state["nodes"]]
        self.tree, self._kept, self._parents = dict(state["tree"]), dict(state["kept"]), dict(state["parents"])
        self._meter.cost, self._epochs = Cost(passes=state["passes"]), float(state["epochs"])
        self._steps = int(state["steps"])
        self._alive, self._out = ([Score.load(score) for score in state[name]] for name in ("alive", "out"))
        self.inner = self._made(self.node, self.level)
        self.inner.load(state["inner"])


@torch.no_grad()
def inherit(parent: OneShot, child: OneShot, allowed: Mapping[str, Sequence[str]]) -> None:
    """Let a search of fewer candidates go on where another one stands: weights, buffers, logits, momentum and steps."""
    child.net.load_state_dict(parent.net.restrict(allowed, weights="copy").state_dict())
    old, new = parent.training, child.training
    groups = [(old.weight_group, old.weight_optimizer, new.weight_group, new.weight_optimizer)]
    if old.valid_group is not None and new.valid_group is not None:
        groups.append((old.valid_group, old.valid_optimizer, new.valid_group, new.valid_optimizer))
        for name, weight in new.valid_group.tensors.items():
            source = old.valid_group.tensors[name]
            weight.copy_(source if source.shape == weight.shape else new.weight_group.tensors[name])
    for before, from_, after, to in groups:
        for name, weight in after.tensors.items():
            source = before.tensors.get(name)
            saved = from_.state.get(source, {}) if source is not None and source.shape == weight.shape else {}
            if saved:
                to.state[weight] = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in saved.items()}
    new.step = old.step
