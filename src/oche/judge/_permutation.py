"""How often chance alone would separate two arms as far as they are: the permutation p.

Exact over all splits where there are at most 200,000 (8 + 8 runs have 12,870), otherwise 100,000 seeded random splits. Against a
known population, random members take the place of splits. Splits that tie with the observed one count, within 1e-9: a plain
floating comparison loses some and changes verdicts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations

import numpy as np

from oche.judge._arms import TIE, Arm
from oche.seeds import generator

#: Largest number of splits that is enumerated.
EXACT_LIMIT = 200_000
#: Random splits or draws where enumeration is too long.
DRAWS = 100_000

# Random keys held at once while drawing splits: 4 million float64 are 32 MB.
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Significance:
    """A p value and where it comes from.

    Args:
        p: Two-sided, in (0, 1].
        smallest: Smallest p that these counts can give, whatever the values.
        method: In words, for the report.
    """

    p: float
    smallest: float
    method: str


def permutation_p(search: Arm, random: Arm, seed: int = 0) -> Significance:
    """Two-sided permutation p of the absolute difference of means.

    Args:
        search: `k` results.
        random: `n` results; a population is handled by `population_p`.
        seed: Root of the random splits, used only where `C(n + k, k)` is above 200,000.
    """
    if random.population:
        return population_p(search, random, seed)
    small, large = sorted((search, random), key=lambda a: a.n)
    splits = math.comb(small.n + large.n, small.n)
    observed = abs(search.mean - random.mean) - TIE
    pooled = np.sort(np.concatenate([small.array, large.array]))
    # Centering keeps the sums small, so that rounding stays far below the tie rule.
    pooled = pooled - math.fsum(pooled) / len(pooled)
    scale = 1.0 / small.n + 1.0 / large.n
    if splits <= EXACT_LIMIT:
        sums = pooled[all_splits(small.n + large.n, small.n)].sum(axis=1)
        hits = int(np.count_nonzero(np.abs(sums) * scale >= observed))
        return Significance(hits / splits, smallest_p(search.n, random.n), f"exact over {splits:,} splits")
    hits = _random_hits(pooled, small.n, scale, observed, seed)
    return Significance((hits + 1) / (DRAWS + 1), smallest_p(search.n, random.n), f"{DRAWS:,} random splits, seed {seed}")


@dataclass(frozen=True, eq=False)
class NullMeans:
    """Means of `k` random members of a finite space: what chance alone would report.

    Args:
        center: Mean of the whole space.
        means: `DRAWS` means, ascending.
    """

    center: float
    means: np.ndarray

    def p(self, mean: float) -> float:
        """Twice the share of draws at least as far from the center on the same side, at most 1."""
        if mean >= self.center:
            hits = len(self.means) - int(np.searchsorted(self.means, mean - TIE, side="left"))
        else:
            hits = int(np.searchsorted(self.means, mean + TIE, side="right"))
        return min(1.0, 2.0 * (hits + 1) / (len(self.means) + 1))

    def needed(self, alpha: float, direction: str = "max") -> float:
        """The mean that `k` runs must pass to come out better at level `alpha`; infinite if no mean can."""
        # p(mean) < alpha  <=>  hits < alpha (DRAWS + 1) / 2 - 1
        hits = math.ceil(alpha * (len(self.means) + 1) / 2.0 - 1.0) - 1
        if hits < 0:
            return math.inf if direction == "max" else -math.inf
        return float(self.means[len(self.means) - 1 - hits] if direction == "max" else self.means[hits])


def null_means(population: Arm, k: int, seed: int = 0) -> NullMeans:
    """Draw `k` members with replacement, 100,000 times, from a seed of its own.

    Args:
        population: All members.
        k: Members of one draw.
        seed: Root of the draws.
    """
    return NullMeans(population.mean, _drawn_means(population.values, k, seed))


@lru_cache(maxsize=8)
def _drawn_means(values: tuple[float, ...], k: int, seed: int) -> np.ndarray:
    members = np.asarray(values)
    rng = generator(seed, "judge", "population")
    means = np.empty(DRAWS)
    done = 0
    while done < DRAWS:
        rows = min(DRAWS - done, max(1, _CHUNK // k))
        means[done : done + rows] = members[rng.integers(0, len(members), (rows, k))].mean(axis=1)
        done += rows
    means.sort()
    return means


def population_p(search: Arm, population: Arm, seed: int = 0) -> Significance:
    """How often `k` random members of a finite space would have a mean as far from the known mean, on the same side.

    Twice the one-sided share, at most 1. Both other choices fail on a space with a long bad tail. On NAS-Bench-201 (CIFAR-10,
    mean 87.1, sd 12.9), the plain two-sided share is ruled by the tail of bad members: eight runs would have to average 96.2 to
    come out under .05, and no cell is better than 94.4. And the t interval alone says "better" for 30 % of groups of eight cells drawn at
    random, since most of them miss the tail; this test says so for 2.5 %.

    Args:
        search: `k` results.
        population: All members.
        seed: Root of the 100,000 draws with replacement.
    """
    if abs(search.mean - population.mean) <= TIE:
        return Significance(1.0, 2.0 / (DRAWS + 1), "mean equals the population's")
    p = null_means(population, search.n, seed).p(search.mean)
    return Significance(p, 2.0 / (DRAWS + 1), f"{DRAWS:,} draws of {search.n} from all {population.n:,} members, seed {seed}")


def smallest_p(k: int, n: int) -> float:
    """Smallest p that a comparison of `k` with `n` runs can give: the two most extreme splits, one if the arms are unequal.

    Example:
        >>> round(smallest_p(3, 3), 3), round(smallest_p(5, 5), 4)
        (0.1, 0.0079)
    """
    # C(22, 11) is above the limit already; larger binomials would only cost time.
    splits = math.comb(n + k, k) if min(n, k) <= 10 else EXACT_LIMIT + 1
    if splits > EXACT_LIMIT:
        return 1.0 / (DRAWS + 1)
    return (2.0 if n == k else 1.0) / splits


@lru_cache(maxsize=16)
def all_splits(total: int, part: int) -> np.ndarray:
    """All ways to choose `part` of `total`, `(C(total, part), part)`."""
    flat = np.fromiter(chain.from_iterable(combinations(range(total), part)), dtype=np.uint8 if total < 256 else np.uint32)
    return flat.reshape(-1, part)


def _random_hits(centered: np.ndarray, part: int, scale: float, observed: float, seed: int) -> int:
    """Number of random splits at least as far apart as observed."""
    rng = generator(seed, "judge", "permutation")
    hits, done = 0, 0
    while done < DRAWS:
        rows = min(DRAWS - done, max(1, _CHUNK // len(centered)))
        chosen = np.argpartition(rng.random((rows, len(centered))), part - 1, axis=1)[:, :part]
        hits += int(np.count_nonzero(np.abs(centered[chosen].sum(axis=1)) * scale >= observed))
        done += rows
    return hits


def sign_flip_p(differences: Sequence[float], seed: int = 0) -> float:
    """Two-sided p of a paired mean: how often random signs give a mean as far from 0; exact up to 16 pairs.

    Example:
        >>> sign_flip_p([1.0, 2.0, 3.0, 4.0, 5.0])
        0.0625
    """
    found = np.asarray(differences, dtype=np.float64)
    n = len(found)
    observed = abs(float(found.sum())) - 1e-9
    if n <= 16:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float((np.abs(signs @ found) >= observed).mean())
    rng = generator(seed, "judge", "sign flips")
    signs = 1 - 2 * rng.integers(0, 2, (100_000, n), dtype=np.int8)
    return (int((np.abs(signs @ found) >= observed).sum()) + 1) / 100_001
