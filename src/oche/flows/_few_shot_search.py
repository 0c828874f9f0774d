"""A few-shot search over supernets: the split tree, and the nodes that are worked on.

In one piece it works on one node after another. As a tree of parts (`plan`, `ready`, `part`, `tell`) its nodes are jobs for any executor,
see `oche.loop.parts`. Both give the same tree, since a node depends on nothing that is done beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from oche.algorithms.one_shot import OneShot
from oche.algorithms.one_shot_streams import difference
from oche.algorithms.staged import Staged
from oche.errors import ArgumentError, unknown
from oche.flows._few_shot import FewShot
from oche.flows._few_shot_halving import PickSearch, Rungs, best_first
from oche.flows._few_shot_leaves import Oracle
from oche.flows._few_shot_node import SplitNode
from oche.flows._few_shot_schedule import Timetable
from oche.flows._few_shot_tree import SplitTree
from oche.flows._few_shot_work import NodeSearch, plan_of
from oche.loop.contracts import Budget, Cost, Problem, Progress, Proposal
from oche.loop.parts import Part
from oche.program import DNA, Space
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
        made = make()
        if not isinstance(made, (OneShot, Staged)) or (isinstance(made, Staged) and made.narrows):
            raise ArgumentError(
                f"flow few-shot: got {type(made).__name__}, whose space changes while it is trained; allowed: algorithms with one "
                "space, for example 'darts', 'darts-2nd', 'snas', 'rsps', 'ofa'"
            )
        self.flow, self.make = flow, make

    # -- as a tree of parts, see `oche.loop.parts` ------------------------------------------------------------------------

    def plan(self, space: Space, sizes: Mapping[str, int], seed: int, budget: Budget | None = None) -> None:
        """Know the nodes without any data; see `TreeSharing.plan`."""
        self.space, self.seed, self.budget = space, seed, budget
        self.times = Timetable(self.flow, plan_of(self.make()), space, sizes.get("train", 0), budget)
        self.flow.check(space)
        self.nodes = SplitTree(self.flow, space, self.times)
        self.rungs = Rungs(self.times.rung)

    @property
    def steps(self) -> int:
        """An estimate of all steps."""
        return self.times.steps

    @property
    def over(self) -> bool:
        """Whether every node, and every rung of their picks, is through."""
        return self.nodes.done and not self.rungs.ready()

    def ready(self) -> list[Part]:
        """Nodes that can be worked on, or picks that can be trained."""
        return [_part(level, node) for level, node in self.nodes.ready()] or self.rungs.ready()

    def part(self, part: Part) -> NodeSearch | PickSearch:
        """The search of a node, or the training of a pick."""
        if "pick" in part.settings:
            return PickSearch(plan_of(self.make()), part)
        return NodeSearch(self.flow, self.make, SplitNode(**part.settings["node"]), part.settings["level"])

    def tell(self, name: str, result: Mapping[str, Any]) -> None:
        """A part is through."""
        if self.nodes.done:
            self.rungs.tell(name, result)
            return
        self.nodes.tell(name, result)
        if self.nodes.done and self.flow.select == "halving":
            self.rungs.begin({path: found["pick"] for path, found in self.tree.items() if "pick" in found})

    def awaited(self, name: str) -> bool:
        """Whether parts that go on from the end of this one are not known yet."""
        return self.nodes.awaited(name) if self.nodes.knows(name) else self.rungs.awaited(name)

    # -- in one piece -----------------------------------------------------------------------------------------------------------

    def setup(self, space: Space, problem: Problem, seed: int, budget: Budget | None = None) -> None:
        """Start with the whole space; see `WeightSharing.setup`."""
        self.plan(space, problem.n_batches, seed, budget)
        self.problem = problem
        #: End states of the nodes from which others will inherit, by path.
        self._ends: dict[str, Any] = {}
        #: End states of the last nodes that are through, by path.
        self._leaves: dict[str, Any] = {}
        self._spent: dict[str, Cost] = {}
        self._steps = 0
        self._open()

    def _open(self) -> None:
        """Begin with the next node."""
        self._begin(self.ready()[0])
        if self._at.source is not None:
            self.work.inherit(self._ends[self._at.source])

    def _begin(self, part: Part) -> None:
        self._at, self.work = part, self.part(part)
        self.work.setup(self.space, self.problem, self.seed, self.budget)
        if isinstance(self.work, NodeSearch):
            #: The node that is or was worked on.
            self.node = self.work

    @property
    def tree(self) -> dict[str, dict[str, Any]]:
        """Every node that is through, by path."""
        return self.nodes.ordered() if self.flow.splits else {}

    @property
    def inner(self) -> OneShot:
        """The search of the present node."""
        return self.node.one

    @property
    def network(self) -> Supernet:
        """The shared network of the present node."""
        return self.node.network

    @property
    def leaves(self) -> list[dict[str, Any]]:
        """Path, pick and score of every last node that is through; with `halving` the score is that of its last rung."""
        found = [{"path": path, **found} for path, found in self.tree.items() if "pick" in found]
        if not self.rungs.rungs or not self.over:
            return found
        scores = {leaf["path"]: self.rungs.found(leaf["path"]) for leaf in found}
        return [{**leaf, "score": scores[leaf["path"]][-1], "rungs": scores[leaf["path"]]} for leaf in found]

    @property
    def cost(self) -> Cost:
        """All that was spent so far; epochs are those of all supernets and, by their passes, of probing."""
        return sum((cost for name, cost in self._spent.items() if name != self._at.name), Cost()) + self.work.cost

    def advance(self, steps: int) -> Progress:
        """Do at most `steps` more steps, over the ends of nodes.

        A batch of a probe for one choice, and a pick, is a step. See `WeightSharing.advance`.
        """
        before, left, metrics = self.cost, steps, {}
        while left > 0 and not self.over:
            at, progress = self.work.step, self.work.advance(left)
            taken = self.work.step - at
            left, metrics, self._steps = left - taken, progress.metrics, self._steps + taken
            if progress.done:
                self._close()
        step, done, level = self._steps, self.over, self.node.level
        total = step if done else max(step + 1, self.steps)
        where = {"level": float(level), "nodes": float(len(self.nodes.levels[level]))}
        note = f"{len(self.leaves)} of {len(self.nodes.leaves)} leaves" if self.node.last else f"level {level}"
        return Progress(step, total, done, difference(self.cost, before), {**metrics, **where}, f"{self._at.name} · {note}")

    def _close(self) -> None:
        """The node is through: on to the next one."""
        name, work = self._at.name, self.work
        self.tell(name, work.result)
        self._spent[name] = replace(work.cost, seconds=0.0, cpu_seconds=0.0)
        if isinstance(work, NodeSearch) and work.last:
            self._leaves[name] = work.state()
        elif self.awaited(name) or any(part.source == name for part in self.ready()):
            self._ends[name] = work.state()
        sources = [part.source for part in self.ready()]
        self._ends = {name: end for name, end in self._ends.items() if name in sources or self.awaited(name)}
        if not self.over:
            self._open()

    def leaf_of(self, dna: DNA) -> str:
        """Path of the last node that holds a point.

        Raises:
            ArgumentError: the search is not over, or no last node holds the point, because its part was pruned.
        """
        self._check_done("leaf_of")
        known = self.space.decisions(dna)
        for node in self.nodes.leaves:
            if all(known.get(key) in (None, *labels) for key, labels in node.allowed.items()):
                return node.path
        raise ArgumentError(f"leaf_of: got {known}, which no last node holds; allowed: points of parts that were not pruned")

    def leaf(self, path: str) -> OneShot:
        """The search of a last node as it ended, for scores of other points by its weights."""
        self._check_done("leaf")
        if path not in self._leaves:
            raise unknown("last node", path, list(self._leaves))
        level, node = next(found for found in self.nodes.nodes if found[1].path == path)
        made = NodeSearch(self.flow, self.make, node, level)
        made.setup(self.space, self.problem, self.seed, self.budget)
        made.load(self._leaves[path])
        made.network.eval()
        return made.one

    def _check_done(self, what: str) -> None:
        if not self.over:
            raise ArgumentError(f"{what}: got a search with {len(self.nodes.ready())} open nodes; allowed: after the last step")

    # -- results --------------------------------------------------------------------------------------------------------------

    def propose(self, n: int) -> list[Proposal]:
        """The best pick of the last nodes, then the others by their scores; see `WeightSharing.propose`.

        `info` holds the tree: choice, groups, cuts and batches of every node, pick and score of every last one.
        """
        self._check_done("propose")
        if not self.flow.splits:
            return self.node.inner.propose(n)
        found = []
        for number, leaf in enumerate(best_first(self.leaves)[:n]):
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
        leaves = {leaf["path"]: leaf for leaf in self.leaves}
        for path, node in self.tree.items():
            nodes[path] = {k: v for k, v in leaves.get(path, node).items() if k not in ("info", "path")}
            if "pick" in node and architecture is not None:
                nodes[path]["arch"] = str(architecture({**self.space.fixed, **_decisions(node["pick"])}))
        select = self.flow.settings["select"] or "valid"
        facts: dict[str, Any] = {"split_tree": {"nodes": nodes, "n_train": self.times.n_train, "select": select}}
        if self.flow.benchmark is not None:
            facts["oracle"] = Oracle(self.flow.benchmark, self.space).summary(scores)
        return facts

    def gradients(self, fixed: Mapping[str, str]) -> Any:
        """Mean gradient of the present node's weights; see `WeightSharing.gradients`."""
        return self.node.inner.gradients(fixed)

    # -- state ----------------------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Results, the state of the present node, and the end states that others inherit from or are asked for."""
        return {
            "results": {path: dict(found) for path, found in self.nodes.results.items()},
            "ends": dict(self._ends),
            "leaves": dict(self._leaves),
            "spent": {path: cost.to_json() for path, cost in self._spent.items()},
            "steps": self._steps,
            "rungs": {name: dict(found) for name, found in self.rungs.results.items()},
            "at": self._at.name,
            "work": self.work.state(),
            "node": None if self.node is self.work else self.node.node.path,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, after `setup`."""
        for path in state["results"]:
            self.tell(path, state["results"][path])
        for name in state["rungs"]:
            self.tell(name, state["rungs"][name])
        self._ends, self._leaves = dict(state["ends"]), dict(state["leaves"])
        self._spent = {name: Cost.from_json(cost) for name, cost in state["spent"].items()}
        self._steps = int(state["steps"])
        parts = {part.name: part for part in (*(_part(level, node) for level, node in self.nodes.nodes), *self.rungs.parts())}
        if state["node"] is not None:
            self._begin(parts[state["node"]])
            self.node.load(self._leaves[state["node"]])
        self._begin(parts[state["at"]])
        self.work.load(state["work"])


def _part(level: int, node: SplitNode) -> Part:
    return Part(node.path, {"node": asdict(node), "level": level}, node.parent or None)


def _decisions(pick: Mapping[str, Any]) -> dict[str, Any]:
    """Decisions as a space has them, from JSON."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in pick.items()}
