"""What stands where a program has a lattice: one path of modules in a child, all states at once in a supernet."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from oche.supernets.chains import placed
from oche.supernets.drawn import Slot, indices
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Row
from oche.supernets.relaxed import Relaxed, Runtime


class Path(nn.Sequential):
    """One way through a lattice: the stem of its first state, one module for each level, the sink of its last state.

    Args:
        stem: Maps the input to the first state.
        levels: One module for each level.
        sink: Maps the last state to the output.
    """

    def __init__(self, stem: nn.Module, levels: Sequence[nn.Module], sink: nn.Module) -> None:
        super().__init__(stem, *levels, sink)


@dataclass(frozen=True)
class Step:
    """One level of a relaxed lattice.

    Args:
        row: Its row of logits.
        slots: By the state that it leads to, the place of the candidates that lead there.
        indices: By the same, their indices in the row.
    """

    row: Row
    slots: Mapping[str, Slot]
    indices: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, row: Row, location: str) -> Step:
        """The step of a row at a place."""
        assert row.link is not None
        groups = {end: tuple(i for i, e in enumerate(row.link.ends) if e == end) for end in dict.fromkeys(row.link.ends)}
        slots = {
            end: Slot(
                row.key,
                f"{location}.{row.key}->{end}",
                tuple(row.labels[i] for i in group),
                keys=(row.key,),
                combos=tuple((i,) for i in group),
            )
            for end, group in groups.items()
        }
        return cls(row, slots, groups)


class Mixture(Relaxed):
    """All states of a lattice at once: the next state is the mixture of the candidates that lead to it.

    Args:
        slot: The place.
        modules: Stems, candidates of all levels and sinks, by name.
        runtime: Shared with the supernet.
        mixer: How candidates are mixed.
        steps: The levels.
        stems: By state, the name of its stem.
        sinks: By state, the name of its sink.
    """

    def __init__(
        self,
        slot: Slot,
        modules: Mapping[str, nn.Module],
        runtime: Runtime,
        mixer: Mixer,
        steps: Sequence[Step],
        stems: Mapping[str, str],
        sinks: Mapping[str, str],
    ) -> None:
        super().__init__(slot, modules, runtime)
        self.mixer = mixer
        self.steps = list(steps)
        self.stems, self.sinks = dict(stems), dict(sinks)
        self._at = {label: i for i, label in enumerate(modules)}

    def forward(self, x: Tensor) -> Tensor:
        """The sum of the sinks of all states that the draw reaches."""
        drawn = self.runtime.current(self.slot)
        first = self.steps[0]
        assert first.row.link is not None
        active = drawn.gate(Slot(first.row.key, first.row.key, first.row.labels))
        wanted = {first.row.link.starts[i] for i in indices(active, len(first.row.labels))}
        states = {state: self._module(name)(x) for state, name in self.stems.items() if state in wanted}
        for step in self.steps:
            states = self._step(step, drawn, states)
        outputs = [self._module(self.sinks[state])(h) for state, h in states.items()]
        return outputs[0] if len(outputs) == 1 else torch.stack(outputs).sum(0)

    def _step(self, step: Step, drawn: Any, states: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        link = step.row.link
        assert link is not None
        for end, slot in step.slots.items():
            gate = drawn.gate(slot)
            # What starts at a state that nothing led to does not run.
            running = indices(gate, len(slot.labels))
            live = [c for c in running if link.starts[step.indices[end][c]] in states]
            if not live:
                continue
            members = list(step.indices[end])
            if len(live) < len(running):
                slot, members = _only(slot, live), [members[c] for c in live]
            candidates = [_From(self._module(name_of(step.row, i)), link.starts[i]) for i in members]
            found[end] = self.mixer.mix(slot, drawn, candidates, states)
        return found

    def _module(self, name: str) -> nn.Module:
        return self.inside[self._at[name]]

    def extract(self, decisions: Mapping[str, Any], memo: dict[int, Any]) -> nn.Module:
        """A copy of the path that some decisions stand for."""
        rows = {step.row.key: step.row for step in self.steps}
        taken = placed(rows, {key: decisions[key] for key in rows})
        chosen = {key: row.labels.index(taken[key]) for key, row in rows.items()}
        links = {key: row.link for key, row in rows.items()}
        start = links[self.steps[0].row.key].starts[chosen[self.steps[0].row.key]]  # type: ignore[union-attr]
        end = links[self.steps[-1].row.key].ends[chosen[self.steps[-1].row.key]]  # type: ignore[union-attr]
        names = [self.stems[start], *(name_of(row, chosen[key]) for key, row in rows.items()), self.sinks[end]]
        stem, *levels, sink = [copy.deepcopy(self._module(name), memo) for name in names]
        made = Path(stem, levels, sink)
        made.training = self.training
        return made


def name_of(row: Row, index: int) -> str:
    """Name of a candidate among all modules of a lattice."""
    return f"{row.key}: {row.labels[index]}"


def _only(slot: Slot, live: Sequence[int]) -> Slot:
    return replace(slot, labels=tuple(slot.labels[c] for c in live), combos=tuple(slot.combos[c] for c in live))


class _From:
    """A candidate that reads one of several states."""

    def __init__(self, module: nn.Module, state: str) -> None:
        self.module, self.state = module, state

    def __call__(self, states: Mapping[str, Tensor]) -> Tensor:
        return self.module(states[self.state])
