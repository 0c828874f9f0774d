"""Trials that an algorithm did not ask for: how flows and wrappers hand them on.

An ask-and-tell algorithm may have a method `learn(dna, feedback)`. It must not draw random numbers there, and must take a call at any time
after `setup`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oche.errors import ArgumentError
from oche.loop.contracts import AskTell, Feedback
from oche.program import DNA


def learn(algorithm: AskTell, dna: DNA, feedback: Feedback) -> None:
    """Let an algorithm know a trial that it did not ask for.

    Raises:
        ArgumentError: it cannot.
    """
    check_learns(algorithm)
    algorithm.learn(dna, feedback)  # type: ignore[attr-defined]


def check_learns(algorithm: AskTell) -> None:
    """Stop early where `learn` would not work.

    Raises:
        ArgumentError: the algorithm has no such method.
    """
    if hasattr(algorithm, "advance"):
        raise ArgumentError(
            f"algorithm {type(algorithm).__name__}: got trials that it did not ask for (a warm start or a prior), and it shares weights; "
            "allowed: algorithms that propose points, for example 'regularized-evolution'"
        )
    if not hasattr(algorithm, "learn"):
        raise ArgumentError(
            f"algorithm {type(algorithm).__name__}: got trials that it did not ask for; allowed: an algorithm with `learn`, for example "
            "random, regularized-evolution, cma-es or optuna:tpe"
        )


class Helped:
    """Base of what stands between an algorithm and the loop and tells it of trials that it did not ask for.

    Args:
        algorithm: An ask-and-tell algorithm with `learn`.

    Raises:
        ArgumentError: the algorithm cannot learn trials that it did not ask for.
    """

    def __init__(self, algorithm: AskTell) -> None:
        check_learns(algorithm)
        self.algorithm = algorithm

    def __getattr__(self, name: str) -> Any:
        # Settings and marks such as `finite` are the algorithm's. Private names are looked up while copying.
        if name.startswith("_") or name == "algorithm":
            raise AttributeError(name)
        return getattr(self.algorithm, name)

    def learn(self, dna: DNA, feedback: Feedback) -> None:
        """Pass a trial on that was not asked for."""
        self.algorithm.learn(dna, feedback)  # type: ignore[attr-defined]

    def facts(self) -> dict[str, Any]:
        """What a record says: what the algorithm says of itself, and how it was helped."""
        return {**getattr(self.algorithm, "facts", dict)(), **self.help()}

    def help(self) -> Mapping[str, Any]:
        """How the algorithm was helped, as JSON values by key of the record's settings."""
        raise TypeError(f"{type(self).__name__}: override help")
