"""Several named objectives over any task: rewards become tuples, each to be maximized, and records know what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from oche.errors import ArgumentError, FeedbackError
from oche.loop.contracts import Feedback

_DIRECTIONS = ("max", "min")


class Objectives:
    """A task whose search signal is several of its metrics.

    A reward has one entry per objective, in their order, with the sign turned where less is better. `params` and `macs` of a network
    are counted where the task does not report them. Where a task gives a tuple of rewards without metrics of these names, its entries are
    the objectives in their order. All else is the inner task's: program, final training, metric of the result.

    Args:
        task: A task.
        objectives: Direction (`max` or `min`) by name of a metric, at least two.

    Raises:
        ArgumentError: fewer than two objectives, or another direction.
    """

    #: Early stopping and fidelities rank trials by one number.
    takes_reports = False

    def __init__(self, task: Any, objectives: Mapping[str, str]) -> None:
        for name, direction in objectives.items():
            if direction not in _DIRECTIONS:
                raise ArgumentError(f"objective {name!r}: got direction {direction!r}; allowed: {', '.join(_DIRECTIONS)}")
        if len(objectives) < 2:
            raise ArgumentError(f"objectives: got {dict(objectives)!r}; allowed: at least two, for example valid:max,params:min")
        self.task = task
        self.objectives = dict(objectives)

    def __getattr__(self, name: str) -> Any:
        # `problem` and `population` are missing on purpose: neither knows several objectives.
        if name in ("task", "problem", "population") or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.task, name)

    @property
    def keep(self) -> Any:
        """Folder for networks of final trainings, as the inner task has it."""
        return self.task.keep

    def describe(self) -> dict[str, Any]:
        """The inner task and the objectives."""
        return {**self.task.describe(), "objectives": dict(self.objectives)}

    def evaluate(self, child: Any, seed: int) -> Feedback:
        """The search signal: a tuple, one number per objective.

        Raises:
            FeedbackError: the task reports no such metric.
        """
        feedback = self.task.evaluate(child, seed)
        if feedback.reward is None:
            return feedback
        values = self._values(feedback, child)
        reward = tuple(v if d == "max" else -v for v, d in zip(values.values(), self.objectives.values(), strict=True))
        return replace(feedback, reward=reward, metrics={**feedback.metrics, **values})

    def report(self, child: Any, seed: int) -> Feedback:
        """The inner task's result."""
        return self.task.report(child, seed)

    def _values(self, feedback: Feedback, child: Any) -> dict[str, float]:
        metrics, reward = feedback.metrics, feedback.reward
        if isinstance(reward, tuple) and len(reward) == len(self.objectives) and not set(self.objectives) & set(metrics):
            return dict(zip(self.objectives, reward, strict=True))
        missing = [name for name in self.objectives if name not in metrics]
        counted = self._counted(child) if {"params", "macs"} & set(missing) else {}
        found = {}
        for name in self.objectives:
            value = metrics.get(name, counted.get(name))
            if value is None and name == "valid" and isinstance(reward, float):
                value = reward  # the name under which records keep the search signal of every task
            if value is None:
                known = sorted({*metrics, *counted})
                raise FeedbackError(
                    f"objective {name!r}: got no such metric from {self.task.name}; "
                    f"allowed: {', '.join(known) or 'none, it has no metrics'}"
                )
            found[name] = float(value)
        return found

    def _counted(self, child: Any) -> dict[str, float]:
        """Weights and multiply-adds of a network, where the task knows its inputs."""
        if not hasattr(child, "parameters"):
            return {}
        found = {"params": float(sum(p.numel() for p in child.parameters()))}
        shape = getattr(getattr(self.task, "data", None), "shape", None)
        if shape is not None:
            from oche.networks import count

            found["macs"] = float(count(child, tuple(shape)).macs)
        return found


def objectives(task: Any, *named: Sequence[str] | str) -> Objectives:
    """Search a task by several of its metrics; see `Objectives`.

    Args:
        task: A task, its text form, or a function of a child.
        *named: Each a pair (metric, direction), or text such as `valid:max,params:min`; without a direction it is `max`.

    Raises:
        ArgumentError: a name stands twice, or what `Objectives` refuses.

    Example:
        >>> import oche
        >>> task = oche.tasks.objectives(lambda child: (child["x"], child["x"] ** 2), ("gain", "max"), ("price", "min"))
        >>> task.evaluate({"x": 3}, seed=0).reward
        (3.0, -9.0)
    """
    from oche.tasks._registry import as_task

    pairs: list[tuple[Any, ...]] = [pair for item in named for pair in (_pairs(item) if isinstance(item, str) else [tuple(item)])]
    if any(len(pair) != 2 for pair in pairs):
        raise ArgumentError(f"objectives: got {named!r}; allowed: pairs such as ('params', 'min'), or text such as valid:max,params:min")
    found: dict[str, str] = {str(name): str(direction) for name, direction in pairs}
    if len(found) != len(pairs):
        raise ArgumentError(f"objectives: got {[p[0] for p in pairs]!r}; allowed: each metric once")
    return Objectives(as_task(task), found)


def _pairs(text: str) -> list[tuple[str, ...]]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return [(name.strip(), direction.strip() or "max") for name, _, direction in (part.partition(":") for part in parts)]
