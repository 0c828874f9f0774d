"""What is sent to a worker: small frozen messages. The program, the task and the algorithm are there already (`Workbench`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oche.loop.contracts import Budget, DrawItem, Progress
from oche.loop.parts import Part
from oche.loop.reports import Watch
from oche.program import DNA


@dataclass(frozen=True)
class Evaluate:
    """Get the search signal of a DNA; `watch` says how far to go and what may stop it, None for the whole way."""

    dna: DNA
    seed: int
    watch: Watch | None = None


@dataclass(frozen=True)
class EvaluateMany:
    """Get the search signals of several DNAs side by side.

    Args:
        dnas: The points.
        seeds: A seed for each.
        observe: Whether the algorithm learns from observations; a task may leave them out if not.
    """

    dnas: tuple[DNA, ...]
    seeds: tuple[int, ...]
    observe: bool


@dataclass(frozen=True)
class Report:
    """Get the final result of a DNA."""

    dna: DNA
    seed: int


@dataclass(frozen=True)
class Draw:
    """Draw samples for several proposals at once."""

    items: tuple[DrawItem, ...]


@dataclass(frozen=True)
class Advance:
    """Do some steps of a weight-sharing search.

    Args:
        run: Identity of the run; the worker keeps its algorithm alive under it.
        seed: The run's seed.
        at: Steps done so far.
        steps: Steps to do.
        checkpoint: File with the state after `at` steps, None at the start or if no files are written.
        directory: Where the checkpoint of the new state goes, None for no file.
        budget: Budget of the first start.
        part: The part of the search that is meant, None where it is in one piece.
        source: File with the end state from which the part goes on, where it has not begun yet.
    """

    run: str
    seed: int
    at: int
    steps: int
    checkpoint: str | None
    directory: str | None
    budget: Budget | None
    part: Part | None = None
    source: str | None = None


@dataclass(frozen=True)
class Advanced:
    """Answer to `Advance`: progress, the checkpoint file that holds it with its hash, and the result of a part that is done."""

    progress: Progress
    path: str | None
    sha256: str
    result: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Sizes:
    """Get the number of batches of an epoch of each split; `seed` is the run's."""

    seed: int


@dataclass(frozen=True)
class Propose:
    """Get proposals from a weight-sharing search that is done; fields as in `Advance`."""

    run: str
    seed: int
    at: int
    n: int
    checkpoint: str | None
    budget: Budget | None
