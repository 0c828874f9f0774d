"""Optimizers without torch's compiler take the steps of torch's own."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from oche.training import optimizers

SETTINGS = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3, "nesterov": True},
    "Adam": {"lr": 0.01, "betas": (0.5, 0.999), "weight_decay": 1e-3},
    "AdamW": {"lr": 0.01, "weight_decay": 0.1},
}


def steps(kind: type[torch.optim.Optimizer], settings: dict, state: dict | None = None) -> tuple[list[torch.Tensor], dict]:
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(shape, generator=generator).requires_grad_() for shape in ((3, 4), (5,), (2,))]
    optimizer = kind(weights[:2], **settings)
    optimizer.add_param_group({"params": weights[2:], "lr": 0.05})
    if state is not None:
        optimizer.load_state_dict(state)
    for _ in range(4):
        optimizer.zero_grad()
        sum((w**3).sum() for w in weights).backward()
        optimizer.step()
    return [w.detach() for w in weights], optimizer.state_dict()


@pytest.mark.parametrize("name", SETTINGS)
def test_steps_and_states_are_equal_bit_for_bit(name):
    ours, theirs = getattr(optimizers, name), getattr(torch.optim, name)
    weights, state = steps(ours, SETTINGS[name])
    expected, expected_state = steps(theirs, SETTINGS[name])
    assert all(torch.equal(a, b) for a, b in zip(weights, expected, strict=True))
    assert state["param_groups"] == expected_state["param_groups"]
    # A state of either goes on in the other.
    crossed, _ = steps(ours, SETTINGS[name], copy.deepcopy(expected_state))
    back, _ = steps(theirs, SETTINGS[name], copy.deepcopy(state))
    assert all(torch.equal(a, b) for a, b in zip(crossed, back, strict=True))


@pytest.mark.parametrize("name", SETTINGS)
def test_it_is_a_torch_optimizer_for_everyone_else(name):
    weight = torch.ones(2, requires_grad=True)
    optimizer = getattr(optimizers, name)([weight], **SETTINGS[name])
    assert isinstance(optimizer, getattr(torch.optim, name)) and repr(optimizer).startswith(f"{name} (")
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    weight.sum().backward()
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * SETTINGS[name]["lr"])
    again = pickle.loads(pickle.dumps(optimizer))
    assert type(again) is type(optimizer) and again.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
