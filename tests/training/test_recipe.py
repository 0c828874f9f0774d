"""Recipes and learning rates."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oche import training
from oche.errors import ArgumentError, UnknownNameError
from oche.training import Recipe, cosine


def test_the_schedule_by_hand():
    assert [cosine(t, 4, 0.1) for t in range(4)] == pytest.approx([0.1, 0.05 * (1 + math.sqrt(0.5)), 0.05, 0.05 * (1 - math.sqrt(0.5))])
    assert cosine(25, 50, 0.025, 0.001) == pytest.approx(0.013)


@given(st.integers(1, 60), st.floats(0.001, 1), st.floats(0, 1))
def test_the_schedule_starts_at_lr_falls_and_stays_above_lr_min(epochs: int, lr: float, share: float):
    lr_min = lr * share
    rates = [cosine(t, epochs, lr, lr_min) for t in range(epochs)]
    assert rates[0] == pytest.approx(lr)
    assert all(a >= b for a, b in itertools.pairwise(rates))
    assert rates[-1] >= lr_min or rates[-1] == pytest.approx(lr_min)


def test_the_schedule_is_that_of_torch_without_its_skipped_rate():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20, eta_min=0.01)
    for epoch in range(20):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(cosine(epoch, 20, 0.1, 0.01))
        optimizer.step()
        scheduler.step()


def test_the_warm_up_rises_in_equal_steps_and_then_the_cosine_starts():
    rates = [cosine(t, 10, 0.4, 0.0, warmup_epochs=3) for t in range(10)]
    assert rates[:4] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert rates[3:] == pytest.approx([cosine(t, 7, 0.4) for t in range(7)])
    with pytest.raises(ArgumentError, match="warmup_epochs: got 10"):
        cosine(0, 10, 0.1, 0.0, warmup_epochs=10)


def test_the_json_form_gives_the_recipe_back():
    made = Recipe(epochs=3, augment="crop+flip", grad_clip=5.0, warmup_epochs=1)
    assert Recipe.from_json(made.to_json()).to_json() == made.to_json()
    assert Recipe.from_json(made.to_json()) == made.derive(name="custom")
    assert "name" not in made.to_json()


def test_derived_recipes_change_what_is_said_and_nothing_else():
    made = Recipe(epochs=3)
    changed = made.derive(lr=0.2)
    assert {k for k in made.to_json() if made.to_json()[k] != changed.to_json()[k]} == {"lr"}
    assert made.lr == 0.1
    with pytest.raises(UnknownNameError, match="did you mean 'epochs'"):
        made.derive(epoch=4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"lr": 0.0},
        {"lr": math.nan},
        {"lr_min": 0.5},
        {"momentum": 1.0},
        {"momentum": 0.0},
        {"weight_decay": -1},
        {"label_smoothing": 1.0},
        {"augment": "crop+mixup"},
        {"augment": ""},
        {"augment": "crop", "crop_padding": 0},
        {"grad_clip": 0.0},
        {"warmup_epochs": 12},
    ],
)
def test_values_that_are_not_allowed_are_named(wrong: dict[str, object]):
    name = "nesterov" if wrong == {"momentum": 0.0} else list(wrong)[-1]
    with pytest.raises(ArgumentError, match=name):
        Recipe(**wrong)


def test_presets_by_name_and_with_settings():
    assert set(training.recipes()) == {"digits", "cifar10-small", "nasbench201", "imagenet", "imagenet-search"}
    assert training.recipe("NASBench201").epochs == 200
    assert training.recipe("digits?epochs=3&augment=flip").augmentations == ("flip",)
    ready = Recipe(epochs=2)
    assert training.recipe(ready) is not None and training.recipe(ready).to_json() == ready.to_json()
    assert training.recipe({"epochs": 5}).epochs == 5
    with pytest.raises(UnknownNameError, match="did you mean 'digits'"):
        training.recipe("digit")


def test_the_benchmark_preset_has_the_published_values():
    made = training.recipe("nasbench201")
    assert (made.lr, made.lr_min, made.weight_decay, made.batch_size, made.nesterov, made.momentum) == (0.1, 0.0, 5e-4, 256, True, 0.9)


def test_devices_by_name():
    assert training.device("cpu") == torch.device("cpu")
    assert training.device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(ArgumentError, match="device: got 'gpu'"):
        training.device("gpu")
    absent = next((kind for kind, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())) if not there))
    with pytest.raises(ArgumentError, match="does not have; allowed here: auto, cpu"):
        training.device(absent)
