"""The report as a text table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oche.judge import _numbers as numbers
from oche.judge._discretization import discretization_gap
from oche.judge._entries import NOT_RUN, Entry
from oche.judge._row import Row

if TYPE_CHECKING:
    from oche.judge._report import Report


def text_table(report: Report) -> str:
    """Header, one line per algorithm and task, and what the numbers rest on."""
    several = len({e.task for e in report.entries}) > 1
    equal = all(e.search.equal_cost for e in report.entries if e.search is not None)
    head = ["", f"{report.entries[0].metric} {report.entries[0].unit}".strip(), "vs random average"]
    head.append("vs random search at equal cost" if equal else "vs random search")
    head.append("verdict (Holm)" if len(report.rows) > 1 else "verdict")
    table: list[list[str] | str] = [head]
    for task in dict.fromkeys(e.task for e in report.entries):
        lines = [e for e in report.entries if e.task == task]
        if several:
            table.append(f"{lines[0].dataset}:")
        table.extend(_line(e, report.entries) for e in lines)
    parts = [report.counts_line(), *_aligned(table), *_footer(report)]
    return "\n".join(part.rstrip() for part in parts)


def places(entries: Sequence[Entry]) -> int:
    """Decimals for results, one for the whole table."""
    spreads = [e.sd for e in entries if e.sd > 0]
    return min(2, numbers.decimals(min(spreads))) if spreads else 2


def _line(entry: Entry, entries: Sequence[Entry]) -> list[str]:
    note = ""
    if entry.search is not None and not entry.search.equal_cost:
        note = f" ({entry.cost_note.partition(' in ')[0]})"
    return [
        entry.algorithm,
        numbers.mean_sd(entry.mean, entry.sd, places(entries)),
        _cell(entry.average),
        ("-" if entry.role == "random_search" else _cell(entry.search)) + note,
        entry.verdict,
    ]


def _cell(row: Row | None) -> str:
    return NOT_RUN if row is None else numbers.improvement(row)


def _aligned(table: Sequence[list[str] | str]) -> list[str]:
    rows = [r for r in table if isinstance(r, list)]
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    return [r if isinstance(r, str) else "  ".join(cell.ljust(w) for cell, w in zip(r, widths, strict=True)) for r in table]


def _several_datasets(report: Report) -> list[str]:
    """Pooled improvements and ranks."""
    if report.multi is None:
        return []
    lines = [
        f"{a.algorithm} over {len(a.datasets)} data sets vs {a.against}: interquartile mean {a.iqm:+.2f} % "
        f"[{a.iqm_low:+.2f}, {a.iqm_high:+.2f}], probability of improvement {a.better:.2f} [{a.better_low:.2f}, {a.better_high:.2f}]"
        for a in report.multi.aggregates
    ]
    ranking = report.multi.ranking
    if ranking is not None:
        ranks = ", ".join(f"{m} {r:.2f}" for m, r in zip(ranking.methods, ranking.mean_ranks, strict=True))
        lines += [f"mean ranks by {report.multi.ranked_by}: {ranks}", ranking.verdict]
    return [*lines, *report.multi.notes]


def _footer(report: Report) -> list[str]:
    lines = []
    if all(e.search is None for e in report.entries if e.role == "search") and not report.has_random_search:
        lines.append("random search at equal cost: not run")
    if not any(e.average is not None for e in report.entries):
        lines.append("random average: not run")
    lines.extend(_several_datasets(report))
    lines.extend(f"front: {row}" for row in report.fronts)
    lines.extend(report.signals)
    lines.extend(gap for gap in (discretization_gap(g.done) for g in report.groups) if gap is not None)
    lines.append(report.metric_line())
    lines.append(report.method_line())
    if report.seeds_line():
        lines.append(report.seeds_line())
    lines.extend(f"note: {w}" for w in report.warnings)
    return lines
