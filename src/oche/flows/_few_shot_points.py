"""Few-shot for algorithms that propose points: the parts of the space are searched in turn, each by an algorithm of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oche.errors import ArgumentError, BudgetError, unknown
from oche.flows._few_shot import ALL
from oche.flows._part import Part
from oche.flows._stages import Stages
from oche.loop.contracts import Feedback
from oche.program import DNA, Space
from oche.seeds import generator


class FewShotPoints(Stages):
    """The parts share the trials, the first ones getting one more where they do not divide.

    The parts are the same for all seeds, since they are made before the first ask.

    Args:
        flow: The settings.
        make: Makes the algorithm of a part.

    Raises:
        ArgumentError: the criterion or the choice of the choice needs gradients.
    """

    def __init__(self, flow: Any, make: Any) -> None:
        super().__init__(make)
        if flow.criterion not in ("random", "exhaustive") or flow.choose == "gm":
            raise ArgumentError(
                f"flow few-shot, criterion: got {flow.criterion!r}, choose {flow.choose!r} with an algorithm that proposes points; "
                "this flow needs a weight-sharing algorithm; allowed here: criterion 'exhaustive' or 'random'"
            )
        self.flow = flow

    def _begin(self) -> None:
        self._leaves = [self._space.restrict(allowed) if allowed else self._space for allowed in parts_of(self._space, self.flow)]
        if self._trials < len(self._leaves):
            raise BudgetError(f"flow few-shot: got {self._trials} trials for {len(self._leaves)} parts; allowed: at least one for each")
        share, more = divmod(self._trials, len(self._leaves))
        for number in range(len(self._leaves)):
            self._parts[number] = self._part(number, {}, share + (number < more))

    def _next(self) -> tuple[int, int, DNA] | None:
        for number in sorted(self._parts, key=lambda i: (self._parts[i].asked, i)):
            found = self._parts[number].ask()
            if found is not None:
                return number, *found
        return None

    def _restored(self, number: int, taken: Mapping[str, Any]) -> Space:
        return self._leaves[number]

    def learn(self, dna: DNA, feedback: Feedback) -> None:
        """A known trial tells the part that holds it."""
        known = self._space.decisions(dna)
        for number, leaf in enumerate(self._leaves):
            if all(known.get(p.key) in (None, *p.labels) for p in leaf.points if p.kind == "categorical" and p.group < 0):
                part: Part = self._parts[number]
                part.learn(dna, feedback)
                return


def parts_of(space: Space, flow: Any) -> list[dict[str, list[str]]]:
    """What each part allows, by key; every point of the space is in exactly one.

    Raises:
        UnknownNameError: the flow names a choice that the space does not have.
    """
    for key in flow.choose if isinstance(flow.choose, list) else ():
        if key not in space.keys:
            raise unknown("choice", key, space.keys)
    nodes: list[dict[str, list[str]]] = [{}]
    for level, (_, groups) in enumerate(flow.splits):
        after: list[dict[str, list[str]]] = []
        for number, allowed in enumerate(nodes):
            rng = generator(0, "few-shot", level, number)
            open_ = [p for p in space.points if p.choice == "oneof" and p.parent < 0 and p.n >= (2 if groups == ALL else groups)]
            open_ = [p for p in open_ if p.key not in allowed]
            if isinstance(flow.choose, list):
                open_ = [p for p in open_ if p.key == flow.choose[level]]
            if not open_ or (flow.max_leaves and len(nodes) - number + len(after) >= flow.max_leaves):
                after.append(allowed)
                continue
            point = open_[int(rng.integers(len(open_)))]
            every = groups == ALL or flow.criterion == "exhaustive"
            for part in random_groups(point.n, point.n if every else int(groups), None if every else rng):
                after.append({**allowed, point.key: [point.labels[i] for i in part]})
        nodes = after
    return nodes


def random_groups(n: int, groups: int, rng: Any) -> list[list[int]]:
    """Groups of nearly equal size; without a generator in order."""
    order = list(range(n)) if rng is None else [int(i) for i in rng.permutation(n)]
    return sorted(sorted(order[g::groups]) for g in range(groups))
