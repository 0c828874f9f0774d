"""Warm start: trials that were made before a run, handed to its algorithm before its first ask.

They come from a store, from records, from the runs of a search or from a table, and go through `learn`. They are not trials of the new run:
they cost it nothing, it may not pick one of them, and its record says how many there were, so that a report does not call the cost equal.
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oche.errors import ArgumentError, OcheError, StoreError
from oche.files import digest
from oche.loop.contracts import AskTell, Budget, Feedback, Proposal
from oche.loop.learning import Helped
from oche.loop.rows import feedback_of
from oche.program import DNA, Space
from oche.store.record import Record
from oche.store.store import BaseStore, Store

_SHOWN = "a store ('runs.db', 'runs.db:name' or a Store), a CSV file, records or runs, or (decisions or DNA, reward) pairs"


@dataclass(frozen=True)
class KnownTrials:
    """Trials of a space with what came back.

    Args:
        trials: DNA and feedback, in the order in which they were made.
        source: Where they come from, for people.
    """

    trials: tuple[tuple[DNA, Feedback], ...]
    source: str

    def describe(self) -> dict[str, Any]:
        """What two runs must share to be warm-started alike, as JSON."""
        content = [[list(dna.flat), feedback.status, feedback.reward] for dna, feedback in self.trials]
        return {"trials": len(self.trials), "digest": digest(content)[:16]}


def known_trials(source: Any, space: Space, own: BaseStore | None = None, name: str = "") -> KnownTrials | None:
    """The trials that `source` holds of `space`.

    Args:
        source: A store: an object, a path, or `path:name` for the runs of one name. A path that ends in `.csv`: a column per decision,
            `reward` (or `reward_0`, `reward_1`, ...), and `status` if not all are done; or a column `dna` with flat lists. Records; the
            runs of a search; or pairs of (DNA, flat tuple or decisions by key) and (reward, tuple of rewards or feedback). None gives None.
        space: The space; trials of a store are taken from runs with its fingerprint, and from their search phase only.
        own: The store that the new run is kept in: earlier runs in it must be named, so that the same command finds the same trials again.
        name: Name of the new run.

    Raises:
        ArgumentError: nothing is there, or an item is none of these.
        DNAError: a point is not one of the space.
        StoreError: the file cannot be read.
    """
    if source is None or isinstance(source, KnownTrials):
        return source
    text = type(source).__name__
    if isinstance(source, (str, os.PathLike)):
        path, runs = _path_and_name(os.fspath(source))
        # No folders and no passwords in a record.
        text = ("a database" if "://" in path else Path(path).name) + (f":{runs}" if runs is not None else "")
        if path.lower().endswith(".csv") and runs is None:
            found = _from_csv(Path(path), space)
        else:
            with Store(path) as store:
                found = _from_store(store, space, runs, own, name)
    elif isinstance(source, BaseStore):
        found = _from_store(source, space, None, own, name)
    elif isinstance(source, Iterable) and not isinstance(source, Mapping):
        found = [trial for item in source for trial in _from_item(item, space)]
    else:
        raise ArgumentError(f"warm start: got {source!r}; allowed: {_SHOWN}")
    if not found:
        raise ArgumentError(f"warm start: got no trials of space {space.name!r} in {text!r}; allowed: at least one; {_SHOWN}")
    return KnownTrials(tuple(found), text)


def _path_and_name(text: str) -> tuple[str, str | None]:
    """`runs.db:name` as its two parts; names may hold colons, and so may paths."""
    if "://" in text or Path(text).is_file():
        return text, None
    parts = text.split(":")
    for n in range(1, len(parts)):
        if Path(path := ":".join(parts[:n])).is_file():
            return path, ":".join(parts[n:])
    raise StoreError(f"warm start: got {text!r}, and there is no such file; allowed: {_SHOWN}")


def _from_store(store: BaseStore, space: Space, name: str | None, own: BaseStore | None, new: str) -> list[tuple[DNA, Feedback]]:
    if own is not None and _same(own, store) and name in (None, new):
        raise ArgumentError(
            f"warm start: got {'no name' if name is None else f'the name {name!r} of the new run itself'} in the store of the new run; "
            "allowed: 'runs.db:name' with the name of earlier runs, so that the trials stay the same when the run is resumed"
        )
    found = []
    for row in store.runs(name):
        saved = store.load(row.id) if row.settings.get("fingerprint") == space.fingerprint else None
        if saved is None:
            continue
        points = {p.id: p.dna for p in saved.proposals}
        # A final result may have been measured on test data, which no search may see.
        ended = sorted((t.told, t) for t in saved.trials if t.phase == "search" and t.told is not None)
        found += [(_dna(json.loads(points[t.proposal]), space), feedback_of(t)) for _, t in ended]
    return found


def _same(a: BaseStore, b: BaseStore) -> bool:
    """Whether two stores are one, however their paths are spelled."""
    if a is b or not (isinstance(a, Store) and isinstance(b, Store)):
        return a is b
    return a.url == b.url if "://" in a.url + b.url else Path(a.url).resolve() == Path(b.url).resolve()


def _from_item(item: Any, space: Space) -> list[tuple[DNA, Feedback]]:
    if isinstance(item, Record):
        return _from_record(item, space)
    if hasattr(item, "trials"):
        return [(_dna(t.dna, space), t.feedback) for t in item.trials if t.feedback is not None and t.phase == "search"]
    if isinstance(item, (tuple, list)) and len(item) == 2:
        return [(_dna(item[0], space), _feedback(item[1]))]
    raise ArgumentError(f"warm start: got {item!r}; allowed: {_SHOWN}")


def _from_record(record: Record, space: Space) -> list[tuple[DNA, Feedback]]:
    if record.fingerprint != space.root.fingerprint:
        raise ArgumentError(
            f"warm start: got a record of space {record.space!r} ({record.fingerprint[:12]}); allowed: records of {space.name!r} "
            f"({space.root.fingerprint[:12]})"
        )
    if record.status != "done" or record.dna is None:
        return []
    if "valid" not in record.metrics:
        raise ArgumentError(
            f"warm start: got record {record.id} without the metric 'valid', the search signal; allowed: records of searches; "
            "give pairs of decisions and rewards"
        )
    return [(_dna(record.decisions, space), Feedback(reward=float(record.metrics["valid"])))]


def _dna(value: Any, space: Space) -> DNA:
    if isinstance(value, Mapping):
        return space.encode_decisions({k: tuple(v) if isinstance(v, list) else v for k, v in value.items()})
    dna = value if isinstance(value, DNA) else DNA(tuple(value), space.fingerprint)
    space.validate(dna)
    return dna


def _feedback(value: Any) -> Feedback:
    if isinstance(value, Feedback):
        return value
    return Feedback(reward=tuple(float(v) for v in value) if isinstance(value, (tuple, list)) else float(value))


# -- tables ----------------------------------------------------------------------------------------------------------------


def _from_csv(path: Path, space: Space) -> list[tuple[DNA, Feedback]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StoreError(f"warm start: got {str(path)!r}, which cannot be read ({error}); allowed: a CSV file with a heading") from error
    found = []
    for number, row in enumerate(rows, start=2):
        try:
            found.append((_row_dna(row, space), _row_feedback(row)))
        except (OcheError, ValueError) as error:
            raise ArgumentError(f"warm start, {path.name} line {number}: {error}") from error
    return found


def _row_feedback(row: Mapping[str, Any]) -> Feedback:
    status = (row.get("status") or "done").strip()
    names = [name for name in row if name == "reward" or (name or "").startswith("reward_")]
    if not names:
        raise ArgumentError(f"got columns {', '.join(map(str, row))}; allowed: one called 'reward', or 'reward_0', 'reward_1', ...")
    values = [float(row[name]) for name in names if (row[name] or "").strip()]
    if not values or not all(math.isfinite(v) for v in values):
        return Feedback(status="skipped" if status == "done" else status, reason="no reward in the table")
    return Feedback(reward=values[0] if names == ["reward"] else tuple(values), status=status)


def _row_dna(row: Mapping[str, Any], space: Space) -> DNA:
    if (row.get("dna") or "").strip():
        return _dna(json.loads(row["dna"]), space)
    decisions: dict[str, Any] = {}
    for p in space.points:
        text = (row.get(p.key) or "").strip()
        if not text:
            continue
        if p.kind in ("float", "int"):
            number = float(text)
            decisions[p.key] = int(number) if p.kind == "int" and number == int(number) else number
        else:
            decisions[p.key] = tuple(json.loads(text)) if p.kind == "categorical" and p.choice not in ("oneof", "repeat") else text
    return _dna(decisions, space)


# -- the algorithm's side --------------------------------------------------------------------------------------------------


class WarmStarted(Helped):
    """An algorithm that knows some trials before its first ask.

    Its state holds what it learned, so a resumed run does not need the trials again; they belong to the run's identity all the same.

    Args:
        algorithm: An ask-and-tell algorithm with `learn`.
        known: The trials.
    """

    def __init__(self, algorithm: AskTell, known: KnownTrials) -> None:
        super().__init__(algorithm)
        self.known = known

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`, and learn what is known."""
        self.algorithm.setup(space, rng, budget)
        trials = self.known.trials
        if getattr(self.algorithm, "keeps_latest", False) and not any(isinstance(f.reward, tuple) for _, f in trials):
            # An algorithm that forgets the oldest is left with the best.
            trials = tuple(sorted(trials, key=lambda t: t[1].scalar if t[1].ok else -math.inf))
        for dna, feedback in trials:
            self.learn(dna, feedback)

    def ask(self, n: int) -> list[Proposal]:
        """Proposals of the algorithm."""
        return self.algorithm.ask(n)

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Pass results on."""
        self.algorithm.tell(results)

    def state(self) -> dict[str, Any]:
        """The algorithm's state."""
        return self.algorithm.state()

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        self.algorithm.load(state)

    def help(self) -> dict[str, Any]:
        """How many trials it knew, and where they came from."""
        return {"warm_start": {**self.known.describe(), "source": self.known.source}}


def warm_started(algorithm: Any, known: KnownTrials | None) -> Any:
    """`algorithm` with known trials; itself if there are none.

    Raises:
        ArgumentError: it shares weights, or cannot learn from trials that it did not ask for.
    """
    return algorithm if known is None else WarmStarted(algorithm, known)
