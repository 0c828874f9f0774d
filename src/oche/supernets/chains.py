"""Rows of logits that hang together: in a chain of choices a candidate needs the state to which the decision before it leads.

    row of a level     one softmax over all candidates `start -> end, ...`, whatever came before
    decision           where to go from here; with the one before it, it says which candidate is meant

So one row has more candidates than its decision has labels, and a point decides one candidate of each row only together with the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from oche.errors import NotRelaxable
from oche.supernets.drawn import Gate
from oche.supernets.longest_path import PathLevel, PathRule

if TYPE_CHECKING:
    from oche.supernets.rows import Row


@dataclass(frozen=True)
class Link:
    """How the candidates of a row hang together with the decision before.

    Args:
        before: Key of the decision before; None at the start of a chain.
        starts: For each candidate, the state that it needs.
        ends: For each candidate, the state that it leads to.
        decisions: For each candidate, the label of the decision.
        rule: Which path stands for the scores of a chain.
        costs: For each candidate, what it costs; empty without.
    """

    before: str | None
    starts: tuple[str, ...]
    ends: tuple[str, ...]
    decisions: tuple[str, ...]
    rule: PathRule = field(default_factory=PathRule)
    costs: tuple[float, ...] = ()

    def candidate(self, state: str | None, decision: str) -> int:
        """Index of the candidate that a decision means in a state."""
        here = None if self.before is None else state
        return next(i for i, d in enumerate(self.decisions) if d == decision and (here is None or self.starts[i] == here))

    def closed(self, state: str | None) -> list[bool]:
        """Which candidates cannot follow on a state; none without one."""
        return [state is not None and self.before is not None and start != state for start in self.starts]

    def after(self, decision: str) -> str:
        """The state to which a decision leads."""
        return self.ends[self.decisions.index(decision)]


def placed(rows: Mapping[str, Row], decisions: Mapping[str, Any]) -> dict[str, Any]:
    """Decisions by key as labels of candidates of rows: the same, but for rows of a chain."""
    found, state = dict(decisions), None
    for key, row in rows.items():
        if row.link is not None and key in decisions:
            i = row.labels.index(decisions[key]) if decisions[key] in row.labels else row.link.candidate(state, decisions[key])
            found[key], state = row.labels[i], row.link.ends[i]
    return found


def state_after(row: Row, decision: Any) -> str | None:
    """The state to which a decision leads, given as its label or as that of a candidate; None for a decision that is not made."""
    if row.link is None or decision is None:
        return None
    return row.link.ends[row.labels.index(decision)] if decision in row.labels else row.link.after(decision)


def decided(rows: Mapping[str, Row], picked: Mapping[str, int]) -> dict[str, str]:
    """Candidates of rows of chains by index as decisions by key."""
    return {key: rows[key].link.decisions[i] for key, i in picked.items() if rows[key].link is not None}  # type: ignore[union-attr]


def joined(rows: Mapping[str, Row], gates: dict[str, Gate]) -> None:
    """Make single candidates of neighboring rows that were drawn apart a path, in place: decisions stay, starts follow on.

    Raises:
        NotRelaxable: weighted candidates do not follow on each other.
    """
    state: str | None = None
    for key, row in rows.items():
        if row.link is None:
            continue
        gate = gates[key]
        if gate.active is None or len(gate.active) != 1:
            state = None
            continue
        i = gate.active[0]
        if row.link.before is not None and state is not None and row.link.starts[i] != state:
            if gate.weights is not None:
                raise NotRelaxable(
                    f"choice {key!r}: got candidate {row.labels[i]!r} after a decision that leads to {state!r}; allowed with this mixer: "
                    "whole paths; fix all decisions of the chain, or none"
                )
            i = row.link.candidate(state, row.link.decisions[i])
            gates[key] = Gate(None, (i,))
        state = row.link.ends[i]


def levels(rows: Sequence[Row], scores: Mapping[str, Sequence[float]]) -> list[PathLevel]:
    """Rows of a chain with a score for each candidate, as a path is looked for in them."""
    return [PathLevel(scores[row.key], row.link.starts, row.link.ends, row.link.costs) for row in rows if row.link is not None]


def entropy(rows: Sequence[Row], logits: Mapping[str, Tensor]) -> Tensor:
    """The entropy in nats of paths that are drawn level by level, each among the candidates that follow on; with a graph."""
    total = torch.zeros((), dtype=torch.float64)
    reach: dict[str | None, Tensor] = {None: torch.ones((), dtype=torch.float64)}
    for row in rows:
        assert row.link is not None
        values = logits[row.key].cpu().double()
        reached: dict[str | None, Tensor] = {}
        for state, share in reach.items():
            here = [i for i, closed in enumerate(row.link.closed(state)) if not closed]
            log_p = torch.log_softmax(values[here], -1)
            total = total - share * (log_p.exp() * log_p).sum()
            for i, p in zip(here, log_p.exp().unbind(), strict=True):
                end = row.link.ends[i]
                reached[end] = reached.get(end, torch.zeros((), dtype=torch.float64)) + share * p
        reach = reached
    return total
