"""How networks are trained, as data: everything that decides an accuracy except the architecture and the seeds.

One class serves the search (S) and the final training (A) of every published method. A field that a paper does not give is None,
never a guess. The training loop of this library reads its own `Recipe`; `TrainProtocol.recipe` gives the fields that both know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from oche.errors import JudgeError, unknown
from oche.files import canonical_json, digest

#: Fields that a `Recipe` of `oche.training` has too.
RECIPE_FIELDS = (
    "epochs", "batch_size", "lr", "lr_min", "momentum", "nesterov", "weight_decay", "label_smoothing", "augment", "crop_padding",
    "cutout", "grad_clip", "warmup_epochs",
)  # fmt: skip

SCHEDULES = ("cosine", "cosine-restarts", "linear", "constant")


def check_fields(kind: Any, given: Iterable[str], what: str) -> None:
    """Refuse names that are no fields of a dataclass.

    Raises:
        UnknownNameError: a name that does not exist; the nearest one is suggested.
    """
    known = [f.name for f in fields(kind)]
    for key in given:
        if key not in known:
            raise unknown(f"field of a {what}", key, known)


@dataclass(frozen=True)
class TrainProtocol:
    """Settings of one training.

    Args:
        epochs: Passes over the training split; of a search in stages, of all stages together.
        batch_size: Items of a batch.
        optimizer: `sgd` or `adam`.
        lr: Highest learning rate.
        lr_min: Rate at the end.
        schedule: One of `cosine`, `cosine-restarts`, `linear`, `constant`.
        momentum: Of `sgd`.
        nesterov: Whether the momentum is Nesterov's.
        weight_decay: L2 factor.
        grad_clip: Largest norm of the gradient, None for no limit.
        warmup_epochs: Epochs of linear rise.
        channels: Initial channels, None if not given by the source.
        cells: Number of cells.
        nodes: Intermediate nodes of a cell.
        augment: `none`, or `crop`, `flip` joined by `+`, or what a data set of photographs uses.
        crop_padding: Pixels of zero around the image before the crop.
        cutout: Side of the square that is cut out, 0 for none.
        auto_augment: Whether AutoAugment is used.
        drop_path: Largest probability of dropping a path; it rises linearly, `drop_path * epoch / epochs`.
        dropout: Probability of dropping a feature before the classifier.
        aux_weight: Weight of the auxiliary tower's loss, 0 for none.
        label_smoothing: Share of the target that is spread over all classes.
        squeeze_excitation: Whether blocks of that kind are added.
        stages: Epochs of each stage of a search in stages; empty for one stage.
        arch: Settings of the search's own learner, by name.
        name: For messages; does not count in comparisons.

    Raises:
        JudgeError: a value is not allowed.

    Source: Yang et al. 2020, appendix, for the presets; see `TrainProtocol.preset`.
    """

    epochs: int
    batch_size: int
    lr: float
    lr_min: float = 0.0
    optimizer: str = "sgd"
    schedule: str = "cosine"
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 3e-4
    grad_clip: float | None = 5.0
    warmup_epochs: int = 0
    channels: int | None = None
    cells: int | None = None
    nodes: int | None = None
    augment: str = "crop+flip"
    crop_padding: int = 4
    cutout: int = 0
    auto_augment: bool = False
    drop_path: float | None = 0.0
    dropout: float = 0.0
    aux_weight: float | None = 0.0
    label_smoothing: float = 0.0
    squeeze_excitation: bool = False
    stages: tuple[int, ...] = ()
    arch: Mapping[str, Any] = field(default_factory=dict)
    name: str = field(default="custom", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        object.__setattr__(self, "arch", dict(self.arch))
        self._check(self.epochs >= 1, "epochs", "a whole number from 1")
        self._check(self.batch_size >= 1, "batch_size", "a whole number from 1")
        self._check(self.lr > 0, "lr", "a number above 0")
        self._check(0 <= self.lr_min <= self.lr, "lr_min", f"0 to lr, which is {self.lr}")
        self._check(self.optimizer in ("sgd", "adam"), "optimizer", "'sgd', 'adam'")
        self._check(self.schedule in SCHEDULES, "schedule", ", ".join(map(repr, SCHEDULES)))
        self._check(not self.stages or sum(self.stages) == self.epochs, "stages", f"numbers that add up to epochs, which is {self.epochs}")
        for part in ("drop_path", "dropout", "label_smoothing"):
            value = getattr(self, part)
            self._check(value is None or 0 <= value < 1, part, "0 to below 1")

    def __hash__(self) -> int:
        return hash(canonical_json(self.to_json()))

    def derive(self, **changes: Any) -> TrainProtocol:
        """The same protocol with some fields changed.

        Raises:
            UnknownNameError: no such field; the nearest one is suggested.
        """
        check_fields(type(self), changes, "training protocol")
        if changes and "name" not in changes:
            changes["name"] = f"{self.name.removesuffix('*')}*"
        return replace(self, **changes)

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON; equal protocols have equal hashes whatever their names."""
        return digest(self.to_json())

    def recipe(self) -> dict[str, Any]:
        """The fields that `oche.training.Recipe` has too, by its names: `oche.training.recipe(protocol.train.recipe())`."""
        return {name: getattr(self, name) for name in RECIPE_FIELDS}

    def to_json(self) -> dict[str, Any]:
        """All fields but the name."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "name"}
        return {**found, "stages": list(self.stages), "arch": dict(self.arch)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TrainProtocol:
        """The inverse of `to_json`; missing fields take their defaults.

        Raises:
            UnknownNameError: a field that does not exist.
        """
        check_fields(cls, value, "training protocol")
        return cls(**value)

    @classmethod
    def preset(cls, name: str) -> TrainProtocol:
        """A published protocol by name, such as `darts` (final training) or `darts-search`.

        Raises:
            UnknownNameError: no such preset.
        """
        from oche.judge._protocol_presets import train_preset

        return train_preset(name)

    def _check(self, good: bool, name: str, allowed: str) -> None:
        if not good:
            raise JudgeError(f"training protocol {self.name!r}, {name}: got {getattr(self, name)!r}; allowed: {allowed}")
