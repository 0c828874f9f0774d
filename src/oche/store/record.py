"""Run records: the one form in which every finished run, of whatever kind, reaches the judge and leaves the library.

A record says what was run, under which protocol, at what cost and with what result. Networks, archives and syntheses share it:
fields that do not apply stay None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from oche.files import digest

SCHEMA = "oche.record/1"

#: `random`: one random member of the space. `search`: one search. `random_search`: draws with selection by `valid`.
#: `population`: every member of a finite space, or a closed-form summary of it.
KINDS = ("random", "search", "random_search", "population")

# Left out of `content_hash`: they may differ between equal runs on different machines or executors.
_VOLATILE = ("id", "run", "cost", "curves", "env", "artifacts")
_VOLATILE_COST = ("seconds", "cpu_seconds")


@dataclass(frozen=True)
class Record:
    """One finished run.

    Args:
        kind: One of `KINDS`.
        algorithm: Settings text, for example `pc-darts?k=4`.
        space: Name of the space.
        fingerprint: Fingerprint of the root space.
        task: Name of the task, for example `classification:digits`.
        protocol: Everything that two records must share to be compared (`Task.describe()`).
        metric: Name of the primary metric in `metrics`.
        direction: `max` or `min`.
        unit: Unit of the primary metric, for example `%`.
        metrics: Named numbers, for example `valid` and `test`.
        search_seed: Seed of the search, None for random members.
        train_seed: Seed of the final training.
        dna: Flat DNA of the root space.
        arch: The architecture in text form.
        decisions: The same as labels by key.
        budget: Limits of the search, as declared.
        cost: `search` and `final`, each a `Cost` in JSON form.
        curves: Named lists of (cost, value).
        objectives: With several objectives, the direction (`max` or `min`) of each metric that was one.
        front: With several objectives, the points that no other one dominates, each `{"metrics": {...}, "dna": [...], "arch": ...}`,
            as the search measured them; only the pick has a final training.
        params: Weights of the final network.
        macs: Multiply-adds of the final network per input.
        n_report: Number of test items behind the primary metric, for its resolution.
        settings: What else belongs to the run: parallel, threads, sampler, mixer, scheme, notes.
        env: Versions and machine.
        artifacts: Named paths, relative to the output folder.
        status: `done` or `failed`.
        reason: Why it failed.
        run: Identity of the run in its store.
        id: Hash of what identifies the record.
    """

    kind: str
    algorithm: str
    space: str
    fingerprint: str
    task: str
    protocol: Mapping[str, Any]
    metric: str
    metrics: Mapping[str, float]
    direction: str = "max"
    unit: str = "%"
    search_seed: int | None = None
    train_seed: int | None = None
    dna: Sequence[float | int | str | None] | None = None
    arch: str | None = None
    decisions: Mapping[str, Any] = field(default_factory=dict)
    budget: Mapping[str, float] = field(default_factory=dict)
    cost: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    curves: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    objectives: Mapping[str, str] = field(default_factory=dict)
    front: Sequence[Mapping[str, Any]] = field(default_factory=list)
    params: int | None = None
    macs: int | None = None
    n_report: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, str] = field(default_factory=dict)
    status: str = "done"
    reason: str = ""
    run: str = ""
    id: str = ""

    def __post_init__(self) -> None:
        if not self.id:
            object.__setattr__(self, "id", digest(self.identity())[:16])

    @property
    def value(self) -> float:
        """The primary metric."""
        return self.metrics[self.metric]

    @property
    def protocol_hash(self) -> str:
        """Records with equal hashes may be compared."""
        return digest(self.protocol)

    @property
    def arch_hash(self) -> str:
        """Hash of the architecture, whatever run found it."""
        return digest([self.fingerprint, list(self.dna) if self.dna is not None else self.arch])

    def identity(self) -> dict[str, Any]:
        """What makes this record this record and no other."""
        return {
            "kind": self.kind,
            "algorithm": self.algorithm,
            "fingerprint": self.fingerprint,
            "protocol": self.protocol_hash,
            "search_seed": self.search_seed,
            "train_seed": self.train_seed,
            "dna": list(self.dna) if self.dna is not None else None,
            "budget": dict(self.budget),
            "settings": dict(self.settings),
        }

    def content_hash(self) -> str:
        """Hash of everything that must be equal however the run was executed: times, machine and paths left out."""
        content = {k: v for k, v in self.to_json().items() if k not in _VOLATILE}
        content["cost"] = {part: {u: v for u, v in c.items() if u not in _VOLATILE_COST} for part, c in self.cost.items()}
        return digest(content)

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values, with the schema."""
        plain = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        return {"schema": SCHEMA, **plain}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Record:
        """The inverse of `to_json`; unknown fields are refused by name."""
        from oche.store.validation import check_record

        return cls(**check_record(value))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value
