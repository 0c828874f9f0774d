"""CMA-ES: a normal distribution that follows good points, in its mean, its step and its shape.

The core alone, on real vectors, with ask and tell for any user: the algorithm `cma-es` and emitters of archives stand on it. It minimizes
nothing by itself: a caller hands over points from best to worst, so that ranks of rewards, novelty or improvement all do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from oche.errors import ArgumentError

# A restart is due when the distribution has shrunk, or is too elongated, for 64-bit arithmetic.
_SMALLEST = 1e-14
_LARGEST = 1e14


class CMA:
    """The distribution and its update, with weights below zero for the worse half (active CMA-ES).

    Args:
        mean: First mean, `(d,)`.
        sigma: First step, above 0.
        population: Points per update; None: 4 + 3 ln d.
        active: Whether the worse half pushes away.
        covariance: First shape, `(d, d)`; None: the unit matrix.

    Raises:
        ArgumentError: a step that is not above 0, or fewer than 2 points.

    Source: Hansen 2016 (The CMA evolution strategy: a tutorial), table 1 and algorithm of appendix A.

    Example:
        >>> from oche.seeds import generator
        >>> cma, rng = CMA([3.0, 3.0], 1.0), generator(0)
        >>> for _ in range(60):
        ...     points = cma.sample(rng, cma.population)
        ...     cma.update(sorted(points, key=lambda x: float(x @ x)))
        >>> bool(abs(cma.mean).max() < 1e-5)
        True
    """

    def __init__(
        self,
        mean: Sequence[float] | np.ndarray,
        sigma: float,
        population: int | None = None,
        active: bool = True,
        covariance: np.ndarray | None = None,
    ) -> None:
        self.mean = np.array(mean, dtype=np.float64)
        d = self.dimension = len(self.mean)
        if not d:
            raise ArgumentError("mean: got no numbers; allowed: at least one")
        if not sigma > 0 or not math.isfinite(sigma):
            raise ArgumentError(f"sigma: got {sigma!r}; allowed: a number above 0")
        self.population = int(population) if population is not None else 4 + int(3 * math.log(d))
        if self.population < 2:
            raise ArgumentError(f"population: got {population!r}; allowed: a whole number from 2, or None for 4 + 3 ln d")
        self.sigma = self.first_sigma = float(sigma)
        self.active = bool(active)
        self.updates = 0
        self.covariance = np.eye(d) if covariance is None else np.array(covariance, dtype=np.float64)
        self.path_sigma = np.zeros(d)
        self.path_covariance = np.zeros(d)
        self._set_rates()

    def _set_rates(self) -> None:
        d, n = self.dimension, self.population
        raw = math.log((n + 1) / 2) - np.log(np.arange(1, n + 1))
        mu = n // 2
        up, down = raw[:mu], raw[mu:]
        self.n_good = mu
        self.mu_eff = float(up.sum() ** 2 / (up**2).sum())
        mu_eff_minus = float(down.sum() ** 2 / (down**2).sum())
        self.c_c = (4 + self.mu_eff / d) / (d + 4 + 2 * self.mu_eff / d)
        self.c_1 = 2 / ((d + 1.3) ** 2 + self.mu_eff)
        self.c_mu = min(1 - self.c_1, 2 * (self.mu_eff - 2 + 1 / self.mu_eff) / ((d + 2) ** 2 + self.mu_eff))
        self.c_sigma = (self.mu_eff + 2) / (d + self.mu_eff + 5)
        self.d_sigma = 1 + 2 * max(0.0, math.sqrt((self.mu_eff - 1) / (d + 1)) - 1) + self.c_sigma
        limit = min(1 + self.c_1 / self.c_mu, 1 + 2 * mu_eff_minus / (self.mu_eff + 2), (1 - self.c_1 - self.c_mu) / (d * self.c_mu))
        self.weights = np.concatenate([up / up.sum(), down / np.abs(down).sum() * limit if self.active else np.zeros(len(down))])
        self.norm = math.sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d * d))

    @cached_property
    def _axes(self) -> tuple[np.ndarray, np.ndarray]:
        values, vectors = np.linalg.eigh(self.covariance)
        return np.sqrt(np.maximum(values, 1e-20)), vectors

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """`(n, d)` points of the distribution."""
        lengths, vectors = self._axes
        return self.mean + self.sigma * (rng.standard_normal((n, self.dimension)) * lengths) @ vectors.T

    def near(self, point: Sequence[float] | np.ndarray) -> np.ndarray:
        """A point from elsewhere, drawn towards the mean as far as the update can bear it.

        Source: Hansen 2011 (Injecting external solutions into CMA-ES): Mahalanobis length at most sqrt(d) + 2 d / (d + 2).
        """
        step = np.asarray(point, dtype=np.float64) - self.mean
        lengths, vectors = self._axes
        length = float(np.linalg.norm((step @ vectors) / lengths)) / self.sigma
        limit = math.sqrt(self.dimension) + 2 * self.dimension / (self.dimension + 2)
        return self.mean + step * min(1.0, limit / length if length else 1.0)

    def update(self, ranked: Sequence[Sequence[float]] | np.ndarray) -> None:
        """Learn from `population` points, best first.

        Raises:
            ArgumentError: another number of points.
        """
        points = np.asarray(ranked, dtype=np.float64)
        if points.shape != (self.population, self.dimension):
            raise ArgumentError(f"update: got shape {points.shape}; allowed: {(self.population, self.dimension)}, best point first")
        self.updates += 1
        d, w = self.dimension, self.weights
        steps = (points - self.mean) / self.sigma
        lengths, vectors = self._axes
        shift = w[: self.n_good] @ steps[: self.n_good]
        self.mean = self.mean + self.sigma * shift
        whitened = vectors @ ((vectors.T @ shift) / lengths)
        self.path_sigma = (1 - self.c_sigma) * self.path_sigma + math.sqrt(self.c_sigma * (2 - self.c_sigma) * self.mu_eff) * whitened
        length = float(np.linalg.norm(self.path_sigma))
        decay = math.sqrt(1 - (1 - self.c_sigma) ** (2 * self.updates))
        stalls = length / decay >= (1.4 + 2 / (d + 1)) * self.norm
        self.path_covariance = (1 - self.c_c) * self.path_covariance
        if not stalls:
            self.path_covariance += math.sqrt(self.c_c * (2 - self.c_c) * self.mu_eff) * shift
        # A step with a weight below zero is scaled to a fixed length, so that the matrix stays positive.
        far = ((steps @ vectors / lengths) ** 2).sum(1)
        scaled = np.where(w >= 0, w, w * d / (far + 1e-20))
        kept = 1 + stalls * self.c_1 * self.c_c * (2 - self.c_c) - self.c_1 - self.c_mu * w.sum()
        self.covariance = (
            kept * self.covariance
            + self.c_1 * np.outer(self.path_covariance, self.path_covariance)
            + self.c_mu * (steps.T * scaled) @ steps
        )
        self.covariance = (self.covariance + self.covariance.T) / 2
        self.sigma *= math.exp(min(1.0, self.c_sigma / self.d_sigma * (length / self.norm - 1)))
        self.__dict__.pop("_axes", None)

    @property
    def exhausted(self) -> bool:
        """Whether the distribution has shrunk or stretched beyond use, so that a restart is due."""
        lengths = self._axes[0]
        widest = self.sigma * float(lengths.max())
        thin = (lengths.max() / lengths.min()) ** 2 > _LARGEST
        return bool(thin or widest < 1e-12 * self.first_sigma or widest < _SMALLEST or self.sigma > _LARGEST * self.first_sigma)

    def state(self) -> dict[str, Any]:
        """All that changes, as JSON values."""
        lower = np.tril_indices(self.dimension)
        return {
            "population": self.population,
            "mean": self.mean.tolist(),
            "sigma": self.sigma,
            "first_sigma": self.first_sigma,
            "updates": self.updates,
            "covariance": self.covariance[lower].tolist(),
            "path_sigma": self.path_sigma.tolist(),
            "path_covariance": self.path_covariance.tolist(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], active: bool = True) -> CMA:
        """The distribution of a state, equal bit for bit."""
        made = cls(state["mean"], state["sigma"], state["population"], active)
        made.first_sigma, made.updates = float(state["first_sigma"]), int(state["updates"])
        lower = np.tril_indices(made.dimension)
        made.covariance[lower] = state["covariance"]
        made.covariance.T[lower] = state["covariance"]
        made.path_sigma = np.array(state["path_sigma"], dtype=np.float64)
        made.path_covariance = np.array(state["path_covariance"], dtype=np.float64)
        return made
