"""A trained network as a file: saved with what it is made of, loaded without running anything from the file, used, exported.

The file holds weights and JSON. What builds the network again is passed by the caller, so that opening a file from elsewhere can
never run code from it.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from oche import files, ranks
from oche.errors import ArgumentError, DataError, MissingExtraError
from oche.training._batches import standardize
from oche.training.data import DataSet

_SCHEMA = "oche.network/1"
FORMATS = ("torch.export", "onnx")


@dataclass(frozen=True)
class Saved:
    """A network that was loaded.

    Args:
        model: The network, in evaluation mode.
        meta: What was saved with it, as JSON values.
    """

    model: nn.Module
    meta: dict[str, Any]

    def predict(self, x: ArrayLike | Tensor, batch_size: int = 500) -> NDArray[np.float32]:
        """Class probabilities of raw inputs; see `predict`."""
        return predict(self.model, x, self.meta, batch_size)


def save(path: str | os.PathLike[str], model: nn.Module, meta: Mapping[str, Any], data: DataSet | None = None) -> None:
    """Save a network: its weights, and in `meta` what it takes to build it again. Of several ranks the first one writes.

    Args:
        path: File to write; an old one is replaced only once the new one is whole.
        model: The network.
        meta: JSON values, for example the space, its arguments and the decisions.
        data: Data set it was trained on; its shape, classes and normalization are added to `meta` under `input`.

    Raises:
        ArgumentError: `meta` is not JSON.
    """
    whole = {**meta, "input": input_of(data)} if data is not None else dict(meta)
    try:
        text = json.dumps(whole, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"meta: got a value that is not JSON ({error}); allowed: text, finite numbers, None, lists and dicts"
        ) from error
    if not ranks.is_first():
        return
    state = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    with files.atomic(path) as temporary:
        torch.save({"schema": _SCHEMA, "meta": text, "weights": state}, temporary)


def load(path: str | os.PathLike[str], build: Callable[[dict[str, Any]], nn.Module], device: torch.device | str = "cpu") -> Saved:
    """Load a network.

    Args:
        path: File that `save` wrote.
        build: Gets `meta` and builds the network, with any weights.
        device: Where to put it.

    Raises:
        DataError: the file cannot be read, or its weights do not fit what `build` built.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        schema, meta, weights = state["schema"], json.loads(state["meta"]), state["weights"]
    except Exception as error:  # unpickling foreign bytes raises anything
        # torch's own message has many lines and proposes to load without `weights_only`, which is never right here.
        said = str(error).partition("\n")[0] if isinstance(error, OSError) else type(error).__name__
        raise DataError(f"network file: got {str(path)!r}, which is not one ({said}); allowed: what oche.training.save wrote") from error
    if schema != _SCHEMA:
        raise DataError(f"network file {str(path)!r}: got schema {schema!r}; allowed: {_SCHEMA!r}; use the version of oche that wrote it")
    model = build(meta)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise DataError(
            f"network file {str(path)!r}: got weights of another network ({error}); allowed: the program it was saved from"
        ) from error
    return Saved(model.to(device).eval(), meta)


def predict(
    model: nn.Module, x: ArrayLike | Tensor, meta: Mapping[str, Any] | DataSet | None = None, batch_size: int = 500
) -> NDArray[np.float32]:
    """Class probabilities of raw inputs.

    Args:
        model: A classifier; it is in evaluation mode meanwhile.
        x: Raw inputs, `(n, ...)`, in the units of the training data, or one input without the first axis.
        meta: What was saved with the network, or the data set: where the normalization comes from. None: `x` is normalized already.
        batch_size: Items at a time.

    Returns:
        Probabilities, `(n, classes)`.

    Raises:
        ArgumentError: the shape is not that of the training data, or a value is not finite.
    """
    given: Mapping[str, Any] = input_of(meta) if isinstance(meta, DataSet) else (meta or {}).get("input", {})
    inputs = torch.as_tensor(x if isinstance(x, Tensor) else np.asarray(x))
    shape = tuple(given.get("shape", inputs.shape[1:]))
    if inputs.shape == shape:
        inputs = inputs[None]
    if tuple(inputs.shape[1:]) != shape:
        raise ArgumentError(f"inputs: got shape {tuple(inputs.shape)}; allowed: (n, {', '.join(map(str, shape))})")
    if not torch.isfinite(inputs.float()).all():
        raise ArgumentError("inputs: got values that are not finite; allowed: finite numbers")
    where = next((p.device for p in model.parameters()), torch.device("cpu"))
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            parts = [
                model(standardize(part.to(where), tuple(given.get("mean", ())), tuple(given.get("std", ())))).softmax(1).float().cpu()
                for part in inputs.split(batch_size)
            ]
    finally:
        for module, mode in modes:
            module.training = mode
    return torch.cat(parts).numpy()


def export(model: nn.Module, path: str | os.PathLike[str], format: str, example: Tensor) -> Path:
    """Write a network in a form that other programs run. It takes normalized inputs and gives scores (logits).

    Args:
        model: The network; it is exported in evaluation mode.
        path: File to write, by custom `.pt2` or `.onnx`.
        format: `torch.export` or `onnx`.
        example: A normalized batch, `(batch, ...)`; the batch stays free in the exported network.

    Raises:
        ArgumentError: the format is unknown.
        MissingExtraError: ONNX packages are not installed.
    """
    if format not in FORMATS:
        raise ArgumentError(f"format: got {format!r}; allowed: {', '.join(FORMATS)}")
    # A batch of one would be taken as a constant.
    batch = example if len(example) > 1 else example.expand(2, *example.shape[1:])
    shapes = ({0: torch.export.Dim("batch")},)
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        write = _write_onnx if format == "onnx" else _write_program
        with files.atomic(path) as temporary:
            write(model, batch, shapes, temporary)
    finally:
        for module, mode in modes:
            module.training = mode
    return Path(path)


def input_of(data: DataSet) -> dict[str, Any]:
    """What a prediction must know of the training data, as JSON values."""
    return {"shape": list(data.shape), "mean": list(data.mean), "std": list(data.std), "classes": list(data.class_names)}


def _write_program(model: nn.Module, batch: Tensor, shapes: tuple[Any, ...], path: Path) -> None:
    program = torch.export.export(model, (batch,), dynamic_shapes=shapes)
    with path.open("wb") as handle:
        torch.export.save(program, handle)


def _write_onnx(model: nn.Module, batch: Tensor, shapes: tuple[Any, ...], path: Path) -> None:
    for package in ("onnx", "onnxscript"):
        try:
            __import__(package)
        except ImportError as error:
            raise MissingExtraError(package, "export") from error
    with warnings.catch_warnings(), _quiet("torch.onnx"):
        # The exporter warns of its own deprecated parts; nothing a caller could act on.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(model, (batch,), dynamo=True, dynamic_shapes=shapes, verbose=False)
    if program is None:
        raise ArgumentError("export: the network cannot be written as ONNX; allowed: networks that torch.onnx.export takes")
    program.save(str(path), external_data=False)


class _quiet:
    """Raise the level of a logger for a block."""

    def __init__(self, name: str) -> None:
        self.logger = logging.getLogger(name)

    def __enter__(self) -> None:
        self.level = self.logger.level
        self.logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        self.logger.setLevel(self.level)
