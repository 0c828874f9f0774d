"""Published weight-sharing methods as settings of `OneShot`; every default is the published one, with its source.

    name        mixer                  scheme         result
    darts       Softmax                first order    derived
    darts-2nd   Softmax                second order   derived
    pc-darts    PartialChannels        first order    derived with edge weights
    darts-minus AuxiliarySkip          first order    derived
    fairdarts   Sigmoid                first order    derived by gates
    sdarts      Softmax, Smooth        first order    derived
    snas        GumbelSoftmax          single level   derived
    rarts       Softmax                RARTS          derived

Methods that run one path at a time are in `weight_sharing_paths`, those in stages in `weight_sharing_stages`.
Any setting of a `Plan` may be given: `pc-darts?k=2&epochs=10&warmup=3`; and every method takes another scheme or weighting,
`pc-darts?scheme=rarts`.
"""

from __future__ import annotations

from typing import Any

from oche import mixers, schemes, weightings
from oche.algorithms._parts import exchangeable
from oche.algorithms.one_shot import OneShot
from oche.algorithms.one_shot_plan import Plan
from oche.mixers.auxiliary_skip import AuxiliarySkip
from oche.mixers.gumbel_softmax import GumbelSoftmax
from oche.mixers.partial_channels import PartialChannels
from oche.mixers.sigmoid import Sigmoid
from oche.mixers.softmax import Softmax
from oche.schemes.first_order import FirstOrder
from oche.schemes.rarts import RARTS
from oche.schemes.second_order import SecondOrder
from oche.schemes.single_level import SingleLevel
from oche.weightings.smooth import Smooth

# Weights of DARTS, CIFAR-10 search: SGD 0.025 to 0.001, momentum 0.9, decay 3e-4, clip 5; 50 epochs; Adam 3e-4, decay 1e-3 for arch.
_DARTS: dict[str, Any] = {}
# The CIFAR search of PC-DARTS: SGD 0.1 to 0, Adam 6e-4, arch frozen for the first 15 of 50 epochs.
_PC_DARTS: dict[str, Any] = {"lr": 0.1, "lr_min": 0.0, "arch_lr": 6e-4, "warmup": 15 / 50}


@exchangeable
def darts(order: str = "arch", batch_norm: str = "batch", **plan: Any) -> OneShot:
    """First-order DARTS.

    Args:
        order: Group that moves first, `arch` or `weights`.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: Liu et al. 2019 and the authors' CIFAR-10 search.
    """
    return OneShot(Softmax(), FirstOrder(order), Plan.of("darts", plan, **_DARTS), batch_norm=batch_norm)


@exchangeable
def darts_second(order: str = "arch", batch_norm: str = "batch", **plan: Any) -> OneShot:
    """Second-order DARTS; a step costs five passes instead of two.

    Args:
        order: Group that moves first, `arch` or `weights`.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: as `darts`.
    """
    return OneShot(Softmax(), SecondOrder(order), Plan.of("darts-2nd", plan, **_DARTS), batch_norm=batch_norm)


@exchangeable
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


@exchangeable
def darts_minus(beta: float = 1.0, order: str = "arch", batch_norm: str = "batch", **plan: Any) -> OneShot:
    """DARTS with a skip beside every mixture that fades away over the epochs.

    Args:
        beta: Weight of the skip in the first epoch.
        order: Group that moves first, `arch` or `weights`.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: Chu et al. 2021 (DARTS-); the plan is that of DARTS.
    """
    return OneShot(AuxiliarySkip(beta=beta), FirstOrder(order), Plan.of("darts-minus", plan, **_DARTS), batch_norm=batch_norm)


@exchangeable
def fairdarts(weight: float = 10.0, form: str = "squared", order: str = "arch", batch_norm: str = "batch", **plan: Any) -> OneShot:
    """FairDARTS: a gate of its own for each candidate, and a loss that opens or shuts them.

    Args:
        weight: Of the zero-one loss.
        form: `squared` or `absolute`.
        order: Group that moves first, `arch` or `weights`.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: Chu et al. 2020 (FairDARTS); the plan is that of DARTS.
    """
    return OneShot(Sigmoid(weight, form), FirstOrder(order), Plan.of("fairdarts", plan, **_DARTS), batch_norm=batch_norm)


@exchangeable
def sdarts(
    kind: str = "random",
    eps: float = 0.3,
    eps_min: float = 0.03,
    steps: int = 7,
    order: str = "arch",
    batch_norm: str = "batch",
    **plan: Any,
) -> OneShot:
    """SDARTS: weights are trained under perturbed mixtures.

    Args:
        kind: `random` or `adversarial`, which costs `steps` and two thirds of a pass more in a step.
        eps, eps_min: Size of the perturbation at the end and at the start.
        steps: Ascents of the adversary.
        order: Group that moves first, `arch` or `weights`.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: Chen and Hsieh 2020 (SDARTS); the plan is that of DARTS.
    """
    weighting = Smooth(kind, eps, eps_min, steps)
    return OneShot(Softmax(), FirstOrder(order), Plan.of("sdarts", plan, **_DARTS), weighting, batch_norm=batch_norm)


@exchangeable
def snas(tau: float = 1.0, tau_min: float = 0.33, batch_norm: str = "batch", **plan: Any) -> OneShot:
    """SNAS: relaxed samples of all candidates, weights and logits trained on one loss.

    Args:
        tau, tau_min: Temperature in the first and the last epoch.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: Xie et al. 2019; 150 epochs and the rates of DARTS, which the paper shares as far as could be seen.
    """
    return OneShot(GumbelSoftmax(tau, tau_min), SingleLevel(0), Plan.of("snas", plan, epochs=150), batch_norm=batch_norm)


@exchangeable
def rarts(
    lam: float = 1.0, beta: float = 1.0, alpha_grad: str = "fused", update: str = "gauss-seidel", batch_norm: str = "batch", **plan: Any
) -> OneShot:
    """RARTS: DARTS with two coupled copies of the weights, one for each half of the data, and first derivatives only.

    Args:
        lam, beta, alpha_grad, update: As in `oche.schemes.RARTS`. The published values for networks are not known; these are ours.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: Xue et al. 2022; the plan is that of DARTS, whose space it searches.
    """
    return OneShot(Softmax(), RARTS(lam, beta, alpha_grad, update), Plan.of("rarts", plan, **_DARTS), batch_norm=batch_norm)


def one_shot(
    mixer: Any = "softmax",
    scheme: Any = "first-order",
    weighting: Any = None,
    pick: str | None = None,
    n_candidates: int = 100,
    n_scored: int = 512,
    batch_norm: str = "batch",
    points: str = "random",
    n_recalibrated: int = 0,
    **plan: Any,
) -> OneShot:
    """Any mixer with any scheme and weighting, each an object or a text such as `partial-channels?k=2`.

    Args:
        mixer: See `oche.mixers`.
        scheme: See `oche.schemes`.
        weighting: See `oche.weightings`; None leaves probabilities as they are.
        pick: `derive` or `score`; by default what the mixer allows.
        n_candidates, n_scored, points, n_recalibrated: As in `OneShot`.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.
    """
    mixer = mixers.registry.get(mixer) if isinstance(mixer, str) else mixer
    scheme = schemes.registry.get(scheme) if isinstance(scheme, str) else scheme
    weighting = weightings.registry.get(weighting) if isinstance(weighting, str) else weighting
    pick = pick or ("derive" if mixer.learns_arch else "score")
    return OneShot(mixer, scheme, Plan.of("one-shot", plan), weighting, pick, n_candidates, n_scored, batch_norm, points, n_recalibrated)
