"""From a heap of records to arms: by task, space, algorithm and budget; failed runs set apart, duplicates refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oche.errors import JudgeError
from oche.files import canonical_json
from oche.judge._arms import Arm, make_arm
from oche.judge._population import member_values
from oche.store.record import Record


@dataclass(frozen=True)
class Group:
    """Runs that form one arm.

    Args:
        role: `baseline`, `random_search` or `search`.
        label: Algorithm as shown; the budget is added where one algorithm ran with several.
        done: Records with a result, in a fixed order.
        failed: Records of failed runs.
    """

    role: str
    label: str
    done: tuple[Record, ...]
    failed: tuple[Record, ...]

    @property
    def first(self) -> Record:
        """Any record of the group, for what all share."""
        return (self.done or self.failed)[0]

    @property
    def records(self) -> tuple[Record, ...]:
        """All records."""
        return self.done + self.failed

    @property
    def population(self) -> bool:
        """Whether these are all members of a finite space."""
        return self.first.kind == "population"

    @property
    def place(self) -> tuple[str, str]:
        """Task and space: arms are compared within one place only."""
        return self.first.task, self.first.fingerprint

    def arm(self) -> Arm:
        """The results as an arm.

        Raises:
            JudgeError: fewer than 2 results, or one that is not finite.
        """
        if self.population:
            return make_arm(self.label, member_values(self.done), letter="n", unit=self.first.unit, population=True)
        letter = "n" if self.role != "search" else "k"
        name = self.label + (f" ({len(self.failed)} failed)" if self.failed else "")
        return make_arm(name, [r.value for r in self.done], letter=letter, unit=self.first.unit, ids=[r.id for r in self.done])


def flatten_records(value: Any, name: str) -> list[Record]:
    """Records from a record, an object with `.records`, or any nesting of lists of these.

    Raises:
        JudgeError: anything else.
    """
    if value is None:
        return []
    if isinstance(value, Record):
        return [value]
    held = getattr(value, "records", None)
    if held is not None and not callable(held):
        return flatten_records(held, name)
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        return [record for item in value for record in flatten_records(item, name)]
    raise JudgeError(
        f"{name}: got {type(value).__name__}; allowed: records, a list of them, or an object with .records; read files with oche.judge.read"
    )


def make_groups(records: Sequence[Record], role: str) -> list[Group]:
    """Group records into arms, each in a fixed order, and refuse duplicates.

    Raises:
        JudgeError: "duplicate run": the same architecture with the same seeds twice in an arm.
    """
    heaps: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        # Members drawn at random are one arm whatever drew them; searches are told apart by settings and budget.
        extra = ("", "") if role == "baseline" else (record.algorithm, canonical_json(dict(record.budget)))
        heaps.setdefault((record.task, record.fingerprint, *extra), []).append(record)
    several: dict[tuple[str, ...], int] = {}
    for key in heaps:
        several[key[:3]] = several.get(key[:3], 0) + 1
    groups = []
    for key, heap in heaps.items():
        label = _label(heap[0], role, with_budget=several[key[:3]] > 1)
        ordered = sorted(heap, key=_order)
        _check_duplicates(ordered, label)
        done = tuple(r for r in ordered if r.status == "done")
        groups.append(Group(role, label, done, tuple(r for r in ordered if r.status != "done")))
    return groups


def dataset_name(record: Record) -> str:
    """Short name of the task's data.

    `classification:digits` gives `digits`; a task that is reported by another one names both.
    """
    parts = [part.split(":", 1)[-1] or part for part in record.task.split(" reported by ")]
    return " reported by ".join(parts)


def _label(record: Record, role: str, with_budget: bool) -> str:
    if role == "baseline":
        return "random members"
    name = "random search" if role == "random_search" else record.algorithm
    if with_budget:
        name += " (" + (", ".join(f"{k}={v:g}" for k, v in sorted(record.budget.items())) or "own budget") + ")"
    return name


def _order(record: Record) -> tuple[int, int, str]:
    return (
        -1 if record.search_seed is None else record.search_seed,
        -1 if record.train_seed is None else record.train_seed,
        record.id,
    )


def _check_duplicates(records: Sequence[Record], label: str) -> None:
    seen: dict[tuple[Any, ...], Record] = {}
    for record in records:
        known = record.dna is not None or record.arch is not None
        # Independent draws that happen to give the same member are told apart by the number of the draw.
        draw = (record.settings.get("draw_seed"), record.settings.get("member"))
        key = (record.arch_hash if known else record.id, record.search_seed, record.train_seed, record.status, draw)
        if key in seen:
            raise JudgeError(
                f"duplicate run: got {record.id} of '{label}' on {record.task} twice (same architecture, search seed {record.search_seed}, "
                f"train seed {record.train_seed}); allowed: each run once; a run counted twice makes the interval too narrow"
            )
        seen[key] = record
