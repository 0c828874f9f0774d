"""By phase: one mixer in steps of the weights, another one in steps of the architecture parameters.

Source: Dong and Yang 2019 (SETN) train weights on uniform paths and logits as DARTS does; that is `ByPhase()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from oche.errors import ArgumentError
from oche.loop.registry import load
from oche.program import Space
from oche.supernets.drawn import Drawn, Slot
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy, Row


class ByPhase(Mixer):
    """Two mixers that take turns over the same candidates.

    Args:
        weights: Mixer of weight steps, or its text; default `UniformPath()`.
        arch: Mixer of arch steps, or its text; default `Softmax()`. Logits, derivation and objective are its.

    Raises:
        ArgumentError: one of them builds candidates in its own way, or the second one trains no logits.
    """

    phased = True

    def __init__(self, weights: Mixer | str = "uniform-path", arch: Mixer | str = "softmax") -> None:
        registry = load("oche.mixers:registry")
        self.weights: Mixer = registry.get(weights) if isinstance(weights, str) else weights
        self.arch: Mixer = registry.get(arch) if isinstance(arch, str) else arch
        for part, mixer in (("weights", self.weights), ("arch", self.arch)):
            if type(mixer).build is not Mixer.build:
                raise ArgumentError(
                    f"by phase, {part}: got {type(mixer).__name__}, which builds its own candidates; allowed: mixers that do not; "
                    "put ByPhase inside of it, as in PartialChannels(inner=ByPhase())"
                )
        if not self.arch.learns_arch:
            raise ArgumentError(f"by phase, arch: got {type(self.arch).__name__}, which trains no logits; allowed: for example 'softmax'")
        self.needs_edges = self.weights.needs_edges or self.arch.needs_edges
        self.joint_paths = self.weights.joint_paths
        self.paths_per_arch_step = self.arch.paths_per_arch_step
        self.arch_passes = self.arch.arch_passes
        self.objective = self.arch.objective
        self.needs_all = self.weights.needs_all or self.arch.needs_all

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """The draw of the phase's mixer."""
        return (self.weights if phase == "weights" else self.arch).draw(policy, generator, step, phase, path)

    def mix(self, slot: Slot, drawn: Drawn, candidates: Sequence[Callable[..., Any]], *inputs: Any, **named: Any) -> Any:
        """The output of the phase's mixer."""
        return (self.weights if drawn.phase == "weights" else self.arch).mix(slot, drawn, candidates, *inputs, **named)

    def paths(self, policy: Policy) -> int:
        """The paths of a weight step."""
        return self.weights.paths(policy)

    def arch_objective(self, *args: Any, **named: Any) -> Tensor:
        """What the mixer of arch steps lowers."""
        return self.arch.arch_objective(*args, **named)

    def policy(self, space: Space, rows: Iterable[Row], seed: int) -> Policy:
        """The policy of the mixer of arch steps."""
        return self.arch.policy(space, rows, seed)

    def score(self, logits: Tensor) -> Tensor:
        """The scores of the mixer of arch steps."""
        return self.arch.score(logits)

    def settle(self, policy: Policy, drawn: Drawn | None, before: Mapping[str, Tensor]) -> None:
        """What the mixer of arch steps does after an update."""
        self.arch.settle(policy, drawn, before)
