"""Search on one task, report from another: real training while searching, a tabular benchmark for the result."""

from __future__ import annotations

from typing import Any

from oche.loop.contracts import Feedback, Problem
from oche.loop.reports import Reports
from oche.loop.watcher import takes_reports
from oche.program import DNA, Space


class Benchmarked:
    """A task whose search signal comes from `search` and whose result comes from `report`.

    The report is read once per run, when the search has ended: nothing of it can leak into the search.

    Args:
        search: Task with the signal, usually `classification` at a small size.
        report: Task with the result, usually `tabular`.
    """

    def __init__(self, search: Any, report: Any) -> None:
        self.search = search
        self.reported = report
        self.metric = report.metric
        self.direction = report.direction
        self.unit = report.unit
        self.name = f"{search.name} reported by {report.name}"

    @property
    def data(self) -> Any:
        """The data set of the search."""
        return self.search.data

    @property
    def n_report(self) -> int | None:
        """As the report task says."""
        return self.reported.n_report

    @property
    def evaluation_passes(self) -> float:
        """As the search task says."""
        return self.search.evaluation_passes

    def describe(self) -> dict[str, Any]:
        """Both tasks, and the metric of the report."""
        report = self.reported.describe()
        return {"task": "benchmarked", "search": self.search.describe(), "report": report, "metric": report["metric"]}

    def arguments(self, space: Space) -> dict[str, Any]:
        """As the search task says."""
        return self.search.arguments(space)

    def child(self, space: Space, dna: DNA, seed: int, final: bool = False) -> Any:
        """A network while searching, what the report takes at the end."""
        return (self.reported if final else self.search).child(space, dna, seed, final)

    @property
    def takes_reports(self) -> bool:
        """As the search task does."""
        return takes_reports(self.search)

    @property
    def max_fidelity(self) -> Any:
        """As the search task says."""
        return getattr(self.search, "max_fidelity", None)

    def evaluate(self, child: Any, seed: int, reports: Reports | None = None) -> Feedback:
        """The search task's signal."""
        return self.search.evaluate(child, seed) if reports is None else self.search.evaluate(child, seed, reports=reports)

    def report(self, child: Any, seed: int) -> Feedback:
        """The report task's result."""
        return self.reported.report(child, seed)

    def problem(self, seed: int) -> Problem:
        """The search task's losses and batches."""
        return self.search.problem(seed)

    def population(self) -> list[float]:
        """Results of all members of the space, where the report knows them."""
        return self.reported.population()


def benchmarked(search: Any, report: Any) -> Benchmarked:
    """Search on one task and report from another; see `Benchmarked`.

    Args:
        search: A task or its text form.
        report: A task or its text form.
    """
    from oche.tasks._registry import as_task

    return Benchmarked(as_task(search), as_task(report))
