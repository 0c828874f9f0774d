"""What a synthesis showed, in sentences: per allocation one claim against vanilla, with its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oche.rejection._versus import Versus

_FULL = 90.0
_WORDS = {
    "more": "covers more of the hardest quarter than vanilla",
    "less": "covers less of the hardest quarter than vanilla",
    "not distinguishable": "cannot be told from vanilla on the hardest quarter",
}
_BUDGET = {"raw": "at equal raw samples", "kept": "at equal kept"}


def headline(runs: Sequence[Mapping[str, Any]], comparisons: Sequence[Versus], n: int) -> list[dict[str, str]]:
    """A claim with its detail per allocation; of vanilla only if nothing else was run."""
    shown = [run for run in runs if not run["vanilla"]] or list(runs)
    found = []
    for run in shown:
        mine = [v for v in comparisons if v.allocation == run["allocation"] and v.test is not None]
        claim = _claim(run["allocation"], mine) if mine else _kept(run)
        detail = " ".join([*(_numbers(v) for v in mine), *([_kept(run)] if mine else []), *_reached(run, n)])
        found.append({"claim": claim, "detail": detail})
    return found


def _claim(name: str, mine: Sequence[Versus]) -> str:
    words = [_WORDS.get(v.verdict, "cannot be judged with so few queries") for v in mine]
    if len(set(words)) == 1:
        return f"{name} {words[0]}, {' and '.join(_BUDGET[v.budget] for v in mine)}."
    return f"{name} " + ", and ".join(f"{w} {_BUDGET[v.budget]}" for w, v in zip(words, mine, strict=True)) + "."


def _numbers(v: Versus) -> str:
    assert v.test is not None
    # What is not equal belongs beside what is: equal trials for all keep more, and need fewer.
    if v.budget == "raw":
        what, rest = f"{v.amount:,.0f} raw samples", f"vanilla keeps {v.kept[1]:,.0f}"
    else:
        what, rest = f"{v.amount:,.0f} kept", f"vanilla needs {v.samples[1]:,.0f} raw samples"
    return (
        f"At {what}: {v.hard[0]:.1f} % against {v.hard[1]:.1f} %, {v.test.mean:+.1f} points [{v.test.low:+.1f}, {v.test.high:+.1f}], "
        f"p {v.p_adjusted:.2g}; {rest}."
    )


def _kept(run: Mapping[str, Any]) -> str:
    per = "" if run["raw_per_kept"] is None else f", {run['raw_per_kept']:.1f} each"
    return f"{run['allocation']} kept {run['kept']:,.0f} responses of {run['samples']:,.0f} raw samples{per}."


def _reached(run: Mapping[str, Any], n: int) -> list[str]:
    if run["vanilla"]:
        return [f"At least one response for {run['coverage']:.1f} % of {n:,} queries."]
    only = "only " if run["reached"] < _FULL else ""
    return [f"Targets reached for {only}{run['reached']:.1f} % of {n:,} queries."]
