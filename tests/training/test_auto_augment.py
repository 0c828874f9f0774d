"""AutoAugment: a function of the batch and the generator, inside of a recipe."""

from __future__ import annotations

import builtins

import pytest
import torch

from oche import training
from oche.errors import ArgumentError, MissingExtraError
from oche.training import auto_augment
from oche.training._auto_augment import _pairs
from oche.training.data import from_arrays

pytest.importorskip("kornia")

IMAGES = torch.randint(0, 256, (64, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def drawn(seed: int) -> torch.Tensor:
    return auto_augment(IMAGES, torch.Generator().manual_seed(seed))


def test_it_depends_on_the_generator_alone_and_leaves_the_global_one():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = drawn(1)
    assert torch.equal(torch.rand(1), expected)
    torch.manual_seed(4)
    assert torch.equal(drawn(1), first) and not torch.equal(drawn(2), first)


def test_most_images_change_and_stay_images():
    found = drawn(1)
    assert found.shape == IMAGES.shape and found.dtype == torch.float32
    assert float(found.min()) >= 0 and float(found.max()) <= 255
    changed = (found != IMAGES).flatten(1).any(1).float().mean()
    # Each pair leaves an image alone with its own probability: 0.0 to 0.4, on average about 0.15.
    assert 0.6 < float(changed) < 1


def test_all_pairs_are_those_of_the_policy():
    assert len(_pairs()) == 25


def test_a_recipe_asks_for_it():
    data = from_arrays(IMAGES.numpy(), torch.arange(64).numpy() % 2)
    made = training.Recipe(augment="flip+autoaugment")
    assert made.augmentations == ("flip", "autoaugment")
    once, again, plain = (
        next(iter(training.batches(data, "train", 16, seed=1, recipe=r)))[0] for r in (made, made, training.Recipe(augment="flip"))
    )
    assert torch.equal(once, again) and not torch.equal(once, plain)


def test_gray_images_are_refused():
    with pytest.raises(ArgumentError, match=r"autoaugment.*RGB"):
        auto_augment(IMAGES[:, :1], torch.Generator())


def test_a_missing_package_names_its_extra(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("kornia"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    _pairs.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"oche\[augment\]"):
        drawn(1)
