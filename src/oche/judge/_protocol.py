"""The protocol: everything that two runs must share to be compared, declared before any of them is started.

It fixes the data, the space, both trainings, the budget, the one primary metric, the number of runs and how they will be judged. It is
frozen and has a hash; a rung of a ladder is the same protocol with some fields changed. Whether given records follow it is
checked by `Protocol.check`; whether two records follow the same one, by the judge (`_comparable.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from oche.errors import JudgeError, unknown
from oche.files import canonical_json, digest
from oche.judge._comparable import flatten
from oche.judge._interval import METHODS
from oche.judge._numbers import COST_UNITS
from oche.judge._train_protocol import TrainProtocol, check_fields
from oche.store.record import Record

SCHEMA = "oche.protocol/1"
CORRECTIONS = ("holm",)

# What a record's protocol calls the two trainings, and which field of ours holds them.
_TRAININGS = (("recipe", "train"), ("search_recipe", "search"))
_NESTED = {"train": "train", "search": "search", "metric": "metric", "split": "split"}


@dataclass(frozen=True)
class Metric:
    """What is measured.

    Args:
        name: As in the records' `metrics`.
        direction: `max` if larger is better, `min` if smaller is.
        unit: Unit of the values; `%` for accuracies in percent.
    """

    name: str = "test"
    direction: str = "max"
    unit: str = "%"

    def __post_init__(self) -> None:
        if self.direction not in ("max", "min"):
            raise JudgeError(f"metric {self.name!r}, direction: got {self.direction!r}; allowed: 'max', 'min'")


@dataclass(frozen=True)
class Split:
    """How many items each part of the data holds, or which share of it.

    Args:
        train: For the weights while searching.
        valid: For the architecture and for selection.
        test: Read once, at the end.
    """

    train: float
    valid: float
    test: float

    def __post_init__(self) -> None:
        for name in ("train", "valid", "test"):
            if not getattr(self, name) >= 0:
                raise JudgeError(f"split, {name}: got {getattr(self, name)!r}; allowed: a count, or a share in [0, 1]")


@dataclass(frozen=True)
class Protocol:
    """What is declared before the first run.

    Args:
        name: For messages; does not count in comparisons.
        datasets: Names of the data sets.
        space: Name of the space that is searched and that random members are drawn from.
        train: The final training, the same for random and searched architectures.
        search: The training inside the search, if there is one.
        metric: The one primary metric. Everything else is secondary and gets no verdict.
        n_random: Random members to train.
        n_search: Independent searches.
        search_seeds: Seeds of the searches; 0, 1, ... if empty.
        train_seeds: Seeds of the final trainings; one for all runs by default.
        budget: Limits of one search by unit; an `oche.Budget` is taken too.
        split: Parts of the data, if fixed.
        select: `last` epoch, or `best_valid`. The best epoch on test is no choice.
        report_on: Part that the primary metric is measured on.
        alpha: Level of the intervals and of the family of tests.
        ci: Method of the interval.
        correction: `holm`.

    Raises:
        JudgeError: a value is not allowed.

    Source: Yang et al. 2020, section 2; counts and one training seed for all runs as there, statistics ours.

    Example:
        >>> line = Protocol.preset("yang2020-cifar10")
        >>> line.train.epochs, line.derive(epochs=1500, channels=50).train.channels
        (600, 50)
    """

    name: str = field(compare=False)
    datasets: tuple[str, ...]
    space: str
    train: TrainProtocol
    search: TrainProtocol | None = None
    metric: Metric = field(default_factory=Metric)
    n_random: int = 8
    n_search: int = 8
    search_seeds: tuple[int, ...] = ()
    train_seeds: tuple[int, ...] = (0,)
    budget: Mapping[str, float] = field(default_factory=dict)
    split: Split | None = None
    select: str = "last"
    report_on: str = "test"
    alpha: float = 0.05
    ci: str = "welch-log"
    correction: str = "holm"

    def __post_init__(self) -> None:
        names = (self.datasets,) if isinstance(self.datasets, str) else tuple(self.datasets)
        limits = self.budget.limits() if hasattr(self.budget, "limits") else dict(self.budget)  # type: ignore[attr-defined]
        for name, value in (("datasets", names), ("budget", limits)):
            object.__setattr__(self, name, value)
        for name in ("search_seeds", "train_seeds"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        self._check(bool(names), "datasets", "at least one name")
        self._check(self.n_random >= 2 and self.n_search >= 2, "n_random, n_search", "2 or more of each, for an interval")
        self._check(len(set(self.search_seeds)) == len(self.search_seeds), "search_seeds", "each seed once")
        self._check(not self.search_seeds or len(self.search_seeds) == self.n_search, "search_seeds", f"{self.n_search} seeds (n_search)")
        self._check(all(u in COST_UNITS for u in limits), "budget", f"limits in {', '.join(COST_UNITS)}")
        self._check(all(v > 0 for v in limits.values()), "budget", "limits above 0")
        self._check(self.select in ("last", "best_valid"), "select", "'last', 'best_valid'; never the best epoch on test")
        self._check(0 < self.alpha < 1, "alpha", "a number between 0 and 1")
        self._check(self.ci in METHODS, "ci", ", ".join(map(repr, METHODS)))
        self._check(self.correction in CORRECTIONS, "correction", ", ".join(map(repr, CORRECTIONS)))

    def __hash__(self) -> int:
        return hash(canonical_json(self.to_json()))

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON without the name: the hash that records of this protocol carry."""
        return digest(self.to_json())

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the searches."""
        return self.search_seeds or tuple(range(self.n_search))

    def derive(self, **overrides: Any) -> Protocol:
        """The same protocol with some fields changed: a rung of a ladder.

        Args:
            **overrides: Fields of the protocol; fields of its parts as `{"train.epochs": 8}`; or plain fields of the final training
                (`epochs=8`), which are the usual rungs.

        Raises:
            UnknownNameError: no such field; the nearest one is suggested.
        """
        mine = [f.name for f in fields(self)]
        inner = [f.name for f in fields(TrainProtocol)]
        changes: dict[str, Any] = {}
        parts: dict[str, dict[str, Any]] = {}
        for key, value in overrides.items():
            part, _, rest = key.partition(".")
            if rest and part in _NESTED:
                parts.setdefault(part, {})[rest] = value
            elif key in mine:
                changes[key] = value
            elif key in inner:
                parts.setdefault("train", {})[key] = value
            else:
                raise unknown("field of a protocol", key, [*mine, *(n for n in inner if n not in mine)])
        for part, found in parts.items():
            changes[part] = _derive_part(part, changes.get(part, getattr(self, part)), found)
        if "n_search" in changes and "search_seeds" not in changes:
            changes["search_seeds"] = ()
        if changes and "name" not in changes:
            changes["name"] = f"{self.name.removesuffix('*')}*"
        return replace(self, **changes)

    def differences(self, other: Protocol) -> dict[str, tuple[Any, Any]]:
        """Dotted fields that differ, with both values."""
        from oche.judge._comparable import differences

        return differences(self.to_json(), other.to_json())

    def check(self, records: Iterable[Record]) -> list[str]:
        """Refuse records that do not follow this protocol, as far as they tell.

        Metric, space, data set, budget and every field of the two trainings that a record holds too are compared.

        Returns:
            What falls short without being wrong, such as fewer runs than declared.

        Raises:
            JudgeError: a record follows another protocol; the fields are named with both values.
        """
        heap = list(records)
        for record in heap:
            found = {k: v for k, v in self._disagreements(record).items() if v[0] != v[1]}
            if found:
                listed = ", ".join(f"{name} ({theirs!r} vs {mine!r})" for name, (theirs, mine) in found.items())
                raise JudgeError(
                    f"run {record.id} ('{record.algorithm}' on {record.task}) does not follow protocol {self.name!r}: got {listed}; "
                    "allowed: what was declared; run it again, or derive a protocol with these values"
                )
        return self._shortfalls(heap)

    def to_json(self) -> dict[str, Any]:
        """All fields but the name: equal protocols give equal values."""
        return {
            "datasets": list(self.datasets),
            "space": self.space,
            "train": self.train.to_json(),
            "search": None if self.search is None else self.search.to_json(),
            "metric": asdict(self.metric),
            "n_random": self.n_random,
            "n_search": self.n_search,
            "search_seeds": list(self.search_seeds),
            "train_seeds": list(self.train_seeds),
            "budget": dict(self.budget),
            "split": None if self.split is None else asdict(self.split),
            "select": self.select,
            "report_on": self.report_on,
            "alpha": self.alpha,
            "ci": self.ci,
            "correction": self.correction,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], name: str = "custom") -> Protocol:
        """The inverse of `to_json`.

        Raises:
            UnknownNameError: a field that does not exist.
        """
        check_fields(cls, value, "protocol")
        found = {"name": name, **value}
        for part, make in (("train", TrainProtocol.from_json), ("search", TrainProtocol.from_json)):
            if isinstance(found.get(part), Mapping):
                found[part] = make(found[part])
        for part, kind in (("metric", Metric), ("split", Split)):
            if isinstance(found.get(part), Mapping):
                found[part] = kind(**found[part])
        for part in ("datasets", "search_seeds", "train_seeds"):
            if part in found:
                found[part] = tuple(found[part])
        return cls(**found)

    @classmethod
    def preset(cls, name: str) -> Protocol:
        """A protocol by name: `nasbench201`, `digits`, `cifar10-small`, `yang2020-cifar10`, `yang2020-pdarts-mit67`, ...

        Raises:
            UnknownNameError: no such preset.
        """
        from oche.judge._protocol_presets import preset

        return preset(name)

    @staticmethod
    def presets() -> list[str]:
        """Names of the presets."""
        from oche.judge._protocol_presets import names

        return names()

    def _disagreements(self, record: Record) -> dict[str, tuple[Any, Any]]:
        """Field to (the record's value, ours), for every field that both hold."""
        found: dict[str, tuple[Any, Any]] = {
            "metric": ((record.metric, record.direction, record.unit), (self.metric.name, self.metric.direction, self.metric.unit)),
        }
        if plain(record.space) != plain(self.space) and self.space != "any":
            found["space"] = (record.space, self.space)
        data = record.protocol.get("data")
        named = data.get("name") if isinstance(data, Mapping) else data
        if isinstance(named, str) and plain(named) not in {plain(d) for d in self.datasets}:
            found["dataset"] = (named, ", ".join(self.datasets))
        if self.budget and record.kind in ("search", "random_search") and record.budget:
            found["budget"] = (dict(record.budget), dict(self.budget))
        for theirs, mine in _TRAININGS:
            settings, ours = record.protocol.get(theirs), getattr(self, mine)
            if isinstance(settings, Mapping) and ours is not None:
                known = flatten(ours.to_json())
                found.update({f"{mine}.{k}": (v, known[k]) for k, v in flatten(settings).items() if k in known})
        for theirs, mine in (("report", "train"), ("search", "search")):
            fidelity, ours = record.protocol.get(theirs), getattr(self, mine)
            if isinstance(fidelity, Sequence) and not isinstance(fidelity, str) and len(fidelity) == 2 and ours is not None:
                found[f"{mine}.epochs"] = (fidelity[1], ours.epochs)
        return found

    def _shortfalls(self, records: Sequence[Record]) -> list[str]:
        counts: dict[tuple[str, str], int] = {}
        for record in records:
            if record.status == "done" and record.kind != "population":
                arm = "random members" if record.kind == "random" else record.algorithm
                counts[record.task, arm] = counts.get((record.task, arm), 0) + 1
        short = []
        for (task, arm), n in counts.items():
            declared = self.n_random if arm == "random members" else self.n_search
            if n < declared:
                short.append(f"protocol {self.name!r} declares {declared} runs of '{arm}' on {task}; got {n}")
        return short

    def _check(self, good: bool, name: str, allowed: str) -> None:
        if not good:
            shown = ", ".join(repr(getattr(self, part.strip())) for part in name.split(","))
            raise JudgeError(f"protocol {self.name!r}, {name}: got {shown}; allowed: {allowed}")


def plain(name: str) -> str:
    """A name without case, `-` and `_`, as names are looked up."""
    return name.lower().replace("-", "").replace("_", "")


def _derive_part(part: str, current: Any, changes: Mapping[str, Any]) -> Any:
    if current is None:
        raise JudgeError(f"protocol, {part}: got changes of {', '.join(changes)}, but there is no {part}; allowed: give {part}= whole")
    if isinstance(current, TrainProtocol):
        return current.derive(**changes)
    check_fields(current, changes, part)
    return replace(current, **changes)
