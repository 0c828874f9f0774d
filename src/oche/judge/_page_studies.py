"""Fronts and studies on the page: pictures, verdicts and tables, drawn from the JSON that the report holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from oche.judge import _behavior_plots as behavior
from oche.judge import _numbers as numbers
from oche.judge._front_plot import front_plot
from oche.judge._ladder_plot import ladder_plot
from oche.judge._line_plot import Line, line_plot, share_bar
from oche.judge._slope_chart import has_ceiling, slope_chart, tau_strip

if TYPE_CHECKING:
    from oche.judge._report import Report

_SHARES = {"protocol": 0, "architecture": 1, "rest": 7}


def front_parts(report: Report, colors: Mapping[str, int]) -> list[dict[str, Any]]:
    """One part per method with fronts."""
    return [
        {
            "name": f"{row.algorithm} on {row.dataset}",
            "picture": front_plot(row, colors.get(row.algorithm, 0)),
            "verdict": row.verdict,
            "facts": [
                ("hypervolume", f"{row.volume.mean_m:.3f} vs {row.volume.mean_r:.3f}"),
                ("difference", f"{row.volume.difference:+.3f} [{row.volume.difference_low:+.3f}, {row.volume.difference_high:+.3f}]"),
                ("p (Holm)", f"{row.volume.p_adj:.3g}"),
                ("attained by half of the runs", f"{row.attained_m:.3f} vs {row.attained_r:.3f}"),
                ("difference of these", f"{row.attained:+.3f} [{row.attained_low:+.3f}, {row.attained_high:+.3f}]"),
                ("largest gap", f"{100 * row.largest_gap:+.0f} % of the runs, p (Holm) {row.gap_p_adj:.3g}"),
            ],
        }
        for row in report.fronts
    ]


def study_parts(studies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One part per study, by its kind; an unknown kind is left to the JSON."""
    makers = {"ladder": _ladder, "rank_study": _ranks, "re_ranking": _re_ranking, "space_study": _space, "grid": _grid}
    makers |= {"rank_correlation": _correlation, "pairs": _pairs}
    makers |= {kind: lambda s, draw=draw: _part(**draw(s)) for kind, draw in behavior.DRAWN.items()}
    return [makers[s["kind"]](s) for s in studies if s.get("kind") in makers]


def _part(name: str, verdict: str, pictures: list[Markup | None], caption: str = "", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "verdict": verdict,
        "pictures": [p for p in pictures if p is not None],
        "caption": caption,
        "head": [],
        "legend": [],
        "lines": [],
        "more": None,
        "wide": False,
        **more,
    }


def _ladder(study: dict[str, Any]) -> dict[str, Any]:
    shares = {"protocol": study["protocol_share"], "architecture": study["arch_share"], "rest": study["rest_share"]}
    bar = share_bar("Shares of the sum of squares", {k: max(0.0, v) for k, v in shares.items()}, _SHARES)
    unit = numbers.points_unit(study["unit"])
    lines = [
        [
            f"{i}. {r['name']}",
            f"{numbers.mean_sd(r['mean'], r['sd'], 2)} {study['unit']}",
            _gain(r["over_previous"]),
            _gain(r["over_base"]),
            _tau(r["tau"]),
        ]
        for i, r in enumerate(study["rungs"], 1)
    ]
    named = ", ".join(f"{i} {r['name']}" for i, r in enumerate(study["rungs"], 1))
    caption = f"Rungs: {named}. Thin lines are the same {study['n']} architectures, bars are means. Below, shares of the sum of squares."
    head = ["rung", "mean ± sd", f"over the rung before ({unit})", f"over rung 1 ({unit})", "tau with rung 1"]
    keys = [(f"{name} {share:.1f} %", f"s{_SHARES[name]}") for name, share in shares.items()]
    return _part("Ladder of training protocols", study["verdict"], [ladder_plot(study), bar], caption, head=head, lines=lines, legend=keys)


def _gain(gain: Mapping[str, float] | None) -> str:
    return "–" if gain is None else f"{gain['mean']:+.2f} [{gain['low']:+.2f}, {gain['high']:+.2f}], p {gain['p']:.2g}"


def _tau(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else "undefined"


def _ranks(study: dict[str, Any]) -> dict[str, Any]:
    verdict = f"Tau {_tau(study['tau'])} over {study['n']} architectures."
    caption = (
        "A line is an architecture; the best quarter of the first condition is drawn strong. Below, tau with its interval; "
        "the shaded band is what unrelated ranks would give."
    )
    if has_ceiling(study):
        verdict += f" Two measurements this noisy would reach about {_tau(study['ceiling'])}: the upright line."
    return _part(f"Ranks under {study['vary']}", verdict, [slope_chart(study), tau_strip(study)], caption)


def _re_ranking(study: dict[str, Any]) -> dict[str, Any]:
    gap = (
        f"{study['difference']:+.2f} [{study['low']:+.2f}, {study['high']:+.2f}]" if isinstance(study["difference"], float) else "undefined"
    )
    said = study["verdict"][:1].upper() + study["verdict"][1:]
    text = f"{said}: tau {_tau(study['tau'])} against {_tau(study['seed_tau'])} of two seeds, difference {gap}."
    return _part(f"Does {study['vary']} re-rank more than the seed?", text, [])


def _correlation(study: dict[str, Any]) -> dict[str, Any]:
    lines = [
        [
            f"true top {100 * row['share']:g} %" if row["share"] < 1 else "all",
            str(row["n"]),
            _tau(row["tau"]),
            f"{_tau(row['low'])} to {_tau(row['high'])}",
        ]
        for row in study["rows"]
    ]
    return _part("Scores against the truth", study["verdict"], [], head=["members", "n", "Kendall's tau", "interval"], lines=lines)


def _pairs(study: dict[str, Any]) -> dict[str, Any]:
    unit = f" {study['unit']}" if study["unit"] else ""
    lines = [
        [
            row["against"],
            f"{numbers.number(row['means'][0], 3)} vs {numbers.number(row['means'][1], 3)}{unit}",
            f"{row['difference']:+.3g} [{row['low']:+.3g}, {row['high']:+.3g}]",
            f"{row['p']:.2g}",
            f"{row['p_adj']:.2g}",
            row["verdict"],
        ]
        for row in study["rows"]
    ]
    table = {
        "head": ["against", "means", "difference, 95 % interval", "p", "p (Holm)", "verdict"],
        "lines": lines,
        "caption": f"Permutation tests, corrected over these {len(lines)}; level {study['alpha']:g}."
        if len(lines) > 1
        else f"A permutation test; level {study['alpha']:g}.",
    }
    return _part(f"{study['algorithm']} against the others: {study['metric']}", study["verdict"], [], more=table, wide=True)


def _space(study: dict[str, Any]) -> dict[str, Any]:
    row = study["row"]
    verdict = (
        f"Difference of means {row['difference']:+.3f} {numbers.points_unit(row.get('unit', ''))}; A12 {row['a12']:.2f}; "
        f"Mann-Whitney p {study['mann_whitney_p']:.2g}."
    )
    table = [[f"{100 * q:g} %", numbers.number(a, 2), numbers.number(b, 2)] for q, a, b in study["quantiles"]]
    keys = [("first space", "s0"), ("second space", "s1")]
    picture = distribution(dict(zip(("first space", "second space"), study.get("values", []), strict=False)), "result")
    caption, head = "Cumulative distribution.", ["quantile", "first", "second"]
    return _part("Two spaces, random members", verdict, [picture], caption, head=head, lines=table, legend=keys)


def distribution(values: Mapping[str, Sequence[float]], label: str) -> Markup | None:
    """Cumulative distributions as steps, one line per name.

    Args:
        values: Name to results, ascending.
        label: Of the results.
    """
    shown = {name: list(column) for name, column in values.items() if column}
    if not shown:
        return None
    lowest, highest = min(c[0] for c in shown.values()), max(c[-1] for c in shown.values())
    lines = []
    for i, (name, column) in enumerate(shown.items()):
        lines.append(Line(name, [(lowest, 0.0), *_ecdf(column), (highest, 1.0)], i))
    return line_plot(lines, label, "share of members", steps=True)


def _ecdf(values: Sequence[float]) -> list[tuple[float, float]]:
    """At most about 200 points of the cumulative distribution, the last one always."""
    count, step = len(values), max(1, len(values) // 200)
    places = [*range(0, count - 1, step), count - 1]
    return [(values[i], (i + 1) / count) for i in places]


def _grid(study: dict[str, Any]) -> dict[str, Any]:
    """Shares of variance as one bar, all effects as a table, every cell of the grid as another."""
    effects = study["effects"]
    main = [e for e in effects if len(e["factors"]) == 1]
    shares = {e["name"]: e["share"] for e in main}
    shares |= {"interactions": sum(e["share"] for e in effects if len(e["factors"]) > 1), "noise": effects[-1]["share"]}
    colors = {name: i for i, name in enumerate(e["name"] for e in main)} | {"interactions": 5, "noise": 7}
    bar = share_bar("Shares of the variance of one run, percent", shares, colors)
    lines = [
        [
            e["name"],
            str(e["df"]),
            f"{e['share']:.1f} % [{e['low']:.1f}, {e['high']:.1f}]",
            f"{e['ss_share']:.1f} %",
            "–" if e["p_adj"] is None else f"{e['p_adj']:.2g}",
        ]
        for e in effects
    ]
    means = _grid_table(study)
    return _part(
        "What each factor is worth",
        study["verdict"][1],
        [bar],
        "Noise of the runs is taken off every share. Below, means and standard deviations of the runs in every cell of the grid.",
        head=["effect", "df", "share of the variance", "of the sum of squares", "p (Holm)"],
        lines=lines,
        legend=[(f"{name} {share:.1f} %", f"s{colors[name]}") for name, share in shares.items()],
        more=means,
    )


def _grid_table(study: Mapping[str, Any]) -> dict[str, Any]:
    """Cells down, methods across, with the verdict of each method against the random arm of its cell."""
    methods = study["levels"][study["factors"][-1]]
    verdicts = {(r["dataset"], r["algorithm"]): r["verdict"] for r in study["rows"]}
    by_cell: dict[str, dict[str, str]] = {}
    for key, mean, sd, _ in study["means"]:
        cell, method = " / ".join(key[:-1]), key[-1]
        sign = {"beats": " ▲", "worse": " ▼"}.get(verdicts.get((cell, method), "").partition(" ")[0], "")
        by_cell.setdefault(cell, {})[method] = numbers.mean_sd(mean, sd, 1) + sign
    return {
        "caption": "▲ better, ▼ worse than the random members of the same cell, after Holm.",
        "head": ["cell", *methods],
        "lines": [[cell, *(found[m] for m in methods)] for cell, found in by_cell.items()],
    }
