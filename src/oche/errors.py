"""Every error that a user can cause.

All derive from `OcheError`, so that a caller can catch "anything of this library". A message says what was given, what is
allowed and what to do, in one line. The command line prints it without a traceback; any other exception is a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class OcheError(Exception):
    """Base of all errors of this library."""


class ArgumentError(OcheError, ValueError):
    """An argument has a value that is not allowed."""


class UnknownNameError(OcheError, KeyError):
    """A name is not registered, or a table has no such entry."""

    def __str__(self) -> str:
        # KeyError prints the repr of its argument, which would put quotes around the sentence.
        return str(self.args[0]) if self.args else ""


class SpaceError(ArgumentError):
    """A program, a choice or a space is ill-formed."""


class DNAError(SpaceError):
    """A DNA does not belong to the space, or has an illegal gene."""


class UndeclaredDecision(SpaceError):
    """A child met a choice that was not seen when the space was compiled."""


class Undecided(SpaceError):
    """A node with open choices was built, or an open choice was used as a value."""


class NotRelaxable(SpaceError):
    """A choice cannot take part in a supernet with this mixer."""


class ShapeMismatch(SpaceError):
    """Candidates of one choice gave outputs of unequal shapes."""


class SkipTrial(SpaceError):
    """A point of a space is no valid program. Raised while a child is made or evaluated, it ends the trial as skipped, without a reward."""


class BudgetError(ArgumentError):
    """A budget is empty, negative or does not fit the algorithm."""


class MissingFeedback(OcheError):
    """A trial was left without its one terminal feedback."""


class FeedbackError(ArgumentError):
    """A feedback is not finite, or a second one was given to the same trial."""


class StoreError(OcheError):
    """A store cannot be opened, read or written."""


class ResumeError(StoreError):
    """A run cannot be continued: its settings or its history differ."""


class TrainingError(OcheError):
    """Training cannot go on, for example because the loss is not finite."""


class DataError(OcheError):
    """A data set cannot be found or read."""


class JudgeError(ArgumentError):
    """Records cannot be compared."""


class MissingExtraError(OcheError, ImportError):
    """An optional dependency is not installed.

    Args:
        package: The import name that is missing.
        extra: The extra of this library that installs it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package}: not installed; allowed: any installed version; run: pip install 'oche[{extra}]'")
        self.package = package
        self.extra = extra


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that looks most like `name`, or None."""
    by_canonical = {_canonical(a): a for a in allowed}
    found = difflib.get_close_matches(_canonical(name), by_canonical, n=1, cutoff=0.5)
    return by_canonical[found[0]] if found else None


def unknown(kind: str, name: str, allowed: Iterable[str], hint: str = "") -> UnknownNameError:
    """The error for a name that does not exist, with the nearest one that does.

    Args:
        kind: What is named, for example `algorithm`.
        name: What was given.
        allowed: All names that exist.
        hint: What to do, as the last part of the sentence.
    """
    names = sorted(allowed)
    listed = ", ".join(repr(n) for n in names) or "nothing is registered"
    close = nearest(name, names)
    parts = [f"unknown {kind}: got {name!r}", f"allowed: {listed}"]
    if close:
        parts.append(f"did you mean {close!r}?")
    if hint:
        parts.append(hint)
    return UnknownNameError("; ".join(parts))


def _canonical(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
