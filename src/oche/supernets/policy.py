"""The policy over a space: logits by key, and what they say about whole points.

One row of logits belongs to each decision key, whatever number of places share it. The policy turns rows into probabilities of points
(`sample`, `log_prob`, `entropy`) and into one point (`derive`). Supernets train it by gradients; black-box algorithms may use it alone.

    P(point) = product over its decisions of softmax(row)[candidate];  slots of one choice are taken in turn, each among the candidates
               that are still allowed, so that the probabilities of all points of a finite space sum to one

Derivation is bottom-up: the score of an input is its own weight times the best allowed score inside it; ties go to the lowest index.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from oche.errors import ArgumentError
from oche.program import DNA, Space
from oche.program.spec import Decision, Pick
from oche.seeds import as_generator
from oche.supernets import chains
from oche.supernets.drawn import Drawn, Gate, Moment
from oche.supernets.longest_path import PathRule
from oche.supernets.picking import allowed, assign, decide, picks
from oche.supernets.relaxed import escape
from oche.supernets.rows import INITIAL_SCALE, Row, barred, by_label, forced, initial, rows_of


class Policy(nn.Module):
    """Logits by key.

    Args:
        space: The space whose points are meant.
        rows: What is decided; default `rows_of(space)`. A supernet adds rows of inputs where nothing is decided (k = n).
        seed: Root of the initial logits, each from its own stream by key and label.
        scale: Standard deviation of the initial logits.
        score: Maps logits to what candidates are compared by in `derive`, along the last axis; None: a softmax.
    """

    def __init__(
        self,
        space: Space,
        rows: Iterable[Row] | None = None,
        seed: int = 0,
        scale: float = INITIAL_SCALE,
        score: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.space = space
        self.score = score
        #: How far the search is, for mixers whose draws change over it.
        self.moment = Moment()
        self.rows: dict[str, Row] = {row.key: row for row in (rows_of(space) if rows is None else rows)}
        self._excluded: frozenset[str | tuple[str, str]] = frozenset()
        self._names = {key: f"={escape(key)}" for key, row in self.rows.items() if row.trained}
        for key, name in self._names.items():
            self.register_parameter(name, nn.Parameter(initial(self.rows[key], seed, scale)))

    # -- reading ------------------------------------------------------------------------------------------------------------

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys that have logits."""
        return tuple(self._names)

    def logits(self, key: str) -> Tensor:
        """The logits of a key, `(n,)` or `(k, n)`."""
        return self._parameters[self._names[key]]  # type: ignore[return-value]

    def probabilities(self, key: str) -> Tensor:
        """Softmax over all candidates of a key, those that are never a decision included; uniform without logits."""
        row = self.rows[key]
        if key not in self._names:
            return torch.full(row.shape, 1 / len(row.labels))
        return torch.softmax(self.logits(key), -1)

    def named_logits(self) -> dict[str, Tensor]:
        """All logits by key."""
        return {key: self.logits(key) for key in self._names}

    @torch.no_grad()
    def take(self, other: Policy) -> None:
        """Take the logits that another policy has for these keys and labels."""
        for key, logits in self.named_logits().items():
            labels = other.rows[key].labels
            logits.copy_(other.logits(key)[..., [labels.index(label) for label in self.rows[key].labels]])

    # -- draws of single rows, for mixers -----------------------------------------------------------------------------------

    def uniform(self, generator: torch.Generator) -> Drawn:
        """One candidate for each key (k for each choice of k), all alike, among those that can be decided."""
        gates: dict[str, Gate] = {}
        for key, row in self.rows.items():
            if row.kind == "one":
                pick = int(torch.randint(len(row.allowed), (1,), generator=generator))
                gates[key] = Gate(None, (row.allowed[pick],))
            else:
                n = len(row.allowed)
                drawn = torch.randperm(n, generator=generator) if row.distinct else torch.randint(n, (row.k,), generator=generator)
                picks = [row.allowed[i] for i in drawn[: row.k].tolist()]
                gates[key] = Gate(None, tuple(sorted(picks) if row.kind == "set" or row.is_sorted else picks))
        return Drawn(gates)

    def hard(self, pick: Callable[[Tensor], tuple[Tensor, int]]) -> dict[str, Gate]:
        """Gates with one active candidate for each choice, in the order of the keys; all inputs where inputs are chosen.

        Args:
            pick: Maps the logits of one slot, of which some may be minus infinity, to multipliers of all candidates and the index of the
                active one.
        """
        gates: dict[str, Gate] = {}
        state: str | None = None
        for key, row in self.rows.items():
            if row.kind == "set":
                gates[key] = Gate(self.probabilities(key)) if row.trained else Gate()
                continue
            logits = self.logits(key)
            if row.link is not None:
                closed = torch.tensor(row.link.closed(state), device=logits.device)
                found, index = pick(logits.masked_fill(closed, -math.inf))
                gates[key], state = Gate(found, (index,)), row.link.ends[index]
                continue
            weights, active = [], []
            for slot_logits in logits if row.kind == "slots" else logits[None]:
                taken = torch.tensor([barred(row, active, c) for c in range(len(row.labels))], device=logits.device)
                found, index = pick(slot_logits.masked_fill(taken, -math.inf) if row.kind == "slots" else slot_logits)
                weights.append(found)
                active.append(index)
            gates[key] = Gate(torch.stack(weights) if row.kind == "slots" else weights[0], tuple(active))
        return gates

    def gates(self, dna: DNA) -> dict[str, Gate]:
        """The gates of a point: its candidates alone, unweighted."""
        decisions = self.placed(self.space.decisions(dna))
        return {key: forced(row, decisions.get(key)) for key, row in self.rows.items()}

    def placed(self, decisions: Mapping[str, Any]) -> dict[str, Any]:
        """Decisions by key as labels of candidates of rows: what is fixed in the space comes in where a chain needs it."""
        if not self.chain:
            return dict(decisions)
        return chains.placed(self.rows, {**{k: v for k, v in self.space.fixed.items() if k in self.rows}, **decisions})

    @property
    def chain(self) -> list[Row]:
        """The rows whose candidates hang together, in order."""
        return [row for row in self.rows.values() if row.link is not None]

    # -- whole points -------------------------------------------------------------------------------------------------------

    def sample(self, seed: int | np.random.Generator = 0) -> DNA:
        """A point drawn by its probability."""
        decisions: dict[str, Any] = {}
        with torch.no_grad():
            self._sample(self.space.tree, as_generator(seed), decisions)
        return self.space.encode_decisions(decisions)

    def log_prob(self, dna: DNA) -> Tensor:
        """The logarithm of a point's probability, a scalar with a graph to the logits."""
        return self.path(dna)[0]

    def path(self, dna: DNA) -> tuple[Tensor, Tensor]:
        """The logarithm of a point's probability, and the sum of the entropies of its decisions in nats, both with a graph."""
        with_entropies = list(self._walked(dna))
        zero = torch.zeros((), dtype=torch.float64)
        return sum((p for p, _ in with_entropies), zero), sum((h for _, h in with_entropies), zero)

    def entropy(self) -> Tensor:
        """The entropy of the distribution over points in nats: sum over decisions of P(active) times their own entropy."""
        linked = self.chain
        total = self._entropy([d for d in self.space.tree if d.key not in {row.key for row in linked}])
        return total + chains.entropy(linked, {row.key: self.logits(row.key) for row in linked}) if linked else total

    def derive(self, exclude: Iterable[str | tuple[str, str]] = ()) -> DNA:
        """The point that the logits stand for.

        Args:
            exclude: Labels that are not taken where there is another one; or pairs of a key and a label, for one choice alone.
        """
        decisions: dict[str, Any] = {}
        self._excluded = frozenset(exclude)
        try:
            with torch.no_grad():
                self._best(self.space.tree, decisions)
                decisions.update(self._best_paths(1)[0] if self.chain else {})
        finally:
            self._excluded = frozenset()
        return self.space.encode_decisions(decisions)

    @torch.no_grad()
    def paths(self, k: int = 1, rule: PathRule | None = None) -> list[DNA]:
        """The best points of a space that is one chain of choices, best first.

        Args:
            k: How many, at most.
            rule: What makes a path good; None: the program's own.

        Raises:
            ArgumentError: there are other choices.
        """
        others = [key for key in self.space.keys if self.rows[key].link is None]
        if others or not self.chain:
            raise ArgumentError(f"paths: got choices {others or list(self.space.keys)}; allowed: a chain of choices alone; use derive()")
        return [self.space.encode_decisions(found) for found in self._best_paths(k, rule)]

    def _best_paths(self, k: int, rule: PathRule | None = None) -> list[dict[str, str]]:
        """Decisions of the best paths through the chain."""
        linked = self.chain
        scores = {row.key: self._decidable(row).tolist() for row in linked}
        first = linked[0].link
        assert first is not None
        found = (rule or first.rule).best(chains.levels(linked, scores), k)
        made = [chains.decided(self.rows, {row.key: i for row, i in zip(linked, path, strict=True)}) for _, path in found]
        return [{key: label for key, label in one.items() if key in self.space.keys} for one in made]

    # -- saving -------------------------------------------------------------------------------------------------------------

    def saved(self) -> dict[str, Any]:
        """All logits by key and label, as JSON: they fit every program with these decisions, of whatever depth or width."""
        return {key: {"labels": list(self.rows[key].labels), "logits": self.logits(key).detach().tolist()} for key in self._names}

    @torch.no_grad()
    def restore(self, saved: Mapping[str, Any], strict: bool = True) -> None:
        """Take logits that were saved, from this program or another one.

        Args:
            saved: From `saved`.
            strict: Refuse keys that only one side has; otherwise those that both have are taken.

        Raises:
            ArgumentError: the keys, the labels or the number of slots differ.
        """
        if strict and set(saved) != set(self._names):
            more, less = sorted(set(saved) - set(self._names)), sorted(set(self._names) - set(saved))
            raise ArgumentError(
                f"saved logits: got keys {more} that are not here, and none for {less}; allowed: the same keys; use strict=False to take "
                "those that both have"
            )
        taken = {key: by_label(key, saved[key], self.rows[key]) for key in self._names if key in saved}
        for key, values in taken.items():
            self.logits(key).copy_(values)

    def _masked(self, pick: Pick, slot: int, taken: Sequence[int], decisions: Mapping[str, Any]) -> Tensor:
        """Log-probabilities over decidable labels for one slot, given what earlier slots and earlier decisions took."""
        row = self.rows[pick.key]
        if row.link is not None:
            before = {**self.space.fixed, **decisions}.get(row.link.before or "")
            state = None if row.link.before is None else chains.state_after(self.rows[row.link.before], before)
            here = [row.link.candidate(state, label) for label in pick.labels]
            values = self.logits(pick.key)[here].cpu().double()
        elif pick.key in self._names:
            logits = self.logits(pick.key)
            values = (logits[slot] if row.kind == "slots" else logits)[list(row.allowed)].cpu().double()
        else:
            values = torch.zeros(len(row.allowed), dtype=torch.float64)
        free = torch.tensor([allowed(pick, slot, taken, c) for c in range(pick.n)])
        return torch.log_softmax(values.masked_fill(~free, -math.inf), -1)

    def _sample(self, tree: Sequence[Decision], rng: np.random.Generator, decisions: dict[str, Any]) -> None:
        for pick in picks(tree):
            taken: list[int] = []
            for slot in range(pick.k):
                p = self._masked(pick, slot, taken, decisions).exp().numpy()
                taken.append(int(rng.choice(pick.n, p=p / p.sum())))
            decide(pick, taken, decisions)
            for slot, c in enumerate(taken):
                self._sample(pick.slots[slot][c], rng, decisions)

    def _walked(self, dna: DNA) -> Iterable[tuple[Tensor, Tensor]]:
        """For each decision of a point: its log-probability, and the entropy of what could have been decided."""
        yield from self._terms(self.space.tree, self.space.decisions(dna), set())

    def _terms(self, tree: Sequence[Decision], decisions: Mapping[str, Any], seen: set[str]) -> Iterable[tuple[Tensor, Tensor]]:
        for pick in picks(tree):
            value = decisions[pick.key]
            chosen = [pick.labels.index(label) for label in ((value,) if pick.single else value)]
            for slot, c in enumerate(chosen):
                if pick.key not in seen:
                    log_p = self._masked(pick, slot, chosen[:slot], decisions)
                    yield log_p[c], _entropy(log_p)
                yield from self._terms(pick.slots[slot][c], decisions, seen)
            seen.add(pick.key)

    def _entropy(self, tree: Sequence[Decision]) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for pick in picks(tree):
            total = total + self._entropy_of(pick, [])
        return total

    def _entropy_of(self, pick: Pick, taken: list[int]) -> Tensor:
        slot = len(taken)
        if slot == pick.k:
            return torch.zeros((), dtype=torch.float64)
        log_p = self._masked(pick, slot, taken, {})
        total = torch.zeros((), dtype=torch.float64)
        for c in range(pick.n):
            if allowed(pick, slot, taken, c):
                total = total + log_p[c].exp() * (self._entropy(pick.slots[slot][c]) - log_p[c] + self._entropy_of(pick, [*taken, c]))
        return total

    # -- derivation ---------------------------------------------------------------------------------------------------------

    def _best(self, tree: Sequence[Decision], decisions: dict[str, Any]) -> float:
        """Decide a list of decisions and return the product of their scores."""
        score = 1.0
        for pick in picks(tree):
            row = self.rows[pick.key]
            if row.link is not None:
                continue  # a chain is decided as a whole
            if row.kind == "one":
                score *= self._best_one(pick, row, decisions)
            elif row.kind == "set":
                score *= self._best_set(pick, row, decisions)
            else:
                score *= self._best_slots(pick, row, decisions)
        return score

    def _best_one(self, pick: Pick, row: Row, decisions: dict[str, Any]) -> float:
        p = self._decidable(row)
        c = int(np.argmax(p))
        decide(pick, [c], decisions)
        return float(p[c]) * self._best(pick.slots[0][c], decisions)

    def _best_set(self, pick: Pick, row: Row, decisions: dict[str, Any]) -> float:
        own = self._decidable(row)
        inside: list[dict[str, Any]] = [{} for _ in range(pick.n)]
        scores = [own[c] * self._best(pick.slots[0][c], inside[c]) for c in range(pick.n)]
        order = sorted(range(pick.n), key=lambda c: -scores[c])[: pick.k]  # sorted() is stable: ties keep the lower index first
        decide(pick, sorted(order), decisions)
        for c in sorted(order):
            decisions.update(inside[c])
        return float(np.prod([scores[c] for c in order]))

    def _best_slots(self, pick: Pick, row: Row, decisions: dict[str, Any]) -> float:
        p = self._decidable(row)
        with np.errstate(divide="ignore"):
            chosen = assign(np.log(p), pick)
        decide(pick, chosen, decisions)
        score = 1.0
        for slot, c in enumerate(chosen):
            score *= float(p[slot, c]) * self._best(pick.slots[slot][c], decisions)
        return score

    def _decidable(self, row: Row) -> np.ndarray:
        """Scores of all candidates, of which those that can be decided are kept; ones without logits."""
        p = np.ones((*row.shape[:-1], len(row.allowed)))
        if row.key in self._names:
            logits = self.logits(row.key).detach().double().cpu()
            scores = torch.softmax(logits, -1) if self.score is None else self.score(logits)
            p = scores.numpy()[..., list(row.allowed)]
        kept = [not {row.labels[i], (row.key, row.labels[i])} & self._excluded for i in row.allowed]
        if row.link is not None:
            kept = [keep and not {d, (row.key, d)} & self._excluded for keep, d in zip(kept, row.link.decisions, strict=True)]
        return p * kept if sum(kept) >= (row.k if row.distinct else 1) else p


def _entropy(log_p: Tensor) -> Tensor:
    """The entropy of a distribution whose logarithm may be minus infinity."""
    return -torch.where(torch.isfinite(log_p), log_p.exp() * log_p, torch.zeros_like(log_p)).sum()
