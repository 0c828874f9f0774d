"""What a node of a few-shot search takes over from its parent: all that the search of its part still has a use for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from oche.algorithms.one_shot import OneShot
from oche.algorithms.staged import Staged


@torch.no_grad()
def inherit(parent: OneShot | Staged, child: OneShot | Staged, allowed: Mapping[str, Sequence[str]]) -> None:
    """Let a search of fewer candidates go on where another one stands: weights, buffers, logits, momentum, steps, stage and teacher."""
    if isinstance(parent, Staged) and isinstance(child, Staged):
        child.continue_from(parent)
        inherit(parent.inner, child.inner, allowed)
        child.inner.teacher = _lesson(parent.inner, child.inner, allowed)
        return
    assert isinstance(parent, OneShot)
    assert isinstance(child, OneShot)
    child.net.load_state_dict(parent.net.restrict(allowed, weights="copy").state_dict())
    old, new = parent.training, child.training
    _take(old.weight_group, old.weight_optimizer, new.weight_group, new.weight_optimizer)
    if old.valid_group is not None and new.valid_group is not None:
        for name, weight in new.valid_group.tensors.items():
            source = old.valid_group.tensors[name]
            weight.copy_(source if source.shape == weight.shape else new.weight_group.tensors[name])
        _take(old.valid_group, old.valid_optimizer, new.valid_group, new.valid_optimizer)
    new.step = old.step


def _take(before: Any, source: Any, after: Any, target: Any) -> None:
    """Copy the momentum of what has kept its shape."""
    for name, weight in after.tensors.items():
        old = before.tensors.get(name)
        saved = source.state.get(old, {}) if old is not None and old.shape == weight.shape else {}
        if saved:
            target.state[weight] = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in saved.items()}


def _lesson(parent: OneShot, child: OneShot, allowed: Mapping[str, Sequence[str]]) -> dict[str, torch.Tensor]:
    """The weights of the teacher: its largest path, or that of the parent where this was given to another part.

    A path that was never the largest was not trained in the teacher's stage, but by the time of the split it was in the parent's.
    """
    if not parent.teacher:
        return {}
    largest, own = parent.mixer.largest(parent.net.policy), child.mixer.largest(child.net.policy)
    if any(own.get(key, label) != label or label not in allowed.get(key, [label]) for key, label in largest.items()):
        return {name: weight.detach().clone() for name, weight in child.net.named_weights().items()}
    present = {name: weight.detach().clone() for name, weight in parent.net.named_weights().items()}
    _load(parent, parent.teacher)
    cut = parent.net.restrict(allowed, weights="copy")
    _load(parent, present)
    return {name: weight.detach().clone() for name, weight in cut.named_weights().items()}


def _load(search: OneShot, weights: Mapping[str, torch.Tensor]) -> None:
    for name, weight in search.net.named_weights().items():
        weight.copy_(weights[name])
