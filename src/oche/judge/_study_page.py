"""The page of a study of protocols, ranks, spaces or grids, drawn from its JSON: verdict, table, pictures, settings."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from oche.judge import _numbers as numbers
from oche.judge._comparable import flatten
from oche.judge._curve_plot import mean_curve
from oche.judge._line_plot import Line, line_plot
from oche.judge._page_studies import distribution, study_parts
from oche.judge._population import MEMBERS
from oche.judge._svg import COLORS

# More curves than this, or curves of more conditions, cannot be told apart.
_CURVES = 3


def study_page(values: Mapping[str, Any]) -> str:
    """The page as text: one file that needs no network and no script.

    Args:
        values: The study as JSON values, schema `oche.study/1`.
    """
    from oche.judge._page import render

    columns = values["values"]
    drawn = len(columns) <= COLORS and values["kind"] != "space_grid"
    return render(
        "study.html.j2",
        values["title"],
        json.dumps(values, ensure_ascii=False, allow_nan=False),
        values=values,
        studies=study_parts(values["results"]),
        distribution=_distribution(values) if drawn else None,
        curves=_learning(values) if drawn else [],
        legend=[(name, f"s{i}") for i, name in enumerate(columns)] if drawn else [],
        settings=[(key, numbers.setting(value)) for key, value in flatten(values["settings"]).items()],
        lines=[
            (
                name,
                len(column),
                f"{statistics.mean(column):.2f}",
                f"{statistics.stdev(column):.2f}",
                f"{min(column):.2f}",
                f"{max(column):.2f}",
            )
            for name, column in columns.items()
        ],
    )


def _distribution(values: Mapping[str, Any]) -> Markup | None:
    """One cumulative curve per condition."""
    named = {name: sorted(column) for name, column in values["values"].items()}
    label = f"{values['metric']}, {values['unit']}" if values["unit"] else values["metric"]
    return distribution(named, label)


def _learning(values: Mapping[str, Any]) -> list[tuple[str, Markup]]:
    """One picture per kind of curve that the records hold: the mean over the members of each condition, as steps."""
    conditions = list(values["values"])
    runs: Sequence[Mapping[str, Any]] = values["runs"]
    if not conditions or len(runs) % len(conditions):
        return []
    size = len(runs) // len(conditions)
    found = []
    for kind in dict.fromkeys(n for r in runs for n, points in r.get("curves", {}).items() if n != MEMBERS and len(points) > 1):
        lines = []
        for i, condition in enumerate(conditions):
            curves = [c for r in runs[i * size : (i + 1) * size] if len(c := r.get("curves", {}).get(kind, [])) > 1]
            at = sorted({p[0] for c in curves for p in c})
            if curves:
                lines.append(Line(condition, mean_curve(curves, at), i))
        picture = line_plot(lines, "epochs" if kind in ("train", "valid", "test") else "cost", kind, zero_y=False)
        if picture is not None:
            found.append((kind, picture))
    return found[:_CURVES]
