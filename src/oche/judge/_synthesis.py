"""The page of a synthesis, drawn from the JSON of its report: what was kept where, at what cost, and whether it beat equal trials."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from oche.judge import _numbers as numbers
from oche.judge._comparable import flatten
from oche.judge._line_plot import Line, line_plot, share_bar
from oche.judge._svg import COLORS

_GRADES = {"correct": 2, "wrong": 4, "unparsable": 1, "timed_out": 3}
_TONES = {"more": "win", "less": "lose", "not distinguishable": "open"}
_VERDICTS = {"more": "covers more", "less": "covers less"}
_FULL_SENTENCES = 2


def synthesis_page(values: Mapping[str, Any]) -> str:
    """The page as text: one file that needs no network and no script.

    Args:
        values: The report as JSON values, schema `oche.synthesis-report/1`.
    """
    from oche.judge._page import render

    runs: Sequence[Mapping[str, Any]] = values["runs"]
    colors = {run["allocation"]: i % COLORS for i, run in enumerate(runs)}
    return render(
        "synthesis.html.j2",
        values["title"],
        json.dumps(values, ensure_ascii=False, allow_nan=False),
        values=values,
        brief=len(values["verdict"]) > _FULL_SENTENCES,
        counts=_counts(values),
        legend=[(name, f"s{color}") for name, color in colors.items()],
        results=[_result(run) for run in runs],
        versus=[_versus(v) for v in values["comparisons"]],
        difficulty=_by_difficulty(values, colors),
        caps=_against_cap(runs, colors),
        grades=[
            (run["allocation"], share_bar(run["allocation"], {g: run["grades"][g] for g in _GRADES}, _GRADES), _graded(run)) for run in runs
        ],
        grade_legend=[(name.replace("_", " "), f"s{color}") for name, color in _GRADES.items()],
        reasons=_reasons(runs),
        costs=[_cost(run) for run in runs],
        coverage=_table_of_bins(values),
        samples=_samples(values["samples"]),
        fields=flatten(values["protocol"]),
        number=numbers.number,
    )


def _counts(values: Mapping[str, Any]) -> str:
    seeds = values["seeds"]
    said = f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds"
    return f"{values['queries']:,} queries · {len(values['runs'])} allocations · {said}" if len(values["runs"]) > 1 else (
        f"{values['queries']:,} queries · {said}"
    )  # fmt: skip


def _result(run: Mapping[str, Any]) -> dict[str, str]:
    spread = "" if run["hard_coverage_sd"] is None else f" ± {run['hard_coverage_sd']:.1f}"
    return {
        "name": run["allocation"],
        "seeds": str(len(run["seeds"])),
        "samples": f"{run['samples']:,.0f}",
        "kept": f"{run['kept']:,.0f}",
        "reached": "–" if run["vanilla"] else f"{run['reached']:.1f} %",
        "coverage": f"{run['coverage']:.1f} %",
        "hard": f"{run['hard_coverage']:.1f}{spread} %",
        "correlation": f"{run['correlation']:+.2f}",
    }


def _versus(v: Mapping[str, Any]) -> dict[str, Any]:
    test = v["test"]
    line = {
        "name": v["allocation"],
        "budget": "raw samples" if v["budget"] == "raw" else "kept",
        "tone": _TONES.get(v["verdict"], "unknown"),
    }
    if test is None:
        blank = dict.fromkeys(("amount", "hard", "difference", "p", "coverage", "kept", "samples", "share"), "–")
        return {**line, **blank, "verdict": "not run", "rest": v["verdict"].removeprefix("not run: "), "tone": "open"}
    pair = lambda key, form: f"{v[key][0]:{form}} / {v[key][1]:{form}}"  # noqa: E731
    return {
        **line,
        "amount": f"{v['amount']:,.0f}",
        "hard": f"{pair('hard', '.1f')} %",
        "difference": f"{test['mean']:+.1f} points [{test['low']:+.1f}, {test['high']:+.1f}]",
        "p": f"{v['p_adjusted']:.2g}",
        "coverage": f"{pair('coverage', '.1f')} %",
        "kept": pair("kept", ",.0f"),
        "samples": pair("samples", ",.0f"),
        "share": f"{pair('hard_share', '.1f')} %",
        "verdict": _VERDICTS.get(v["verdict"], v["verdict"]),
        "rest": "",
    }


def _by_difficulty(values: Mapping[str, Any], colors: Mapping[str, int]) -> list[tuple[str, Markup]]:
    plots = []
    for key, title, label in (
        ("kept", "Kept per query", "kept per query"),
        ("coverage", "Queries with a kept response", "coverage %"),
        ("samples", "Raw samples per query", "raw samples"),
        ("tokens", "Length of a response", "tokens"),
    ):
        lines = []
        for run in values["runs"]:
            found = zip(values["bins"], run["by_difficulty"][key], strict=True)
            points = [((b["low"] + b["high"]) / 2, value) for b, value in found if value is not None]
            lines.append(Line(run["allocation"], points, colors[run["allocation"]]))
        picture = line_plot(lines, "fail rate", label, x_range=(0.0, 1.0))
        if picture is not None:
            plots.append((title, picture))
    return plots


def _against_cap(runs: Sequence[Mapping[str, Any]], colors: Mapping[str, int]) -> list[tuple[str, Markup]]:
    plots = []
    for key, title, label, log in (
        ("reached", "Targets reached", "reached %", False),
        ("samples", "Raw samples in all", "raw samples (1,000)", False),
        ("coverage", "Queries with a kept response", "coverage %", False),
    ):
        # Vanilla has no target but its trials.
        shown = [r for r in runs if not (key == "reached" and r["vanilla"])]
        scale = 1e-3 if key == "samples" else 1.0
        lines = [Line(r["allocation"], [(c["cap"], scale * c[key]) for c in r["against_cap"]], colors[r["allocation"]]) for r in shown]
        picture = line_plot(lines, "cap of raw samples per query", label, log_x=True, log_y=log)
        if picture is not None:
            plots.append((title, picture))
    return plots


def _graded(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name.replace("_", " "), f"{count:,.0f}") for name, count in run["grades"].items()]


def _reasons(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = [name for name in ("target", "cap", "gave_up", "budget", "error") if any(name in r["stopped"] for r in runs)]
    return {
        "names": [name.replace("_", " ") for name in names],
        "lines": [(r["allocation"], [f"{r['stopped'].get(name, 0):,.0f}" for name in names]) for r in runs],
    }


def _cost(run: Mapping[str, Any]) -> dict[str, str]:
    each = lambda key: "–" if run[key] is None else f"{run[key]:,.1f}"  # noqa: E731
    return {
        "name": run["allocation"],
        "samples": f"{run['samples']:,.0f}",
        "new": f"{run['drawn_new']:,.0f}",
        "tokens": f"{run['tokens']:,.0f}",
        "money": f"{run['money']:,.2f}" if run["money"] else "–",
        "time": numbers.duration(run["seconds"]),
        "raw_per_kept": each("raw_per_kept"),
        "tokens_per_kept": each("tokens_per_kept"),
    }


def _table_of_bins(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    lines = []
    for i, b in enumerate(values["bins"]):
        if not b["queries"]:
            continue
        cells = []
        for run in values["runs"]:
            kept, covered = run["by_difficulty"]["kept"][i], run["by_difficulty"]["coverage"][i]
            cells.append((run["allocation"], f"{covered:.1f} % · {kept:,.1f}"))
        lines.append({"name": f"{b['low']:.1f} to {b['high']:.1f}", "queries": f"{b['queries']:,}", "cells": cells})
    return lines


def _samples(samples: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    kinds = dict.fromkeys(s["kind"] for s in samples)
    return [(kind.replace("_", " "), [s for s in samples if s["kind"] == kind]) for kind in kinds]
