"""The protocol of mixers: how the candidates of a choice are built, drawn and mixed. Only this differs between methods.

A mixer holds settings and nothing that changes; it never knows its space. One object serves all choices of a supernet.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from oche.supernets.drawn import Drawn, Gate, Slot, indices
from oche.supernets.outputs import weighted_sum

if TYPE_CHECKING:
    from oche.program import Space
    from oche.supernets.policy import Policy, Row

#: What a draw is for: a step of the weights, or a step of the architecture parameters.
PHASES = ("weights", "arch")


@dataclass(frozen=True)
class Candidates:
    """What a mixer built for one choice.

    Args:
        modules: One per label, in order.
        whole: Whether these are the candidates of the program itself, although others were tried.
        note: What the user should know about this place, or nothing.
    """

    modules: dict[str, Any]
    whole: bool = False
    note: str = ""


class Mixer(ABC):
    """Base of all mixers."""

    #: Whether inputs of a merging choice get weights of their own (one row of logits per choice).
    needs_edges = False
    #: Paths whose gradients are added before one update of the weights.
    paths_per_step = 1
    #: Whether the paths of a step are drawn from one stream, so that they can be drawn together.
    joint_paths = False
    #: Draws of an arch step, whose objectives are averaged.
    paths_per_arch_step = 1
    #: Forward-and-backward passes of one draw of an arch step; a forward pass alone counts one third.
    arch_passes = 1.0
    #: Whether gradients train the logits; otherwise a search by this mixer takes no arch steps.
    learns_arch = True
    #: Whether its gates are probabilities of all candidates, which a weighting may change.
    blends = False
    #: From what paths of a weight step learn beside the labels: the `first` path, a `fixed` network that was trained before, or nothing.
    teacher: str | None = None
    #: What an arch step lowers: the validation `loss`, that and a `penalty` on the logits, or the policy loss of a `reward`.
    objective = "loss"
    #: Whether draws of weight steps are of another kind than those of arch steps, so that one pass cannot serve both.
    phased = False
    #: Whether gates need the outputs of candidates that are not on the path.
    needs_all = False

    def build(self, slot: Slot, make: Callable[..., Any]) -> Candidates:
        """Build the candidates of one choice.

        Args:
            slot: The place.
            make: `make(label, **overrides)` builds one candidate, with other arguments than the program gives if wanted.
        """
        return Candidates({label: make(label) for label in slot.labels})

    @abstractmethod
    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """Gates for all keys, once per path.

        Args:
            policy: Logits, what can be decided, and in `moment` how far the search is.
            generator: Randomness of this draw; on the CPU.
            step: Number of the step.
            phase: One of `PHASES`.
            path: Number of the path within the step.
        """

    def mix(self, slot: Slot, drawn: Drawn, candidates: Sequence[Callable[..., Any]], *inputs: Any, **named: Any) -> Any:
        """The output of one mixed op: the weighted sum of the active candidates' outputs."""
        return mix(slot, drawn.gate(slot), candidates, *inputs, **named)

    def arch_objective(
        self, loss: Callable[[], Tensor], score: Callable[[], Tensor], policy: Policy, drawn: Callable[[], Drawn | None]
    ) -> Tensor:
        """What an arch step lowers; by default the validation loss.

        Args:
            loss: Gives the validation loss of the present draw.
            score: Gives its validation score.
            policy: The policy, for log probabilities.
            drawn: Gives the draw of the latest forward pass.
        """
        return loss()

    def open_candidates(self, row: Row) -> tuple[int, ...]:
        """Indices of the candidates that draws of weight steps may take at present; by default all that can be decided."""
        return row.allowed

    def paths(self, policy: Policy) -> int:
        """Paths whose gradients are added before one update of the weights."""
        return self.paths_per_step

    def policy(self, space: Space, rows: Iterable[Row], seed: int) -> Policy:
        """What holds the architecture parameters; by default one row of logits for each choice."""
        from oche.supernets.policy import Policy

        return Policy(space, rows, seed, score=self.score)

    def score(self, logits: Tensor) -> Tensor:
        """What candidates are compared by in `derive`, along the last axis; by default their softmax."""
        return torch.softmax(logits, -1)

    def path_loss(self, hard: Tensor, output: Tensor, teacher: Tensor) -> Tensor:
        """The loss of a path that has a teacher.

        Args:
            hard: The loss of the task.
            output: What the path gave.
            teacher: What its teacher gave, without a graph.
        """
        return hard

    def largest(self, policy: Policy) -> dict[str, str]:
        """The largest candidate of each choice of one, by key."""
        return {key: row.labels[row.by_size[-1]] for key, row in policy.rows.items() if row.kind == "one"}

    def settle(self, policy: Policy, drawn: Drawn | None, before: Mapping[str, Tensor]) -> None:
        """Called after an arch update, in `no_grad`; may set logits right in place.

        Args:
            policy: With the new logits.
            drawn: The draw of the update.
            before: The logits before it, by key.
        """
        return

    def extract(self, slot: Slot, modules: Sequence[nn.Module], index: int, memo: dict[int, Any]) -> nn.Module:
        """A copy of candidate `index` for a child that inherits weights."""
        return copy.deepcopy(modules[index], memo)


def mix(slot: Slot, gate: Gate, candidates: Sequence[Callable[..., Any]], *inputs: Any, **named: Any) -> Any:
    """Run the active candidates on `inputs` and add their weighted outputs."""
    active = indices(gate, len(candidates))
    outputs = [candidates[i](*inputs, **named) for i in active]
    if gate.weights is None and len(outputs) == 1:
        return outputs[0]
    scalars = None
    if gate.weights is not None:
        every = gate.weights.unbind(0)
        scalars = [every[i] for i in active]
    return weighted_sum(outputs, scalars, [slot.labels[i] for i in active], name(slot))


def name(slot: Slot) -> str:
    """A place as errors name it."""
    return repr(slot.key) if slot.key == slot.location else f"{slot.key!r} at {slot.location!r}"
