"""The contract of tasks.

Example:
    >>> class TestMine(TaskContract):
    ...     def make_task(self):
    ...         return Mine()
    ...
    ...     def make_space(self):
    ...         return Space(Net)
"""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np

from oche.files import canonical_json
from oche.loop.contracts import Feedback, Task
from oche.loop.executors.base import Outcome
from oche.loop.executors.processes import Processes
from oche.loop.executors.serial import Serial
from oche.loop.messages import Evaluate, Report
from oche.loop.workbench import Workbench
from oche.program import DNA, Space


def comparable(feedback: Feedback) -> dict[str, Any]:
    """Everything of a feedback that must not depend on where it was made: times left out."""
    cost = {k: v for k, v in feedback.cost.to_json().items() if k not in ("seconds", "cpu_seconds")}
    return {"reward": feedback.reward, "metrics": dict(feedback.metrics), "status": feedback.status, "zone": feedback.zone, "cost": cost}


class TaskContract:
    """Inherit, and override `make_task` and `make_space`; use little data."""

    def make_task(self) -> Task:
        """A new task on little data."""
        raise TypeError(f"{type(self).__name__}: override make_task")

    def make_space(self) -> Space:
        """A space whose points the task takes."""
        raise TypeError(f"{type(self).__name__}: override make_space")

    def dna(self) -> DNA:
        """A point that the task can evaluate."""
        return self.make_space().sample(0)

    def _do(self, messages: list[Any], executor: Any = None) -> list[Outcome]:
        outcomes = []
        with executor or Serial() as pool:
            pool.start(Workbench(self.make_space(), self.make_task()))
            for message in messages:
                pool.submit(0, message)
                outcomes.append(pool.next()[1])
        for outcome in outcomes:
            assert outcome.failure is None, outcome.failure
        return outcomes

    def test_it_has_every_method_of_the_protocol(self) -> None:
        """Describe, child, evaluate, report."""
        assert isinstance(self.make_task(), Task)

    def test_its_description_is_json_and_stable(self) -> None:
        """Two tasks made alike are comparable."""
        text = canonical_json(self.make_task().describe())
        assert text == canonical_json(self.make_task().describe())
        assert json.loads(text)

    def test_a_search_signal_is_a_reward(self) -> None:
        """`evaluate` gives a finite reward and spends something."""
        (outcome,) = self._do([Evaluate(self.dna(), 1)])
        assert outcome.value.status == "done"
        assert outcome.value.ok

    def test_a_final_result_has_metrics(self) -> None:
        """`report` names at least one number."""
        (outcome,) = self._do([Report(self.dna(), 1)])
        assert outcome.value.metrics

    def test_same_seed_gives_the_same_feedback(self) -> None:
        """Evaluations before and the state of global generators do not matter."""
        dna = self.dna()
        messages = [Evaluate(dna, 1), Evaluate(dna, 2), Evaluate(dna, 1), Report(dna, 3), Report(dna, 3)]
        first, _, again, report, same = (comparable(o.value) for o in self._do(messages))
        assert first == again
        assert report == same

    def test_same_seed_gives_the_same_feedback_in_another_process(self) -> None:
        """At equal threads, bit for bit."""
        messages = [Evaluate(self.dna(), 1), Report(self.dna(), 3)]
        here = [comparable(o.value) for o in self._do(messages)]
        there = [comparable(o.value) for o in self._do(messages, Processes(1))]
        assert here == there

    def test_global_generators_are_left_alone(self) -> None:
        """An evaluation neither reads nor moves them."""
        before = random.getstate(), str(np.random.get_state())  # noqa: NPY002
        self._do([Evaluate(self.dna(), 1)])
        assert before == (random.getstate(), str(np.random.get_state()))  # noqa: NPY002
