"""Expected cost of the points of a policy, as a term of the arch objective.

    E = c(cheapest) + sum over choices of share * sum_k p_k (c_k - c_cheapest)
    add:  loss + weight * (E - target) / target
    mul:  loss * alpha * (log E / log target)^beta

c_k is measured on children that differ in one decision, so it is that of the program's own candidates, whatever the mixer rebuilt. It is
exact where costs of choices add up, as multiply-adds and weights do. `share` is 1, or k / n for a choice behind one of n inputs of which k
are taken.
Source: Cai et al. 2019 (ProxylessNAS): weight 0.1, alpha 0.2, beta 0.3; measuring differences of children is ours.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from oche import networks
from oche.errors import ArgumentError
from oche.loop.registry import parse
from oche.program import Space
from oche.program.spec import Decision, Pick
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy

#: What is counted: multiply-adds and weights of a child, or milliseconds of its forward pass on this machine.
KINDS = ("macs", "params", "latency")
FORMS = ("add", "mul")


@dataclass(frozen=True)
class CostTerm:
    """Settings of the term.

    Args:
        kind: One of `KINDS`.
        form: `add` or `mul`.
        weight: Of the term in `add`.
        target: Wanted cost, above 0 (above 1 in `mul`); None: the expected cost of the first policy.
        alpha, beta: Of `mul`.
    """

    kind: str = "macs"
    form: str = "add"
    weight: float = 0.1
    target: float | None = None
    alpha: float = 0.2
    beta: float = 0.3

    def __post_init__(self) -> None:
        for what, value, allowed in (("kind", self.kind, KINDS), ("form", self.form, FORMS)):
            if value not in allowed:
                raise ArgumentError(f"cost, {what}: got {value!r}; allowed: {', '.join(repr(a) for a in allowed)}")
        if self.target is not None and self.target <= (1 if self.form == "mul" else 0):
            raise ArgumentError(f"cost, target: got {self.target!r}; allowed: a number above {1 if self.form == 'mul' else 0}")

    def term(self, loss: Tensor, expected: Tensor, target: float) -> Tensor:
        """The objective with the cost in it."""
        if self.form == "add":
            return loss + self.weight * (expected - target) / target
        return loss * self.alpha * (torch.log(expected) / torch.log(torch.tensor(target))) ** self.beta


def cost_term(given: Any) -> CostTerm | None:
    """A term from its text, such as `macs?weight=0.2&target=1e6`, an object, or None."""
    if given is None or isinstance(given, CostTerm):
        return given
    kind, settings = parse(str(given))
    try:
        return CostTerm(kind, **settings)
    except TypeError as error:
        raise ArgumentError(f"cost: got {given!r}; allowed: settings form, weight, target, alpha, beta") from error


class CostObjective:
    """The term of one search; without one, its objective stays as it is.

    Args:
        given: The term, its text, or None.
        space: A space of networks.
        mixer: What the logits learn by.

    Raises:
        ArgumentError: the logits do not learn from a loss.
    """

    def __init__(self, given: Any, space: Space, mixer: Mixer) -> None:
        self.term = cost_term(given)
        if self.term is not None and (not mixer.learns_arch or mixer.objective == "reward"):
            raise ArgumentError(f"cost: got {self.term.kind!r} with {type(mixer).__name__}; allowed: mixers whose logits learn from a loss")
        self.space = space
        #: What was measured, once, and the target.
        self.table: dict[str, Any] = {}
        #: Expected cost at the last step.
        self.expected: float | None = None

    def added(self, objective: Tensor, policy: Policy, shape: Sequence[int]) -> Tensor:
        """The objective and the expected cost of the policy for inputs of a shape."""
        assert self.term is not None
        if not self.table:
            self.table = measured(self.space, self.term.kind, shape)
            first = float(expected(self.table, policy).detach())
            self.table["target"] = first if self.term.target is None else self.term.target
        cost = expected(self.table, policy)
        self.expected = float(cost.detach())
        return self.term.term(objective, cost, self.table["target"])


def measured(space: Space, kind: str, shape: Sequence[int]) -> dict[str, Any]:
    """Costs of candidates above the cheapest one of their choice, by key and label, and under `base` that of the cheapest point.

    Args:
        space: A space of networks.
        kind: One of `KINDS`.
        shape: Of one input.
    """
    first: dict[str, Any] = {}
    places: dict[str, tuple[float, dict[str, Any]]] = {}
    _visit(space.tree, 1.0, {}, first, places)
    costs: dict[str, dict[str, float]] = {}
    for key, (_, needed) in places.items():
        found = {label: _cost(space, {**first, **needed, key: label}, kind, shape) for label in space.labels(key)}
        costs[key] = {label: cost - min(found.values()) for label, cost in found.items()}
    cheapest = {**first, **{key: min(found, key=lambda label: found[label]) for key, found in costs.items()}}
    return {"base": _cost(space, cheapest, kind, shape), "costs": costs, "shares": {key: share for key, (share, _) in places.items()}}


def expected(table: Mapping[str, Any], policy: Policy) -> Tensor:
    """The expected cost under a policy, with a graph to its logits."""
    total = torch.tensor(float(table["base"]))
    for key, costs in table["costs"].items():
        row = policy.rows[key]
        p = policy.probabilities(key)[list(row.allowed)]
        values = torch.tensor([costs[row.labels[i]] for i in row.allowed], dtype=p.dtype, device=p.device)
        total = total.to(p) + table["shares"][key] * (p / p.sum() * values).sum()
    return total


def _visit(
    tree: Sequence[Decision], share: float, needed: dict[str, Any], first: dict[str, Any], places: dict[str, tuple[float, dict[str, Any]]]
) -> None:
    """Choices of one candidate with their share, and what must be decided for them to be used."""
    for pick in tree:
        if not isinstance(pick, Pick):
            raise ArgumentError(f"cost: got a number at {pick.key!r}; allowed: choices between candidates")
        if pick.single:
            first.setdefault(pick.key, pick.labels[0])
            places.setdefault(pick.key, (share, needed))
            for c, label in enumerate(pick.labels):
                _visit(pick.slots[0][c], share / pick.n, {**needed, pick.key: label}, first, places)
            continue
        first.setdefault(pick.key, pick.labels[: pick.k])
        for c, label in enumerate(pick.labels):
            others = [one for one in pick.labels if one != label][: pick.k - 1]
            taken = tuple(one for one in pick.labels if one == label or one in others)
            _visit(pick.slots[0][c], share * pick.k / pick.n, {**needed, pick.key: taken}, first, places)


def _cost(space: Space, decisions: Mapping[str, Any], kind: str, shape: Sequence[int]) -> float:
    used = space.encode_decisions({key: decisions[key] for key in decisions if key in space.keys}, defaults=True)
    child: nn.Module = space.build(used, seed=0)
    if kind != "latency":
        return float(getattr(networks.count(child, shape), kind))
    child.eval()
    x, seconds = torch.zeros(1, *shape), []
    with torch.no_grad():
        for _ in range(7):
            started = time.perf_counter()
            child(x)
            seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds[2:])
