"""Feedback and proposals to rows of a store and back, exactly: a replayed trial is the trial that was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from oche.errors import ResumeError
from oche.loop.contracts import Cost, Feedback, Proposal
from oche.loop.executors.base import plain_text
from oche.program import DNA, Space
from oche.store.rows import ProposalRow, TrialRow


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), default=_plain) if value else "{}"


def _plain(value: Any) -> Any:
    # NumPy numbers and arrays, torch scalars.
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON")


def proposal_row(proposal: Proposal, seen: int) -> ProposalRow:
    """The row of a proposal; its space is known from the run."""
    return ProposalRow(proposal.id, dna_text(proposal.dna), proposal.count, seen, _text(dict(proposal.info)))


def dna_text(dna: DNA) -> str:
    """The flat list as JSON text."""
    return json.dumps(dna.flat, separators=(",", ":"))


def proposal_of(row: ProposalRow, space: Space) -> Proposal:
    """The inverse of `proposal_row`.

    Raises:
        ResumeError: the DNA is not one of the space.
    """
    from oche.errors import DNAError

    dna = DNA(json.loads(row.dna), space.fingerprint)
    try:
        space.validate(dna)
    except DNAError as error:
        raise ResumeError(
            f"proposal {row.id}: got a DNA in the store that does not fit the space ({error}); allowed: the program as it was"
        ) from error
    return Proposal(row.id, dna, row.count, json.loads(row.info))


def trial_row(proposal: int, replicate: int, phase: str, told: int | None, feedback: Feedback) -> TrialRow:
    """The row of an ended evaluation. Observations are not stored."""
    reward, more = feedback.reward, {}
    if isinstance(reward, tuple):
        more["objectives"] = reward
        reward = reward[0]
    if feedback.descriptor is not None:
        more["descriptor"] = list(feedback.descriptor)
    if feedback.curves:
        more["curves"] = {k: [list(p) for p in v] for k, v in feedback.curves.items()}
    if feedback.artifacts:
        more["artifacts"] = dict(feedback.artifacts)
    return TrialRow(
        proposal=proposal,
        replicate=replicate,
        phase=phase,
        told=told,
        status=feedback.status,
        reason=plain_text(feedback.reason),
        reward=None if reward is None else float(reward),
        zone=feedback.zone,
        metrics=_text(feedback.metrics),
        cost=_text(feedback.cost.to_json()),
        more=_text(more),
    )


def feedback_of(row: TrialRow) -> Feedback:
    """The inverse of `trial_row`, without observations."""
    more = json.loads(row.more)
    objectives: Sequence[float] | None = more.get("objectives")
    return Feedback(
        reward=tuple(objectives) if objectives is not None else row.reward,
        metrics=json.loads(row.metrics),
        descriptor=more.get("descriptor"),
        zone=row.zone,
        status=row.status,
        reason=row.reason,
        cost=Cost.from_json(json.loads(row.cost)),
        curves={k: [(a, b) for a, b in v] for k, v in more.get("curves", {}).items()},
        artifacts=more.get("artifacts", {}),
    )
