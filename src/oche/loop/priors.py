"""Priors: what the user believes of good values, for any algorithm that proposes points.

A prior stands between the algorithm and the loop. Ask t is answered by a draw from the prior with probability b / (b + t), b a tenth of
the trials of the budget, otherwise by the algorithm; the results of such draws are handed to it by `learn`. So belief guides the beginning,
and a wrong belief costs a bounded share of the trials. In a draw, a decision follows its belief with the probability of its confidence and
is uniform otherwise, so that no point is ruled out.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from oche.errors import ArgumentError, unknown
from oche.loop.contracts import AskTell, Budget, Feedback, Proposal
from oche.loop.learning import Helped
from oche.program import DNA, Space
from oche.program.dna import Gene
from oche.program.layout import Point
from oche.program.shares import gene_at, to_unit

#: Confidence to the probability that a decision follows its belief.
CONFIDENCES = {"low": 0.25, "medium": 0.5, "high": 0.75}

# Without a budget in trials, as if it were a hundred.
_TRIALS = 100


@dataclass(frozen=True)
class Belief:
    """What is believed of one decision.

    Args:
        weights: Relative weight of each label that is believed in; empty for a number.
        value: The number that is believed in; None for candidates.
        confidence: Probability that a draw follows the belief, in (0, 1).
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    value: float | None = None
    confidence: float = 0.5

    @property
    def radius(self) -> float:
        """Half the width of the window around the number, as a share of its range: 0.4, 0.25, 0.1 for low, medium, high."""
        return max(0.01, 0.55 - 0.6 * self.confidence)

    def to_json(self) -> dict[str, Any]:
        """What identifies it."""
        own = {"weights": dict(self.weights)} if self.weights else {"value": self.value}
        return {**own, "confidence": self.confidence}


class Prior:
    """Beliefs about decisions, by key.

    Args:
        beliefs: For a choice a label, a list of labels, or weights by label; for a number the number. With a confidence of its own:
            `{"value": 0.01, "confidence": "high"}` or `{"weights": {"sep3": 3, "conv": 1}, "confidence": 0.6}`. Decisions without one are
            drawn uniformly.
        confidence: `low`, `medium`, `high` (0.25, 0.5, 0.75), or a number in (0, 1), for beliefs that have none.

    Raises:
        ArgumentError: a belief of another form.

    Source: the forms, and the windows around a number (0.4, 0.25, 0.1 of its range), as in NePS; a tenth of the trials for the decay is
        that of piBO (Hvarfner et al. 2022). Answering single asks from the prior, so that any algorithm can have one, is ours.

    Example:
        >>> import oche
        >>> prior = Prior({"op": "conv", "rate": {"value": 0.01, "confidence": "high"}})
        >>> space = oche.Space({"op": oche.oneof(["conv", "pool"], name="op"), "rate": oche.floatv(1e-4, 1, "log", name="rate")})
        >>> rng = np.random.default_rng(0)
        >>> draws = [space.decode(prior.draw(space, rng)) for _ in range(1000)]
        >>> 700 < sum(d["op"] == "conv" for d in draws) < 800
        True
    """

    def __init__(self, beliefs: Mapping[str, Any], confidence: str | float = "medium") -> None:
        if not isinstance(beliefs, Mapping) or not beliefs:
            raise ArgumentError(f"prior: got {beliefs!r}; allowed: beliefs by key, for example {{'op0': 'sep3', 'rate': 0.01}}")
        self.beliefs = {str(key): _belief(key, value, confidence) for key, value in beliefs.items()}

    def describe(self) -> dict[str, Any]:
        """What two runs must share to have the same prior, as JSON."""
        return {key: belief.to_json() for key, belief in sorted(self.beliefs.items())}

    def check(self, space: Space) -> None:
        """See that every belief is about a decision of the space.

        Raises:
            UnknownNameError: no such decision or candidate.
            ArgumentError: a number for candidates, labels for a number, or a number out of its range.
        """
        for key, belief in self.beliefs.items():
            p = next((p for p in space.points if p.key == key), None)
            if p is None:
                raise unknown("choice in the prior", key, space.keys)
            if p.kind == "text":
                raise ArgumentError(f"prior of {key!r}: got a choice of kind {p.choice!r}; allowed: candidates and numbers")
            if (p.kind == "categorical") != bool(belief.weights):
                raise ArgumentError(f"prior of {key!r}: got {belief.to_json()}; allowed: {_allowed(p)}")
            for label in belief.weights:
                if label not in p.labels:
                    raise unknown(f"candidate of {key!r} in the prior", label, p.labels)
            if belief.value is not None and not p.lo <= belief.value <= p.hi:
                raise ArgumentError(f"prior of {key!r}: got {belief.value!r}; allowed: {_allowed(p)}")

    def draw(self, space: Space, rng: np.random.Generator) -> DNA:
        """A random point by these beliefs."""
        flat: list[Gene] = [None] * len(space.points)
        for first, p in enumerate(space.points):
            if (p.parent >= 0 and flat[p.parent] != p.parent_choice) or p.slot > 0:
                continue
            if p.kind == "text":
                flat[first] = p.gene.random(rng)
            elif p.kind != "categorical":
                flat[first] = gene_at(p, self._share(p, rng))
            else:
                seats = [first] if p.group < 0 else [i for i, q in enumerate(space.points) if q.group == p.group]
                for seat, gene in zip(seats, self._candidates(p, len(seats), rng), strict=True):
                    flat[seat] = gene
        return DNA.trusted(tuple(flat), space.fingerprint)

    def _share(self, p: Point, rng: np.random.Generator) -> float:
        belief = self.beliefs.get(p.key)
        if belief is None or belief.value is None or rng.random() >= belief.confidence:
            return float(rng.random())
        middle = to_unit(p, belief.value)
        low, high = max(0.0, middle - belief.radius), min(1.0, middle + belief.radius)
        return low + float(rng.random()) * (high - low)

    def _candidates(self, p: Point, k: int, rng: np.random.Generator) -> list[int]:
        belief = self.beliefs.get(p.key)
        weights = [belief.weights.get(label, 0.0) for label in p.labels] if belief is not None else []
        left, genes = [1.0] * p.n, []
        for _ in range(k):
            believed = [w * free for w, free in zip(weights, left, strict=True)] if belief is not None else []
            follows = belief is not None and any(believed) and rng.random() < belief.confidence
            gene = _weighted(believed if follows else left, rng)
            genes.append(gene)
            if p.distinct:
                left[gene] = 0.0
        return sorted(genes) if p.is_sorted else genes


def _weighted(weights: Sequence[float], rng: np.random.Generator) -> int:
    """An index drawn by weight."""
    reached = list(accumulate(weights))
    return bisect_right(reached, float(rng.random()) * reached[-1], hi=max(i for i, w in enumerate(weights) if w))


def _belief(key: str, value: Any, confidence: str | float) -> Belief:
    if isinstance(value, Mapping) and ("value" in value or "weights" in value):
        extra = set(value) - {"value", "weights", "confidence"}
        if extra or ("value" in value) == ("weights" in value):
            raise ArgumentError(f"prior of {key!r}: got {dict(value)!r}; allowed: 'value' or 'weights', and 'confidence'")
        confidence = value.get("confidence", confidence)
        value = value["value"] if "value" in value else value["weights"]
    share = _confidence(key, confidence)
    if isinstance(value, (list, tuple)):
        value = dict.fromkeys(map(str, value), 1.0)
    if isinstance(value, Mapping):
        numbers = [v for v in value.values() if isinstance(v, (int, float)) and not isinstance(v, bool) and 0 <= v < float("inf")]
        if len(numbers) != len(value) or not any(numbers):
            raise ArgumentError(f"prior of {key!r}: got weights {dict(value)!r}; allowed: numbers from 0 by label, one of them above 0")
        return Belief({str(label): float(weight) for label, weight in value.items()}, None, share)
    if isinstance(value, str):
        return Belief({value: 1.0}, None, share)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ArgumentError(f"prior of {key!r}: got {value!r}; allowed: a label, labels, weights by label, or a number")
    return Belief({}, float(value), share)


def _confidence(key: str, value: str | float) -> float:
    if isinstance(value, str):
        if value not in CONFIDENCES:
            raise unknown(f"confidence of {key!r}", value, CONFIDENCES)
        return CONFIDENCES[value]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise ArgumentError(f"confidence of {key!r}: got {value!r}; allowed: 'low', 'medium', 'high', or a number in (0, 1)")
    return float(value)


def _allowed(p: Point) -> str:
    return f"labels of {', '.join(p.labels[:8])}" if p.kind == "categorical" else f"a number in [{p.lo:g}, {p.hi:g}]"


def as_prior(value: Any) -> Prior | None:
    """A prior from one, from beliefs by key, from the path of a JSON file with them (`prior.json?confidence=high`), or None.

    Raises:
        ArgumentError: it is none of these, or the file cannot be read.
    """
    if value is None or isinstance(value, Prior):
        return value
    if isinstance(value, Mapping):
        return Prior(value)
    if not isinstance(value, (str, os.PathLike)):
        raise ArgumentError(f"prior: got {value!r}; allowed: oche.loop.Prior, beliefs by key, or the path of a JSON file")
    from oche.loop.registry import parse

    path, settings = parse(os.fspath(value))
    if set(settings) - {"confidence"}:
        raise ArgumentError(f"prior: got {os.fspath(value)!r}; allowed: file.json, or file.json?confidence=high")
    try:
        beliefs = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ArgumentError(f"prior: got {path!r}, which cannot be read ({error}); allowed: a JSON file with beliefs by key") from error
    return Prior(beliefs, **settings)


class Guided(Helped):
    """An algorithm whose first proposals come from a prior, ever fewer of them.

    Args:
        algorithm: An ask-and-tell algorithm with `learn`.
        prior: The prior.

    Raises:
        ArgumentError: the algorithm evaluates points again, at another fidelity.
    """

    def __init__(self, algorithm: AskTell, prior: Prior) -> None:
        super().__init__(algorithm)
        if getattr(algorithm, "multi_fidelity", False):
            raise ArgumentError(
                f"prior: got algorithm {type(algorithm).__name__}, which comes back to its points; allowed: a prior with algorithms that "
                "evaluate a point once"
            )
        self.prior = prior

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`.

        Raises:
            OcheError: a belief does not fit the space.
        """
        self.prior.check(space)
        self._space, self._rng = space, rng
        trials = budget.trials if budget is not None else None
        self._lasting = (trials if trials is not None else _TRIALS) / 10
        self._asked = self._drawn = 0
        # Own number to the algorithm's, or to the point of a draw from the prior; and the results that are still to come.
        self._open: dict[int, tuple[int | DNA, int]] = {}
        self.algorithm.setup(space, rng, budget)

    def ask(self, n: int) -> list[Proposal]:
        """`n` proposals, from the prior or from the algorithm; fewer where that ends."""
        made = []
        for _ in range(n):
            if self._rng.random() < self._lasting / (self._lasting + self._asked):
                proposal = Proposal(self._asked, self.prior.draw(self._space, self._rng), info={"prior": True})
                self._open[self._asked] = (proposal.dna, 1)
                self._drawn += 1
            else:
                got = self.algorithm.ask(1)
                if not got:
                    break
                proposal = Proposal(self._asked, got[0].dna, got[0].count, got[0].info)
                self._open[self._asked] = (got[0].id, proposal.count)
            self._asked += 1
            made.append(proposal)
        return made

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Pass results on, those of draws from the prior by `learn`.

        Raises:
            ArgumentError: a result for a proposal that was not asked.
        """
        for number, feedback in results:
            whose, left = self._open.pop(number, (None, 0))
            if whose is None:
                raise ArgumentError(f"tell: got proposal {number}; allowed: one that was asked and not told yet")
            if left > 1:
                self._open[number] = (whose, left - 1)
            if isinstance(whose, DNA):
                self.learn(whose, feedback)
            else:
                self.algorithm.tell([(whose, feedback)])

    def state(self) -> dict[str, Any]:
        """The algorithm's state, and the numbers."""
        kept = [[i, list(whose.flat) if isinstance(whose, DNA) else whose, left] for i, (whose, left) in self._open.items()]
        return {"algorithm": self.algorithm.state(), "asked": self._asked, "drawn": self._drawn, "open": kept}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        self._asked, self._drawn = int(state["asked"]), int(state["drawn"])
        name = self._space.fingerprint
        points = [(i, DNA.trusted(tuple(w), name) if isinstance(w, list) else int(w), left) for i, w, left in state["open"]]
        self._open = {int(i): (whose, int(left)) for i, whose, left in points}
        self.algorithm.load(state["algorithm"])

    def help(self) -> dict[str, Any]:
        """The beliefs, and how many proposals were drawn from them."""
        return {"prior": {"beliefs": self.prior.describe(), "drawn": self._drawn}}


def with_prior(algorithm: Any, prior: Prior | None) -> Any:
    """`algorithm` with a prior; itself if there is none.

    Raises:
        ArgumentError: it shares weights, or cannot learn from trials that it did not ask for.
    """
    return algorithm if prior is None else Guided(algorithm, prior)
