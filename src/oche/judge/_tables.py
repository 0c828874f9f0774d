"""The tests of a report as a table for a paper: LaTeX, Markdown or CSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from oche.errors import JudgeError
from oche.judge import _numbers as numbers
from oche.judge._row import Row

if TYPE_CHECKING:
    from oche.judge._report import Report

FORMS = ("markdown", "latex", "csv")
_HEAD = (
    "data", "method", "against", "runs", "method mean ± sd", "random mean ± sd", "improvement [interval]", "p", "p (Holm)", "A12",
    "verdict",
)  # fmt: skip


def table(report: Report, form: str) -> str:
    """The rows of a report in one of `FORMS`.

    Raises:
        JudgeError: another form.
    """
    if form not in FORMS:
        raise JudgeError(f"table: got {form!r}; allowed: {', '.join(map(repr, FORMS))}")
    if form == "csv":
        return _csv(report)
    body = [_cells(row) for row in report.rows]
    note = f"{report.metric_line()}; {report.method_line()}"
    if form == "markdown":
        lines = ["| " + " | ".join(_HEAD) + " |", "|" + " --- |" * len(_HEAD)]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in body]
        return "\n".join([*lines, "", note, ""])
    lines = [
        "% needs the package booktabs",
        "\\begin{tabular}{lllrlllrrrl}",
        "\\toprule",
        " & ".join(_escaped(h) for h in _HEAD) + " \\\\",
        "\\midrule",
        *(" & ".join(_escaped(c) for c in line) + " \\\\" for line in body),
        "\\bottomrule",
        "\\end{tabular}",
        f"% {note}",
    ]
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    places = numbers.decimals(min((s for s in (row.sd_m, row.sd_r) if s > 0), default=0.0))
    runs = f"{row.n_m} + {'all ' if row.population else ''}{row.n_r}"
    return (
        row.dataset,
        row.algorithm,
        row.against,
        runs,
        numbers.mean_sd(row.mean_m, row.sd_m, places),
        numbers.mean_sd(row.mean_r, row.sd_r, places),
        numbers.improvement(row),
        f"{row.p:.2g}",
        f"{row.p_adj:.2g}",
        f"{row.a12:.2f}",
        row.verdict,
    )


def _escaped(text: str) -> str:
    """Text that LaTeX prints as it is."""
    special = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "±": "$\\pm$"}
    found = "".join(special.get(c) or (f"\\{c}" if c in "&%$#_{}" else c) for c in text)
    return found.replace("[-", "[$-$").replace(" -", " $-$") if "[" in text else found


def _csv(report: Report) -> str:
    rows = [row.to_json() for row in report.rows]
    flat = [{k: _plain(v) for k, v in row.items()} for row in rows]
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(flat[0]) if flat else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return out.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return value.get("one_item", "")
    return "; ".join(map(str, value)) if isinstance(value, list) else "" if value is None else value
