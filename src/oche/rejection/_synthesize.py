"""`synthesize`: queries, a sampler, an allocation and a grader through the one driver, and what came out of it."""

from __future__ import annotations

import logging
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from oche.errors import ArgumentError
from oche.files import digest
from oche.loop.contracts import Budget
from oche.rejection._allocation import REASONS, Allocation
from oche.rejection._contamination import Contamination, contamination
from oche.rejection._dedup import most_diverse
from oche.rejection._estimators import pass_rate, wilson
from oche.rejection._fixed import Vanilla
from oche.rejection._labels import grouped
from oche.rejection._queries import Query
from oche.rejection._queries import queries as as_queries
from oche.rejection._registries import allocation as as_allocation
from oche.rejection._registries import sampler as as_sampler
from oche.rejection._report import SynthesisReport, latest
from oche.rejection._report import report as make_report
from oche.rejection._task import Samples
from oche.rejection._warnings import NothingCorrectError, cap_below_target, nothing_correct, of_run
from oche.rejection.graders import get as as_grader
from oche.store import as_store
from oche.store.record import Record
from oche.store.rows import SampleRow
from oche.store.store import BaseStore, Store

SELECTIONS = ("index", "diverse")
# How often vanilla is made longer until it keeps as much as what it is held against.
_TRIES = 6
log = logging.getLogger("oche.rejection")


def synthesize(
    queries: Any,
    sampler: Any,
    allocation: Any = "prop2diff",
    grader: Any = "marked",
    store: str | os.PathLike[str] | BaseStore | None = None,
    *,
    budget: Budget | None = None,
    cap: int | None = None,
    dedup: str = "exact",
    seeds: int | Sequence[int] = 1,
    executor: Any = "serial",
    workers: int | None = None,
    parallel: int = 64,
    name: str = "",
    progress: bool = True,
    limits: Any = None,
    vanilla: bool = False,
) -> Synthesis:
    """Sample responses to queries, keep the right ones, spread the samples by `allocation`.

    Args:
        queries: A file, or queries or records in a list; see `queries`.
        sampler: Settings text such as `bernoulli?beta=0.6,0.6`, or a sampler.
        allocation: Settings text such as `prop2diff?k=32`, or an allocation.
        grader: Settings text such as `strict`, or a grader.
        store: Where every raw sample is kept; the same call goes on where it was. None keeps them in memory.
        budget: Limits of samples, tokens, money or seconds over all queries.
        cap: Most raw samples per query; overrules the allocation's own.
        dedup: `exact`, `ngram` or `none`.
        seeds: A count or a list; one run each.
        executor: `serial`, `processes` or `ray`.
        workers: Worker processes.
        parallel: Queries at work at once; part of the run's definition, since the allocation sees only what came back.
        name: What the store calls it.
        progress: Show a progress bar where there is a terminal.
        limits: Limits per message to a worker.
        vanilla: Also run vanilla on the same queries, with at least as many raw samples and at least as many kept, for the verdicts of
            the report. Samples that both runs draw are drawn once.

    Raises:
        ArgumentError: a setting is not allowed, the run would never stop, or no sample is right (see `Allocation`, `pilot`).

    Example:
        >>> import oche
        >>> questions = [{"query": f"1+{i}", "ref_ans": str(1 + i)} for i in range(20)]
        >>> done = oche.rejection.synthesize(questions, "bernoulli?beta=2,1", "uniform?k=4&cap=64")
        >>> [len(q["responses"]) for q in done.dataset()][:3]
        [4, 4, 4]
    """
    import oche

    asked = as_queries(queries)
    chosen = _allocation(allocation, cap)
    opened = as_store(store) if store is not None else Store.memory()
    assert opened is not None
    task = Samples(asked, as_sampler(sampler), as_grader(grader), dedup)
    if (text := cap_below_target(chosen, len(asked))) is not None:
        log.warning(text)

    def run(allocation: Allocation, title: str, budget: Budget | None = None) -> Synthesis:
        runs = oche.search(
            task.space, allocation, task, budget=budget, seeds=seeds, store=opened, executor=executor, workers=workers,
            parallel=parallel, name=title, progress=progress, limits=limits,
        )  # fmt: skip
        return Synthesis(asked, runs, opened, task)

    try:
        done = run(chosen, name or f"synthesis {chosen.name}", budget)
        if vanilla and not isinstance(chosen, Vanilla) and all(r.status == "done" for r in done.records):
            _run_vanilla(done, lambda m: run(Vanilla(m), "synthesis vanilla"))
    except NothingCorrectError as error:
        raise _nothing_correct(task, opened, seeds) from error
    finally:
        # A grader that was made here ends its worker processes here.
        if isinstance(grader, str) and hasattr(task.grader, "close"):
            task.grader.close()
    return done


def _allocation(given: Any, cap: int | None) -> Allocation:
    chosen = as_allocation(given)
    if not isinstance(chosen, Allocation):
        raise ArgumentError(f"allocation: got {type(chosen).__name__}; allowed: a name such as 'prop2diff?k=32', or an Allocation")
    return chosen if cap is None else chosen.capped(cap)


def _run_vanilla(done: Synthesis, run: Callable[[int], Synthesis]) -> None:
    """Vanilla with as many raw samples as every run of `done`, and as many kept; more of it only adds samples to the store."""
    n, records = len(done.queries), done.records
    m = max(math.ceil(r.metrics["samples"] / n) for r in records)
    for _ in range(_TRIES):
        other = {r.search_seed: r.metrics["kept"] for r in run(m).records if r.status == "done"}
        lacking = max((r.metrics["kept"] / max(1.0, other.get(r.search_seed, math.inf)) for r in records), default=0.0)
        if lacking <= 1:
            return
        # The number kept grows at most in proportion to the trials.
        m = max(m + 1, math.ceil(min(lacking, 4.0) * m))


def _nothing_correct(task: Samples, store: BaseStore, seeds: int | Sequence[int]) -> ArgumentError:
    for seed in range(seeds) if isinstance(seeds, int) else seeds:
        pool = task.pool(seed)
        counts = store.sample_counts(pool)
        if counts:
            # Of three queries, or of as many as were reached.
            few = sorted(counts)[:3]
            rows = [row for query in few for row in store.samples(pool, query, 3 if len(few) < 3 else 1)]
            return nothing_correct(sum(counts.values()), rows, task.queries)
    return nothing_correct(0, [], task.queries)


class Synthesis(Sequence[Any]):
    """The runs of a synthesis, one per seed, and what they kept.

    Items are runs with `.records`, `.cost`, `.status`; `.records` holds all of them.
    """

    def __init__(self, queries: Sequence[Query], runs: Any, store: BaseStore, task: Samples) -> None:
        self.queries, self.runs, self.store, self.task = list(queries), runs, store, task

    def __len__(self) -> int:
        return len(self.runs)

    def __getitem__(self, index: Any) -> Any:
        return self.runs[index]

    @property
    def records(self) -> list[Record]:
        """One per seed; of a run that went on with a larger budget, the last one."""
        return latest(self.runs.records)

    def record(self, seed: int | None = None) -> Record:
        """The record of a seed; the first one by default.

        Raises:
            ArgumentError: no run of that seed ended.
        """
        for record in self.records:
            if record.status == "done" and (seed is None or record.search_seed == seed):
                return record
        reasons = "; ".join(sorted({r.reason for r in self.records if r.reason})) or "no run has ended"
        raise ArgumentError(f"synthesis: got no finished run of seed {seed} ({reasons}); allowed: one that ended")

    def samples(self, seed: int | None = None) -> Iterator[SampleRow]:
        """Every raw sample of a run, by query and number."""
        record = self.record(seed)
        counts = [int(line[0]) for line in record.curves["queries"]]
        for row in self.store.samples(self.task.pool(record.search_seed or 0)):
            # The pool may hold more, drawn by another run.
            if row.number < counts[row.query]:
                yield row

    def table(self, seed: int | None = None) -> list[dict[str, Any]]:
        """One line per query: counts, stop reason, unbiased pass rate with its interval, in the layout that RL filters read."""
        lines = []
        for query, line in zip(self.queries, self.record(seed).curves["queries"], strict=True):
            n, c, kept, target, code, tokens = map(int, line)
            reason = REASONS[code]
            rate = pass_rate(c, n, reason)
            low, high = wilson(c, n)
            lines.append(
                {"id": query.id, "n": n, "correct": c, "kept": kept, "target": target, "reason": reason, "tokens": tokens,
                 "pass_rate": None if rate is None else float(rate), "low": low, "high": high}
            )  # fmt: skip
        return lines

    def kept(self, seed: int | None = None, selection: str = "index") -> Iterator[tuple[Query, SampleRow]]:
        """The responses of the data set, at most the target of each query.

        Args:
            seed: Which run; the first by default.
            selection: `index` takes the first ones by sample number, whatever order they arrived in; `diverse` the least alike.
        """
        if selection not in SELECTIONS:
            raise ArgumentError(f"selection: got {selection!r}; allowed: 'index', 'diverse'")
        targets = [int(line[3]) for line in self.record(seed).curves["queries"]]
        for number, rows in grouped(self.samples(seed)):
            found = [r for r in rows if r.distinct]
            if selection == "diverse" and len(found) > targets[number]:
                found = [found[i] for i in sorted(most_diverse([r.text for r in found], targets[number]))]
            for row in found[: targets[number]]:
                yield self.queries[number], row

    def dataset(self, seed: int | None = None, selection: str = "index", decontaminate: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The data set, one line per query that keeps something: `query`, `reference`, `responses`, `pass_rate`, `n`, `correct`.

        Args:
            seed: Which run.
            selection: See `kept`.
            decontaminate: Test sets (files or queries). Queries that equal one of theirs are left out; of the others, `shares_ngram` says
                whether they share a run of 13 words with one.
        """
        checked = self.contamination(decontaminate)
        dropped = {q for found in checked.values() for q in found.exact}
        shared = {q for found in checked.values() for q in found.shared}
        rates = {line["id"]: line for line in self.table(seed)}
        found: dict[str, dict[str, Any]] = {}
        for query, row in self.kept(seed, selection):
            if query.id in dropped:
                continue
            line = rates[query.id]
            entry = found.setdefault(
                query.id,
                {"id": query.id, "query": query.text, "reference": query.reference, "level": query.level, "responses": [],
                 "sample_numbers": [], "pass_rate": line["pass_rate"], "n": line["n"], "correct": line["correct"], "source": "sampled",
                 "shares_ngram": query.id in shared if checked else None},
            )  # fmt: skip
            entry["responses"].append(row.text)
            entry["sample_numbers"].append(row.number)
        return list(found.values())

    @property
    def warnings(self) -> list[str]:
        """What a user must know of these runs: targets not reached, responses that repeat, samples that could not be graded."""
        found = []
        for record in self.records:
            if record.status != "done":
                continue
            stopped = Counter(REASONS[int(line[4])] for line in record.curves["queries"])
            name = record.algorithm if len(self.records) == 1 else f"{record.algorithm}, seed {record.search_seed}"
            found += of_run(name, record.metrics, self.task.dedup, len(self.queries), stopped)
        return found

    def report(self, title: str = "Rejection sampling") -> SynthesisReport:
        """These runs beside all others of the store with the same queries, sampler, grader and rule for duplicates.

        Raises:
            ArgumentError: no run has ended.
        """
        return make_report(self.store, self.queries, protocol=digest(self.record().protocol), title=title)

    def contamination(self, tests: Sequence[Any], n: int = 13) -> dict[str, Contamination]:
        """What the queries share with each test set, by its name: equal texts, and runs of n words.

        Args:
            tests: Files or lists of queries.
            n: Length of the runs; 8 finds more, and more by chance.
        """
        found = {}
        for number, test in enumerate(tests):
            name = Path(test).name if isinstance(test, (str, os.PathLike)) else f"test set {number + 1}"
            found[name] = contamination(self.queries, as_queries(test), n)
        return found

    def suspected_label_errors(self, seed: int | None = None, majority: float = 0.6, least: int = 8) -> list[dict[str, Any]]:
        """Queries without a right response whose samples agree on another answer."""
        from oche.rejection._labels import suspected

        return suspected(self.queries, grouped(self.samples(seed)), majority, least)

    def export(self, path: str | os.PathLike[str], seed: int | None = None, **settings: Any) -> Any:
        """Write the data set; see `oche.rejection._export.export`."""
        from oche.rejection._export import export

        return export(self, path, seed, **settings)
