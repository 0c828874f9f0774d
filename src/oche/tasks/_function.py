"""Any function of a child as a task."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from oche.errors import FeedbackError
from oche.loop.contracts import Cost, Feedback
from oche.loop.reports import Reports
from oche.program import DNA, Space


class Function:
    """Reward = f(child); f may have arguments `seed` and `reports` besides.

    A function with an argument `reports` takes early stopping and fidelities: it calls `reports.report(value, step)` as it goes on, ends
    at `reports.fidelity` (None: its whole way, as in a final evaluation) or when `reports.should_stop()` says so, and may leave its state
    in the file `reports.keep` and go on from `reports.source`, see `oche.loop.Reports`. Its steps are counted as epochs.

    Args:
        function: Returns a number, a tuple of numbers (several objectives), a pair (reward, metrics), or a `Feedback`.
        name: For records; the function's own name by default.
        version: Change it when the function changes, so that old and new results are not compared.
    """

    metric = "value"
    direction = "max"
    unit = ""

    def __init__(self, function: Callable[..., Any], name: str | None = None, version: str = "") -> None:
        self.function = function
        self.name = f"function:{name or getattr(function, '__name__', type(function).__name__)}"
        self.version = version
        try:
            names = set(inspect.signature(function).parameters)
        except (TypeError, ValueError):
            names = set()
        #: Whether the function takes a seed, so that two calls may differ.
        self.seeded = "seed" in names
        #: Whether the function reports while it works.
        self.takes_reports = "reports" in names

    def describe(self) -> dict[str, Any]:
        """Name and version of the function."""
        metric = {"name": self.metric, "direction": self.direction, "unit": self.unit, "report": "one call"}
        return {"task": self.name, "version": self.version, "metric": metric}

    def child(self, space: Space, dna: DNA, seed: int, final: bool = False) -> Any:
        """The decoded program; nodes are built."""
        return space.build(dna, seed=seed)

    def evaluate(self, child: Any, seed: int, reports: Reports | None = None) -> Feedback:
        """Call the function."""
        given: dict[str, Any] = {"seed": seed} if self.seeded else {}
        if not self.takes_reports:
            return self._feedback(self.function(child, **given))
        reports = reports or Reports()
        # Asked before the call, which may replace the file.
        start = reports.start
        feedback = self._feedback(self.function(child, **given, reports=reports))
        if feedback.cost.epochs or reports.reached <= start:
            return feedback
        return replace(feedback, cost=replace(feedback.cost, epochs=reports.reached - start))

    def report(self, child: Any, seed: int) -> Feedback:
        """Call the function once more."""
        return self.evaluate(child, seed)

    def _feedback(self, result: Any) -> Feedback:
        if isinstance(result, Feedback):
            return result
        metrics: Mapping[str, float] = {}
        if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping):
            result, metrics = result
        try:
            reward = tuple(float(v) for v in result) if isinstance(result, (tuple, list)) else float(result)
        except (TypeError, ValueError) as error:
            raise FeedbackError(
                f"{self.name}: got {result!r}; allowed: a number, a tuple of numbers, (reward, metrics), or a Feedback"
            ) from error
        # Of several rewards the first one is the metric of the result; the others are `value_1`, `value_2`, ...
        values = reward if isinstance(reward, tuple) else (reward,)
        shown = {f"{self.metric}_{i}" if i else self.metric: value for i, value in enumerate(values)}
        return Feedback(reward=reward, metrics={**shown, **metrics}, cost=Cost(trials=1))


def function(f: Callable[..., Any], name: str | None = None, version: str = "") -> Function:
    """The task of maximizing a function of a child; see `Function`.

    Example:
        >>> import oche
        >>> task = oche.tasks.function(lambda child: child["x"] ** 2)
        >>> task.evaluate({"x": 3}, seed=0).reward
        9.0
    """
    return Function(f, name, version)
