"""What the page shows of several data sets, of time and of the checklist: pictures with their captions and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oche.judge import _numbers as numbers
from oche.judge._aggregate import Aggregate
from oche.judge._anytime import Anytime, main_axes
from oche.judge._anytime_plot import anytime_plot
from oche.judge._cd_diagram import cd_diagram
from oche.judge._checklist import STATUSES

if TYPE_CHECKING:
    from oche.judge._report import Report

# More pictures than this make the page slow to read; the JSON holds them all.
_MOST = 6
_TONES = {"yes": "yes", "no": "no", "unknown": "asked", "n/a": ""}


def ranking_part(report: Report) -> dict[str, Any] | None:
    """The diagram with what it rests on; None without a ranking."""
    multi = report.multi
    if multi is None or multi.ranking is None:
        return None
    ranking = multi.ranking
    return {
        "verdict": ranking.verdict,
        "picture": cd_diagram(ranking),
        "datasets": ranking.datasets,
        "by": multi.ranked_by,
        "notes": [n for n in multi.notes if n],
    }


def pooled_lines(report: Report) -> list[list[str]]:
    """One line per method and opponent over all data sets."""
    return [] if report.multi is None else [_pooled(a) for a in report.multi.aggregates]


def _pooled(found: Aggregate) -> list[str]:
    places = numbers.decimals((found.iqm_high - found.iqm_low) / 2)
    low, high = (numbers.number(v, places, sign=True) for v in (found.iqm_low, found.iqm_high))
    return [
        found.algorithm,
        found.against,
        str(len(found.datasets)),
        str(found.n_runs),
        f"{numbers.number(found.iqm, places, sign=True)} % [{low}, {high}]",
        f"{found.better:.2f} [{found.better_low:.2f}, {found.better_high:.2f}]",
    ]


def anytime_parts(report: Report, colors: Mapping[str, int]) -> dict[str, Any] | None:
    """Two pictures per task and metric (mean with interval, median with quartiles), one for each other kind of cost; None without any."""
    if not report.anytime:
        return None
    main = main_axes(report.anytime)
    rest = [a for a in report.anytime if a not in main]
    both = ((False, "mean and its 95 % interval"), (True, "median and quartiles"))
    return {
        "main": [_anytime_part(a, colors, median, what) for a in main[:_MOST] for median, what in both],
        "rest": [_anytime_part(a, colors, *both[0]) for a in rest[: 2 * _MOST]],
        "notes": _anytime_notes(main),
    }


def _anytime_part(found: Anytime, colors: Mapping[str, int], median: bool, what: str) -> dict[str, Any]:
    name = f"{found.metric} over {numbers.unit_name(found.axis)}, {found.dataset}"
    return {"name": name, "what": what, "picture": anytime_plot(found, colors, median=median)}


def _anytime_notes(main: Sequence[Anytime]) -> list[str]:
    """What the reader must know of metrics that are no reported results."""
    metrics = {a.metric for a in main}
    notes = []
    if "valid" in metrics:
        notes.append(
            "“valid” is the search signal of the candidate in hand. Its reported result is known only for what a search ended with, so the "
            "curve of results begins where this candidate was found."
        )
    if "shared valid" in metrics:
        notes.append(
            "“shared valid” is a score with the shared weights of a supernet: it orders candidates, and is no accuracy of theirs alone."
        )
    return notes


def area_lines(report: Report) -> list[tuple[str, str, str]]:
    """Normalized area under every curve that has one."""
    lines = []
    for found in main_axes(report.anytime):
        for curve in found.curves:
            if curve.area is not None and curve.area_low is not None and curve.area_high is not None:
                text = f"{curve.area:.2f} [{curve.area_low:.2f}, {curve.area_high:.2f}]"
                place = f"{found.dataset}, {numbers.unit_name(found.axis)} {found.start:,.4g} to {found.end:,.4g}"
                lines.append((curve.algorithm, place, text))
    return lines


def checklist_part(report: Report) -> dict[str, Any]:
    """All items with a count of their answers."""
    lines = [{**item.to_json(), "tone": _TONES[item.status]} for item in report.checklist]
    counts = {s: sum(i.status == s for i in report.checklist) for s in STATUSES}
    said = ", ".join(f"{n} {status}" for status, n in counts.items() if n)
    return {"lines": lines, "summary": f"{len(lines)} questions of good practice, answered from the records: {said}."}
