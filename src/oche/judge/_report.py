"""From records to a report: every search judged against the random average and against random search, corrected for their number.

The report never knows how a run was made. Its JSON holds everything that the page and the table show, so that the same records
and seed give the same bytes.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oche.errors import JudgeError
from oche.files import write_text
from oche.judge import _numbers as numbers
from oche.judge._arms import Arm
from oche.judge._compare import Settings, compare_arms
from oche.judge._cost import CostCheck
from oche.judge._entries import Entry, choose_random_search, make_entry, with_equivalent
from oche.judge._grouping import Group, dataset_name, flatten_records, make_groups
from oche.judge._holm import holm
from oche.judge._population import short_form
from oche.judge._protocols import check_metric, check_protocols, check_space
from oche.judge._row import Row
from oche.store.record import Record

SCHEMA = "oche.report/1"
log = logging.getLogger("oche.judge")

# In percent points; for other units 1 % of the random mean is what a reader is taken to care about.
_SEE_POINTS = 0.5


@dataclass(frozen=True)
class Report:
    """The judged runs.

    Args:
        title: Heading of the page.
        entries: One line per algorithm and task, with its tests.
        groups: The records behind them, by arm.
        settings: How arms were compared.
        warnings: What the reader must know.
        protocols: Protocol of each task, by task.
        space_size: Number of programs in the space, if known.
    """

    title: str
    entries: tuple[Entry, ...]
    groups: tuple[Group, ...]
    settings: Settings
    warnings: tuple[str, ...]
    protocols: dict[str, dict[str, Any]]
    space_size: float | None

    @property
    def rows(self) -> tuple[Row, ...]:
        """All tests, in the order of the table: against the average first, then against random search."""
        return tuple(row for e in self.entries for row in (e.average, e.search) if row is not None)

    @property
    def records(self) -> tuple[Record, ...]:
        """All records, failed ones included; a known population in its short form."""
        found: list[Record] = []
        for group in self.groups:
            found.extend([short_form(group.done)] if group.population else group.records)
        return tuple(found)

    @property
    def has_random_search(self) -> bool:
        """Whether random search was run."""
        return any(g.role == "random_search" for g in self.groups)

    @property
    def verdict(self) -> list[str]:
        """The verdict in whole sentences."""
        from oche.judge._sentences import headline

        return [str(s) for s in headline(self.entries)]

    def row(self, algorithm: str, dataset: str | None = None, against: str | None = None) -> Row:
        """The test of one algorithm, by default against random search if that was run. Names without regard to case, `-` and `_`.

        Raises:
            JudgeError: no such test, or several data sets to choose from.
        """
        found = [
            e
            for e in self.entries
            if _same(e.algorithm, algorithm) and (dataset is None or _same(e.dataset, dataset) or _same(e.task, dataset))
        ]
        rows = [(e.average if against == "random average" else e.search if against == "random search" else e.decisive) for e in found]
        rows = [r for r in rows if r is not None]
        if len(rows) == 1:
            return rows[0]
        known = ", ".join(repr(f"{e.algorithm} on {e.dataset}") for e in self.entries)
        raise JudgeError(
            f"row: got {len(rows)} tests for {algorithm!r} on {dataset!r} against {against!r}; allowed: one of {known}; name all three"
        )

    def counts_line(self) -> str:
        """What was compared, in one line."""
        parts = []
        if self.space_size is not None:
            parts.append(
                f"{self.space_size:,.0f} programs in the space" if self.space_size < 1e9 else f"{self.space_size:.3g} programs in the space"
            )
        elif len(spaces := dict.fromkeys(g.first.space for g in self.groups)) == 1:
            parts.append(f"space {next(iter(spaces))}")
        else:
            parts.append(f"{len(spaces)} spaces")
        tasks = list(dict.fromkeys(e.dataset for e in self.entries))
        parts.append(", ".join(tasks) if len(tasks) <= 5 else f"{len(tasks)} data sets")
        parts.append(self._counts())
        seconds = self.seconds()
        if seconds:
            parts.append(numbers.duration(seconds))
        return " · ".join(parts)

    def _counts(self) -> str:
        parts = []
        for group in (g for g in self.groups if g.role == "baseline"):
            text = f"all {group.arm().n:,} programs" if group.population else f"{len(group.done)} random"
            parts.append(text)
        unique = list(dict.fromkeys(parts))
        searches = [e.n for e in self.entries]
        if len(searches) > 8:
            text = f"{sum(searches)} searches"
        else:
            text = " + ".join(str(n) for n in searches) + (" searches" if sum(searches) != 1 else " search")
        return ", ".join([*unique[:3], text])

    def seconds(self) -> float:
        """Seconds that all runs took together, as far as recorded."""
        total = 0.0
        for record in self.records:
            for part in record.cost.values():
                total += part.get("seconds", part.get("cpu_seconds", 0.0))
        return total

    def method_line(self) -> str:
        """How the numbers were made, in one line."""
        s = self.settings
        level = f"{100 * (1 - s.alpha):g} %"
        family = len(self.rows)
        holm_part = f"Holm over the {family} tests of this report, alpha {s.alpha:g}" if family > 1 else f"one test, alpha {s.alpha:g}"
        methods = dict.fromkeys(r.ci for r in self.rows)
        return f"[ ]: {level} interval ({', '.join(methods)}); permutation test; {holm_part}; seed {s.seed}"

    def seeds_line(self) -> str:
        """Seeds of the searches and of the final trainings."""
        parts = []
        for name in ("search_seed", "train_seed"):
            seeds = sorted({s for r in self.records if (s := getattr(r, name)) is not None})
            if seeds:
                parts.append(f"{name.replace('_', ' ')}s {_ranges(seeds)}")
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values, schema `oche.report/1`; equal records and seed give equal values."""
        s = self.settings
        return {
            "schema": SCHEMA,
            "title": self.title,
            "verdict": self.verdict,
            "warnings": list(self.warnings),
            "settings": {
                "alpha": s.alpha,
                "ci": s.ci,
                "correction": "holm",
                "family": len(self.rows),
                "delta": s.delta,
                "seed": s.seed,
            },
            "space_size": self.space_size,
            "protocols": [{"task": task, **found} for task, found in self.protocols.items()],
            "summary": [e.to_json() for e in self.entries],
            "rows": [r.to_json() for r in self.rows],
            "runs": [r.to_json() for r in self.records],
        }

    def json_text(self) -> str:
        """`to_json` as text, always in the same form."""
        return json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def html_text(self) -> str:
        """The page: one file that needs nothing else."""
        from oche.judge._page import page

        return page(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report as `.html` or `.json`.

        Raises:
            JudgeError: another suffix.
        """
        target = Path(path)
        suffix = target.suffix.lower()
        if suffix not in (".html", ".json"):
            raise JudgeError(f"report path: got {str(path)!r}; allowed: a name that ends in .html or .json")
        write_text(target, self.html_text() if suffix == ".html" else self.json_text())
        log.info("wrote %s", target)
        return target

    def __str__(self) -> str:
        from oche.judge._text import text_table

        return text_table(self)


def report(
    *runs: Any,
    baseline: Any = None,
    random_search: Any = None,
    title: str | None = None,
    alpha: float = 0.05,
    ci: str = "welch-log",
    delta: float | None = None,
    see: float | None = None,
    seed: int = 0,
    cost_unit: str | None = None,
    allow_differ: Iterable[str] = (),
    space_size: float | None = None,
) -> Report:
    """Judge runs against random from the same space.

    Each argument is a record, a list of records, or an object with `.records`. Records of kind `random`, `population` and
    `random_search` among `runs` are taken as baseline and random search if those are not given. Every algorithm, random search
    included, is tested against the random average, and every other one against the random search whose cost is nearest.

    Args:
        *runs: Searches.
        baseline: Random members of the same space, trained alike, or all members of a finite space.
        random_search: Searches by random draws with selection by the search signal.
        title: Heading of the page.
        alpha: Level of the intervals and of the whole family of tests.
        ci: `welch-log`, `bootstrap` or `bootstrap-bca`.
        delta: Half width of the zone of equivalence, percent of improvement.
        see: Difference that matters to the reader, in points; says how many runs would see it. Default: 0.5 points, or 1 % of
            the random mean where the unit is not `%`.
        seed: Root of the resampling, where there is any.
        cost_unit: Unit in which costs are compared; by default the first of CPU-seconds, seconds, epochs, passes, trials that
            both sides count.
        allow_differ: Protocol fields that may differ; what differs is printed.
        space_size: Number of programs in the space, for the heading; read from the records' settings by default.

    Raises:
        JudgeError: nothing to judge or to compare with, fewer than 2 results in an arm, unequal protocols, metrics or spaces,
            duplicates, or results that are not finite.
    """
    settings = Settings(alpha=alpha, ci=ci, delta=delta, seed=seed)
    searches, bases, randoms = _sort_out(runs, baseline, random_search)
    notes = [f"allowed to differ: {text}" for text in _check(searches, bases, randoms, tuple(allow_differ))]
    entries = _entries(searches, bases, randoms, settings, see, cost_unit)
    groups = (*bases, *randoms, *searches)
    return Report(
        title=title or "Did the search beat random?",
        entries=_correct(entries),
        groups=groups,
        settings=settings,
        warnings=tuple(dict.fromkeys([*notes, *_warnings(groups, entries)])),
        protocols={g.first.task: {"hash": g.first.protocol_hash, "protocol": dict(g.first.protocol)} for g in groups},
        space_size=space_size if space_size is not None else _space_size(groups),
    )


def _sort_out(runs: Sequence[Any], baseline: Any, random_search: Any) -> tuple[list[Group], list[Group], list[Group]]:
    """Searches, baselines and random searches as groups, in the order given."""
    heap = flatten_records(runs, "runs")
    bases = flatten_records(baseline, "baseline")
    randoms = flatten_records(random_search, "random_search")
    if wrong := [r for r in bases if r.kind not in ("random", "population")]:
        raise JudgeError(
            f"baseline: got a run of kind {wrong[0].kind!r} ('{wrong[0].algorithm}'); allowed: 'random', 'population'; "
            "random search belongs in random_search="
        )
    if not bases:
        bases = [r for r in heap if r.kind in ("random", "population")]
    if not randoms:
        randoms = [r for r in heap if r.kind == "random_search"]
    taken = {id(r) for r in (*bases, *randoms)}
    searches = [r for r in heap if id(r) not in taken and r.kind == "search"]
    left = [r for r in heap if id(r) not in taken and r.kind != "search"]
    if left and not searches:
        searches = left
    if not searches and not randoms:
        raise JudgeError(
            f"report: got no search among {len(heap)} runs; allowed: records of kind 'search' or 'random_search'; run oche search first"
        )
    if not bases and not randoms:
        raise JudgeError("report: got nothing to compare with; allowed: baseline=, random_search= or both; run oche baseline first")
    return make_groups(searches, "search"), make_groups(bases, "baseline"), make_groups(randoms, "random_search")


def _check(searches: list[Group], bases: list[Group], randoms: list[Group], allow_differ: tuple[str, ...]) -> list[str]:
    """Refuse what cannot be compared; return allowed differences."""
    judged = [*searches, *randoms]
    for group in judged:
        for others, what in ((bases, "baseline"), (randoms, "random search")):
            same_task = [o for o in others if o.first.task == group.first.task]
            if same_task and not any(o.place == group.place for o in same_task):
                check_space(same_task[0].first, group.first, what)
    places = dict.fromkeys(g.place for g in judged)
    notes: list[str] = []
    for place in places:
        here = [g for g in (*bases, *judged) if g.place == place]
        kinds = {g.first.kind for g in here if g.role == "baseline"} | {r.kind for g in here if g.role == "baseline" for r in g.records}
        if len(kinds) > 1:
            raise JudgeError(
                f"baseline: got records of kinds {sorted(kinds)} on {place[0]}; allowed: one kind; pass the random members or the whole population"
            )
        records = [r for g in here for r in g.records]
        check_metric(records)
        notes.extend(check_protocols(records, allow_differ))
    return notes


def _entries(
    searches: list[Group], bases: list[Group], randoms: list[Group], settings: Settings, see: float | None, cost_unit: str | None
) -> list[Entry]:
    """Random search first, then the searches, task by task; tests not yet corrected."""
    arms: dict[int, Arm] = {}

    def arm(group: Group) -> Arm:
        return arms.setdefault(id(group), group.arm())

    entries = []
    judged = [*randoms, *searches]
    for task in dict.fromkeys(g.first.task for g in judged):
        for group in (g for g in judged if g.first.task == task):
            base = next((b for b in bases if b.place == group.place), None)
            here = [r for r in randoms if r.place == group.place] if group.role == "search" else []
            chosen = choose_random_search(group, here, cost_unit)
            mine = arm(group)
            s = _settings_for(group, [mine, *([arm(base)] if base else []), *([arm(chosen[0])] if chosen else [])], settings)
            average = search = None
            cost: CostCheck | None = None
            if base is not None:
                average = compare_arms(
                    mine, arm(base), s, dataset=dataset_name(group.first), algorithm=group.label, against="random average"
                )
                average = with_equivalent(average, arm(base))
            if chosen is not None:
                other, cost = chosen
                search = compare_arms(
                    mine, arm(other), s, dataset=dataset_name(group.first), algorithm=group.label, against="random search"
                )
            random_mean = (average or search).mean_r if (average or search) else mine.mean  # type: ignore[union-attr]
            wanted = see if see is not None else (_SEE_POINTS if s.unit == "%" else 0.01 * abs(random_mean) or 1.0)
            entries.append(make_entry(group, mine, average, search, cost, wanted))
    return entries


def _settings_for(group: Group, arms: Sequence[Arm], settings: Settings) -> Settings:
    """Direction, unit and scale of one comparison."""
    counts = {r.n_report for r in group.done}
    n_report = counts.pop() if len(counts) == 1 else None
    scale = "points" if any(a.mean <= 0 for a in arms) else "relative"
    return replace(settings, direction=group.first.direction, unit=group.first.unit, scale=scale, n_report=n_report)


def _correct(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Holm over all tests of all entries."""
    rows = [row for e in entries for row in (e.average, e.search) if row is not None]
    adjusted = iter([row.adjusted(p, len(rows)) for row, p in zip(rows, holm([r.p for r in rows]), strict=True)])
    corrected = []
    for entry in entries:
        average = next(adjusted) if entry.average is not None else None
        search = next(adjusted) if entry.search is not None else None
        corrected.append(replace(entry, average=average, search=search))
    return tuple(corrected)


def _warnings(groups: Sequence[Group], entries: Sequence[Entry]) -> list[str]:
    found = []
    for group in groups:
        for record in group.failed:
            found.append(
                f"a run of '{group.label}' on {dataset_name(group.first)} failed and is in no number "
                f"(search seed {record.search_seed}): {record.reason or 'no reason recorded'}"
            )
    for entry in entries:
        for row in (entry.average, entry.search):
            if row is None:
                continue
            found.extend(f"{entry.algorithm} on {entry.dataset} vs {row.against}: {w}" for w in row.warnings)
            if row.scale == "points":
                found.append(
                    f"{entry.dataset}: a mean is not positive, so improvements are differences in {numbers.points_unit(row.unit) or 'the metric'}"
                )
    return [*found, *_copied(groups)]


def _copied(groups: Sequence[Group]) -> list[str]:
    """Arms of one task that agree digit for digit: nearly always a copying mistake in the source."""
    seen: dict[tuple[Any, ...], Group] = {}
    found = []
    for group in groups:
        if group.population or len(group.done) < 3:
            continue
        values = tuple(sorted(r.value for r in group.done))
        key = (group.first.task, values)
        if key in seen and len(set(values)) > 1:
            one, other = seen[key], group
            found.append(
                f"'{one.label}' in space {one.first.space} and '{other.label}' in space {other.first.space} on {dataset_name(group.first)} "
                "are equal digit for digit: are they the same runs?"
            )
        seen.setdefault(key, group)
    return found


def _space_size(groups: Sequence[Group]) -> float | None:
    sizes = {r.settings["space_size"] for g in groups for r in g.records if isinstance(r.settings.get("space_size"), (int, float))}
    return float(sizes.pop()) if len(sizes) == 1 else None


def _ranges(seeds: Sequence[int]) -> str:
    """`[0, 1, 2, 5]` as `0-2, 5`."""
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][1] + 1:
            parts[-1][1] = seed
        else:
            parts.append([seed, seed])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def _same(one: str, other: str) -> bool:
    return one.lower().replace("-", "").replace("_", "") == other.lower().replace("-", "").replace("_", "")
