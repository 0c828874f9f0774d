"""A policy that decides in turn and remembers: an LSTM over the decisions of a point, in the order of the space.

    h = LSTM(previous embedding),   logits = 2.5 * tanh(linear(h) / 5),   decide by their softmax,   embed what was decided, go on

The first input is learned. Decisions with equal labels share a linear layer and an embedding. Those inside a candidate follow
its choice.
Source: Pham et al. 2018 (ENAS); two layers of 32 and the constants as in NAS-Bench-201's code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from oche.errors import ArgumentError
from oche.program import DNA, Space
from oche.program.spec import Decision, Pick, walk
from oche.seeds import as_generator, building, derive
from oche.supernets.picking import allowed, decide, picks
from oche.supernets.policy import Policy
from oche.supernets.rows import Row, rows_of

#: What decides one slot: (log-probabilities of the labels, the choice, the slot) -> index.
Decide = Callable[[Tensor, Pick, int], int]


class LstmPolicy(Policy):
    """A recurrent controller.

    Args:
        space: The space whose points are meant.
        rows: As in `Policy`.
        seed: Root of the initial weights.
        hidden: Units of each layer.
        layers: Layers.
        temperature: Logits are divided by it before the tanh.
        bound: Largest logit.
    """

    def __init__(
        self,
        space: Space,
        rows: Iterable[Row] | None = None,
        seed: int = 0,
        hidden: int = 32,
        layers: int = 2,
        temperature: float = 5.0,
        bound: float = 2.5,
    ) -> None:
        given = rows_of(space) if rows is None else list(rows)
        super().__init__(space, [replace(row, trained=False) for row in given], seed)  # no row has logits of its own
        self.temperature, self.bound = temperature, bound
        found = dict.fromkeys(pick.labels for pick in walk(space.tree) if isinstance(pick, Pick))
        self._heads = {labels: str(i) for i, labels in enumerate(found)}
        with building(derive(seed, "controller")):
            self.start = nn.Parameter(torch.empty(hidden).uniform_(-0.1, 0.1))
            self.cells = nn.ModuleList([nn.LSTMCell(hidden, hidden) for _ in range(layers)])
            self.heads = nn.ModuleDict({i: nn.Linear(hidden, len(labels)) for labels, i in self._heads.items()})
            self.embeddings = nn.ModuleDict({i: nn.Embedding(len(labels), hidden) for labels, i in self._heads.items()})
            for parameter in (*self.cells.parameters(), *self.heads.parameters(), *self.embeddings.parameters()):
                nn.init.uniform_(parameter, -0.1, 0.1)

    # -- reading ------------------------------------------------------------------------------------------------------------

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the parameters, since no key has logits of its own."""
        return tuple(self.named_logits())

    def logits(self, key: str) -> Tensor:
        """Refused: logits depend on what was decided before.

        Raises:
            ArgumentError: always.
        """
        raise ArgumentError(f"logits of {key!r}: got a recurrent controller; allowed: sample, path, derive; use controller='logits'")

    def named_logits(self) -> dict[str, Tensor]:
        """All parameters by name."""
        return dict(self.named_parameters())

    def take(self, other: Policy) -> None:
        """Take the parameters of a controller, those that have the same shape."""
        own = self.named_logits()
        with torch.no_grad():
            for name, tensor in other.named_parameters():
                if name in own and own[name].shape == tensor.shape:
                    own[name].copy_(tensor)

    # -- points -------------------------------------------------------------------------------------------------------------

    def sample(self, seed: int | np.random.Generator = 0) -> DNA:
        """A point drawn by its probability."""
        rng = as_generator(seed)

        def draw(log_p: Tensor, pick: Pick, slot: int) -> int:
            p = log_p.exp().numpy()
            return int(rng.choice(len(p), p=p / p.sum()))

        with torch.no_grad():
            return self._point(draw)

    def entropy(self) -> Tensor:
        """The sum of the entropies of the decisions along the derived point, in nats; the sum over all points has no short form."""
        return self.path(self.derive())[1]

    def derive(self, exclude: Iterable[str | tuple[str, str]] = ()) -> DNA:
        """The point of the most probable label, decision after decision.

        Args:
            exclude: Labels that are not taken where there is another one.
        """
        unwanted = frozenset(exclude)

        def best(log_p: Tensor, pick: Pick, slot: int) -> int:
            kept = torch.tensor([label in unwanted or (pick.key, label) in unwanted for label in pick.labels])
            left = log_p.masked_fill(kept, -math.inf)
            return int((left if torch.isfinite(left).any() else log_p).argmax())

        with torch.no_grad():
            return self._point(best)

    def _walked(self, dna: DNA) -> Iterable[tuple[Tensor, Tensor]]:
        decisions = self.space.decisions(dna)
        found: list[tuple[Tensor, Tensor]] = []

        def known(log_p: Tensor, pick: Pick, slot: int) -> int:
            value = decisions[pick.key]
            c = pick.labels.index(value if pick.single else value[slot])
            entropy = -torch.where(torch.isfinite(log_p), log_p.exp() * log_p, torch.zeros_like(log_p)).sum()
            found.append((log_p[c], entropy))
            return c

        self._point(known)
        return found

    # -- saving -------------------------------------------------------------------------------------------------------------

    def saved(self) -> dict[str, Any]:
        """All parameters by name, as JSON."""
        return {name: tensor.detach().tolist() for name, tensor in self.named_parameters()}

    @torch.no_grad()
    def restore(self, saved: Mapping[str, Any], strict: bool = True) -> None:
        """Take parameters that were saved.

        Raises:
            ArgumentError: names or shapes differ.
        """
        own = self.named_logits()
        values = {name: torch.tensor(saved[name]) for name in own if name in saved}
        if (strict and set(saved) != set(own)) or any(own[name].shape != value.shape for name, value in values.items()):
            raise ArgumentError("saved controller: got other names or shapes; allowed: those of a controller over the same choices")
        for name, value in values.items():
            own[name].copy_(value)

    # -- the sequence -------------------------------------------------------------------------------------------------------

    def _point(self, choose: Decide) -> DNA:
        """Go through the decisions of one point."""
        start = self.start if torch.is_grad_enabled() else self.start.detach()
        zeros = start.new_zeros(1, start.shape[0])
        state = _State(start[None], [(zeros, zeros) for _ in self.cells])
        decisions: dict[str, Any] = {}
        self._visit(self.space.tree, choose, state, decisions)
        return self.space.encode_decisions(decisions)

    def _visit(self, tree: Sequence[Decision], choose: Decide, state: _State, decisions: dict[str, Any]) -> None:
        for pick in picks(tree):
            if pick.key not in decisions:
                taken: list[int] = []
                for slot in range(pick.k):
                    taken.append(self._decide(pick, slot, taken, choose, state))
                decide(pick, taken, decisions)
            value = decisions[pick.key]
            for slot, label in enumerate((value,) if pick.single else value):
                self._visit(pick.slots[slot][pick.labels.index(label)], choose, state, decisions)

    def _decide(self, pick: Pick, slot: int, taken: Sequence[int], choose: Decide, state: _State) -> int:
        x = state.x
        for i, cell in enumerate(self.cells):
            state.layers[i] = cell(x, state.layers[i])
            x = state.layers[i][0]
        head = self._heads[pick.labels]
        logits = self.bound * torch.tanh(self.heads[head](x)[0] / self.temperature)
        free = torch.tensor([allowed(pick, slot, taken, c) for c in range(pick.n)])
        log_p = torch.log_softmax(logits.cpu().double().masked_fill(~free, -math.inf), -1)
        c = choose(log_p, pick, slot)
        state.x = self.embeddings[head](torch.tensor([c], device=logits.device))
        return c


class _State:
    """The next input, and the state of each layer."""

    def __init__(self, x: Tensor, layers: list[tuple[Tensor, Tensor]]) -> None:
        self.x, self.layers = x, layers
