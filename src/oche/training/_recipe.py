"""Recipe: everything that decides how a network is trained, except the network, the data, the seed and the device.

It is frozen and has a JSON form, because two results are comparable only if their recipes are equal: the recipe is part of the
protocol. One seed is the root of everything random; initial weights, order of items, augmentation and dropout derive their own
streams from it by name, so that a change of one moves no other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from oche.errors import ArgumentError, unknown

#: Parts that `augment` may join by `+`.
AUGMENTATIONS = ("crop", "resized-crop", "flip", "jitter", "autoaugment")

#: How the learning rate falls: half a cosine, or a line.
SCHEDULES = ("cosine", "linear")

#: Arithmetic of convolutions and matrix products.
PRECISIONS = ("float32", "bf16")

# Fields that recipes of older records do not have, with what they stood for.
_LATER: dict[str, Any] = {"cutout": 0, "power": 1.0, "schedule": "cosine", "channels_last": False, "precision": "float32"}


@dataclass(frozen=True)
class Recipe:
    """How to train: stochastic gradient descent with momentum, a learning rate that falls to nearly nothing, cross-entropy.

    Args:
        epochs: Passes over the training split.
        batch_size: Items of a batch; on several ranks those of all together.
        lr: Highest learning rate.
        lr_min: Rate that it falls to.
        momentum: In [0, 1).
        nesterov: Whether the momentum is Nesterov's.
        weight_decay: L2 factor on all weights.
        label_smoothing: Share of the target that is spread over all classes, in [0, 1).
        augment: `none`, or some of `crop`, `resized-crop`, `flip`, `jitter`, `autoaugment` joined by `+`; see `oche.training.augment`.
        crop_padding: Pixels of zero around the image before a random crop of the old size.
        cutout: Side of the square that is blanked in every image, in pixels, see `oche.training.cutout`; 0 for none.
        grad_clip: Largest norm of the gradient, None for no limit.
        warmup_epochs: Epochs of linear rise of the rate.
        power: Of the fall of the rate, see `CosinePowerAnnealing`; 1 is half a cosine.
        schedule: `cosine`, or `linear`.
        channels_last: Whether images lie in memory with their channels innermost.
        precision: `float32`, or `bf16`: convolutions and matrix products in bfloat16. Scores that are reported are float32.
        name: For messages; does not count in comparisons.

    Raises:
        ArgumentError: a value is not allowed; the message names it.
    """

    epochs: int = 12
    batch_size: int = 64
    lr: float = 0.1
    lr_min: float = 0.0
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    augment: str = "none"
    crop_padding: int = 4
    cutout: int = 0
    grad_clip: float | None = None
    warmup_epochs: int = 0
    power: float = 1.0
    schedule: str = "cosine"
    channels_last: bool = False
    precision: str = "float32"
    name: str = "custom"

    def __post_init__(self) -> None:
        self._check(self.epochs >= 1, "epochs", "a whole number from 1")
        self._check(self.batch_size >= 1, "batch_size", "a whole number from 1")
        self._check(0 < self.lr < math.inf, "lr", "a number above 0")
        self._check(0 <= self.lr_min <= self.lr, "lr_min", f"0 to lr, which is {self.lr}")
        self._check(0 <= self.momentum < 1, "momentum", "0 to below 1")
        self._check(not self.nesterov or self.momentum > 0, "nesterov", "False with momentum 0")
        self._check(0 <= self.weight_decay < math.inf, "weight_decay", "a number from 0")
        self._check(0 <= self.label_smoothing < 1, "label_smoothing", "0 to below 1")
        self._check(all(a in AUGMENTATIONS for a in self.augmentations), "augment", f"none, or {' and '.join(AUGMENTATIONS)} joined by '+'")
        self._check(self.crop_padding >= 1 or "crop" not in self.augmentations, "crop_padding", "a whole number from 1")
        self._check(
            isinstance(self.cutout, int) and not isinstance(self.cutout, bool) and self.cutout >= 0, "cutout", "a whole number from 0"
        )
        self._check(self.grad_clip is None or 0 < self.grad_clip < math.inf, "grad_clip", "None or a number above 0")
        self._check(0 <= self.warmup_epochs < self.epochs, "warmup_epochs", f"0 to {self.epochs - 1}, fewer than the {self.epochs} epochs")
        self._check(not {"crop", "resized-crop"} <= set(self.augmentations), "augment", "one of crop and resized-crop")
        self._check(self.schedule in SCHEDULES, "schedule", " or ".join(SCHEDULES))
        self._check(self.schedule == "cosine" or self.power == 1, "power", "1 with schedule 'linear'")
        self._check(self.channels_last in (True, False), "channels_last", "true or false")
        self._check(self.precision in PRECISIONS, "precision", " or ".join(PRECISIONS))
        self._check(0 < self.power < math.inf, "power", "a number above 0, where 1 is half a cosine")

    @property
    def augmentations(self) -> tuple[str, ...]:
        """Parts of `augment`."""
        return () if self.augment == "none" else tuple(self.augment.split("+"))

    def derive(self, **changes: Any) -> Recipe:
        """The same recipe with some fields changed.

        Raises:
            UnknownNameError: no such field; the nearest one is suggested.
            ArgumentError: a value is not allowed.
        """
        known = [f.name for f in fields(self)]
        for key in changes:
            if key not in known:
                raise unknown("setting of recipe", key, known)
        if changes and "name" not in changes:
            changes["name"] = f"{self.name.removesuffix('*')}*"
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """All fields but the name, and but those that came later and have their default: equal recipes give equal values."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "name"}
        return {key: value for key, value in found.items() if key not in _LATER or value != _LATER[key]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Recipe:
        """The inverse of `to_json`; missing fields take their defaults."""
        return cls(name="custom").derive(**{**value, "name": value.get("name", "custom")})

    def _check(self, good: bool, name: str, allowed: str) -> None:
        if not good:
            raise ArgumentError(f"recipe {self.name!r}, {name}: got {getattr(self, name)!r}; allowed: {allowed}")


_PRESETS = {
    # Ours: on 20 random cells of NAS-Bench-201 (8 channels, one cell a stage) half a second a training, and the largest spread over
    # cells for the spread over seeds. With a lower rate or more epochs the cells come out nearly alike.
    "digits": Recipe(name="digits", epochs=6, batch_size=64, lr=0.2, weight_decay=5e-4, grad_clip=5.0),
    # Ours: 2,500 images, cells of 4 channels. A short training underfits, so crops only hurt it: mean valid accuracy of four cells
    # after 8 epochs 33.7 with crop+flip in batches of 64, 36.9 in batches of 32; then 39.5 without augmentation, 40.1 with flips alone.
    "cifar10-small": Recipe(name="cifar10-small", epochs=12, batch_size=32, lr=0.1, weight_decay=5e-4, augment="flip", grad_clip=5.0),
    # Dong and Yang 2020: the 200-epoch schedule of NAS-Bench-201.
    "nasbench201": Recipe(name="nasbench201", epochs=200, batch_size=256, lr=0.1, weight_decay=5e-4, augment="crop+flip"),
    # Xu et al. 2020 (PC-DARTS), training on ImageNet: batch of 1,024 on 8 devices, 5 epochs of warm-up, then linear to 0. Their last five
    # epochs fall more slowly, ours do not. The auxiliary head belongs to the network: `auxiliary=true`, weight 0.4.
    "imagenet": Recipe(
        name="imagenet",
        epochs=250,
        batch_size=1024,
        lr=0.5,
        nesterov=False,
        weight_decay=3e-5,
        label_smoothing=0.1,
        augment="resized-crop+flip+jitter",
        grad_clip=5.0,
        warmup_epochs=5,
        schedule="linear",
    ),
    # The search of the same work: batches and augmentation; rates belong to the algorithm.
    "imagenet-search": Recipe(name="imagenet-search", epochs=50, batch_size=1024, lr=0.5, augment="resized-crop+flip", grad_clip=5.0),
}


def recipes() -> list[str]:
    """Names of the presets."""
    return sorted(_PRESETS)


def recipe(name: str | Recipe | Mapping[str, Any], **changes: Any) -> Recipe:
    """A recipe from its name, from settings, or as it is; then with some fields changed.

    Args:
        name: A preset, also with settings after `?` such as `digits?epochs=5`; a JSON form; or a recipe.
        **changes: Fields to change.

    Raises:
        UnknownNameError: no such preset or field.
    """
    if isinstance(name, str):
        from oche.loop.registry import canonical, parse

        base, settings = parse(name)
        found = next((r for key, r in _PRESETS.items() if canonical(key) == canonical(base)), None)
        if found is None:
            raise unknown("recipe", base, _PRESETS)
        return found.derive(**{**settings, **changes})
    return (name if isinstance(name, Recipe) else Recipe.from_json(name)).derive(**changes)
