"""A sampler without a model: the response to a query is right with the query's own probability.

The probabilities come from a Beta distribution or a list. Sample `number` of a query is a function of (seed, query, number), read from
a counter-based generator, so any part of the stream can be drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from oche.errors import ArgumentError
from oche.files import digest
from oche.rejection._queries import Query
from oche.rejection._sampler import Completion, Request
from oche.seeds import derive, generator

# A wrong answer holds no digits: graders that read the last number of a text must not find a right one in it.
_LETTERS = str.maketrans("0123456789", "abcdefghij")
_BLOCK = 4  # Philox makes four numbers per step of its counter.


class Bernoulli:
    """Right with probability p of the query, else wrong; every text is different.

    Args:
        beta: Two numbers a, b > 0 (or the text `a,b`): p of each query is drawn from Beta(a, b).
        rates: The probabilities themselves, by query id or in the order of queries; then `beta` is not used.
        clip: Probabilities are kept in [clip, 1 - clip].
        tokens: Tokens that a right response counts; a hard query's responses are longer by `slope`.
        slope: Tokens more at fail rate 1.
        seed: Seed of the probabilities, not of the samples.
    """

    simulated = True

    def __init__(
        self,
        beta: str | Sequence[float] = (0.6, 0.6),
        rates: Any = None,
        clip: float = 0.0,
        tokens: int = 100,
        slope: int = 0,
        seed: int = 0,
    ) -> None:
        try:
            pair = [float(v) for v in (beta.split(",") if isinstance(beta, str) else beta)]
        except (TypeError, ValueError):
            pair = []
        if len(pair) != 2 or min(pair) <= 0 or not all(np.isfinite(pair)):
            raise ArgumentError(f"beta: got {beta!r}; allowed: two numbers above 0, for example beta=0.6,0.6")
        if not 0 <= clip < 0.5:
            raise ArgumentError(f"clip: got {clip!r}; allowed: a number in [0, 0.5)")
        self.beta = (pair[0], pair[1])
        self.rates = {str(k): float(v) for k, v in rates.items()} if hasattr(rates, "items") else None if rates is None else list(rates)
        if self.rates is not None:
            given = self.rates.values() if isinstance(self.rates, dict) else self.rates
            if not all(0 <= p <= 1 for p in given):
                raise ArgumentError("rates: got a number outside [0, 1]; allowed: probabilities")
        self.clip, self.tokens, self.slope, self.seed = clip, tokens, slope, seed

    def describe(self) -> dict[str, Any]:
        """All settings."""
        rates = digest(self.rates)[:16] if self.rates is not None else None
        return {"sampler": "bernoulli", "beta": list(self.beta), "rates": rates, "clip": self.clip, "tokens": self.tokens,
                "slope": self.slope, "seed": self.seed}  # fmt: skip

    def pass_rate(self, query: Query, index: int) -> float:
        """The true probability of a query."""
        if isinstance(self.rates, dict):
            p = self.rates[query.id]
        elif self.rates is not None:
            p = self.rates[index]
        else:
            p = float(generator(self.seed, "rate", query.id).beta(*self.beta))
        return min(max(p, self.clip), 1 - self.clip)

    def generate(self, requests: Sequence[Request]) -> list[list[Completion]]:
        """Draw; a pure function of the requests."""
        return [self._draw(r) for r in requests]

    def _draw(self, request: Request) -> list[Completion]:
        p = self.pass_rate(request.query, request.index)
        stream = np.random.Philox(key=derive(request.seed, "bernoulli", request.query.id))
        skip = request.first % _BLOCK
        stream.advance(request.first // _BLOCK)
        draws = np.random.Generator(stream).random(skip + request.count)[skip:]
        reference = request.query.reference
        right = reference if isinstance(reference, str) else reference[0]
        tokens = self.tokens + round(self.slope * (1 - p))
        first = request.first
        return [
            Completion(f"Sample {i}.\n#### {right}" if hit else f"Sample {i}.\n#### wrong {str(i).translate(_LETTERS)}", "stop", 0, tokens)
            for i, hit in enumerate((draws < p).tolist(), first)
        ]
