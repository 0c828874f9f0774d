"""One training loop for every network here, and the score of a trained network.

Equal seeds give equal weights, bit for bit on a CPU at one number of threads, also when the run was killed and resumed from its
checkpoint: everything random derives from (seed, epoch), and the checkpoint holds the rest.
"""

from __future__ import annotations

import copy
import importlib
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from oche import files, ranks, seeds
from oche.errors import ArgumentError, MissingExtraError, ResumeError, TrainingError
from oche.loop import Cost
from oche.networks import set_progress
from oche.training import optimizers
from oche.training._batches import batches, n_batches
from oche.training._forward import forward, lay_out
from oche.training._loss import cross_entropy, scores
from oche.training._recipe import Recipe
from oche.training._schedule import cosine, linear
from oche.training.data import DataSet

_SCHEMA = "oche.training/1"
_EVALUATION_BATCH = 500

#: What may average gradients over ranks in a training.
ENGINES = ("plain", "accelerate")


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave.

    Args:
        epoch: Number, from 0.
        lr: Learning rate.
        loss: Mean training loss over the epoch.
        train: Accuracy on the training batches as they passed, in percent.
    """

    epoch: int
    lr: float
    loss: float
    train: float


@dataclass(frozen=True)
class Fit:
    """What a training gave.

    Args:
        history: One row per epoch.
        cost: Of all epochs, also of those before a resume, but not of those that `source` had.
    """

    history: tuple[Epoch, ...]
    cost: Cost


def fit(
    model: nn.Module,
    data: DataSet,
    recipe: Recipe,
    seed: int,
    device: torch.device | str = "cpu",
    split: str = "train",
    on_epoch: Callable[[Epoch], Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    until: int | None = None,
    source: str | os.PathLike[str] | None = None,
    keep: str | os.PathLike[str] | None = None,
    engine: str = "plain",
) -> Fit:
    """Train a network in place. On several ranks each takes its share of every batch, and all take the same steps (see `oche.ranks`).

    Args:
        model: A classifier; it is moved to `device` and left in training mode.
        data: The data set.
        recipe: How to train.
        seed: Root of order, augmentation and dropout. Initial weights are the caller's: the model exists already.
        device: Where to compute.
        split: What to train on: `train`, or `train+valid` for a final training.
        on_epoch: Called after each epoch (and after its checkpoint); if it returns False, training ends there.
        checkpoint: File that is written after each epoch; if it exists, training goes on from it.
        until: Epoch to end after; the learning rate stays that of the whole recipe, so that a training in parts is the training in one
            piece. None: all epochs of the recipe.
        source: What `keep` was in an earlier part of this training; it goes on from there.
        keep: File for a later part, written once at the end.
        engine: What averages gradients over the ranks: `plain`, one flat buffer after the backward pass, or `accelerate`, that
            library's wrapper, which sends them while the pass is running.

    Raises:
        MissingExtraError: accelerate is not installed.
        ArgumentError: `until` is not an epoch of the recipe, or both `checkpoint` and `source` are given.
        TrainingError: the loss is not finite. The message names the step; the last checkpoint is kept.
        ResumeError: the checkpoint is of another training, or cannot be read.
    """
    model.to(device).train()
    lay_out(model, recipe)
    optimizer = optimizers.SGD(
        model.parameters(), lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov, weight_decay=recipe.weight_decay
    )
    wrapped = _wrapped(model, device, engine)
    path = Path(checkpoint) if checkpoint is not None else None
    last = _last_epoch(until, recipe, path, source)
    parts = path is not None or source is not None or keep is not None
    identity = {"schema": _SCHEMA, "recipe": recipe.to_json(), "seed": seed, "split": split, "data": data.fingerprint} if parts else {}
    if identity and ranks.world() > 1:
        # Batch norm sees the shares of the ranks: with other ones it would be another training.
        identity["ranks"] = ranks.world()
    history, cost = _resume(path, identity, model, optimizer, device) if path and path.exists() else ([], Cost())
    if source is not None:
        history, _ = _resume(Path(source), identity, model, optimizer, device)
    for epoch in range(len(history), last):
        started = time.perf_counter(), time.process_time()
        row = _epoch(model, wrapped, data, recipe, seed, device, split, epoch, optimizer, path)
        elapsed = {"seconds": time.perf_counter() - started[0], "cpu_seconds": time.process_time() - started[1]}
        history.append(row)
        cost += Cost(passes=n_batches(data, split, recipe.batch_size, ranks.world()), epochs=1, **elapsed)
        if path is not None:
            _save(path, identity, model, optimizer, history, cost)
        if on_epoch is not None and ranks.first(on_epoch(row)) is False:
            break
    if keep is not None:
        _save(Path(keep), identity, model, optimizer, history, cost)
    return Fit(tuple(history), cost)


def _last_epoch(until: int | None, recipe: Recipe, path: Path | None, source: Any) -> int:
    if until is not None and not 1 <= until <= recipe.epochs:
        raise ArgumentError(f"until: got {until!r}; allowed: 1 to {recipe.epochs}, the epochs of recipe {recipe.name!r}")
    if path is not None and source is not None:
        raise ArgumentError("source: got it together with checkpoint; allowed: one of them; a checkpoint is its own source")
    return recipe.epochs if until is None else until


def _wrapped(model: nn.Module, device: torch.device | str, engine: str) -> nn.Module:
    """What the forward pass goes through: the model itself, or that of accelerate around it."""
    if engine not in ENGINES:
        raise ArgumentError(f"engine: got {engine!r}; allowed: {', '.join(ENGINES)}")
    if engine == "plain":
        return model
    try:
        accelerate = importlib.import_module("accelerate")
    except ImportError as error:
        raise MissingExtraError("accelerate", "accelerate") from error
    # Precision and batches are the recipe's and the ranks', as without it.
    return accelerate.Accelerator(cpu=torch.device(device).type == "cpu").prepare_model(model)


def _epoch(
    model: nn.Module,
    wrapped: nn.Module,
    data: DataSet,
    recipe: Recipe,
    seed: int,
    device: torch.device | str,
    split: str,
    epoch: int,
    optimizer: torch.optim.Optimizer,
    path: Path | None,
) -> Epoch:
    lr = _rate(recipe, epoch)
    for group in optimizer.param_groups:
        group["lr"] = lr
    set_progress(model, epoch / recipe.epochs)
    total, correct, count = 0.0, 0.0, 0.0
    part = ranks.part()
    # Dropout and the like draw from torch's global generator: seeded by the epoch, put back afterwards. Each rank has its own images.
    with seeds.building(seeds.derive(seed, "forward", epoch, *part[:1] if part[0] else ())):
        for number, (x, y) in enumerate(batches(data, split, recipe.batch_size, seed, epoch, recipe, device, part)):
            output = forward(wrapped, x, recipe)
            loss = cross_entropy(output, y, recipe.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            value = _slopes(model, loss, shared=wrapped is not model)
            _check_finite(value, epoch, number, epoch * n_batches(data, split, recipe.batch_size) + number, lr, recipe, path)
            if recipe.grad_clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), recipe.grad_clip)
            optimizer.step()
            total += value * len(y)
            correct += int((scores(output).argmax(1) == y).sum())
            count += len(y)
    total, correct, count = ranks.total(total, correct, count)
    # Running statistics are those of each rank's share; a checkpoint holds their mean, and all go on with it.
    ranks.average([buffer for buffer in model.buffers() if buffer.is_floating_point()])
    return Epoch(epoch, lr, total / count, 100 * correct / count)


def _rate(recipe: Recipe, epoch: int) -> float:
    given = (epoch, recipe.epochs, recipe.lr, recipe.lr_min, recipe.warmup_epochs)
    return linear(*given) if recipe.schedule == "linear" else cosine(*given, recipe.power)


def _slopes(model: nn.Module, loss: Tensor, shared: bool) -> float:
    """Gradients of a loss, averaged over the ranks, in the weights; the loss itself, averaged too. Shared: a wrapper averages them."""
    value = loss.detach().clone()
    loss.backward()
    ranks.average([value, *(p.grad for p in model.parameters() if p.grad is not None and not shared)])
    return value.item()


def score(
    model: nn.Module,
    data: DataSet,
    split: str = "test",
    device: torch.device | str | None = None,
    batch_size: int = _EVALUATION_BATCH,
) -> float:
    """Accuracy on a split, in percent. The model is in evaluation mode meanwhile and otherwise unchanged. Ranks share the batches.

    Args:
        model: A classifier.
        data: The data set.
        split: Which items.
        device: Where the model is; by default where its first weight is.
        batch_size: Items of a batch; matters only to models that use batch statistics in evaluation.
    """
    where = device if device is not None else next((p.device for p in model.parameters()), "cpu")
    modes = {name: module.training for name, module in model.named_modules()}
    correct = 0
    try:
        model.eval()
        with torch.no_grad():
            for x, y in batches(data, split, batch_size, device=where, part=ranks.part()):
                correct += int((model(x).argmax(1) == y).sum())
    finally:
        for name, module in model.named_modules():
            module.training = modes[name]
    return 100 * ranks.total(correct)[0] / len(data.indices(split))


def _check_finite(value: float, epoch: int, batch: int, step: int, lr: float, recipe: Recipe, path: Path | None) -> None:
    if value == value and abs(value) != float("inf"):
        return
    kept = f"the last checkpoint is kept in {path}" if path is not None and path.exists() else "there is no checkpoint yet"
    advice = "lower lr" if recipe.grad_clip is not None else "lower lr or set grad_clip"
    raise TrainingError(f"loss: got {value} at step {step} (epoch {epoch}, batch {batch}, lr {lr:.4g}); allowed: finite; {advice}; {kept}")


def _save(
    path: Path, identity: dict[str, Any], model: nn.Module, optimizer: torch.optim.Optimizer, history: list[Epoch], cost: Cost
) -> None:
    state = {
        "identity": identity,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "history": [asdict(row) for row in history],
        "cost": cost.to_json(),
    }
    if ranks.is_first():
        with files.atomic(path) as temporary:
            torch.save(state, temporary)
    ranks.meet()


def _resume(
    path: Path, identity: dict[str, Any], model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device | str
) -> tuple[list[Epoch], Cost]:
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        found = state["identity"]
    except Exception as error:  # unpickling foreign bytes raises anything
        raise ResumeError(f"checkpoint: got {str(path)!r}, which is not one ({error}); allowed: a file of an earlier training") from error
    differing = sorted(key for key in identity if found.get(key) != identity[key])
    if differing:
        raise ResumeError(
            f"checkpoint {path}: got another training, {', '.join(differing)} differ; allowed: the same; delete it to start anew"
        )
    try:
        model.load_state_dict(state["model"])
    except RuntimeError as error:
        raise ResumeError(f"checkpoint {path}: got weights of another network ({error}); allowed: the same network") from error
    optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
    return [Epoch(**row) for row in state["history"]], Cost.from_json(state["cost"])


def correct_and_count(logits: Tensor, y: Tensor) -> tuple[int, int]:
    """Number of right answers, and of all."""
    return int((logits.argmax(1) == y).sum()), len(y)
