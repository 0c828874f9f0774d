"""What a sampler is: anything that turns requests for responses into completions, in batches.

A sampler of a language model batches over all requests that it gets at once, whatever query they belong to. Sample `number` of a query
must depend on (seed, query, number) alone as far as the back end allows, so that a synthesis that was killed draws the same again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from oche.rejection._queries import Query


@dataclass(frozen=True)
class Request:
    """Samples wanted of one query.

    Args:
        query: The query.
        index: Its number in the list of queries.
        first: Number of the first sample.
        count: How many.
        seed: Seed of the run.
    """

    query: Query
    index: int
    first: int
    count: int
    seed: int


class Completion(NamedTuple):
    """One response.

    Args:
        text: The response.
        finish: `stop`, or `length` for one that was cut off; a cut one is wrong by definition.
        prompt_tokens: Tokens read.
        tokens: Tokens generated.
        seconds: Seconds of work.
        money: Its price.
    """

    text: str
    finish: str = "stop"
    prompt_tokens: int = 0
    tokens: int = 0
    seconds: float = 0.0
    money: float = 0.0


@runtime_checkable
class Sampler(Protocol):
    """Draws responses.

    Optional attributes: `simulated` (drawing costs nothing, so that responses after the last one wanted are never counted) and
    `prepare()`, called once in each worker process.
    """

    def generate(self, requests: Sequence[Request]) -> list[list[Completion]]:
        """`request.count` completions for every request; fewer mean that the sampler has no more of that query."""
        ...

    def describe(self) -> dict[str, Any]:
        """Model and decoding settings as JSON: equal for samplers whose samples are interchangeable."""
        ...
