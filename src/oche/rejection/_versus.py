"""An allocation against vanilla: at an equal number of raw samples, and at an equal number kept.

Vanilla is cut to the very number of samples (or of kept responses) that the allocation used, round by round, seed by seed. The units of
the test are the queries of the hardest quarter: whether each keeps a response, as a mean over the seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from oche.judge import Paired, holm, paired_difference
from oche.rejection._trace import Bools, Trace

BUDGETS = ("raw", "kept")


@dataclass(frozen=True)
class Versus:
    """One comparison; shares are in percent, numbers are means over the seeds.

    Args:
        allocation: What is judged.
        vanilla: The vanilla run that was cut.
        budget: `raw` or `kept`: what is equal.
        amount: That number.
        seeds: Seeds that both were run with.
        hard: Share of the hardest quarter that keeps a response: allocation, vanilla.
        coverage: The same of all queries.
        kept: Responses kept: allocation, vanilla.
        samples: Raw samples: allocation, vanilla.
        hard_share: Share of the kept responses that belong to the hardest quarter: allocation, vanilla.
        test: Paired test over the queries of the hardest quarter, in points; None where it could not be run.
        p_adjusted: p after Holm over the report.
        verdict: `more`, `less`, `not distinguishable`, that the counts cannot decide it, or why it was not run.
    """

    allocation: str
    vanilla: str
    budget: str
    amount: float
    seeds: tuple[int, ...]
    hard: tuple[float, float]
    coverage: tuple[float, float]
    kept: tuple[float, float]
    samples: tuple[float, float]
    hard_share: tuple[float, float]
    test: Paired | None
    p_adjusted: float
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return {**self.__dict__, "test": None if self.test is None else self.test.to_json()}


def versus(
    allocation: tuple[str, Mapping[int, Trace]], vanilla: tuple[str, Mapping[int, Trace]], budget: str, hard: Bools, seed: int = 0
) -> Versus:
    """Compare the runs of an allocation with those of vanilla, by seed."""
    label, runs = allocation
    pairs, short = [], []
    for key in sorted(set(runs) & set(vanilla[1])):
        mine, other = runs[key], vanilla[1][key]
        amount = len(mine.drawn.query) if budget == "raw" else int(mine.kept.sum())
        cut = other.within(samples=amount) if budget == "raw" else other.within(kept=amount)
        if cut is None:
            have = len(other.drawn.query) if budget == "raw" else int(other.found().sum())
            short.append(f"{vanilla[0]} has {have:,} of {amount:,} {'raw samples' if budget == 'raw' else 'kept'} (seed {key})")
        else:
            pairs.append((key, amount, mine, cut))
    if short or not pairs:
        reason = "; ".join(short) or f"{vanilla[0]} was not run with the seeds of {label}"
        nothing = (float("nan"), float("nan"))
        return Versus(
            label, vanilla[0], budget, float("nan"), (), nothing, nothing, nothing, nothing, nothing, None, 1.0, f"not run: {reason}"
        )
    mine = np.array([(t.kept > 0)[hard] for _, _, t, _ in pairs], float)
    theirs = np.array([(t.found() > 0)[hard] for _, _, _, t in pairs], float)
    test = paired_difference(100 * (mine - theirs).mean(0), seed=seed)

    def both(one: Any, other: Any) -> tuple[float, float]:
        return float(np.mean([one(t) for _, _, t, _ in pairs])), float(np.mean([other(t) for _, _, _, t in pairs]))

    return Versus(
        label,
        vanilla[0],
        budget,
        float(np.mean([amount for _, amount, _, _ in pairs])),
        tuple(key for key, _, _, _ in pairs),
        (100 * float(mine.mean()), 100 * float(theirs.mean())),
        both(lambda t: 100 * np.mean(t.kept > 0), lambda t: 100 * np.mean(t.found() > 0)),
        both(lambda t: t.kept.sum(), lambda t: t.found().sum()),
        both(lambda t: len(t.drawn.query), lambda t: len(t.drawn.query)),
        both(lambda t: _share(t.kept, hard), lambda t: _share(t.found(), hard)),
        test,
        test.p,
        "",
    )


def judged(found: list[Versus], alpha: float = 0.05) -> list[Versus]:
    """The comparisons with p values adjusted over all of them, and their verdicts."""
    tested = [v for v in found if v.test is not None]
    adjusted = dict(zip(map(id, tested), holm([v.test.p for v in tested if v.test is not None]), strict=True))
    done = []
    for v in found:
        if v.test is None:
            done.append(v)
            continue
        p = adjusted[id(v)]
        done.append(Versus(**{**v.__dict__, "p_adjusted": p, "verdict": v.test.verdict(p, alpha=alpha, family=len(tested))}))
    return done


def _share(kept: Any, hard: Bools) -> float:
    return 100 * float(kept[hard].sum()) / max(1, int(kept.sum()))
