"""Train a child on a data set and score it: the task of every network search on images.

While searching, a child is trained on `train` and scored on `valid`. The pick, and every random member that it is compared with, is
trained by the same recipe on `train` and `valid` together and scored on `test`, once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from oche.errors import SpaceError
from oche.loop.contracts import Cost, Feedback, Problem
from oche.loop.reports import Reports
from oche.program import DNA, Space
from oche.tasks._children import architecture, final_arguments, fitting_arguments, merged

if TYPE_CHECKING:
    from oche.training import Recipe
    from oche.training.data import DataSet


class Classification:
    """Classify a data set.

    Args:
        data: Name of a data set (`digits`, `cifar10[:5000]`), or a `DataSet`.
        recipe: How networks are trained: a `Recipe`, its name or settings. None: the preset of the data set, if there is one.
        search_recipe: How a child is trained while searching. None: by `recipe`.
        final: Arguments of the program for the final training, for example `{"cells": 20, "channels": 36}`; they hold for picks and
            for the random members alike. None: the size that was searched.
        device: `auto`, `cpu`, `cuda` or `mps`.
        keep: Folder for the networks of final trainings, one file each, named in the record's artifacts. None keeps none.

    Source: Yang et al. 2020, section 2: one protocol for searched and random architectures; test data read once.
    """

    metric = "test"
    direction = "max"
    unit = "%"

    def __init__(
        self,
        data: str | DataSet = "digits",
        recipe: str | Recipe | Mapping[str, Any] | None = None,
        search_recipe: str | Recipe | Mapping[str, Any] | None = None,
        final: Mapping[str, Any] | None = None,
        device: str = "auto",
        keep: str | os.PathLike[str] | None = None,
    ) -> None:
        from oche import training

        self.data: DataSet = training.data.load(data) if isinstance(data, str) else data
        self.recipe = training.recipe(recipe if recipe is not None else _default_recipe(self.data.name))
        self.search_recipe = training.recipe(search_recipe) if search_recipe is not None else self.recipe
        self.final = dict(final or {})
        self.device = str(training.device(device))
        self.keep = str(Path(keep).absolute()) if keep is not None else None
        #: File that a final training is written to after each epoch, and continued from; None: it starts anew after a kill.
        self.checkpoint: str | None = None
        #: What averages the gradients of a final training over ranks, see `oche.training.fit`.
        self.engine = "plain"
        self.name = f"classification:{self.data.name}"
        self._meta: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()

    def __getstate__(self) -> dict[str, Any]:
        # What is known of networks belongs to the process that built them.
        return {key: value for key, value in self.__dict__.items() if key != "_meta"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._meta = WeakKeyDictionary()

    @property
    def n_report(self) -> int:
        """Number of test items."""
        return self.data.sizes["test"]

    @property
    def evaluation_passes(self) -> float:
        """Forward-and-backward passes of one `evaluate`; a forward pass alone counts one third."""
        from oche import training

        batches = training.n_batches(self.data, "train", self.search_recipe.batch_size)
        return self.search_recipe.epochs * batches + _forward_share(self.data.sizes["valid"], self.search_recipe.batch_size)

    def describe(self) -> dict[str, Any]:
        """Data, recipes, final size and metric."""
        return {
            "task": "classification",
            "data": self.data.describe(),
            "recipe": self.recipe.to_json(),
            "search_recipe": self.search_recipe.to_json(),
            "final": self.final,
            "splits": {"search": "train, selected by valid", "final": "train+valid, reported on test"},
            "metric": {"name": self.metric, "direction": self.direction, "unit": self.unit, "report": "test, last epoch"},
        }

    def arguments(self, space: Space) -> dict[str, Any]:
        """Arguments with which the program fits the data, less those that its user gave."""
        return merged(space, fitting_arguments(space.program, self.data.shape, self.data.n_classes)) if space.plain else {}

    def child(self, space: Space, dna: DNA, seed: int, final: bool = False) -> Any:
        """The network of a point, with fresh weights."""
        changed = final_arguments(space, self.final) if final else {}
        arguments = {**space.arguments, **changed}
        built = space.build(dna, seed=seed, **changed)
        from torch import nn

        if not isinstance(built, nn.Module):
            raise SpaceError(
                f"program {space.name!r}: got a {type(built).__name__}; allowed for classification: something that builds a torch module"
            )
        if final:
            self._meta[built] = {
                "space": space.name,
                "arguments": {k: v for k, v in arguments.items() if isinstance(v, (bool, int, float, str, type(None)))},
                "decisions": {k: list(v) if isinstance(v, tuple) else v for k, v in space.root.decisions(space.lift(dna)).items()},
                "arch": architecture(space.root, space.lift(dna)),
            }
        return built

    @property
    def max_fidelity(self) -> int:
        """Epochs of a whole training while searching."""
        return self.search_recipe.epochs

    def evaluate(self, child: Any, seed: int, reports: Reports | None = None) -> Feedback:
        """Train on `train`, reward = accuracy on `valid` in percent.

        Args:
            child: The network.
            seed: Of the training.
            reports: Gets the accuracy after epochs, says where to end. A training that ends at an epoch goes on later as if it had not
                ended. None: the whole recipe.
        """
        from oche import training

        reports = reports or Reports()
        scoring = Cost(trials=1)
        valid: float | None = None

        def score() -> float:
            nonlocal scoring
            started = time.perf_counter(), time.process_time()
            found = training.score(child, self.data, "valid", device=self.device)
            passes = _forward_share(self.data.sizes["valid"], self.search_recipe.batch_size)
            scoring += Cost(passes=passes, seconds=time.perf_counter() - started[0], cpu_seconds=time.process_time() - started[1])
            return found

        def on_epoch(row: Any) -> bool:
            nonlocal valid
            valid = None
            if reports.wants(row.epoch + 1):
                valid = score()
                reports.report(valid, row.epoch + 1)
            # A training that is over anyway is not stopped.
            return row.epoch + 1 < until and not reports.should_stop()

        until = int(reports.fidelity) if reports.fidelity is not None else self.search_recipe.epochs
        fit = training.fit(
            child, self.data, self.search_recipe, seed=seed, device=self.device, split="train",
            on_epoch=on_epoch if reports.active else None, until=until, source=reports.source, keep=reports.keep,
        )  # fmt: skip
        valid = score() if valid is None else valid
        metrics = {"valid": valid, "train_loss": fit.history[-1].loss}
        if reports.active:
            metrics["epochs"] = float(len(fit.history))
        return Feedback(reward=valid, metrics=metrics, cost=fit.cost + scoring)

    def report(self, child: Any, seed: int) -> Feedback:
        """Train on `train` and `valid`, report the accuracy on `test` in percent."""
        from oche import training

        size = self._size(child)
        fit = training.fit(
            child,
            self.data,
            self.recipe,
            seed=seed,
            device=self.device,
            split="train+valid",
            checkpoint=self.checkpoint,
            engine=self.engine,
        )
        test = training.score(child, self.data, "test", device=self.device)
        curve = {"train": [(float(row.epoch + 1), row.train) for row in fit.history]}
        metrics = {"test": test, "train_loss": fit.history[-1].loss, **size}
        return Feedback(reward=test, metrics=metrics, cost=fit.cost + Cost(trials=1), curves=curve, artifacts=self._kept(child, seed, test))

    def _kept(self, child: Any, seed: int, test: float) -> dict[str, str]:
        if self.keep is None:
            return {}
        from oche import training

        # The seed of a report is a hash of the run's seed and the DNA, so it names the network.
        path = Path(self.keep) / f"network-{seed:016x}.pt"
        training.save(path, child, {**self._meta.get(child, {}), "seed": seed, "test": test}, self.data)
        return {"network": str(path)}

    def _size(self, child: Any) -> dict[str, float]:
        from oche import networks

        count = networks.count(child, self.data.shape)
        return {"params": count.params, "macs": count.macs}

    def problem(self, seed: int) -> Problem:
        """Losses and batches for weight sharing, over `train` and `valid`."""
        from oche import training

        return training.problem(self.data, self.search_recipe, seed=seed, device=self.device)


def classification(
    data: str | DataSet = "digits",
    recipe: str | Recipe | Mapping[str, Any] | None = None,
    search_recipe: str | Recipe | Mapping[str, Any] | None = None,
    final: Mapping[str, Any] | None = None,
    device: str = "auto",
    keep: str | os.PathLike[str] | None = None,
) -> Classification:
    """The task of classifying a data set; see `Classification`.

    Example:
        >>> import oche
        >>> oche.tasks.classification("digits").name
        'classification:digits'
    """
    return Classification(data, recipe, search_recipe, final, device, keep)


def _default_recipe(name: str) -> str:
    from oche import training

    stem = name.partition("[")[0]
    if stem in training.recipes():
        return stem
    return "cifar10-small" if stem.startswith(("cifar", "images:", "hub:")) else "digits"


def _forward_share(items: int, batch_size: int) -> float:
    # A forward pass alone counts one third of a forward and backward pass.
    return -(-items // batch_size) / 3
