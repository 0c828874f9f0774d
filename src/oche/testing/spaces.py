"""Small spaces with every kind of decision, and a task that scores their points without training anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oche.files import digest
from oche.loop.contracts import Feedback
from oche.program import DNA, Space, floatv, intv, manyof, oneof


def categorical() -> dict[str, Any]:
    """Six choices of five: 15,625 points."""
    return {f"op{i}": oneof(list("abcde"), name=f"op{i}") for i in range(6)}


def conditional() -> dict[str, Any]:
    """Decisions that exist under one candidate only: (1 + 3 + 2 x 2) x 2 = 16 points."""
    inner = {"x": oneof([1, 2], name="x"), "y": oneof([3, 4], name="y")}
    return {"a": oneof([0, oneof([5, 6, 7], name="b"), inner], name="a"), "c": oneof(["p", "q"], name="c")}


def picks() -> dict[str, Any]:
    """Several picks at once, distinct and sorted, distinct, and repeated: 10 x 12 x 9 = 1,080 points."""
    return {
        "sorted": manyof(2, list("abcde"), sorted=True, name="sorted"),
        "distinct": manyof(2, list("abcd"), name="distinct"),
        "repeated": manyof(2, list("abc"), distinct=False, name="repeated"),
    }


def numbers() -> dict[str, Any]:
    """Floats on two scales, an integer, and a choice that hides one more float; infinitely many points."""
    hidden = oneof([0.0, floatv(-1.0, 1.0, name="momentum")], name="kind")
    return {
        "rate": floatv(1e-4, 1.0, "log", name="rate"),
        "width": intv(1, 9, name="width"),
        "kind": hidden,
        "mix": floatv(0.0, 1.0, name="mix"),
    }


def reals() -> dict[str, Any]:
    """Numbers without any condition, on every scale."""
    return {
        "rate": floatv(1e-4, 1.0, "log", name="rate"),
        "decay": floatv(0.9, 0.999, "rlog", name="decay"),
        "width": intv(1, 9, name="width"),
        "depth": intv(1, 64, log=True, name="depth"),
        "mix": floatv(-1.0, 1.0, name="mix"),
    }


#: By name.
SPACES: dict[str, Callable[[], dict[str, Any]]] = {
    "categorical": categorical,
    "conditional": conditional,
    "picks": picks,
    "numbers": numbers,
    "reals": reals,
}


def space(name: str) -> Space:
    """The space of that name."""
    made = Space(SPACES[name]())
    made.name = name
    return made


class ScoreTask:
    """Rewards that look random and depend on the point only.

    Args:
        fails: Share of points whose evaluation raises.
        skips: Share of points that are skipped.
        constant: A reward for all, or None.
    """

    name = "score"

    def __init__(self, fails: float = 0.0, skips: float = 0.0, constant: float | None = None) -> None:
        self.fails = fails
        self.skips = skips
        self.constant = constant

    def describe(self) -> dict[str, Any]:
        """What identifies the task."""
        return {"task": self.name, "fails": self.fails, "skips": self.skips, "constant": self.constant}

    def child(self, space: Space, dna: DNA, seed: int, final: bool = False) -> tuple[Any, ...]:
        """The decisions are all that is needed."""
        return dna.flat

    def evaluate(self, child: tuple[Any, ...], seed: int) -> Feedback:
        """A number in [0, 1) from the point."""
        fate = _number("fate", child)
        if fate < self.fails:
            raise ValueError(f"point {child} fails by design")
        if fate < self.fails + self.skips:
            return Feedback(status="skipped", reason="by design")
        value = _number("score", child) if self.constant is None else self.constant
        return Feedback(reward=value, metrics={"valid": value})

    def report(self, child: tuple[Any, ...], seed: int) -> Feedback:
        """The score with a little that depends on the seed."""
        value = _number("score", child) + 0.001 * _number("report", seed)
        return Feedback(reward=value, metrics={"test": value})


def _number(*key: Any) -> float:
    return int(digest(list(key))[:12], 16) / 16**12
