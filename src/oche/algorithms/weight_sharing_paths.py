"""Published weight-sharing methods that run one path at a time, as settings of `OneShot`.

    name          mixer                       arch steps                         result
    rsps          UniformPath                 -                                  best of random points by shared weights
    spos          UniformPath                 -                                  evolution by shared weights, batch norm recalibrated
    fairnas       FairPath                    -                                  the same
    setn          ByPhase: uniform, softmax   first order                        best of the most probable points
    enas          SampledPath                 REINFORCE, after each epoch        best of points that the controller draws
    gdas          GumbelHard                  first order                        derived
    reinmax       ReinMax                     first order                        derived
    proxylessnas  BinaryPath                  first order, every fifth step      derived

Plans are those of the common code of NAS-Bench-201, 250 epochs with weights first, unless a method says otherwise. Batch sizes and label
smoothing belong to the task.
"""

from __future__ import annotations

from typing import Any

from oche.algorithms._parts import exchangeable
from oche.algorithms.one_shot import OneShot
from oche.algorithms.one_shot_plan import Plan
from oche.mixers.binary_path import BinaryPath
from oche.mixers.by_phase import ByPhase
from oche.mixers.fair_path import FairPath
from oche.mixers.gumbel_hard import GumbelHard
from oche.mixers.reinmax import ReinMax
from oche.mixers.sampled_path import SampledPath
from oche.mixers.uniform_path import UniformPath
from oche.schemes.first_order import FirstOrder

# NAS-Bench-201, all methods with shared weights: SGD 0.025 to 0.001, Nesterov 0.9, decay 5e-4; Adam 3e-4, decay 1e-3 for arch.
_COMMON: dict[str, Any] = {"epochs": 250, "nesterov": True, "weight_decay": 5e-4}
# A share of a budget is kept for the scores that follow the training. Source: ours.
_SCORED: dict[str, Any] = {**_COMMON, "reserve": 0.1}
# The controller of NAS-Bench-201's ENAS: Adam 1e-3, first moment off, eps 1e-3, no decay, clip 5; 50 updates after each epoch.
_ENAS: dict[str, Any] = {
    **_SCORED,
    "arch_lr": 1e-3,
    "arch_beta1": 0.0,
    "arch_eps": 1e-3,
    "arch_weight_decay": 0.0,
    "arch_clip": 5.0,
    "arch_updates": 50,
}
# ProxylessNAS: 40 epochs of warm-up and 120 of search, SGD 0.025 to 0, Nesterov 0.9, decay 4e-5; Adam 1e-3 without first moment or decay.
_PROXYLESS: dict[str, Any] = {
    "epochs": 160,
    "warmup": 40 / 160,
    "lr_min": 0.0,
    "nesterov": True,
    "weight_decay": 4e-5,
    "clip": None,
    "arch_lr": 1e-3,
    "arch_beta1": 0.0,
    "arch_weight_decay": 0.0,
    "arch_every": 5,
}


@exchangeable
def rsps(n_candidates: int = 100, n_scored: int = 512, batch_norm: str = "batch", **plan: Any) -> OneShot:
    """Random search with parameter sharing.

    Args:
        n_candidates: Random points that are scored with the shared weights.
        n_scored: Validation images for a score, the same for all points.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: Li and Talwalkar 2019; sizes as in NAS-Bench-201's code, which scores each point on a batch of its own.
    """
    settings = Plan.of("rsps", plan, **_SCORED)
    return OneShot(UniformPath(), None, settings, pick="score", n_candidates=n_candidates, n_scored=n_scored, batch_norm=batch_norm)


@exchangeable
def spos(n_candidates: int = 1000, n_scored: int = 512, n_recalibrated: int = 8, batch_norm: str = "batch", **plan: Any) -> OneShot:
    """Single path one-shot: uniform paths, then evolution by the shared weights.

    Args:
        n_candidates: Points that evolution scores: 20 generations of 50.
        n_scored: Validation images for a score.
        n_recalibrated: Training batches for the batch-norm statistics of each point; 0 for those of the scored batches.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: Guo et al. 2020; the plan is the common one of NAS-Bench-201.
    """
    return _evolved("spos", UniformPath(), n_candidates, n_scored, n_recalibrated, batch_norm, plan)


@exchangeable
def fairnas(n_candidates: int = 1000, n_scored: int = 512, n_recalibrated: int = 8, batch_norm: str = "batch", **plan: Any) -> OneShot:
    """FairNAS: every candidate is trained once in each step; a step costs as many passes as a choice has candidates.

    Args:
        n_candidates, n_scored, n_recalibrated, batch_norm: As in `spos`.
        **plan: Settings of a `Plan`.

    Source: Chu et al. 2021; the evolution has one objective here.
    """
    return _evolved("fairnas", FairPath(), n_candidates, n_scored, n_recalibrated, batch_norm, plan)


@exchangeable
def setn(n_candidates: int = 100, n_scored: int = 512, order: str = "weights", batch_norm: str = "batch", **plan: Any) -> OneShot:
    """SETN: weights on uniform paths, logits as in DARTS, and the best of the most probable points.

    Args:
        n_candidates: Points of the largest probability that are scored.
        n_scored: Validation images for a score.
        order: Group that moves first.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: Dong and Yang 2019 (SETN), code of NAS-Bench-201; 1000 points in the DARTS space.
    """
    settings = Plan.of("setn", plan, **_SCORED)
    return OneShot(ByPhase(), FirstOrder(order), settings, None, "score", n_candidates, n_scored, batch_norm, "top")


@exchangeable
def enas(
    controller: str = "lstm",
    samples: int = 20,
    entropy: float = 1e-4,
    decay: float = 0.99,
    n_candidates: int = 100,
    n_scored: int = 512,
    batch_norm: str = "batch",
    **plan: Any,
) -> OneShot:
    """ENAS: paths that a controller draws, and updates of the controller by their validation scores after each epoch.

    Args:
        controller: `lstm`, or `logits` that are independent by decision.
        samples: Paths of one update; a plan's `arch_updates` says how many updates follow on an epoch.
        entropy: Weight of the entropy in the reward.
        decay: Of the baseline.
        n_candidates: Points that the trained controller draws, of which the best is taken.
        n_scored: Validation images for a score.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: Pham et al. 2018; constants of NAS-Bench-201's code. All samples of an update see one batch here, each another one there.
    """
    settings = Plan.of("enas", plan, **_ENAS)
    mixer = SampledPath(controller, samples, entropy, decay)
    return OneShot(mixer, FirstOrder("weights"), settings, None, "score", n_candidates, n_scored, batch_norm, "policy")


@exchangeable
def gdas(tau: float = 10.0, tau_min: float = 0.1, order: str = "weights", batch_norm: str = "batch", **plan: Any) -> OneShot:
    """GDAS: the candidate with the largest noisy logit, straight through.

    Args:
        tau, tau_min: Temperature in the first and the last epoch.
        order: Group that moves first.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: Dong and Yang 2019 (GDAS), code of NAS-Bench-201.
    """
    return OneShot(GumbelHard(tau, tau_min), FirstOrder(order), Plan.of("gdas", plan, **_COMMON), batch_norm=batch_norm)


@exchangeable
def reinmax(tau: float = 1.0, order: str = "weights", batch_norm: str = "batch", **plan: Any) -> OneShot:
    """One sampled candidate, with ReinMax's gradient of second order from the outputs of all candidates.

    Args:
        tau: Temperature of the gradient.
        order: Group that moves first.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: Liu et al. 2023 for the gradient; the plan is the one of `gdas`, ours.
    """
    return OneShot(ReinMax(tau), FirstOrder(order), Plan.of("reinmax", plan, **_COMMON), batch_norm=batch_norm)


@exchangeable
def proxylessnas(mode: str = "full", zero: bool = True, batch_norm: str = "batch", **plan: Any) -> OneShot:
    """ProxylessNAS: one sampled candidate behind a binary gate.

    Args:
        mode: `full`, or `two` candidates in an arch step.
        zero: Whether a choice learns while a candidate that gives zeros is active; the authors' code does not let it.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`.

    Source: Cai et al. 2019 and the authors' code (batch 256 and label smoothing 0.1 belong to the task; the first 40 epochs run at the
        rate of the same cosine, and not at 0.05).
    """
    settings = Plan.of("proxylessnas", plan, **_PROXYLESS)
    return OneShot(BinaryPath(mode, zero), FirstOrder("weights"), settings, batch_norm=batch_norm)


def _evolved(name: str, mixer: Any, n: int, n_scored: int, n_recalibrated: int, batch_norm: str, plan: dict[str, Any]) -> OneShot:
    settings = Plan.of(name, plan, **_SCORED)
    return OneShot(mixer, None, settings, None, "score", n, n_scored, batch_norm, "evolve", n_recalibrated)
