"""Base of mixers that go around another one and leave to it whatever they do not say themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from oche.loop.registry import load
from oche.program import Space
from oche.supernets.drawn import Drawn, Slot
from oche.supernets.mixer import Candidates, Mixer
from oche.supernets.policy import Policy, Row


class Wrapping(Mixer):
    """A mixer around `inner`: a mixer, the text of one, or None for `Softmax()`."""

    def __init__(self, inner: Mixer | str | None) -> None:
        # By name: the registry of this package names its mixers, which are therefore not imported here.
        made: Mixer = inner if isinstance(inner, Mixer) else load("oche.mixers:registry").get(inner or "softmax")
        self.inner = made
        self.needs_edges = made.needs_edges
        self.paths_per_step = made.paths_per_step
        self.paths_per_arch_step = made.paths_per_arch_step
        self.joint_paths = made.joint_paths
        self.arch_passes = made.arch_passes
        self.learns_arch = made.learns_arch
        self.blends = made.blends
        self.needs_all = made.needs_all
        self.objective = made.objective
        self.teacher = made.teacher
        self.phased = made.phased

    def build(self, slot: Slot, make: Callable[..., Any]) -> Candidates:
        """The candidates of the inner mixer."""
        return self.inner.build(slot, make)

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """The draw of the inner mixer."""
        return self.inner.draw(policy, generator, step, phase, path)

    def mix(self, slot: Slot, drawn: Drawn, candidates: Sequence[Callable[..., Any]], *inputs: Any, **named: Any) -> Any:
        """The output of the inner mixer."""
        return self.inner.mix(slot, drawn, candidates, *inputs, **named)

    def arch_objective(self, *args: Any, **named: Any) -> Tensor:
        """What the inner mixer lowers."""
        return self.inner.arch_objective(*args, **named)

    def paths(self, policy: Policy) -> int:
        """The paths of the inner mixer."""
        return self.inner.paths(policy)

    def policy(self, space: Space, rows: Iterable[Row], seed: int) -> Policy:
        """The policy of the inner mixer."""
        return self.inner.policy(space, rows, seed)

    def score(self, logits: Tensor) -> Tensor:
        """The scores of the inner mixer."""
        return self.inner.score(logits)

    def open_candidates(self, row: Row) -> tuple[int, ...]:
        """Those of the inner mixer."""
        return self.inner.open_candidates(row)

    def path_loss(self, hard: Tensor, output: Tensor, teacher: Tensor) -> Tensor:
        """The loss of the inner mixer."""
        return self.inner.path_loss(hard, output, teacher)

    def largest(self, policy: Policy) -> dict[str, str]:
        """The largest candidates of the inner mixer."""
        return self.inner.largest(policy)

    def settle(self, policy: Policy, drawn: Drawn | None, before: Mapping[str, Tensor]) -> None:
        """What the inner mixer does after an arch update."""
        self.inner.settle(policy, drawn, before)

    def extract(self, slot: Slot, modules: Sequence[nn.Module], index: int, memo: dict[int, Any]) -> nn.Module:
        """The copy of the inner mixer."""
        return self.inner.extract(slot, modules, index, memo)
