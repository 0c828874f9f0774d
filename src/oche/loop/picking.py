"""What a run of trials found: the pick, or why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from oche.loop.run import Trial


def pick_best(trials: Sequence[Trial]) -> Trial | None:
    """The first trial of the point with the best mean reward over all its trials; None if there is no reward.

    Of equal ones the first asked; of several objectives the first one counts. Only trials of one kind are compared: those that were not
    stopped, if there are any, and of these the ones at the highest fidelity.
    """
    rewards: dict[tuple[Any, ...], list[float]] = {}
    first: dict[tuple[Any, ...], Trial] = {}
    rewarded = [t for t in trials if t.feedback is not None and t.feedback.reward is not None]
    highest = max(map(trust, rewarded), default=None)
    for trial in rewarded:
        assert trial.feedback is not None
        reward = trial.feedback.reward
        if reward is None or trust(trial) != highest:
            continue
        key = tuple(trial.dna.flat)
        rewards.setdefault(key, []).append(reward[0] if isinstance(reward, tuple) else reward)
        first.setdefault(key, trial)
    if not rewards:
        return None
    # max() keeps the first of equal ones, and trials come in the order of asks.
    best = max(rewards, key=lambda i: sum(rewards[i]) / len(rewards[i]))
    return first[best]


def trust(trial: Trial) -> tuple[bool, float]:
    """How far a trial went: only trials that went equally far are compared."""
    assert trial.feedback is not None
    return trial.feedback.status != "stopped", trial.proposal.info.get("fidelity") or 0.0


def why_nothing(trials: Sequence[Trial]) -> str:
    """The most frequent reason why no trial has a reward."""
    reasons = Counter(f"{t.feedback.status}: {t.feedback.reason}" for t in trials if t.feedback is not None)
    if not reasons:
        return "no trial was made"
    reason, count = reasons.most_common(1)[0]
    return f"no trial gave a reward; {count} of {len(trials)} {reason}"
