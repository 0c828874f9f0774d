"""Look a child up in a tabular benchmark: searches that take minutes instead of days."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oche.errors import ArgumentError
from oche.loop.contracts import Cost, Feedback
from oche.loop.reports import Reports
from oche.program import DNA, Space
from oche.tasks._children import architecture


class Tabular:
    """Rewards and results from a table.

    Args:
        table: Name of the benchmark.
        dataset: Data set that the table's networks were trained on.
        search: (split, epochs) of the search signal.
        report: (split, epochs) of the reported result.

    There is no default fidelity: reading a table at another number of epochs than one thinks is the field's most common mistake.
    """

    direction = "max"
    unit = "%"

    def __init__(self, table: str, dataset: str, search: Sequence[Any], report: Sequence[Any]) -> None:
        from oche import spaces

        self.table = spaces.table(table)
        self.space_name = table
        self.dataset = dataset
        self.search = _fidelity("search", search)
        self.reported = _fidelity("report", report)
        for split, epochs in (self.search, self.reported):
            self.table.values(dataset=dataset, epochs=epochs, split=split)
        self.metric = self.reported[0]
        self.name = f"tabular:{table}/{dataset}"

    @property
    def n_report(self) -> int | None:
        """Number of images behind a reported result."""
        return self.table.items(dataset=self.dataset, split=self.reported[0])

    def __reduce__(self) -> tuple[Any, ...]:
        # Workers read the table themselves; its arrays need not travel.
        return (Tabular, (self.space_name, self.dataset, self.search, self.reported))

    def describe(self) -> dict[str, Any]:
        """Table, data set and both fidelities."""
        report = f"{self.reported[0]} after {self.reported[1]} epochs"
        return {
            "task": "tabular",
            "table": self.space_name,
            "data": {"name": self.dataset},
            "search": list(self.search),
            "report": list(self.reported),
            "metric": {"name": self.metric, "direction": self.direction, "unit": self.unit, "report": report},
        }

    def child(self, space: Space, dna: DNA, seed: int, final: bool = False) -> str:
        """The text form of the architecture; nothing is built."""
        return architecture(space, dna)

    @property
    def max_fidelity(self) -> int:
        """Epochs of the search signal."""
        return self.search[1]

    def fidelities(self) -> list[int]:
        """Epochs at which the table knows the split of the search signal, up to those of the signal, in order."""
        split, most = self.search
        # A table of one data set does not name it.
        keys = [key for key in self.table.fidelities if len(key) == 2 or key[0] == self.dataset]
        return sorted({key[-2] for key in keys if key[-1] == split and key[-2] <= most})

    def evaluate(self, child: str, seed: int, reports: Reports | None = None) -> Feedback:
        """The search signal; a table costs a trial and, as it would have been trained, its epochs.

        Args:
            child: The architecture.
            seed: Not used.
            reports: Gets the value at every number of epochs that the table knows; where it names a fidelity, the value there is the
                signal. Each value that is read costs its epochs: in these tables each is a training of its own, with its own schedule.
        """
        split, epochs = self.search
        reports = reports or Reports()
        if not reports.active:
            value = self.table.query(child, dataset=self.dataset, epochs=epochs, split=split)
            return Feedback(reward=value, metrics={f"{split}_{epochs}": value}, cost=Cost(trials=1, epochs=epochs))
        known = self.fidelities()
        last = epochs if reports.fidelity is None else reports.fidelity
        if last not in known:
            shown = ", ".join(map(str, known))
            raise ArgumentError(
                f"fidelity: got {last:g} epochs on table {self.space_name!r}, {self.dataset} {split}; allowed: {shown}, which it knows"
            )
        value, spent = 0.0, 0
        for epochs in known:
            if epochs == last or (epochs < last and reports.wants(epochs)):
                value = self.table.query(child, dataset=self.dataset, epochs=epochs, split=split)
                spent += epochs
                reports.report(value, epochs)
                if epochs < last and reports.should_stop():
                    break
        metrics = {f"{split}_{reports.reached:g}": value, "epochs": reports.reached}
        return Feedback(reward=value, metrics=metrics, cost=Cost(trials=1, epochs=spent))

    def report(self, child: str, seed: int) -> Feedback:
        """The reported result."""
        split, epochs = self.reported
        value = self.table.query(child, dataset=self.dataset, epochs=epochs, split=split)
        return Feedback(reward=value, metrics={self.metric: value}, cost=Cost(trials=1, epochs=epochs))

    def population(self) -> list[float]:
        """Reported results of all members of the space."""
        split, epochs = self.reported
        return self.table.values(dataset=self.dataset, epochs=epochs, split=split).tolist()


def tabular(table: str, dataset: str, search: Sequence[Any], report: Sequence[Any]) -> Tabular:
    """The task of finding the best member of a tabular benchmark; see `Tabular`."""
    return Tabular(table, dataset, search, report)


def _fidelity(name: str, value: Sequence[Any]) -> tuple[str, int]:
    parts = value.split(",") if isinstance(value, str) else list(value)
    if len(parts) != 2 or not str(parts[1]).isdigit():
        raise ArgumentError(f"tabular {name}: got {value!r}; allowed: (split, epochs), for example ('valid', 12)")
    return str(parts[0]), int(parts[1])
