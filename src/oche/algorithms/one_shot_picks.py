"""Which points a weight-sharing search scores with its shared weights, one after another.

    random   different points, each as likely as any other; all of a small space
    policy   different points drawn by the logits or the controller (ENAS)
    top      the points of the largest product of probabilities (SETN)
    evolve   children of the best so far: half mutations, half crossovers (SPOS, FairNAS)

The next point is a function of the seed, the logits and the scores so far, so a search that is resumed asks for the same ones.
Source: numbers are in the presets; evolution as in Guo et al. 2020: parents are the best ten of a population of fifty.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from oche.algorithms.evolution import Evolution
from oche.algorithms.operators import Mutate, Random, Top, Uniform
from oche.errors import ArgumentError
from oche.loop.contracts import Feedback
from oche.program import DNA, Space
from oche.seeds import generator
from oche.supernets.longest_path import PathRule
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy

#: How the result is picked.
PICKS = ("derive", "score")
#: Where scored points come from.
SOURCES = ("random", "policy", "top", "evolve")


def check_picks(mixer: Mixer, pick: str, points: str) -> None:
    """Refuse words that are not known, and those that need logits where none are trained.

    Raises:
        ArgumentError: says which, and what would do.
    """
    if pick not in PICKS:
        raise ArgumentError(f"pick: got {pick!r}; allowed: {', '.join(repr(p) for p in PICKS)}")
    if pick == "derive" and not mixer.learns_arch:
        raise ArgumentError(f"pick: got 'derive' with {type(mixer).__name__}, which trains no logits; allowed: 'score'")
    if points not in SOURCES:
        raise ArgumentError(f"points: got {points!r}; allowed: {', '.join(repr(s) for s in SOURCES)}")
    if points in ("policy", "top") and not mixer.learns_arch:
        raise ArgumentError(f"points: got {points!r} with {type(mixer).__name__}, which trains no logits; allowed: 'random', 'evolve'")


def likely(policy: Policy, first: DNA, n: int, rng: np.random.Generator) -> list[DNA]:
    """The `n` most probable points beside `first` among 16 (n + 1) that are drawn from the policy."""
    found: dict[DNA, float] = {}
    for _ in range(16 * (n + 1) if n > 0 else 0):
        dna = policy.sample(rng)
        if dna != first and dna not in found:
            found[dna] = float(policy.log_prob(dna).detach())
    return sorted(found, key=lambda dna: -found[dna])[:n]


class Points:
    """The points of one search, in order.

    Args:
        source: One of `SOURCES`.
        n: How many, at most.
        space: Their space.
        policy: Of the trained supernet.
        seed: Of the draws.
    """

    def __init__(self, source: str, n: int, space: Space, policy: Policy, seed: int) -> None:
        self.space, self.policy, self.seed = space, policy, seed
        self.n = int(min(n, space.size))
        evolves = source == "evolve" and space.size > n
        self._known: list[DNA] = [] if evolves else list(self._listed(source))
        self._evolution = self._evolved() if evolves else None
        self._told = 0

    def __getitem__(self, index: int) -> DNA:
        return self._known[index]

    def __len__(self) -> int:
        return self.n

    def after(self, scores: Sequence[float]) -> DNA:
        """The point that comes next when the first `len(scores)` ones have these scores."""
        if self._evolution is not None:
            while len(self._known) <= len(scores):
                number = len(self._known)
                for i in range(self._told, number):
                    self._evolution.tell([(i, Feedback(reward=float(scores[i])))])
                self._told = number
                self._rng.bit_generator.state = generator(self.seed, "evolve", number).bit_generator.state
                self._known.append(self._evolution.ask(1)[0].dna)
        return self._known[len(scores)]

    def scored(self, scores: Sequence[float]) -> dict[DNA, float]:
        """The score of every point that has one, in the order of the points."""
        if scores:
            self.after(scores[:-1])
        return dict(zip(self._known, scores, strict=False))

    def incumbents(self, scores: Sequence[float], spent: float, each: float) -> list[dict[str, Any]]:
        """The points that were the best so far when they were scored, with their scores and the passes spent by then.

        Args:
            scores: Of the points, in their order.
            spent: Passes after the last score.
            each: Passes of one score; a point that comes again costs none.
        """
        self.scored(scores)
        distinct = len(set(self._known[: len(scores)]))
        seen: dict[DNA, None] = {}
        found: list[dict[str, Any]] = []
        for dna, score in zip(self._known, scores, strict=False):
            seen.setdefault(dna)
            if not found or score > found[-1]["score"]:
                passes = spent - each * (distinct - len(seen))
                found.append({"passes": round(passes, 6), "score": score, "dna": list(dna.flat)})
        return found

    def _evolved(self) -> Evolution:
        population = min(50, max(4, self.n // 20))
        parents, half = max(2, population // 5), population // 2
        mutated = Top(parents) >> Random(1) >> Mutate(force_change=True)
        crossed = Top(parents) >> Random(2) >> Uniform()[:1]
        made = Evolution(mutated * (population - half) + crossed * half, Top(population), initial=population)
        self._rng = np.random.Generator(np.random.PCG64(0))
        made.setup(self.space, self._rng)
        return made

    def _listed(self, source: str) -> Iterator[DNA]:
        if self.space.size <= self.n:
            yield from self.space
            return
        if source == "top":
            best = top(self.space, self.policy, self.n)
            if best is not None:
                yield from best
                return
        rng = generator(self.seed, "candidates")
        found: dict[DNA, None] = {}
        # A policy that is sure of itself gives few points; the rest is drawn at random.
        for tries in range(50 * self.n):
            if len(found) == self.n:
                break
            by_policy = source != "random" and tries < 20 * self.n
            found.setdefault(self.policy.sample(rng) if by_policy else self.space.sample(rng))
        self.n = len(found)
        yield from found


def top(space: Space, policy: Policy, n: int) -> list[DNA] | None:
    """The n points of the largest probability, best first; None if decisions stand inside each other or picks depend on picks.

    Args:
        space: A finite space of single choices.
        policy: With a row of logits for each.
        n: Up to the size of the space.
    """
    if policy.chain:
        return policy.paths(n, PathRule(score="log")) if len(policy.chain) == len(policy.rows) else None
    rows = [policy.rows.get(key) for key in space.keys]
    if any(row is None or row.kind != "one" or key not in policy.keys for key, row in zip(space.keys, rows, strict=True)):
        return None
    if any(parent >= 0 for parent in space.parent):
        return None
    ranked = []
    for key, row in zip(space.keys, rows, strict=True):
        assert row is not None
        scores = policy.probabilities(key).detach().double().log()[list(row.allowed)].tolist()
        labels = [row.labels[i] for i in row.allowed]
        ranked.append(sorted(zip(scores, labels, strict=True), key=lambda pair: -pair[0]))

    def total(ranks: tuple[int, ...]) -> float:
        return -sum(column[rank][0] for column, rank in zip(ranked, ranks, strict=True))

    start = tuple(0 for _ in ranked)
    heap, seen, found = [(total(start), start)], {start}, []
    while heap and len(found) < n:
        _, ranks = heapq.heappop(heap)
        chosen = {key: column[rank][1] for key, column, rank in zip(space.keys, ranked, ranks, strict=True)}
        found.append(space.encode_decisions(chosen))
        for i in range(len(ranks)):
            following = (*ranks[:i], ranks[i] + 1, *ranks[i + 1 :])
            if following[i] < len(ranked[i]) and following not in seen:
                seen.add(following)
                heapq.heappush(heap, (total(following), following))
    return found
