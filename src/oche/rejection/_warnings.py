"""What a reader of a synthesis must know: caps that cannot hold a target, responses that repeat, graders that give up, nothing right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oche.errors import ArgumentError, TrainingError
from oche.rejection._allocation import Allocation, repeats
from oche.rejection._queries import Query
from oche.store.rows import SampleRow

_REACHED, _TRUNCATED, _UNPARSABLE, _TIMED_OUT = 90.0, 10.0, 20.0, 1.0
_SHOWN = 300


class NothingCorrectError(TrainingError):
    """Not one of the first samples is right: nothing will be left to train on. Raised before the whole budget is spent."""


def cap_below_target(chosen: Allocation, n: int) -> str | None:
    """That no query can reach its target, before anything is drawn."""
    k, cap = getattr(chosen, "k", None), chosen.cap
    if k is None or cap is None or k <= cap:
        return None
    what = "the hardest query's target" if chosen.name == "prop2diff" else f"the target of all {n:,} queries"
    return f"cap: got {cap}, below {what} of {k}, which can then never be reached; allowed: a cap of at least {k}, or k of at most {cap}"


def of_run(name: str, metrics: Mapping[str, float], dedup: str, n: int, stopped: Mapping[str, int]) -> list[str]:
    """Warnings of one finished run.

    Args:
        name: What the run is called.
        metrics: Metrics of its record.
        dedup: The rule for duplicates.
        n: Queries.
        stopped: Queries by stop reason.
    """
    found = []
    raw = max(1.0, metrics["samples"])
    correct, distinct = metrics["correct"], metrics["correct"] - metrics["duplicate"]
    if metrics["kept"] == 0:
        found.append(f"{name}: no response was kept: there is nothing to train on; check template, stop strings and grader")
    if dedup != "none" and repeats(correct, distinct):
        found.append(
            f"{name}: only {distinct:,.0f} of {correct:,.0f} right responses are new; where the right text is unique, targets above 1 "
            "run to the cap: use dedup 'none'"
        )
    if metrics["reached"] < _REACHED:
        found.append(
            f"{name}: targets reached for only {metrics['reached']:.1f} % of {n:,} queries; a larger cap or budget would reach more"
        )
    for key, limit, advice in (
        ("truncated", _TRUNCATED, "they count as wrong; raise max_tokens"),
        ("unparsable", _UNPARSABLE, "no answer was found in them; check the template"),
        ("timed_out", _TIMED_OUT, "the grader gave up on them"),
    ):
        share = 100 * metrics[key] / raw
        if share > limit:
            found.append(f"{name}: {share:.1f} % of the raw samples are {key.replace('_', ' ')}: {advice}")
    if stopped.get("error"):
        found.append(f"{name}: {stopped['error']:,} queries were left because the sampler failed on them")
    return found


def shown(rows: Sequence[SampleRow], queries: Sequence[Query], count: int = 3) -> str:
    """Some samples with their verdicts, for a message."""
    parts = []
    for row in rows[:count]:
        text = " ".join(row.text.split())
        text = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
        parts.append(f"query {queries[row.query].id!r} (reference {queries[row.query].reference!r}): {text!r} is {row.verdict}")
    return "; ".join(parts)


def nothing_correct(samples: int, rows: Sequence[SampleRow], queries: Sequence[Query]) -> ArgumentError:
    """The error of a synthesis without a right response."""
    return ArgumentError(
        f"synthesis: got no right response in {samples:,} raw samples, so there is nothing to train on; allowed: a sampler that is right "
        f"at times; check template, stop strings and grader. Samples: {shown(rows, queries)}. What was drawn is stored; pilot=0 goes on "
        "regardless"
    )
