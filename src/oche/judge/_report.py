"""The report as an object: its tests, its records, and the three forms it is read in (table, page, JSON).

The JSON holds everything that the page and the table show; the same records and seed give the same bytes. Reports are made in
`_judging.py`.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oche.errors import JudgeError
from oche.files import write_text
from oche.judge import _numbers as numbers
from oche.judge._anytime import Anytime
from oche.judge._checklist import ChecklistItem
from oche.judge._compare import Settings
from oche.judge._entries import Entry
from oche.judge._fronts import FrontRow
from oche.judge._grouping import Group
from oche.judge._multi import Multi
from oche.judge._population import short_form
from oche.judge._protocol import Protocol
from oche.judge._row import Row
from oche.judge._signals import signals
from oche.store.record import Record

SCHEMA = "oche.report/1"
_SEEDS_WIDTH = 60
log = logging.getLogger("oche.judge")


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
        declared: The protocol that was declared before the runs, if any.
        multi: Several data sets at once; None with one.
        anytime: Incumbents over cost, one per task and kind of cost.
        fronts: Methods with several objectives against random search; a family of tests of its own.
        checklist: Sixteen questions of good practice.
        studies: Ladders, rank studies and space studies that were handed in.
    """

    title: str
    entries: tuple[Entry, ...]
    groups: tuple[Group, ...]
    settings: Settings
    warnings: tuple[str, ...]
    protocols: dict[str, dict[str, Any]]
    space_size: float | None
    declared: Protocol | None = None
    multi: Multi | None = None
    anytime: tuple[Anytime, ...] = ()
    fronts: tuple[FrontRow, ...] = ()
    checklist: tuple[ChecklistItem, ...] = ()
    studies: tuple[Any, ...] = ()

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
    def signals(self) -> tuple[str, ...]:
        """What searches with shared weights say of themselves, a line for each arm that has logits."""
        return signals(self.groups)

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

    def metric_line(self) -> str:
        """The primary metric and who declared it."""
        first = self.groups[0].first
        unit = f" in {first.unit}" if first.unit else ""
        by = "by the records" if self.declared is None else f"in protocol {self.declared.name!r} ({self.declared.hash[:8]})"
        return f"primary metric: {first.metric}{unit}, {'larger' if first.direction == 'max' else 'smaller'} is better, declared {by}"

    def seeds_line(self) -> str:
        """Seeds of the searches and of the final trainings."""
        parts = []
        for name in ("search_seed", "train_seed"):
            seeds = sorted({s for r in self.records if (s := getattr(r, name)) is not None})
            if seeds:
                text = _ranges(seeds)
                noun = f"{name.replace('_', ' ')}s"
                # Derived seeds are long numbers without order; the page and the JSON list them all.
                parts.append(f"{noun} {text}" if len(text) <= _SEEDS_WIDTH else f"{len(seeds)} {noun}")
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
            "declared": None if self.declared is None else _declared(self.declared),
            "protocols": [{"task": task, **found} for task, found in self.protocols.items()],
            "summary": [e.to_json() for e in self.entries],
            "rows": [r.to_json() for r in self.rows],
            "multi": None if self.multi is None else _lists(self.multi.to_json()),
            "anytime": [_lists(a.to_json()) for a in self.anytime],
            "fronts": [_lists(f.to_json()) for f in self.fronts],
            "checklist": [c.to_json() for c in self.checklist],
            "studies": [_lists(_study(s)) for s in self.studies],
            "runs": [r.to_json() for r in self.records],
        }

    def json_text(self) -> str:
        """`to_json` as text, always in the same form."""
        return json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def table(self, form: str = "markdown") -> str:
        """The tests as a table.

        Args:
            form: `markdown`, `latex` (with booktabs) or `csv` (all fields of every row).

        Raises:
            JudgeError: another form.
        """
        from oche.judge._tables import table

        return table(self, form)

    def html_text(self) -> str:
        """The page: one file that needs nothing else."""
        from oche.judge._page import page

        return page(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report: the page as `.html`, everything as `.json`, the table of tests as `.tex`, `.md` or `.csv`.

        Raises:
            JudgeError: another suffix.
        """
        target = Path(path)
        makers = {
            ".html": self.html_text,
            ".json": self.json_text,
            ".tex": lambda: self.table("latex"),
            ".md": lambda: self.table("markdown"),
            ".csv": lambda: self.table("csv"),
        }
        maker = makers.get(target.suffix.lower())
        if maker is None:
            raise JudgeError(f"report path: got {str(path)!r}; allowed: a name that ends in .html or .json, or in .tex, .md or .csv")
        write_text(target, maker())
        log.info("wrote %s", target)
        return target

    def __str__(self) -> str:
        from oche.judge._text import text_table

        return text_table(self)


def _declared(protocol: Protocol) -> dict[str, Any]:
    return {"name": protocol.name, "hash": protocol.hash, **protocol.to_json()}


def _lists(value: Any) -> Any:
    """The same with lists for tuples, as it is read back from JSON."""
    if isinstance(value, dict):
        return {k: _lists(v) for k, v in value.items()}
    return [_lists(v) for v in value] if isinstance(value, (list, tuple)) else value


def _study(study: Any) -> dict[str, Any]:
    """The JSON of a study, whoever made it.

    Raises:
        JudgeError: it has none.
    """
    found = study.to_json() if hasattr(study, "to_json") else study
    if not isinstance(found, dict):
        raise JudgeError(f"studies: got {type(study).__name__}; allowed: ladders, rank studies, space studies, or their JSON")
    return found


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
