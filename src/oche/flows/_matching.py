"""How much the candidates of a choice agree about the weights that they share: gradients of the same batch in the same context.

Probing reads a supernet and changes nothing of it: weights, logits, buffers, mode and random streams are afterwards what they were.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torch.func import grad, vmap
from torch.nn.modules.dropout import _DropoutNd

from oche.errors import ArgumentError, ShapeMismatch, TrainingError
from oche.flows._partition import mean_cut, partition
from oche.loop.contracts import Problem
from oche.seeds import building, derive, torch_generator
from oche.supernets.drawn import Moment
from oche.supernets.mixer import Mixer
from oche.supernets.network import Supernet
from oche.supernets.norm import has_statistics
from oche.supernets.relaxed import Mixed, Relaxed

logger = logging.getLogger("oche.flows")

#: Added to the product of two norms.
EPS = 1e-6
#: Most weights of a network whose candidates run together: activations behind the choice are held once for each of them.
SMALL = 1_000_000


def similarity(
    supernet: Supernet,
    problem: Problem,
    choice: str,
    labels: Sequence[str],
    batch: Any,
    number: int = 0,
    seed: int = 0,
    moment: Moment | None = None,
    sketch: int = 0,
    batched: bool = True,
) -> np.ndarray:
    """Cosines between the gradients of the shared weights, one for each candidate, on one batch.

    Args:
        supernet: Trained as far as it is.
        problem: Gives the loss.
        choice: The choice that is fixed to one candidate after the other.
        labels: These candidates.
        batch: Of the training split.
        number: Which draw of the other choices is the context; all candidates get the same one.
        seed: Of dropout and the like.
        moment: How far the search is; None: as the supernet has it.
        sketch: Numbers to which each gradient is projected by a count sketch (Charikar et al. 2002), the same one for all candidates and
            batches; its cosines are right on average, with a standard error of about `1 / sqrt(sketch)`. 0: whole gradients, exact.
        batched: Let all candidates run in one batched call where their shapes and the mixer allow it and the network is small; the numbers
            are those of single passes up to rounding.

    Returns:
        `(K, K)`; 0 where a gradient is zero.

    Raises:
        ArgumentError: no weights are shared.
        TrainingError: a gradient is not finite.

    Source: Hu et al. 2022 (GM-NAS); weights of the candidates themselves are left out, stem and classifier are not.
    """
    weights = supernet.named_weights()
    owned = _owned(supernet, choice)
    shared = {name: None for name, weight in weights.items() if id(weight) not in owned}
    if not shared:
        raise ArgumentError(f"split of {choice!r}: got a supernet whose weights all belong to its candidates; allowed: shared weights")
    leaves = {name: weights[name].detach().requires_grad_(name in shared) for name in weights}
    arch = {key: logits.detach() for key, logits in supernet.named_arch().items()}
    with training_mode(supernet), building(derive(seed, "probe", number)), supernet.at(number, "weights", 0, moment):
        # A functional call runs on buffers of its own, and the draw of a number is always the same.
        probe = _Probe(supernet, problem, choice, labels, batch, number, leaves, list(shared), arch)
        gradients = (probe.together() if batched else None) or probe.one_by_one(lambda: building(derive(seed, "probe", number)))
    rows = [_flat(found, [leaves[name] for name in shared], sketch) for found in gradients]
    for label, row in zip(labels, rows, strict=True):
        if not math.isfinite(float(row.abs().sum())):
            raise TrainingError(f"split of {choice!r}: got a gradient of candidate {label!r} on batch {number} that is not finite")
    return cosines(torch.stack(rows))


#: Gradients of a choice: one list for each candidate, with an entry for each shared weight, None where the loss does not use it.
Gradients = list[list[Tensor | None]]


@dataclass
class _Probe:
    """The gradients of one choice on one batch, in the draw of an `at` block."""

    supernet: Supernet
    problem: Problem
    choice: str
    labels: Sequence[str]
    batch: Any
    number: int
    leaves: dict[str, Tensor]
    shared: list[str]
    arch: dict[str, Tensor]

    def one_by_one(self, seeded: Callable[[], AbstractContextManager[Any]]) -> Gradients:
        """One pass for each candidate."""
        rows, above, weights = [], _above(self.supernet, self.choice, self.number), [self.leaves[name] for name in self.shared]
        for label in self.labels:
            with seeded(), self.supernet.fixed({**above, self.choice: label}):
                loss = self.problem.loss(self.supernet.functional(self.leaves, self.arch), self.batch)
            found = torch.autograd.grad(loss, weights, allow_unused=True) if loss.requires_grad else [None] * len(weights)
            rows.append(list(found))
        return rows

    def together(self) -> Gradients | None:
        """All candidates in one batched call, which runs what lies before the choice once; None where that is not possible."""
        supernet = self.supernet
        if not self._small or self._random or type(supernet.mixer).mix is not Mixer.mix or has_statistics(supernet.network):
            return None
        labels = supernet.policy.rows[self.choice].labels
        like = self.leaves[self.shared[0]]
        gates = torch.eye(len(labels), dtype=like.dtype, device=like.device)[[labels.index(label) for label in self.labels]]
        rest = {name: weight.detach() for name, weight in self.leaves.items() if name not in self.shared}

        def loss(weights: dict[str, Tensor], gate: Tensor) -> Tensor:
            with supernet.weighted({self.choice: gate}):
                return self.problem.loss(supernet.functional({**weights, **rest}, self.arch), self.batch)

        try:
            with supernet.fixed(_above(supernet, self.choice, self.number)):
                shared = {name: self.leaves[name].detach() for name in self.shared}
                found = vmap(grad(loss), in_dims=(None, 0), randomness="same")(shared, gates)
        except (RuntimeError, ShapeMismatch) as error:
            # Outputs of different shapes, or an operation that cannot be batched: one by one, where a real mistake shows again.
            logger.debug("split of %r: candidates one by one (%s)", self.choice, error)
            return None
        if not all(bool(torch.isfinite(gradient).all()) for gradient in found.values()):
            return None  # 0 times infinity: one by one it shows whose gradient is not finite
        return [[found[name][i].detach() for name in self.shared] for i in range(len(self.labels))]

    @property
    def _random(self) -> bool:
        """Whether layers draw numbers: candidates that run together would draw others than those that run alone."""
        return any(isinstance(module, _DropoutNd) and module.p for module in self.supernet.modules())

    @property
    def _small(self) -> bool:
        """Whether the network is small, and the choice stands only where its candidates are added up."""
        places = [m for m in self.supernet.network.modules() if isinstance(m, Relaxed) and self.choice in (m.slot.key, *m.slot.keys)]
        plain = all(isinstance(m, Mixed) and not m.slot.keys and m.slot.index is None for m in places)
        return bool(places) and plain and sum(weight.numel() for weight in self.leaves.values()) <= SMALL


@contextmanager
def training_mode(supernet: Supernet) -> Iterator[None]:
    """Run passes as in training in the block, and leave no trace of them: neither mode nor draw."""
    modes = {module: module.training for module in supernet.modules()}
    last = supernet.runtime.last
    for module in modes:
        module.training = True
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        supernet.runtime.last = last


def cosines(gradients: Tensor) -> np.ndarray:
    """`<G_i, G_j> / (|G_i| |G_j| + 1e-6)` of the rows `(K, n)`."""
    g = gradients.double()
    product = g @ g.T
    norms = product.diagonal().clamp_min(0).sqrt()
    return (product / (norms[:, None] * norms[None] + EPS)).cpu().numpy()


def _flat(found: Sequence[Tensor | None], weights: Sequence[Tensor], sketch: int) -> Tensor:
    """The gradient as one vector, or its sketch; weights that the loss does not use count as zeros."""
    if not sketch:
        return torch.cat([(torch.zeros_like(w) if g is None else g).flatten() for g, w in zip(found, weights, strict=True)]).detach()
    total = torch.zeros(sketch, dtype=torch.float64)
    for number, gradient in enumerate(found):
        if gradient is not None:
            total += sketched(gradient.detach().cpu(), sketch, number)
    return total


def sketched(gradient: Tensor, size: int, number: int = 0) -> Tensor:
    """The count sketch of one tensor, `(size,)`: every number is added, with a random sign, to a random place.

    Args:
        gradient: Any shape.
        size: Places.
        number: Which of several independent sketches; the sum of those of all tensors is the sketch of them as one vector.
    """
    generator = torch_generator(0, "count sketch", size, number)
    n = gradient.numel()
    places = torch.randint(size, (n,), generator=generator)
    signs = 2 * torch.randint(2, (n,), generator=generator).double() - 1
    return torch.zeros(size, dtype=torch.float64).index_add_(0, places, signs * gradient.flatten().double())


def _owned(supernet: Supernet, choice: str) -> set[int]:
    """Weights of the candidates of a choice, wherever it stands."""
    places = [m for m in supernet.network.modules() if isinstance(m, Relaxed) and choice in (m.slot.key, *m.slot.keys)]
    return {id(weight) for place in places for weight in place.parameters()}


def _above(supernet: Supernet, choice: str, number: int) -> dict[str, Any]:
    """Decisions under which a choice that stands inside others is active; of several inputs that are drawn, one makes room if need be.

    Args:
        supernet: In the `at` block of the draw.
        choice: The choice.
        number: Of the draw; says which input makes room.
    """
    points, gates = supernet.space.points, supernet.draw().gates
    at = next((i for i, point in enumerate(points) if point.key == choice), -1)
    found: dict[str, Any] = {}
    while at >= 0 and points[at].parent >= 0:
        parent, needed = points[points[at].parent], points[at].parent_choice
        row = supernet.policy.rows.get(parent.key)
        if row is not None and row.kind == "one":
            found[parent.key] = parent.labels[needed]
        elif row is not None and (active := gates[parent.key].active) is not None:
            index = row.labels.index(parent.labels[needed])
            if index not in active:
                picks = list(active)
                picks[number % len(picks)] = index
                found[parent.key] = tuple(row.labels[i] for i in (sorted(picks) if row.kind == "set" or row.is_sorted else picks))
        at = points[at].parent
    return found


@dataclass
class Score:
    """What is known of one choice after some batches.

    Args:
        choice: Its key.
        labels: Its candidates.
        groups: Into how many they would be split.
        matrices: One similarity per batch.
    """

    choice: str
    labels: tuple[str, ...]
    groups: int
    matrices: list[np.ndarray] = field(default_factory=list)
    _parts: list[list[int]] | None = field(default=None, repr=False)

    def add(self, matrix: np.ndarray) -> None:
        """The similarity on one more batch."""
        self.matrices.append(matrix)
        self._parts = None

    @property
    def similarity(self) -> np.ndarray:
        """Mean of the cosines over the batches, which is not the cosine of mean gradients."""
        return np.mean(self.matrices, axis=0)

    @property
    def parts(self) -> list[list[int]]:
        """The groups."""
        if self._parts is None:
            self._parts = partition(self.similarity, self.groups)
        return self._parts

    @property
    def cut(self) -> float:
        """Mean similarity of candidates in different groups; the choice with the smallest one is split."""
        return mean_cut(self.similarity, self.parts)

    @property
    def error(self) -> float:
        """Half of a 95 % interval of the cut, infinite with one batch."""
        return half_width(self.each)

    @property
    def each(self) -> np.ndarray:
        """The mean similarity across the groups on every batch."""
        return np.array([mean_cut(s, self.parts) for s in self.matrices])

    def state(self) -> dict[str, Any]:
        """For checkpoints."""
        return {"choice": self.choice, "labels": list(self.labels), "groups": self.groups, "matrices": [m.tolist() for m in self.matrices]}

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> Score:
        """The inverse of `state`."""
        return cls(state["choice"], tuple(state["labels"]), state["groups"], [np.array(m) for m in state["matrices"]])


def half_width(values: np.ndarray) -> float:
    """Half of a 95 % interval of a mean by Student's t, infinite with one value."""
    n = len(values)
    if n < 2:
        return math.inf
    return float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n))


def survivors(scores: Sequence[Score], first: int, tolerance: float = 0.0) -> list[Score]:
    """Choices that may still have the smallest cut.

    All choices saw the same batches, so each is compared with the leader batch by batch: what a batch adds to all cuts alike takes no
    part in the interval. A choice drops out when the interval of the difference lies above minus `tolerance`.

    Args:
        scores: Of all choices that were not rejected before, with equal numbers of batches.
        first: Batches before which none is rejected.
        tolerance: A cut that is smaller by less is no reason to read on.
    """
    if min(len(score.matrices) for score in scores) < first:
        return list(scores)
    leader = min(scores, key=lambda score: score.cut)
    kept = []
    for score in scores:
        gap = score.each - leader.each
        if score is leader or gap.mean() - half_width(gap) <= -tolerance:
            kept.append(score)
    return kept
