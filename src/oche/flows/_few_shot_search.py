"""The tree of a few-shot search over supernets, one node at a time.

    train    the node to the epoch of the next split (a last node: to its end)
    probe    similarities of its choices, batch by batch
    select   a last node proposes, and its pick is scored

A level is split when all its nodes are through. Every random choice of a node derives from (seed, path of the node), so the tree is the
same after any interruption.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from torch import Tensor

from oche.algorithms.one_shot import OneShot
from oche.algorithms.one_shot_streams import Meter, difference
from oche.errors import ArgumentError, unknown
from oche.flows._few_shot import FewShot
from oche.flows._few_shot_leaves import RECALIBRATED, Oracle, rating, scored
from oche.flows._few_shot_node import SplitNode, inherit
from oche.flows._few_shot_probe import Probe
from oche.flows._few_shot_schedule import Timetable
from oche.loop.contracts import Budget, Cost, Problem, Progress, Proposal
from oche.program import DNA, Space
from oche.seeds import derive
from oche.supernets.network import Supernet


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
        #: Weights of the last nodes that are through, by path.
        self._weights: dict[str, dict[str, Tensor]] = {}
        self._probing: Probe | None = None
        self._oracle = Oracle(self.flow.benchmark, space) if self.flow.benchmark is not None else None
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
        made.setup(self._part(node), self.problem, self.seed if node.path == "root" else derive(self.seed, "node", node.path), limit)
        return made

    def _part(self, node: SplitNode) -> Space:
        return self.space.restrict(node.allowed) if node.allowed else self.space

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
        """Do at most `steps` more steps, over the ends of nodes.

        A batch of a probe for one choice, and a pick, is a step. See `WeightSharing.advance`.
        """
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

    def _start_probe(self) -> None:
        self.phase = "probe"
        self._probing = Probe(self.flow, self.node, self.inner, self.problem, self.level, self.seed, self.times.batches)

    def _probe(self) -> None:
        """One batch for one choice; then, perhaps, the end of the node."""
        assert self._probing is not None
        passes, over = self._probing.step()
        self._spend(passes, epochs=passes / self.times.n_train)
        if not over:
            return
        self.node.found = {**self._probing.found(), **self._spent()}
        if self.flow.prune is not None and self.level:
            self.node.found["rating"], passes = rating(self.inner, self.problem, self.seed, self.node.path)
            self._spend(passes)
        self._probing = None
        self._close()

    def _spent(self) -> dict[str, Any]:
        """Epochs that the node was trained, and passes of its probe."""
        probe = self._probing
        scores = [*probe.alive, *probe.out] if probe is not None else []
        return {
            "epochs": (self.inner.training.step - self.node.start) / self.times.n_train,
            "probe_passes": sum(len(s.labels) * len(s.matrices) for s in scores) if probe is not None and probe.reads else 0,
        }

    def _spend(self, passes: float, epochs: float = 0.0) -> None:
        self._meter.cost += Cost(passes=passes)
        self._epochs += epochs

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
            if divided and self.flow.growth == "best":
                break
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
        space = self._part(node)
        decided = {label for group in node.found["groups"] for label in group}
        also = [label for label in space.relaxed_labels(node.found["choice"]) if label not in decided]
        return node.children(node.found["groups"], also, start, parent)

    def _select(self) -> None:
        """The pick of a last node and what it is worth."""
        proposal = self.inner.propose(1)[0]
        info = dict(proposal.info)
        spent = Cost.from_json(info.pop("cost", {}))
        info.pop("in_hand", None)  # counted from the start of this node
        self._spend(spent.passes)
        decisions = self.inner.space.decisions(proposal.dna)
        if self._oracle is not None:
            score = self._oracle.value({**self.inner.space.fixed, **decisions})
        elif self.flow.select == "valid":
            recalibrated = min(RECALIBRATED, self.times.n_train)
            score, passes = scored(self.inner, self.problem, proposal.dna, self.seed, recalibrated)
            self._spend(passes)
        else:
            score = float(self.flow.select(self.inner.net, proposal.dna))
        pick = {k: list(v) if isinstance(v, tuple) else v for k, v in decisions.items()}
        self.node.found = {"pick": pick, "score": score, "size": int(self.inner.space.size), "info": info, **self._spent()}
        self._weights[self.node.path] = {name: value.detach().clone() for name, value in self.inner.net.state_dict().items()}
        self._close()

    def leaf_of(self, dna: DNA) -> str:
        """Path of the last node that holds a point.

        Raises:
            ArgumentError: the search is not over, or no last node holds the point, because its part was pruned.
        """
        self._check_done("leaf_of")
        known = self.space.decisions(dna)
        for node in self.nodes:
            if all(known.get(key) in (None, *labels) for key, labels in node.allowed.items()):
                return node.path
        raise ArgumentError(f"leaf_of: got {known}, which no last node holds; allowed: points of parts that were not pruned")

    def leaf(self, path: str) -> OneShot:
        """The search of a last node as it ended, for scores of other points by its weights."""
        self._check_done("leaf")
        node = next((node for node in self.nodes if node.path == path), None)
        if node is None:
            raise unknown("last node", path, [node.path for node in self.nodes])
        if not self.tree:
            return self.inner
        made = self._made(node, self.level)
        made.net.load_state_dict(self._weights[path])
        made.net.eval()
        return made

    def _check_done(self, what: str) -> None:
        if self.phase != "done":
            raise ArgumentError(f"{what}: got a search at step {self._steps} of {self.times.steps}; allowed: after the last step")

    # -- results --------------------------------------------------------------------------------------------------------------

    def propose(self, n: int) -> list[Proposal]:
        """The best pick of the last nodes, then the others by their scores; see `WeightSharing.propose`.

        `info` holds the tree: choice, groups, cuts and batches of every node, pick and score of every last one.
        """
        self._check_done("propose")
        if not self.tree:
            return self.inner.propose(n)
        ranked = sorted(self.leaves, key=lambda leaf: -leaf["score"])[:n]
        found = []
        for number, leaf in enumerate(ranked):
            taken = _decisions(leaf["pick"])
            info = {**leaf["info"], "leaf": leaf["path"], "leaf_score": leaf["score"]}
            found.append(Proposal(number, self.space.encode_decisions(taken), info=info))
        scores = [leaf["score"] for leaf in self.leaves]
        found[0] = replace(found[0], info={**found[0].info, "leaf_scores": scores, "facts": self._facts(scores)})
        return found

    def _facts(self, scores: list[float]) -> dict[str, Any]:
        """What a record keeps of the tree: it can be drawn from it."""
        architecture = getattr(self.space.root.program, "architecture", None)
        nodes = {}
        for path, node in self.tree.items():
            nodes[path] = {k: v for k, v in node.items() if k != "info"}
            if "pick" in node and architecture is not None:
                nodes[path]["arch"] = str(architecture({**self.space.fixed, **_decisions(node["pick"])}))
        select = self.flow.settings["select"] or "valid"
        facts: dict[str, Any] = {"split_tree": {"nodes": nodes, "n_train": self.times.n_train, "select": select}}
        if self._oracle is not None:
            facts["oracle"] = self._oracle.summary(scores)
        return facts

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
            "weights": {path: dict(weights) for path, weights in self._weights.items()},
            "probe": self._probing.state() if self._probing is not None else None,
            "inner": self.inner.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, after `setup`."""
        self.level, self.index, self.phase = int(state["level"]), int(state["index"]), state["phase"]
        self.nodes = [SplitNode(**node) for node in state["nodes"]]
        self.tree, self._kept, self._parents = dict(state["tree"]), dict(state["kept"]), dict(state["parents"])
        self._meter.cost, self._epochs = Cost(passes=state["passes"]), float(state["epochs"])
        self._steps = int(state["steps"])
        self._weights = dict(state["weights"])
        self.inner = self._made(self.node, self.level)
        self.inner.load(state["inner"])
        if state["probe"] is not None:
            self._start_probe()
            assert self._probing is not None
            self._probing.load(state["probe"])


def _decisions(pick: Mapping[str, Any]) -> dict[str, Any]:
    """Decisions as a space has them, from JSON."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in pick.items()}
