"""The report of one or several syntheses: what was kept where, at what cost, and whether it beats equal trials for all.

It reads a store: the records of runs that share queries, sampler, grader and rule for duplicates, and the samples behind them. The JSON
holds everything that the page shows; equal stores give equal bytes. The page itself is drawn by `oche.judge`.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from oche.errors import ArgumentError, OcheError
from oche.files import digest, write_text
from oche.rejection import _warnings as warn
from oche.rejection._allocation import REASONS
from oche.rejection._estimators import pass_rate, wilson
from oche.rejection._labels import grouped, suspected
from oche.rejection._queries import Query
from oche.rejection._queries import queries as as_queries
from oche.rejection._reading_samples import to_read
from oche.rejection._sentences import headline
from oche.rejection._task import pool_of
from oche.rejection._trace import Drawn, Ints, Trace, by_bin, difficulties
from oche.rejection._versus import BUDGETS, Versus, judged, versus
from oche.store.record import Record
from oche.store.store import BaseStore

SCHEMA = "oche.synthesis-report/1"
_BINS = 10
_MEANS = ("samples", "kept", "correct", "reached", "coverage", "hard_coverage", "accept", "tokens", "money", "reused")


@dataclass(frozen=True)
class Group:
    """The runs of one allocation.

    Args:
        label: What the report calls them.
        records: One per seed.
        traces: What each drew, by seed.
    """

    label: str
    records: tuple[Record, ...]
    traces: Mapping[int, Trace]

    @property
    def vanilla(self) -> bool:
        """Whether it can be cut to any number of samples: equal trials for all, nothing else."""
        return self.label.startswith("vanilla") and "cover" not in self.label


class SynthesisReport:
    """Several allocations side by side.

    Args:
        groups: Their runs.
        protocol: What they share.
        queries: The queries, or None if only their numbers are known.
        store: Where texts are.
        title: Heading of the page.
        failed: Runs that did not end, as sentences.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        protocol: Mapping[str, Any],
        queries: Sequence[Query] | None,
        store: BaseStore,
        title: str,
        failed: Sequence[str],
    ) -> None:
        self.groups, self.protocol, self.queries, self.title, self.failed = tuple(groups), protocol, queries, title, tuple(failed)
        self.n = int(protocol["queries"]["count"])
        tables: dict[int, list[Any]] = {}
        for group in groups:
            for record in group.records:
                tables.setdefault(record.search_seed or 0, []).append(record.curves["queries"])
        self.seeds = tuple(sorted(tables))
        #: Fail rate per query, the same for all allocations.
        self.difficulty = np.mean([difficulties(found) for found in tables.values()], axis=0)
        hardest = np.argsort(-self.difficulty, kind="stable")[: max(1, self.n // 4)]
        #: Mask of the hardest quarter.
        self.hard = np.zeros(self.n, bool)
        self.hard[hardest] = True
        self._pools = {seed: pool_of(protocol, seed) for seed in self.seeds}
        self._read_texts(store)

    def _read_texts(self, store: BaseStore) -> None:
        first = self.groups[0]
        seed = min(first.traces)
        self.samples = to_read(first.traces[seed], self.difficulty, self.queries, store, self._pools[seed])
        self.suspected: list[dict[str, Any]] = []
        if self.queries is not None:
            without = np.flatnonzero(np.all([t.found() == 0 for g in self.groups for t in g.traces.values()], axis=0))
            for number in without.tolist():
                self.suspected += suspected(self.queries, grouped(store.samples(self._pools[seed], number)))

    # -- numbers ------------------------------------------------------------------------------------------------------------

    @cached_property
    def bins(self) -> Ints:
        """Number of the difficulty bin of each query; ten of equal width."""
        return np.minimum((self.difficulty * _BINS).astype(np.int64), _BINS - 1)

    @cached_property
    def comparisons(self) -> list[Versus]:
        """Every allocation against vanilla at both budgets; empty where no vanilla run is there."""
        others = [g for g in self.groups if g.vanilla]
        if not others:
            return []
        vanilla = max(others, key=lambda g: min(len(t.drawn.query) for t in g.traces.values()))
        pair = (vanilla.label, vanilla.traces)
        return judged([versus((g.label, g.traces), pair, b, self.hard) for g in self.groups if not g.vanilla for b in BUDGETS])

    @cached_property
    def runs(self) -> list[dict[str, Any]]:
        """One entry per allocation, numbers as means over its seeds."""
        return [self._run(g) for g in self.groups]

    def _run(self, group: Group) -> dict[str, Any]:
        traces, records = list(group.traces.values()), group.records
        kept = np.mean([t.kept for t in traces], axis=0)
        covered = np.mean([t.kept > 0 for t in traces], axis=0)
        samples = np.mean([t.samples for t in traces], axis=0)
        with np.errstate(invalid="ignore"):
            tokens = np.nanmean([t.mean_tokens() for t in traces], axis=0) if samples.all() else traces[0].mean_tokens()
        means = {name: float(np.mean([r.metrics[name] for r in records])) for name in _MEANS}
        # The record's own hardest quarter is by its own estimates; here one difficulty serves all.
        means["hard_coverage"] = 100 * float(covered[self.hard].mean())
        spread = [100 * float(np.mean((t.kept > 0)[self.hard])) for t in traces]
        caps = [t.against_cap(_cap(r)) for t, r in zip(traces, records, strict=True)]
        grades = [t.grades() for t in traces]
        stopped = Counter(REASONS[int(line[4])] for r in records for line in r.curves["queries"])
        drawn = {key: float(np.mean([r.cost["search"].get(key, 0.0) for r in records])) for key in ("samples", "seconds", "cpu_seconds")}
        return {
            "allocation": group.label, "vanilla": group.vanilla, "seeds": sorted(group.traces), **means,
            "hard_coverage_sd": float(np.std(spread, ddof=1)) if len(spread) > 1 else None,
            "drawn_new": drawn["samples"], "seconds": drawn["seconds"], "cpu_seconds": drawn["cpu_seconds"],
            "raw_per_kept": means["samples"] / means["kept"] if means["kept"] else None,
            "tokens_per_kept": means["tokens"] / means["kept"] if means["kept"] else None,
            "correlation": _correlation(kept, self.difficulty),
            "grades": {key: float(np.mean([g[key] for g in grades])) for key in grades[0]},
            "stopped": {reason: count / len(records) for reason, count in sorted(stopped.items())},
            "by_difficulty": {
                "kept": by_bin(kept, self.bins, _BINS), "coverage": by_bin(100 * covered, self.bins, _BINS),
                "samples": by_bin(samples, self.bins, _BINS), "tokens": by_bin(tokens, self.bins, _BINS),
            },
            "against_cap": [
                {key: float(np.mean([c[i][key] for c in caps])) for key in caps[0][i]} for i in range(min(map(len, caps)))
            ],
        }  # fmt: skip

    def levels(self) -> list[dict[str, Any]]:
        """Kept and coverage by the source's own level, where the queries have one."""
        names = sorted({q.level for q in self.queries or () if q.level})
        if not 2 <= len(names) <= 30:
            return []
        found = []
        for name in names:
            mask = np.array([q.level == name for q in self.queries or ()])
            line = {"level": name, "queries": int(mask.sum()), "fail_rate": float(self.difficulty[mask].mean()), "runs": []}
            for g in self.groups:
                kept = np.mean([t.kept[mask] for t in g.traces.values()])
                covered = np.mean([(t.kept > 0)[mask] for t in g.traces.values()])
                line["runs"].append({"allocation": g.label, "kept": float(kept), "coverage": 100 * float(covered)})
            found.append(line)
        return found

    def table(self) -> list[dict[str, Any]]:
        """One line per query: its fail rate, and per allocation (first seed) raw samples, right ones, kept, pass rate with interval."""
        lines: list[dict[str, Any]] = [
            {"id": self.queries[i].id if self.queries is not None else str(i), "fail_rate": round(float(self.difficulty[i]), 6), "runs": {}}
            for i in range(self.n)
        ]
        for group in self.groups:
            record, trace = group.records[0], group.traces[group.records[0].search_seed or 0]
            kept = trace.kept
            for i, row in enumerate(record.curves["queries"]):
                n, c, code = int(row[0]), int(row[1]), int(row[4])
                rate = pass_rate(c, n, REASONS[code])
                low, high = wilson(c, n)
                lines[i]["runs"][group.label] = {
                    "n": n, "correct": c, "kept": int(kept[i]), "reason": REASONS[code], "pass_rate": None if rate is None else float(rate),
                    "low": round(low, 6), "high": round(high, 6),
                }  # fmt: skip
        return lines

    @property
    def warnings(self) -> list[str]:
        """What the reader must know."""
        found = list(self.failed)
        for run in self.runs:
            if not (run["vanilla"] and len(self.groups) > 1):
                found += warn.of_run(run["allocation"], {**run, **run["grades"]}, self.protocol["dedup"], self.n, run["stopped"])
        nowhere = float(np.mean(np.all([t.found() == 0 for g in self.groups for t in g.traces.values()], axis=0)))
        if nowhere > 0.25:
            found.append(f"{100 * nowhere:.0f} % of the queries have no right response in any run: the hardest quarter tells nothing apart")
        if self.suspected:
            found.append(f"{len(self.suspected)} queries without a right response agree on another answer: their references may be wrong")
        for v in self.comparisons:
            if v.test is None:
                found.append(f"{v.allocation} against vanilla at equal {v.budget}: {v.verdict}; raise m of vanilla")
        if not self.comparisons and not all(g.vanilla for g in self.groups):
            found.append("vanilla at equal raw samples and at equal kept: not run; 'oche synthesize --vanilla' runs it")
        return found

    @property
    def verdict(self) -> list[dict[str, str]]:
        """Sentences, each a claim with its numbers."""
        return headline(self.runs, self.comparisons, self.n)

    # -- forms --------------------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """All of it, schema `oche.synthesis-report/1`."""
        counts = np.bincount(self.bins, minlength=_BINS)
        return {
            "schema": SCHEMA, "title": self.title, "verdict": self.verdict, "warnings": self.warnings,
            "protocol": {**self.protocol, "hash": digest(self.protocol)}, "queries": self.n, "seeds": list(self.seeds),
            "bins": [{"low": b / _BINS, "high": (b + 1) / _BINS, "queries": int(counts[b])} for b in range(_BINS)],
            "hard_queries": int(self.hard.sum()), "runs": self.runs, "comparisons": [v.to_json() for v in self.comparisons],
            "levels": self.levels(), "samples": self.samples, "suspected_label_errors": self.suspected,
        }  # fmt: skip

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page (`.html`) or the JSON (`.json`), which also holds a line per query.

        Raises:
            ArgumentError: another suffix.
        """
        target = Path(path)
        if target.suffix == ".json":
            write_text(
                target, json.dumps(_plain({**self.to_json(), "table": self.table()}), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
            )
        elif target.suffix == ".html":
            from oche.judge import synthesis_page

            write_text(target, synthesis_page(_plain(self.to_json())))
        else:
            raise ArgumentError(f"report path: got {str(path)!r}; allowed: a name that ends in .html or .json")
        return target


def report(store: BaseStore, queries: Any = None, *, protocol: str | None = None, title: str = "Rejection sampling") -> SynthesisReport:
    """The report of all syntheses in a store that share a protocol.

    Args:
        store: An open store.
        queries: The queries that were asked: a file or a list; without them the page shows no texts of queries.
        protocol: Start of the hash of the protocol, where the store holds several.
        title: Heading of the page.

    Raises:
        ArgumentError: no finished synthesis, several protocols, or other queries than were asked.

    Example:
        >>> import oche
        >>> store = oche.store.Store.memory()
        >>> asked = [{"query": f"1+{i}", "ref_ans": str(1 + i)} for i in range(40)]
        >>> done = oche.rejection.synthesize(asked, "bernoulli", "uniform?k=2&cap=32", store=store, vanilla=True)
        >>> [v.budget for v in oche.rejection.report(store, asked).comparisons]
        ['raw', 'kept']
    """
    records = [r for r in store.records() if r.task == "synthesis"]
    done = [r for r in records if r.status == "done"]
    if not done:
        raise ArgumentError("report: got a store without a finished synthesis; allowed: one that 'oche synthesize --store' filled")
    chosen = _one_protocol(done, protocol)
    asked = as_queries(queries) if queries is not None else None
    if asked is not None:
        from oche.rejection._task import queries_hash

        if queries_hash(asked) != chosen["queries"]["sha256"]:
            raise ArgumentError(
                f"report: got other queries ({len(asked):,}) than were asked ({chosen['queries']['count']:,}); allowed: the same"
            )
    mine = [r for r in latest(done) if digest(r.protocol) == digest(chosen)]
    failed = [f"{r.algorithm}, seed {r.search_seed}: failed, {r.reason}" for r in records if r.status != "done"]
    return SynthesisReport(_groups(mine, chosen, store), chosen, asked, store, title, failed)


def latest(records: Sequence[Record]) -> list[Record]:
    """The last record of every run: one that went on with a larger budget wrote another one."""
    return list({r.run: r for r in records}.values())


def _one_protocol(records: Sequence[Record], start: str | None) -> Mapping[str, Any]:
    known = {digest(r.protocol): r.protocol for r in records}
    found = {key: value for key, value in known.items() if start is None or key.startswith(start)}
    if len(found) == 1:
        return next(iter(found.values()))
    values = list(known.values())
    keys = sorted({k for v in values for k in v})
    differ = [k for k in keys if len({digest(v.get(k)) for v in values}) > 1]
    names = ", ".join(f"{key[:12]} ({'; '.join(f'{k} {json.dumps(value.get(k))}' for k in differ)})" for key, value in known.items())
    raise ArgumentError(
        f"report: got {len(found)} protocols{'' if start is None else f' that begin with {start!r}'}, which cannot be compared; "
        f"allowed: one of {names}; name it with protocol (--protocol)"
    )


def _groups(records: Sequence[Record], protocol: Mapping[str, Any], store: BaseStore) -> list[Group]:
    by_key: dict[str, list[Record]] = {}
    for record in records:
        by_key.setdefault(digest([record.algorithm, record.budget, record.settings.get("parallel")]), []).append(record)
    pools: dict[int, Drawn] = {}
    for seed in sorted({r.search_seed or 0 for r in records}):
        pools[seed] = Drawn.read(store.samples(pool_of(protocol, seed)))
    names = Counter(found[0].algorithm for found in by_key.values())
    groups = []
    for found in by_key.values():
        first = found[0]
        label = first.algorithm
        if names[label] > 1:
            budget = ", ".join(f"{v:,.0f} {k}" for k, v in first.budget.items() if isinstance(v, (int, float)))
            label += f" ({budget or 'no budget'}, parallel {first.settings.get('parallel')})"
        traces = {}
        for record in found:
            lines = np.array(record.curves["queries"], np.int64)
            traces[record.search_seed or 0] = Trace(pools[record.search_seed or 0].of(lines[:, 0]), len(lines), lines[:, 3])
        groups.append(Group(label, tuple(found), traces))
    # Vanilla is what the others are held against: it stands last.
    return sorted(groups, key=lambda g: g.vanilla)


def _cap(record: Record) -> int | None:
    from oche.rejection._registries import allocation

    try:
        return allocation(record.algorithm).cap
    except OcheError:
        # An allocation of the user's own is no name: the longest query says how far it went.
        return None


def _correlation(kept: Any, difficulty: Any) -> float:
    """Correlation of kept responses with fail rates; 0 where either is constant."""
    if np.ptp(kept) == 0 or np.ptp(difficulty) == 0:
        return 0.0
    return float(np.corrcoef(kept, difficulty)[0, 1])


def _plain(value: Any) -> Any:
    """JSON values; what is not a finite number becomes null."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
