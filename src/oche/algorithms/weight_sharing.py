"""Published weight-sharing methods as settings of `OneShot`; every default is the published one, with its source.

    name        mixer                  scheme         result
    darts       Softmax                first order    derived
    darts-2nd   Softmax                second order   derived
    pc-darts    PartialChannels        first order    derived with edge weights
    rsps        UniformPath            -              best of random points by shared weights

Any setting of a `Plan` may be given: `pc-darts?k=2&epochs=10&warmup=3`.
"""

from __future__ import annotations

from typing import Any

from oche import mixers, schemes, weightings
from oche.algorithms.one_shot import OneShot
from oche.algorithms.one_shot_plan import Plan
from oche.mixers.partial_channels import PartialChannels
from oche.mixers.softmax import Softmax
from oche.mixers.uniform_path import UniformPath
from oche.schemes.first_order import FirstOrder
from oche.schemes.second_order import SecondOrder

# Weights of DARTS, CIFAR-10 search: SGD 0.025 to 0.001, momentum 0.9, decay 3e-4, clip 5; 50 epochs; Adam 3e-4, decay 1e-3 for arch.
_DARTS: dict[str, Any] = {}
# The CIFAR search of PC-DARTS: SGD 0.1 to 0, Adam 6e-4, arch frozen for the first 15 of 50 epochs.
_PC_DARTS: dict[str, Any] = {"lr": 0.1, "lr_min": 0.0, "arch_lr": 6e-4, "warmup": 15 / 50}
# NAS-Bench-201's search by random paths: SGD 0.025 to 0.001, Nesterov 0.9, decay 5e-4. Its 250 epochs are given as budget or setting.
_RSPS: dict[str, Any] = {"nesterov": True, "weight_decay": 5e-4, "reserve": 0.1}


def darts(order: str = "arch", batch_norm: str = "batch", **plan: Any) -> OneShot:
    """First-order DARTS.

    Args:
        order: Group that moves first, `arch` or `weights`.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: Liu et al. 2019 and the authors' CIFAR-10 search.
    """
    return OneShot(Softmax(), FirstOrder(order), Plan.of("darts", plan, **_DARTS), batch_norm=batch_norm)


def darts_second(order: str = "arch", batch_norm: str = "batch", **plan: Any) -> OneShot:
    """Second-order DARTS; a step costs five passes instead of two.

    Args:
        order: Group that moves first, `arch` or `weights`.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: as `darts`.
    """
    return OneShot(Softmax(), SecondOrder(order), Plan.of("darts-2nd", plan, **_DARTS), batch_norm=batch_norm)


def pc_darts(
    k: int = 4, edges: bool = True, channels: str = "shuffle", order: str = "arch", batch_norm: str = "batch", **plan: Any
) -> OneShot:
    """PC-DARTS.

    Args:
        k: 1/k of the channels is mixed. Choices must be given `channels=`, which k must divide.
        edges: Whether inputs of merging choices have weights of their own.
        channels: `shuffle`, `shift` or `random`.
        order: Group that moves first, `arch` or `weights`.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: Xu et al. 2020 and the authors' CIFAR search (batch 256; the batch here is the task's).
    """
    return OneShot(
        PartialChannels(k, edges=edges, channels=channels), FirstOrder(order), Plan.of("pc-darts", plan, **_PC_DARTS), batch_norm=batch_norm
    )


def rsps(n_candidates: int = 100, n_scored: int = 512, batch_norm: str = "batch", **plan: Any) -> OneShot:
    """Random search with parameter sharing.

    Args:
        n_candidates: Random points that are scored with the shared weights.
        n_scored: Validation images for a score, the same for all points.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: Li and Talwalkar 2019; sizes as in NAS-Bench-201's code, which scores each point on a batch of its own.
    """
    settings = Plan.of("rsps", plan, **_RSPS)
    return OneShot(UniformPath(), None, settings, pick="score", n_candidates=n_candidates, n_scored=n_scored, batch_norm=batch_norm)


def one_shot(
    mixer: Any = "softmax",
    scheme: Any = "first-order",
    weighting: Any = None,
    pick: str | None = None,
    n_candidates: int = 100,
    n_scored: int = 512,
    batch_norm: str = "batch",
    **plan: Any,
) -> OneShot:
    """Any mixer with any scheme and weighting, each an object or a text such as `partial-channels?k=2`.

    Args:
        mixer: See `oche.mixers`.
        scheme: See `oche.schemes`.
        weighting: See `oche.weightings`; None leaves probabilities as they are.
        pick: `derive` or `score`; by default what the mixer allows.
        n_candidates: As in `rsps`.
        n_scored: As in `rsps`.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.
    """
    mixer = mixers.registry.get(mixer) if isinstance(mixer, str) else mixer
    scheme = schemes.registry.get(scheme) if isinstance(scheme, str) else scheme
    weighting = weightings.registry.get(weighting) if isinstance(weighting, str) else weighting
    pick = pick or ("derive" if mixer.learns_arch else "score")
    return OneShot(mixer, scheme, Plan.of("one-shot", plan), weighting, pick, n_candidates, n_scored, batch_norm)
