"""Choice among last nodes by training their picks from scratch: the better half of each rung goes on, twice as long.

Every rung of every pick is a part of the search as a node is, so that picks are trained side by side, and what that takes is a cost of
the search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from oche.algorithms.one_shot_plan import Plan
from oche.algorithms.one_shot_streams import Meter, Stream, difference
from oche.loop.contracts import Budget, Cost, Problem, Progress
from oche.loop.parts import Part
from oche.program import DNA, Space
from oche.schemes.rules import set_lr, update
from oche.seeds import building, derive


class Rungs:
    """Who is trained on which rung.

    A rung keeps the better half of its picks, by their scores on the validation split; of equal ones the earlier node.

    Args:
        steps: Steps of the first rung; each further one ends after twice as many.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        #: Paths of the last nodes on each rung.
        self.rungs: list[list[str]] = []
        self.results: dict[str, dict[str, Any]] = {}

    def begin(self, picks: Mapping[str, Mapping[str, Any]]) -> None:
        """Start with the picks of the last nodes, by path."""
        self.picks = {path: dict(pick) for path, pick in picks.items()}
        self.rungs = [list(picks)] if len(picks) > 1 else []
        self._grow()

    def end(self, rung: int) -> int:
        """Steps after which a rung is over."""
        return self.steps * 2**rung

    @property
    def total(self) -> int:
        """Steps at the end of the last rung."""
        return self.end(max(0, n_rungs(len(self.picks)) - 1))

    def parts(self) -> list[Part]:
        """All that are known, in order."""
        found = []
        for rung, paths in enumerate(self.rungs):
            for path in paths:
                settings = {"pick": self.picks[path], "path": path, "until": self.end(rung), "total": self.total}
                found.append(Part(_name(path, rung), settings, _name(path, rung - 1) if rung else None))
        return found

    def ready(self) -> list[Part]:
        """Those that are not through."""
        return [part for part in self.parts() if part.name not in self.results]

    def tell(self, name: str, result: Mapping[str, Any]) -> None:
        """A pick is through a rung."""
        self.results[name] = dict(result)
        self._grow()

    def _scores(self, rung: int) -> list[float | None]:
        return [self.results.get(_name(path, rung), {}).get("score") for path in self.rungs[rung]]

    def _grow(self) -> None:
        self.rungs = self.rungs[:1]
        while self.rungs and len(self.rungs) < n_rungs(len(self.picks)):
            scores = self._scores(-1 + len(self.rungs))
            if None in scores:
                return
            order = sorted(range(len(scores)), key=lambda i: -float(scores[i] or 0.0))[: len(scores) // 2]
            self.rungs.append([self.rungs[-1][i] for i in sorted(order)])

    def found(self, path: str) -> list[float]:
        """Scores of a pick, rung by rung."""
        return [self.results[_name(path, r)]["score"] for r, paths in enumerate(self.rungs) if path in paths]

    def awaited(self, name: str) -> bool:
        """Whether the next rung, which goes on from this one, is not known yet."""
        rung = next((r for r, paths in enumerate(self.rungs) for path in paths if _name(path, r) == name), 0)
        return rung + 1 == len(self.rungs) < n_rungs(len(self.picks))


def n_rungs(n: int) -> int:
    """Rungs until one of n picks is left: each is trained at least once where there are several."""
    return n.bit_length() - 1


def rung_steps(n: int, steps: int) -> int:
    """Steps that all picks take together, `steps` on the first rung."""
    total, before = 0, 0
    for rung in range(n_rungs(n)):
        end = steps * 2**rung
        total, before, n = total + n * (end - before), end, n // 2
    return total


def _name(path: str, rung: int) -> str:
    return f"{path} · rung {rung + 1}"


class PickSearch:
    """One pick on one rung: training of its network alone, as a part of the search.

    Args:
        plan: Gives the rule of the weights and the course of their rate.
        part: Says the pick and how far it is trained.
    """

    def __init__(self, plan: Plan, part: Part) -> None:
        self.plan, self.part = plan, part
        self.until, self.total = int(part.settings["until"]), int(part.settings["total"])

    def setup(self, space: Space, problem: Problem, seed: int, budget: Budget | None = None) -> None:
        """Build the network; see `PartSearch`."""
        path = self.part.settings["path"]
        self.problem, self.seed = problem, seed
        pick = {key: tuple(value) if isinstance(value, list) else value for key, value in self.part.settings["pick"].items()}
        dna: DNA = space.encode_decisions(pick)
        self.net = space.root.build(space.lift(dna), derive(seed, "halving", path)).to(problem.device)
        self.weights = [weight for weight in self.net.parameters() if weight.requires_grad]
        self.optimizer = self.plan.weight_rule.build(self.weights)
        self._stream = Stream(problem, "train", derive(seed, "halving"))
        self.trained, self.step = 0, 0
        self.result: dict[str, Any] = {}
        self._meter, self._begun = Meter(), 0

    def inherit(self, state: Mapping[str, Any]) -> None:
        """Go on where the rung before ended."""
        self._take(state)
        self._begun = self.trained

    @property
    def done(self) -> bool:
        """Whether it is through."""
        return bool(self.result)

    @property
    def cost(self) -> Cost:
        """What was spent on this rung."""
        return self._meter.cost + Cost(epochs=(self.trained - self._begun) / self.problem.n_batches["train"])

    def advance(self, steps: int) -> Progress:
        """Do at most `steps` more steps; the score is one of them."""
        before = self.cost
        for _ in range(steps):
            if self.done:
                break
            with self._meter.running():
                (self._train if self.trained < self.until else self._score)()
            self.step += 1
        total = self.step if self.done else self.step + self.until - self.trained + 1
        return Progress(self.step, total, self.done, difference(self.cost, before), {}, self.part.name)

    def _train(self) -> None:
        self.net.train()
        set_lr(self.optimizer, self.plan.lr_at(self.trained / self.total))
        with building(derive(self.seed, "halving", self.part.settings["path"], self.trained)):
            loss = self.problem.loss(self.net, self._stream.at(self.trained))
            gradients = torch.autograd.grad(loss, self.weights, allow_unused=True)
        what = f"gradient of {self.part.name!r} at step {self.trained}"
        update(self.optimizer, self.weights, gradients, self.plan.weight_rule.clip, what)
        self.trained += 1
        self._meter.cost += Cost(passes=1)

    @torch.no_grad()
    def _score(self) -> None:
        self.net.eval()
        total, count = 0.0, 0
        for batch in self.problem.batches("valid", derive(self.seed, "select"), 0):
            added, n = self.problem.score(self.net, batch)
            total, count = total + float(added), count + int(n)
        self._meter.cost += Cost(passes=self.problem.n_batches["valid"] / 3)
        self.result = {"score": total / count}

    def state(self) -> dict[str, Any]:
        """Weights, momentum and steps; see `WeightSharing.state`."""
        return {
            "net": {name: value.detach().clone() for name, value in self.net.state_dict().items()},
            "optimizer": self.optimizer.state_dict(),
            "trained": self.trained,
            "begun": self._begun,
            "step": self.step,
            "passes": self._meter.cost.passes,
            "result": dict(self.result),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, after `setup`."""
        self._take(state)
        self.step, self._begun, self.result = int(state["step"]), int(state["begun"]), dict(state["result"])
        self._meter.cost = Cost(passes=state["passes"])

    def _take(self, state: Mapping[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.trained = int(state["trained"])


def best_first(leaves: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Last nodes by what their picks are worth: by how far they came, then by their last score."""
    return sorted(leaves, key=lambda leaf: (-len(leaf.get("rungs", ())), -leaf["score"]))
