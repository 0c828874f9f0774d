"""Published protocols: the eight methods that Yang et al. compared, in search and final training, and the small ones of this library.

Values are those of the paper's appendix (version 3). What it leaves out is None. Where its text and its code disagree
(CNAS 600 epochs, NAO 200), the text rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oche.errors import unknown
from oche.judge._protocol import Protocol, Split, plain
from oche.judge._train_protocol import TrainProtocol

_SGD: dict[str, Any] = {
    "lr": 0.025, "lr_min": 0.0, "cutout": 16, "drop_path": 0.2, "aux_weight": 0.4, "channels": 36, "cells": 20, "nodes": 4,
}  # fmt: skip
_SEARCH: dict[str, Any] = {"lr": 0.025, "lr_min": 0.001, "channels": 16, "cells": 8, "nodes": 4}
_ADAM_ARCH = {"optimizer": "adam", "lr": 3e-4, "weight_decay": 1e-3, "betas": [0.5, 0.999]}
_ENAS: dict[str, Any] = {
    "lr": 0.05, "lr_min": 0.001, "schedule": "cosine-restarts", "nesterov": True, "weight_decay": 1e-4, "nodes": 4,
}  # fmt: skip
_RESTARTS = {"restart_epochs": 10, "restart_factor": 2}

#: Final training on CIFAR, by method.
FINAL: dict[str, TrainProtocol] = {
    "darts": TrainProtocol(epochs=600, batch_size=96, **_SGD),
    "stacnas": TrainProtocol(epochs=600, batch_size=96, **_SGD),
    "pdarts": TrainProtocol(epochs=600, batch_size=128, **{**_SGD, "drop_path": 0.3}),
    "manas": TrainProtocol(epochs=600, batch_size=128, **_SGD),
    "cnas": TrainProtocol(
        epochs=200, batch_size=64, optimizer="adam", label_smoothing=0.1,
        **{**_SGD, "lr_min": 0.001, "drop_path": 0.25, "aux_weight": 0.0, "nodes": 6},
    ),
    "nsganet": TrainProtocol(epochs=600, batch_size=96, squeeze_excitation=True, **{**_SGD, "channels": 34, "nodes": 5}),
    "nao": TrainProtocol(epochs=600, batch_size=128, dropout=0.4, **{**_SGD, "nodes": 5}),
    "enas": TrainProtocol(
        epochs=630, batch_size=144, cells=17, cutout=16, drop_path=None, aux_weight=None, arch={**_RESTARTS, "aux_heads": True}, **_ENAS
    ),
}  # fmt: skip

#: Training while searching, by method.
SEARCHES: dict[str, TrainProtocol] = {
    "darts": TrainProtocol(epochs=50, batch_size=64, arch=_ADAM_ARCH, **_SEARCH),
    "stacnas": TrainProtocol(
        epochs=200, batch_size=64, stages=(100, 100), arch={**_ADAM_ARCH, "cells": [14, 20]}, **{**_SEARCH, "cells": 14}
    ),
    "pdarts": TrainProtocol(
        epochs=75, batch_size=96, stages=(25, 25, 25), **{**_SEARCH, "lr_min": 0.0, "cells": 5},
        arch={**_ADAM_ARCH, "lr": 6e-4, "cells": [5, 11, 17], "operations": [8, 5, 3], "skip_dropout": [0.0, 0.4, 0.7], "most_skips": 2},
    ),
    "manas": TrainProtocol(epochs=50, batch_size=64, arch={"reward_baseline": 5, "gamma": 0.1}, **_SEARCH),
    "cnas": TrainProtocol(
        epochs=60, batch_size=64, optimizer="adam", arch=_ADAM_ARCH, **{**_SEARCH, "lr_min": 0.003, "cells": 6, "nodes": 6}
    ),
    "nsganet": TrainProtocol(
        epochs=20, batch_size=128, arch={"population": 40, "offspring": 20, "generations": 30}, **{**_SEARCH, "lr_min": 0.0, "nodes": 5}
    ),
    "nao": TrainProtocol(
        epochs=100, batch_size=64, **{**_SEARCH, "lr_min": 0.0, "channels": 20, "cells": 11, "nodes": 5},
        arch={"optimizer": "adam", "lr": 1e-3, "epochs": 1000, "controller": "lstm", "valid_batch_size": 500},
    ),
    "enas": TrainProtocol(
        epochs=150, batch_size=160, channels=20, cells=8, **_ENAS,
        arch={**_RESTARTS, "optimizer": "adam", "lr": 3.5e-4, "tanh": 1.1, "temperature": 2.5, "entropy": 0.1},
    ),
}  # fmt: skip

#: Search cost on CIFAR10 in days of one V100, as the raw data give it.
GPU_DAYS = {"darts": 0.3, "stacnas": 1.0, "pdarts": 0.25, "manas": 0.7, "cnas": 0.6, "nsganet": 4.0, "nao": 0.67, "enas": 0.3}

_SPLITS = {
    "cifar10": Split(25_000, 25_000, 10_000),
    "cifar100": Split(25_000, 25_000, 10_000),
    "sport8": Split(0.4, 0.4, 0.2),
    "mit67": Split(0.4, 0.4, 0.2),
    "flowers102": Split(0.4, 0.4, 0.2),
}


def _published(method: str, dataset: str) -> Protocol:
    """One method on one data set: photographs get 8 cells and their own transforms."""
    final = FINAL[method]
    if not dataset.startswith("cifar"):
        changes: dict[str, Any] = {"cells": 8, "augment": "resized-crop+flip+jitter", "crop_padding": 0}
        final = final.derive(**changes, **({"batch_size": 96} if method == "nao" else {}))
    search = SEARCHES[method]
    if method == "pdarts" and dataset == "cifar100":
        search = search.derive(arch={**search.arch, "skip_dropout": [0.1, 0.2, 0.3]})
    return Protocol(
        name=f"yang2020-{method}-{dataset}",
        datasets=(dataset,),
        space=method,
        train=final.derive(name=method),
        search=search.derive(name=f"{method}-search"),
        split=_SPLITS[dataset],
        train_seeds=(2,),  # the one seed of the authors' code
    )


def _ours(name: str, dataset: str, space: str, train: TrainProtocol, **more: Any) -> Protocol:
    return Protocol(name=name, datasets=(dataset,), space=space, train=train.derive(name=name), **more)


def _nasbench201() -> Protocol:
    final = TrainProtocol(
        epochs=200, batch_size=256, lr=0.1, nesterov=True, weight_decay=5e-4, grad_clip=None, channels=16, cells=15, nodes=3,
        name="nasbench201",
    )  # fmt: skip
    return Protocol(
        name="nasbench201",
        datasets=("cifar10", "cifar100", "imagenet16-120"),
        space="nasbench201",
        train=final,
        # The short schedule is whole in itself: its rate reaches 0 after 12 epochs.
        search=final.derive(epochs=12, name="nasbench201-12"),
        budget={"trials": 100},
    )


_SMALL: dict[str, Callable[[], Protocol]] = {
    "nasbench201": _nasbench201,
    "digits": lambda: _ours(
        "digits", "digits", "any",
        TrainProtocol(epochs=6, batch_size=64, lr=0.2, nesterov=True, weight_decay=5e-4, augment="none"),
    ),
    "cifar10-small": lambda: _ours(
        "cifar10-small", "cifar10", "any",
        TrainProtocol(epochs=12, batch_size=32, lr=0.1, nesterov=True, weight_decay=5e-4, augment="flip"),
    ),
    "yang2020-cifar10": lambda: _published("darts", "cifar10").derive(name="yang2020-cifar10"),
}  # fmt: skip
_ALIASES = {"digits-tiny": "digits"}


def names() -> list[str]:
    """Names of all presets."""
    return [*_SMALL, *(f"yang2020-{method}-{dataset}" for method in FINAL for dataset in _SPLITS)]


def preset(name: str) -> Protocol:
    """The protocol of that name; case, `-` and `_` do not matter.

    Raises:
        UnknownNameError: no such preset.
    """
    wanted = plain(_ALIASES.get(name, name))
    found = next((n for n in names() if plain(n) == wanted), None)
    if found is None:
        raise unknown("protocol", name, names())
    if found in _SMALL:
        return _SMALL[found]()
    _, method, dataset = found.split("-")
    return _published(method, dataset)


def train_preset(name: str) -> TrainProtocol:
    """`darts` and the other seven: final training on CIFAR; with `-search` after the name: training while searching.

    Raises:
        UnknownNameError: no such preset.
    """
    table = {**FINAL, **{f"{n}-search": p for n, p in SEARCHES.items()}}
    found = next((n for n in table if plain(n) == plain(name)), None)
    if found is None:
        raise unknown("training protocol", name, table)
    return table[found].derive(name=found)
