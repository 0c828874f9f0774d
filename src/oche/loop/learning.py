"""Trials that an algorithm did not ask for: how flows and wrappers hand them on.

An ask-and-tell algorithm may have a method `learn(dna, feedback)`. It must not draw random numbers there, and must take a call at any time
after `setup`.
"""

from __future__ import annotations

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
