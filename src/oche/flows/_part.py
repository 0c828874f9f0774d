"""One search over some of the decisions, the others being taken: what every flow is made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from oche.errors import ArgumentError, SpaceError
from oche.loop.contracts import AskTell, Budget, Feedback
from oche.loop.learning import learn
from oche.program import DNA, Space


class Part:
    """A new algorithm on a partial space.

    Args:
        whole: The space that a flow searches.
        part: The decisions of `whole` that this part searches.
        taken: Decisions outside the part, by key; those that are not named get their first candidate.
        make: Makes the algorithm.
        rng: The generator that the loop sets anew before each ask.
        trials: Evaluations that this part may ask for.
    """

    def __init__(
        self, whole: Space, part: Space, taken: Mapping[str, Any], make: Callable[[], AskTell], rng: np.random.Generator, trials: int
    ) -> None:
        self.whole = whole
        self.part = part
        self.taken = dict(taken)
        self.trials = trials
        self.asked = 0
        self.over = False
        self.open: dict[int, DNA] = {}
        self.best: tuple[float, DNA] | None = None
        self.algorithm: AskTell | None = None
        if part.points:
            self.algorithm = make()
            self.algorithm.setup(part, rng, Budget(trials=trials))

    @property
    def done(self) -> bool:
        """Whether everything was asked and told."""
        return self.over and not self.open

    def ask(self) -> tuple[int, DNA] | None:
        """Number and point of `whole`, or None at the end."""
        if self.over or self.asked >= self.trials:
            self.over = True
            return None
        if self.algorithm is None:
            # Nothing is left to decide: one point, tried once.
            self.over = True
            number, decisions = 0, {}
        else:
            found = self.algorithm.ask(1)
            if not found:
                self.over = True
                return None
            number, decisions = found[0].id, self.part.decisions(found[0].dna)
        self.asked += 1
        self.over = self.over or self.asked >= self.trials
        self.open[number] = self.whole.encode_decisions({**self.taken, **decisions}, defaults=True)
        return number, self.open[number]

    def tell(self, number: int, feedback: Feedback) -> DNA:
        """Pass a result on; the point of `whole` that it belongs to."""
        dna = self.open.pop(number)
        if feedback.status == "skipped" and not feedback.cost.trials and self.algorithm is not None:
            # It was never evaluated, so it does not count.
            self.asked -= 1
            self.over = False
        if feedback.ok and (self.best is None or feedback.scalar > self.best[0]):
            self.best = (feedback.scalar, dna)
        if self.algorithm is not None:
            self.algorithm.tell([(number, feedback)])
        return dna

    def learn(self, dna: DNA, feedback: Feedback) -> None:
        """Let the algorithm know a trial of `whole` that it did not ask for."""
        if self.algorithm is None:
            return
        known = self.whole.decisions(dna)
        learn(self.algorithm, self.part.encode_decisions({k: v for k, v in known.items() if k in self.part.keys}, defaults=True), feedback)

    def decisions(self) -> dict[str, Any]:
        """What the best point of this part decides; first candidates before any result."""
        if self.best is None:
            return self.whole.decisions(self.whole.encode_decisions(self.taken, defaults=True))
        return self.whole.decisions(self.best[1])

    def state(self) -> dict[str, Any]:
        """JSON values; the spaces come back from `taken`."""
        return {
            "taken": {k: list(v) if isinstance(v, tuple) else v for k, v in self.taken.items()},
            "trials": self.trials,
            "asked": self.asked,
            "over": self.over,
            "open": [[i, list(d.flat)] for i, d in self.open.items()],
            "best": [self.best[0], list(self.best[1].flat)] if self.best is not None else None,
            "algorithm": self.algorithm.state() if self.algorithm is not None else None,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        name = self.whole.fingerprint
        self.trials, self.asked, self.over = state["trials"], state["asked"], state["over"]
        self.open = {int(i): DNA.trusted(tuple(flat), name) for i, flat in state["open"]}
        best = state["best"]
        self.best = (best[0], DNA.trusted(tuple(best[1]), name)) if best is not None else None
        if self.algorithm is not None:
            self.algorithm.load(state["algorithm"])


def split(space: Space, test: str, what: str) -> Space:
    """The part of `space` that `test` names.

    Raises:
        ArgumentError: nothing is left outside it.
        SpaceError: it names nothing, is no regular expression, or names a decision without the one that it depends on.
    """
    part = space.where(test)
    if set(part.keys) == set(space.keys):
        raise ArgumentError(f"flow, {what}: got {test!r}, which matches every choice; allowed: some of {', '.join(space.keys[:12])}")
    lost = [key for key in space.keys if re.search(test, key) and key not in part.keys]
    if lost:
        raise SpaceError(
            f"flow, {what}: got {test!r}, which names {', '.join(lost)} but not what they depend on; "
            "allowed: decisions together with those above them"
        )
    return part
