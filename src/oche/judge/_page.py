"""The report as one page of HTML that needs no network, no script and no other file, and carries its own JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from oche import __version__
from oche.judge import _numbers as numbers
from oche.judge._anytime import is_incumbent, is_main
from oche.judge._cell_graph import program_picture
from oche.judge._comparable import flatten
from oche.judge._curve_plot import curve_names, curve_plot
from oche.judge._entries import NOT_RUN, Entry
from oche.judge._forest import forest_plot
from oche.judge._grouping import Group, dataset_name
from oche.judge._history_plot import history_parts
from oche.judge._oracle import oracle_words
from oche.judge._page_figures import anytime_parts, area_lines, checklist_part, pooled_lines, ranking_part
from oche.judge._page_studies import front_parts, study_parts
from oche.judge._page_trees import tree_parts
from oche.judge._row import Row
from oche.judge._scatter import scatter_plot
from oche.judge._sentences import headline
from oche.judge._strip_plot import strip_plot
from oche.judge._svg import COLORS
from oche.judge._text import places
from oche.judge._verdict import NOT_DISTINGUISHABLE, UNDECIDABLE
from oche.store.record import Record

if TYPE_CHECKING:
    from oche.judge._report import Report

# With more sentences than this their details go below the table, so that a phone shows all claims at once.
_TOLD_IN_FULL = 3

# Pictures of more tasks or programs than this make the page slow to read; the tables hold them all.
_STRIPS, _PICTURES, _CURVES = 12, 12, 5


def render(template: str, title: str, embedded: str, **values: Any) -> str:
    """A page in the one frame: style sheet, footer, and its own JSON inside.

    Args:
        template: File of `templates/` that extends `frame.html.j2`.
        title: Heading and title.
        embedded: The JSON.
        **values: What the template shows.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("oche.judge", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["whole"] = numbers.typeset
    return environment.get_template(template).render(title=title, version=__version__, embedded=_embedded(embedded), **values)


def page(report: Report) -> str:
    """The whole page as text."""
    colors = _colors(report)
    first = report.entries[0]
    sentences = headline(report.entries)
    strips = _strips(report, colors, places(report.entries))
    decimals = places(report.entries)
    return render(
        "report.html.j2",
        report.title,
        report.json_text(),
        report=report,
        sentences=sentences,
        brief=len(sentences) > _TOLD_IN_FULL,
        table=[{**_table_line(e, decimals, several=_several(report)), "words": _words(report, e)} for e in report.entries],
        several=_several(report),
        equal=all(e.search.equal_cost for e in report.entries if e.search is not None),
        result_head=f"{first.metric} {first.unit}".strip(),
        forest=forest_plot(report.entries),
        scatter=scatter_plot(report.entries, colors, first.metric, first.unit),
        strips=strips[:_STRIPS],
        hidden=len(strips) - _STRIPS if len(strips) > _STRIPS else 0,
        curves=_curves(report, colors),
        legend=[(name, f"s{c}") for name, c in colors.items()][:COLORS],
        ranking=ranking_part(report),
        pooled=pooled_lines(report),
        anytime=anytime_parts(report, colors),
        areas=area_lines(report),
        fronts=front_parts(report, colors),
        studies=study_parts(report.to_json()["studies"]),
        checks=checklist_part(report),
        declared=_declared(report),
        programs=_programs(report),
        history=history_parts(report, lambda records: _best(records)[0]),
        trees=tree_parts(report),
        costs=_costs(report),
        protocols=[(task, p["hash"], _fields(p["protocol"])) for task, p in report.protocols.items()],
        seeds=_seeds(report),
        runs=[_run_line(g, r, decimals) for g in report.groups if not g.population for r in g.records],
        populations=[(dataset_name(g.first), g.arm()) for g in report.groups if g.population],
        details=[_detail(r, several=_several(report)) for r in report.rows],
        number=numbers.number,
    )


def _declared(report: Report) -> dict[str, Any] | None:
    found = report.declared
    return None if found is None else {"name": found.name, "hash": found.hash[:12], "fields": _fields(found.to_json())}


def _fields(protocol: Mapping[str, Any]) -> dict[str, str]:
    """Fields of a protocol by dotted name, as text."""
    return {name: numbers.setting(value) for name, value in flatten(protocol).items()}


def _several(report: Report) -> bool:
    return len({e.task for e in report.entries}) > 1


def _colors(report: Report) -> dict[str, int]:
    """A color number per algorithm, in the order of the table."""
    names = dict.fromkeys(e.algorithm for e in report.entries)
    return {name: i % COLORS for i, name in enumerate(names)}


def _embedded(text: str) -> Markup:
    """JSON that cannot close its script element."""
    return Markup(
        text.replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def _table_line(entry: Entry, decimals: int, several: bool) -> dict[str, Any]:
    row = entry.decisive
    tone = "open" if row is None else "win" if row.wins else "lose" if row.loses else "unknown" if row.verdict == UNDECIDABLE else "open"
    verdict, rest = _short_verdict(entry)
    return {
        "name": entry.algorithm,
        "dataset": entry.dataset if several else "",
        "runs": f"{entry.n}" + (f" ({entry.n_failed} failed)" if entry.n_failed else ""),
        "result": numbers.mean_sd(entry.mean, entry.sd, decimals),
        "average": _improvement(entry.average),
        "search": "–" if entry.role == "random_search" else _improvement(entry.search),
        "cost": "" if entry.search is None or entry.search.equal_cost else entry.cost_note,
        "verdict": verdict,
        "rest": rest,
        "tone": tone,
    }


def _words(report: Report, entry: Entry) -> str:
    """What must stand beside the number of an arm whose picks were chosen by test accuracy."""
    records = [r for g in report.groups if g.first.task == entry.task and g.label == entry.algorithm for r in g.done]
    return oracle_words(records).partition(":")[0]


def _short_verdict(entry: Entry) -> tuple[str, str]:
    """The verdict as a label, and the rest of it."""
    row = entry.decisive
    if row is None:
        return NOT_RUN, ""
    if row.verdict == UNDECIDABLE:
        return UNDECIDABLE, entry.needed_to_decide(row)
    if row.verdict == NOT_DISTINGUISHABLE:
        return NOT_DISTINGUISHABLE, f"from {entry.opponent(row)}; {entry.needed_to_see(row)}"
    return entry.verdict, ""


def _improvement(row: Row | None) -> str:
    return NOT_RUN if row is None else numbers.improvement(row)


def _strips(report: Report, colors: dict[str, int], decimals: int) -> list[tuple[str, Markup]]:
    found = []
    for place in dict.fromkeys(g.place for g in report.groups):
        groups = [g for g in report.groups if g.place == place and (g.population or len(g.done) > 1)]
        if all(g.role == "baseline" for g in groups):
            continue
        several_spaces = len({g.first.space for g in report.groups if g.first.task == place[0]}) > 1
        name = dataset_name(groups[0].first) + (f", space {groups[0].first.space}" if several_spaces else "")
        found.append((name, strip_plot(groups, colors, groups[0].first.unit, decimals)))
    return found


def _curves(report: Report, colors: dict[str, int]) -> list[tuple[str, Markup]]:
    found = []
    for task in dict.fromkeys(g.first.task for g in report.groups):
        groups = [g for g in report.groups if g.first.task == task and g.role != "baseline"]
        # Incumbents have pictures of their own, with their intervals, where there are several runs.
        drawn = any(a.task == task for a in report.anytime)
        names = [n for n in curve_names(groups) if not (is_incumbent(n) and (drawn or not is_main(n)))][:_CURVES]
        found += [(f"{name.replace('_', ' ')}, {dataset_name(groups[0].first)}", curve_plot(groups, name, colors)) for name in names]
    return found[: 4 * _CURVES]


def _programs(report: Report) -> list[dict[str, Any]]:
    """The best run of each arm by its search signal, or by the reported metric where it has none."""
    found = []
    for group in report.groups:
        if group.role == "baseline" or not any(r.arch or r.decisions or r.dna is not None for r in group.done):
            continue
        best, signal = _best(group.done)
        text = f"{numbers.number(best.value, 2)} {best.unit}".strip()
        about = [f"{best.metric} {text}", f"best of {len(group.done)} by {signal}"]
        if best.search_seed is not None:
            about.append(f"search seed {best.search_seed}")
        if best.params is not None:
            about.append(f"{best.params:,} weights")
        if best.macs is not None:
            about.append(f"{best.macs:,} multiply-adds")
        found.append(
            {
                "name": group.label,
                "dataset": dataset_name(best),
                "about": " · ".join(about),
                "picture": program_picture(best),
                "text": best.arch,
            }
        )
    return found[:_PICTURES]


def _best(records: Sequence[Record]) -> tuple[Record, str]:
    signal = _signal(records) or records[0].metric
    sign = 1.0 if records[0].direction == "max" else -1.0
    return max(records, key=lambda r: (sign * r.metrics[signal], -(r.search_seed or 0))), signal


def _signal(records: Sequence[Record]) -> str | None:
    """Name of the search signal that all records carry: `valid`, or `valid_12` of a table."""
    shared = [name for name in records[0].metrics if all(name in r.metrics for r in records)]
    return "valid" if "valid" in shared else next((name for name in shared if name.startswith("valid")), None)


def _costs(report: Report) -> dict[str, Any]:
    units = [u for u in numbers.COST_UNITS if any(u in {**e.search_cost, **e.final_cost} for e in report.entries)]
    lines = []
    for entry in report.entries:
        cells = []
        for unit in units:
            parts = [_amount(entry.search_cost.get(unit), unit), _amount(entry.final_cost.get(unit), unit)]
            cells.append(f"{parts[0]} + {parts[1]}" if unit in entry.final_cost else parts[0])
        name = entry.algorithm + (f" on {entry.dataset}" if _several(report) else "")
        lines.append({"name": name, "cells": list(zip([numbers.unit_name(u) for u in units], cells, strict=True)), "note": entry.cost_note})
    return {"units": [numbers.unit_name(u) for u in units], "lines": lines}


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    return (
        numbers.duration(value)
        if unit in ("seconds", "cpu_seconds")
        else f"{value:,.0f}"
        if value >= 10 or value == int(value)
        else f"{value:.2g}"
    )


def _seeds(report: Report) -> list[tuple[str, str, str]]:
    found = []
    for group in report.groups:
        if group.population:
            continue
        name = group.label + (f" on {dataset_name(group.first)}" if _several(report) else "")
        found.append((name, _listed([r.search_seed for r in group.records]), _listed([r.train_seed for r in group.records])))
    return found


def _listed(seeds: Sequence[int | None]) -> str:
    known = [s for s in seeds if s is not None]
    if not known:
        return "–"
    if len(set(seeds)) == 1:
        return f"{known[0]} for all"
    return ", ".join("–" if s is None else str(s) for s in seeds)


def _run_line(group: Group, record: Record, decimals: int) -> list[str]:
    value = numbers.number(record.value, decimals) if record.status == "done" else f"failed: {record.reason or 'no reason recorded'}"
    signal = _signal([record])
    valid = record.metrics[signal] if signal is not None else None
    return [
        dataset_name(record),
        group.label,
        "–" if record.search_seed is None else str(record.search_seed),
        "–" if record.train_seed is None else str(record.train_seed),
        value,
        "–" if valid is None else numbers.number(valid, decimals),
        record.arch or (f"[{', '.join('-' if v is None else f'{v:g}' for v in record.dna)}]" if record.dna is not None else "–"),
        record.id,
    ]


def _over_median(row: Row) -> str:
    """The mean over the median of the other arm: against a mean, a space with a bad tail flatters everybody."""
    gain = (row.mean_m - row.median_r) * (1 if row.direction == "max" else -1)
    if row.scale == "relative" and row.median_r > 0:
        return f"{100 * gain / row.median_r:+.3g} %"
    return f"{numbers.number(gain, 2, sign=True)} {row.mde_unit}"


def _detail(row: Row, several: bool) -> list[str]:
    unit = row.mde_unit
    equivalent = "–" if row.random_equivalent is None else f"best of {row.random_equivalent:,}"
    resolution = "–" if row.resolution is None else f"{row.resolution.one_item:.3g} {unit}, ± {row.resolution.standard_error:.2g}"
    return [
        f"{row.algorithm} on {row.dataset}" if several else row.algorithm,
        row.against,
        f"{row.n_m} / {row.n_r:,}",
        numbers.improvement(row),
        _over_median(row),
        f"{numbers.number(row.difference, 2, sign=True)} {unit}",
        f"{row.p:.3g}",
        f"{row.p_adj:.3g}",
        f"{row.a12:.2f}",
        "–" if row.error_reduction is None else f"{row.error_reduction:+.1f} %",
        f"{numbers.number(row.mde)} {unit} alone, {numbers.number(row.mde_family)} here",
        equivalent,
        resolution,
        row.verdict if row.verdict == row.verdict_unadjusted else f"{row.verdict} (alone: {row.verdict_unadjusted})",
        row.p_method,
    ]
