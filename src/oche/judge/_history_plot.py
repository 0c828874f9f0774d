"""How weight-sharing searches went: accuracy of the supernet, entropy and skips by epochs, and the probabilities behind every choice.

Small multiples: one picture per choice with one line per candidate; the candidate that leads at the end is drawn thick. Choices with the
same candidates share a scale and a legend. Upright dashed lines mark where a stage ended and another one began.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from oche.judge._anytime import is_incumbent
from oche.judge._discretization import discretization_gap
from oche.judge._grouping import dataset_name
from oche.judge._svg import COLORS, Scale, clipped, el, tick_text
from oche.store.record import Record

if TYPE_CHECKING:
    from oche.judge._report import Report

# How a search names its curves, see `oche.algorithms.one_shot_trace`.
_PROBABILITY, _BY_EPOCHS = "probability: ", " by epochs"
_STAGE = "stage" + _BY_EPOCHS

# Pictures of more choices, or of more arms, than this make the page slow to read; the records hold them all.
_CHOICES, _ARMS = 16, 8

_WIDTH, _HEIGHT = 200, 132
_LEFT, _RIGHT, _TOP, _BOTTOM = 42, 6, 8, 20

#: Shown above the choices, where a search has them: name of the curve, and what it is.
_WATCHED = {
    "train": "supernet on train, %",
    "valid": "supernet on valid, %",
    "entropy": "entropy of the logits, 1 = uniform",
    "skips": "skips in the derived point",
    "eigenvalue": "dominant eigenvalue of the validation loss",
}


@dataclass(frozen=True)
class _Curve:
    name: str
    points: Sequence[Sequence[float]]
    color: int


def is_history(name: str) -> bool:
    """Whether a curve of a record is drawn here."""
    return name.startswith(_PROBABILITY) or (name.endswith(_BY_EPOCHS) and not is_incumbent(name))


def history_parts(report: Report, best: Callable[[Sequence[Record]], Record]) -> list[dict[str, Any]]:
    """One part per arm that has a history: pictures over all of its runs, and the choices of its best run.

    Args:
        report: The report.
        best: Picks the run that is shown in detail.
    """
    parts = []
    for group in report.groups:
        records = [r for r in group.done if any(is_history(name) for name in r.curves)]
        if group.role == "baseline" or not records:
            continue
        shown = best(records)
        seed = f"search seed {shown.search_seed}" if shown.search_seed is not None else "one run"
        parts.append(
            {
                "name": group.label,
                "dataset": dataset_name(group.first),
                "watched": _watched(records),
                "gap": discretization_gap(group.done),
                "seed": seed,
                "choices": _choices(shown),
            }
        )
    return parts[:_ARMS]


def _watched(records: Sequence[Record]) -> list[tuple[str, Markup]]:
    found = []
    for name, what in _WATCHED.items():
        curves = [
            _Curve(f"search seed {r.search_seed}", r.curves[name + _BY_EPOCHS], 0) for r in records if r.curves.get(name + _BY_EPOCHS)
        ]
        if curves:
            ends = ", ".join(f"{c.points[-1][1]:.3g}" for c in curves)
            y = Scale.over([p[1] for c in curves for p in c.points])
            picture = _picture(what, curves, y, _stage_ends(records[0]), f"{what} by epochs; at the end {ends}", thick=len(curves) == 1)
            found.append((what, picture))
    return found


def _choices(record: Record) -> list[dict[str, Any]]:
    """The choices of a run, those with the same candidates together."""
    by_choice: dict[str, dict[str, Sequence[Sequence[float]]]] = {}
    for name, points in record.curves.items():
        if name.startswith(_PROBABILITY) and points:
            choice, _, candidate = name.removeprefix(_PROBABILITY).rpartition(" = ")
            by_choice.setdefault(choice, {})[candidate] = points
    groups: dict[tuple[str, ...], list[str]] = {}
    for choice, candidates in by_choice.items():
        # A later stage has fewer candidates, an edge of a space that differs by edge others: what shares labels shares colors.
        groups.setdefault(_family(tuple(candidates), groups), []).append(choice)
    parts = [_family_part(labels, {c: by_choice[c] for c in chosen}, record) for labels, chosen in groups.items()]
    # Choices of inputs have candidates of their own: they stand side by side, each with its own legend.
    single = [part for part in parts if len(part["pictures"]) == 1]
    many = [{**part, "single": False} for part in parts if len(part["pictures"]) > 1]
    return [*many, {"single": True, "parts": single}] if single else many


def _family(labels: tuple[str, ...], known: Mapping[tuple[str, ...], Any]) -> tuple[str, ...]:
    """Known labels that hold all of these, else these."""
    return next((other for other in known if set(labels) <= set(other)), labels)


def _family_part(labels: tuple[str, ...], choices: Mapping[str, Mapping[str, Sequence[Sequence[float]]]], record: Record) -> dict[str, Any]:
    colors = {label: i for i, label in enumerate(labels)}
    values = [p[1] for candidates in choices.values() for points in candidates.values() for p in points]
    y = Scale.over([*values, 0.0] if min(values) < 0.5 * max(values) else values)
    y = Scale(max(0.0, y.low), y.high)
    pictures = []
    for choice, candidates in list(choices.items())[:_CHOICES]:
        curves = [_Curve(label, points, colors[label]) for label, points in candidates.items()]
        ends = sorted(((c.points[-1][1], c.name) for c in curves), reverse=True)
        said = ", ".join(f"{name} {value:.3f}" for value, name in ends)
        label = f"{choice}: probabilities by epochs; at the end {said}"
        pictures.append((choice, _picture(choice, curves, y, _stage_ends(record), label)))
    legend = [(label, f"s{i % COLORS}", i >= COLORS) for label, i in colors.items()]
    return {"legend": legend, "pictures": pictures, "hidden": max(0, len(choices) - _CHOICES)}


def _stage_ends(record: Record) -> list[float]:
    """Epochs, between two of which the stage changed."""
    # The first stage has number 0 and leaves no value.
    ends, before = [], 0.0
    for epoch, stage in record.curves.get(_STAGE, ()):
        if stage != before:
            ends.append(epoch - 0.5)
        before = stage
    return ends


def _picture(title: str, curves: Sequence[_Curve], y: Scale, marks: Sequence[float], label: str, thick: bool | None = None) -> Markup:
    """One small picture.

    Args:
        title: What a pointer reads.
        curves: The lines.
        y: Vertical scale.
        marks: Epochs with an upright line.
        label: For those who do not see it.
        thick: Whether all lines are thick; None: only the one that is highest at the end.
    """
    epochs = [p[0] for c in curves for p in c.points]
    x = Scale(min(epochs), max(max(epochs), min(epochs) + 1))

    def across(value: float) -> float:
        return round(_LEFT + x(value) * (_WIDTH - _LEFT - _RIGHT), 1)

    def down(value: float) -> float:
        return round(_HEIGHT - _BOTTOM - y(value) * (_HEIGHT - _TOP - _BOTTOM), 1)

    parts = []
    ticks = y.ticks(4)
    for tick in ticks:
        parts.append(el("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=down(tick), y2=down(tick), class_="grid"))
        parts.append(el("text", tick_text(tick, ticks), x=_LEFT - 5, y=down(tick) + 4, text_anchor="end", class_="tick"))
    for tick, anchor in ((x.low, "start"), (x.high, "end")):
        parts.append(el("text", f"{tick:g}", x=across(tick), y=_HEIGHT - 5, text_anchor=anchor, class_="tick"))
    parts.append(el("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=_HEIGHT - _BOTTOM, y2=_HEIGHT - _BOTTOM, class_="axis"))
    parts += [el("line", x1=across(m), x2=across(m), y1=_TOP, y2=_HEIGHT - _BOTTOM, class_="diagonal") for m in marks]
    last = max(p[0] for c in curves for p in c.points)
    alive = [c for c in curves if c.points[-1][0] == last]
    leader = max(alive, key=lambda c: c.points[-1][1])
    for curve in sorted(curves, key=lambda c: c is leader):
        path = "".join(f"{'L' if i else 'M'}{across(a)} {down(b)}" for i, (a, b) in enumerate(curve.points))
        strong = thick if thick is not None else curve is leader
        style = ("thick" if strong else "middle") + (" dashed" if curve.color >= COLORS else "")
        dot = (
            [el("circle", cx=across(curve.points[0][0]), cy=down(curve.points[0][1]), r=2.5, class_="solid")]
            if len(curve.points) == 1
            else []
        )
        named = el("title", f"{curve.name}: {curve.points[-1][1]:.3f} at the end")
        parts.append(el("g", named, el("path", d=path, class_=style), *dot, class_=f"curve s{curve.color % COLORS}"))
    name = el("title", clipped(title, 80))
    return el("svg", name, *parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=label, class_="figure")
