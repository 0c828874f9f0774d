"""Members spread over the range of a cost: as many small ones as large ones, where plain draws crowd in the middle.

The range between the smallest and the largest cost is cut into bins; a random draw is kept if its bin is not full.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oche.errors import ArgumentError, SpaceError, unknown
from oche.program.costs import MemberCost
from oche.program.dna import DNA
from oche.program.space import Space
from oche.seeds import as_generator

_SCALES = ("log", "linear")
#: With so large a share of bins not yet full (4 of 20), every bin may take more: the last ones may be out of reach.
_OUT_OF_REACH = 0.2
#: So many rejected draws per bin in a row relax the bins too, where more than those are out of reach.
_PATIENCE = 25


@dataclass(frozen=True)
class Strata:
    """A stratified sample.

    Args:
        members: The points, in the order in which they were drawn.
        costs: Cost of each.
        edges: Borders of the bins, one more than there are bins.
        draws: Number of draws that it took.
    """

    members: tuple[DNA, ...]
    costs: tuple[float, ...]
    edges: tuple[float, ...]
    draws: int

    @property
    def counts(self) -> tuple[int, ...]:
        """Members in each bin."""
        found = [0] * (len(self.edges) - 1)
        for cost in self.costs:
            found[_bin(self.edges, cost)] += 1
        return tuple(found)


def stratify(
    space: Space,
    cost: str | Callable[[Any], float] | MemberCost = "params",
    n: int = 20,
    bins: int = 20,
    scale: str = "log",
    seed: int | np.random.Generator = 0,
    low: float | None = None,
    high: float | None = None,
    probes: int = 100,
) -> Strata:
    """Draw members whose costs spread evenly between the smallest and the largest.

    A draw is kept if its bin holds fewer than n / bins members, rounded up. Once all but a fifth of the bins are full (all but 4 of 20),
    or after 25 draws per bin in a row that were of no use, every bin may hold one more.

    Args:
        space: The space.
        cost: `params`, a function of a child that gives a number, or a `MemberCost`.
        n: Number of members.
        bins: Number of bins.
        scale: `log`: bins of equal ratio; `linear`: of equal width.
        seed: A number, or a generator that goes on.
        low, high: Ends of the range. None: the smallest and the largest of `probes` draws, then of `probes` mutations of each.
        probes: As above.

    Raises:
        ArgumentError: a number is out of range, or a cost is not positive on the logarithmic scale.

    Source: Sukthanker et al. 2024 (whittle), stratified sampling by parameter count with 20 bins; search for the ends and the second
        rule of relaxation are ours.
    """
    for name, value in (("n", n), ("bins", bins), ("probes", probes)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ArgumentError(f"{name}: got {value!r}; allowed: a whole number from 1")
    if scale not in _SCALES:
        raise unknown("scale", scale, _SCALES)
    measure = cost if isinstance(cost, MemberCost) else MemberCost(cost)
    rng = as_generator(seed)
    known: dict[tuple[Any, ...], float] = {}

    def price(dna: DNA) -> float:
        if dna.flat not in known:
            known[dna.flat] = _number(measure(space, dna), space, scale)
        return known[dna.flat]

    lowest = _extreme(space, price, rng, probes, smallest=True) if low is None else _number(low, space, scale)
    highest = _extreme(space, price, rng, probes, smallest=False) if high is None else _number(high, space, scale)
    if lowest > highest:
        raise ArgumentError(f"low, high: got {lowest:g}, {highest:g}; allowed: low not above high")
    edges = _edges(lowest, highest, bins if highest > lowest else 1, scale)
    return _fill(space, price, edges, n, rng, bounded=(low is not None, high is not None))


def _fill(
    space: Space, price: Callable[[DNA], float], edges: Sequence[float], n: int, rng: np.random.Generator, bounded: tuple[bool, bool]
) -> Strata:
    bins = len(edges) - 1
    limit, counts = math.ceil(n / bins), [0] * bins
    members: list[DNA] = []
    costs: list[float] = []
    draws = useless = 0
    while len(members) < n:
        if useless >= _PATIENCE * bins * max(1, limit) and not members:
            raise SpaceError(
                f"space {space.name!r}: got no member with a cost from {edges[0]:g} to {edges[-1]:g} in {draws} draws; "
                "allowed: a range that the space reaches; widen low and high"
            )
        if useless >= _PATIENCE * bins or sum(c < limit for c in counts) <= bins * _OUT_OF_REACH:
            limit, useless = limit + 1, 0 if members else useless
        dna = space.sample(rng)
        cost = price(dna)
        draws += 1
        out = (bounded[0] and cost < edges[0]) or (bounded[1] and cost > edges[-1])
        place = _bin(edges, cost)
        if out or counts[place] >= limit:
            useless += 1
            continue
        counts[place] += 1
        useless = 0
        members.append(dna)
        costs.append(cost)
    return Strata(tuple(members), tuple(costs), tuple(edges), draws)


def _extreme(space: Space, price: Callable[[DNA], float], rng: np.random.Generator, probes: int, smallest: bool) -> float:
    """The smallest (largest) cost of random draws, pushed further by mutations that do not make it worse."""
    sign = 1.0 if smallest else -1.0
    best = min((space.sample(rng) for _ in range(probes)), key=lambda dna: sign * price(dna))
    for _ in range(probes):
        active = [i for i, gene in enumerate(best.flat) if gene is not None]
        flat = space.resample(best.flat, active[int(rng.integers(len(active)))], rng)
        near = DNA.trusted(tuple(flat), space.fingerprint)
        if sign * price(near) <= sign * price(best):
            best = near
    return price(best)


def _edges(low: float, high: float, bins: int, scale: str) -> list[float]:
    if scale == "log":
        inner = [math.exp(math.log(low) + (math.log(high) - math.log(low)) * i / bins) for i in range(1, bins)]
    else:
        inner = [low + (high - low) * i / bins for i in range(1, bins)]
    return [low, *inner, high]


def _bin(edges: Sequence[float], cost: float) -> int:
    """Index of the bin; what lies outside of all bins belongs to the nearest."""
    return min(max(bisect_right(edges, cost) - 1, 0), len(edges) - 2)


def _number(value: Any, space: Space, scale: str) -> float:
    number = float(value)
    if not math.isfinite(number) or (scale == "log" and number <= 0):
        raise ArgumentError(
            f"cost in space {space.name!r}: got {value!r}; allowed: a finite number{' above 0' if scale == 'log' else ''}"
            + ("; use scale='linear'" if scale == "log" else "")
        )
    return number
