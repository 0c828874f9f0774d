"""Binary gates: one sampled candidate a step; the logits learn from what every candidate would have answered.

    active ~ softmax(logits),   g = one_hot(active)
    dL/dg_k = <candidate_k(x), dL/d out>,   dL/da_i = sum over j of dL/dg_j * p_j * (delta_ij - p_i)

In weight steps only the active candidate runs. In arch steps `full` runs the others without a graph; `two` draws two candidates, gates
them by a softmax over the two, moves these two logits alone, and then shifts both so that the pair keeps its share of the probability.
Source: Cai et al. 2019 (ProxylessNAS) and the authors' code (modes full_v2 and two).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from oche.errors import ArgumentError
from oche.mixers._gates import answer, categorical, straight_through
from oche.supernets.drawn import Drawn, Slot
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy

#: Which candidates the logits of an arch step hear of.
MODES = ("full", "two")


class BinaryPath(Mixer):
    """One candidate by its probability, behind a binary gate.

    Args:
        mode: `full`: every candidate's gate gets its gradient. `two`: those of two candidates that are drawn.
        zero: Whether a choice whose active candidate gives zeros learns, too. The authors' code leaves its logits alone in such a step,
            so that a zero layer is moved less often than others.
    """

    needs_all = True

    def __init__(self, mode: str = "full", zero: bool = True) -> None:
        if mode not in MODES:
            raise ArgumentError(f"mode: got {mode!r}; allowed: {', '.join(repr(m) for m in MODES)}")
        self.mode = mode
        self.zero = bool(zero)
        self.phased = mode == "two"

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """One candidate of every choice, and those of which its logits hear; all inputs."""
        pairs: list[tuple[int, ...]] = []

        def pick(logits: Tensor) -> tuple[Tensor, int]:
            p = torch.softmax(logits, -1)
            if self.mode == "full" or phase == "weights" or int((p.detach() > 0).sum()) < 2:
                pairs.append(())
                index = categorical(p, generator)
                return straight_through(p, index), index
            pair = torch.multinomial(p.detach().double().cpu(), 2, generator=generator)
            pairs.append(tuple(pair.tolist()))
            q = torch.softmax(logits[pair.to(logits.device)], -1)
            index = int(pair[categorical(q, generator)])
            whole = torch.zeros_like(p).index_copy(-1, pair.to(logits.device), q)
            return straight_through(whole, index), index

        gates = policy.hard(pick)
        drawn, at = Drawn(gates), 0
        for key, row in policy.rows.items():
            if row.kind != "set":
                n = row.k if row.kind == "slots" else 1
                drawn.extra[f"pairs of {key}"] = pairs[at : at + n]
                at += n
        return drawn

    def mix(self, slot: Slot, drawn: Drawn, candidates: Sequence[Callable[..., Any]], *inputs: Any, **named: Any) -> Any:
        """The active candidate's output, with a gradient for the gates of those that are watched."""
        return answer(slot, drawn, self._watched(slot, drawn, len(candidates)), candidates, inputs, named, silent=self.zero)

    def _watched(self, slot: Slot, drawn: Drawn, n: int) -> list[int]:
        pair = _pair(drawn, slot.key, slot.index)
        if not slot.keys:
            return sorted(pair) if pair else list(range(n))
        pairs = [_pair(drawn, key, None) for key in slot.keys]
        return [i for i, combo in enumerate(slot.combos) if all(not p or c in p for p, c in zip(pairs, combo, strict=True))]

    @torch.no_grad()
    def settle(self, policy: Policy, drawn: Drawn | None, before: Mapping[str, Tensor]) -> None:
        """In mode `two`: only the pair's logits have moved, and the pair has the share of the probability that it had."""
        if self.mode != "two" or drawn is None:
            return
        for key, row in policy.rows.items():
            if row.kind == "set" or key in drawn.forced:
                continue
            table, old = policy.logits(key), before[key]
            for slot, pair in enumerate(drawn.extra[f"pairs of {key}"]):
                new, was = (table[slot], old[slot]) if row.kind == "slots" else (table, old)
                kept = new[list(pair)].clone()
                new.copy_(was)
                if pair:
                    new[list(pair)] = kept - torch.logsumexp(kept, -1) + torch.logsumexp(was[list(pair)], -1)


def _pair(drawn: Drawn, key: str, index: int | None) -> tuple[int, ...]:
    """The pair of a row's slot; empty if all candidates are watched."""
    return drawn.extra.get(f"pairs of {key}", [()])[index or 0]
