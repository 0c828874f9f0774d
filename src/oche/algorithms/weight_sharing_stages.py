"""Published weight-sharing methods in stages, as settings of `Staged`.

name     stages                                                                    weights      result
p-darts  deeper supernets over 8, 5, 3 candidates, dropout behind skips             start anew   derived, at most 2 skips
drnas    Dirichlet mixtures on more of the channels over 7, 4 candidates            widened      derived by means
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from oche.algorithms.one_shot import OneShot
from oche.algorithms.one_shot_plan import Plan
from oche.algorithms.perturbation import Perturbation
from oche.algorithms.staged import Limit, Stage, Staged
from oche.errors import ArgumentError
from oche.mixers.dirichlet import Dirichlet
from oche.mixers.elastic_path import ElasticPath
from oche.mixers.entangled import Entangled
from oche.mixers.partial_channels import PartialChannels
from oche.mixers.sandwich import Sandwich
from oche.mixers.skip_dropout import SkipDropout
from oche.mixers.softmax import Softmax
from oche.schemes.first_order import FirstOrder
from oche.supernets.sorting import sort_channels

# P-DARTS on CIFAR-10: three stages of 25 epochs, of which 10 are of weights only; SGD 0.025 to 0; Adam 6e-4; both clipped to 5.
_P_DARTS: dict[str, Any] = {"epochs": 25, "warmup": 10 / 25, "lr_min": 0.0, "arch_lr": 6e-4, "arch_clip": 5.0}
# DrNAS on CIFAR-10: two stages of 25 epochs, of which 10 are of weights only; SGD 0.1 to 0 over both; Adam 6e-4, decay 1e-3 (`l2`).
_DRNAS: dict[str, Any] = {"epochs": 25, "warmup": 10 / 25, "lr": 0.1, "lr_min": 0.0, "arch_lr": 6e-4}


def p_darts(
    keep: Sequence[int] = (5, 3),
    dropout: Sequence[float] = (0.0, 0.4, 0.7),
    cells: Sequence[float] | None = (5 / 8, 11 / 8, 17 / 8),
    skips: int = 2,
    batch_norm: str = "batch",
    **plan: Any,
) -> Staged:
    """P-DARTS: stages over fewer candidates in deeper networks.

    Args:
        keep: Candidates of each choice that stay after all stages but the last.
        dropout: Rate behind skips, of each stage; 0.1, 0.2, 0.3 for CIFAR-100.
        cells: Cells of each stage as a multiple of the program's own: 5, 11, 17 for 8. None: the program's own, as for other data sets.
        skips: Largest number of skips in the normal cell (in all choices, if none is called so).
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`, the same for each stage.

    Raises:
        ArgumentError: the lists do not have one entry for each stage.

    Source: Chen et al. 2019 and the authors' code (batch 96; the batch here is the task's). Of equal inputs the earlier one is taken here,
        the later one there.
    """
    depths = tuple(cells) if cells is not None else (None,) * len(dropout)
    if not len(dropout) == len(keep) + 1 == len(depths):
        raise ArgumentError(
            f"p-darts: got {len(keep)} numbers to keep, {len(dropout)} rates, {len(depths)} depths; allowed: one rate and one depth for "
            "each stage, and one number to keep for all but the last"
        )
    settings = Plan.of("p-darts", plan, **_P_DARTS)
    makes = [partial(_mixed, SkipDropout(p=p), settings, batch_norm) for p in dropout]
    stages = [Stage(make, n, cells=depth) for make, n, depth in zip(makes, (*keep, None), depths, strict=True)]
    return Staged(stages, Limit(skips))


def drnas(
    k: Sequence[int] | None = (6, 4),
    keep: Sequence[int] = (4,),
    kl: float = 0.0,
    edges: bool = True,
    batch_norm: str = "batch",
    **plan: Any,
) -> Staged:
    """DrNAS: Dirichlet mixtures, on a growing part of the channels and among fewer candidates.

    Args:
        k: 1/k of the channels, of each stage; (4, 2) on NAS-Bench-201, (6, 3) on ImageNet. None: one stage on all channels.
        keep: Candidates of each choice that stay after all stages but the last; (3,) on NAS-Bench-201.
        kl: Weight of the KL term, 1e-3 in the authors' `kl` runs; with it logits have no decay.
        edges: Whether inputs of merging choices are weighted by logits of their own.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`, the same for each stage.

    Raises:
        ArgumentError: `k` and `keep` do not have one entry for each stage.

    Source: Chen et al. 2021 and the authors' code (batch 64, 36 channels; those are the task's and the program's here).
    """
    decay = {"arch_weight_decay": 0.0} if kl else {}
    if k is None:
        return Staged([Stage(partial(_mixed, Dirichlet(kl), Plan.of("drnas", {**decay, **plan}, **_DRNAS), batch_norm))])
    if len(k) != len(keep) + 1:
        raise ArgumentError(f"drnas: got {len(k)} parts and {len(keep)} numbers to keep; allowed: one number for all stages but the last")
    if list(k) != sorted(k, reverse=True):
        raise ArgumentError(
            f"drnas, k: got {list(k)}; allowed: numbers that do not grow, since a wider stage takes the weights of a narrower one"
        )
    stages = []
    for i, (part, n) in enumerate(zip(k, (*keep, None), strict=True)):
        course = {"lr_from": i / len(k), "lr_to": (i + 1) / len(k)}
        settings = Plan.of("drnas", {**decay, **course, **plan}, **_DRNAS)
        make = partial(_mixed, PartialChannels(part, Dirichlet(kl), edges), settings, batch_norm)
        stages.append(Stage(make, n, carry=i > 0))
    return Staged(stages)


def darts_pt(tune: float = 5.0, share: float = 0.5, order: str = "arch", batch_norm: str = "batch", **plan: Any) -> Perturbation:
    """DARTS, with a result that is selected by perturbation and not by the size of logits.

    Args:
        tune: Epochs of the weights after each decision.
        share: Of a budget, kept for the selection.
        order: Group that moves first, `arch` or `weights`.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`; the defaults are those of DARTS.

    Source: Wang et al. 2021 (DARTS-PT). Tuning runs at a tenth of the rate, ours.
    """
    settings = Plan.of("darts-pt", plan)
    return Perturbation(lambda: OneShot(Softmax(), FirstOrder(order), settings, batch_norm=batch_norm), tune, share)


# Once-for-all: SGD with Nesterov 0.9 and decay 3e-5, no clip, cosine to 0. (axes that are open, largest candidates of each, epochs, rate,
# paths): kernels, then two largest depths and all, then two largest widths and all. Rates are those of one device with batches of 64.
_OFA: dict[str, Any] = {"lr_min": 0.0, "nesterov": True, "weight_decay": 3e-5, "clip": None, "reserve": 0.0}
_SHRINKING: tuple[tuple[dict[str, int | None], int, float, int], ...] = (
    ({"op": 1, "depth": 1, "width": 1}, 180, 0.1625, 1),
    ({"op": None, "depth": 1, "width": 1}, 120, 0.06, 1),
    ({"op": None, "depth": 2, "width": 1}, 20, 0.005, 2),
    ({"op": None, "depth": None, "width": 1}, 120, 0.015, 2),
    ({"op": None, "depth": None, "width": 2}, 20, 0.005, 4),
    ({"op": None, "depth": None, "width": None}, 120, 0.015, 4),
)


def ofa(
    distill: float = 1.0,
    transform: bool = True,
    sort: bool = True,
    n_candidates: int = 1000,
    n_scored: int = 512,
    n_recalibrated: int = 8,
    batch_norm: str = "batch",
    epochs: float = 1.0,
    **plan: Any,
) -> Staged:
    """Once-for-all: the largest network first, then smaller kernels, depths and widths one after another, taught by the largest.

    Stages whose axis the space does not have train what is open already.

    Args:
        distill: Weight of the teacher.
        transform: Whether a smaller kernel is a learned transform of the centre of the next larger one; else that centre.
        sort: Whether channels are sorted by importance when widths begin to vary.
        n_candidates: Points that evolution scores with the shared weights at the end.
        n_scored: Validation images for a score.
        n_recalibrated: Training batches for the batch-norm statistics of each point.
        batch_norm: As in `Supernet`.
        epochs: Factor of the published epochs: 180, 120, 20, 120, 20, 120.
        **plan: Settings of a `Plan`, the same for each stage.

    Source: Cai et al. 2020 and the authors' code. There a learned predictor guides the evolution, the first 5 epochs of each stage rise to
        the rate, and image sizes vary; here scores are measured, and the task decides on images.
    """
    stages = []
    for number, (open_, length, lr, paths) in enumerate(_SHRINKING):
        whole = max(1, round(length * epochs))
        settings = Plan.of("ofa", {"epochs": whole, "lr": lr, "lr_rise": 5 / length, **plan}, **_OFA)
        mixer = Entangled(ElasticPath(**open_, paths=paths, distill=distill if number else 0.0), transform)
        make = partial(_scored, mixer, settings, 1 if number < len(_SHRINKING) - 1 else n_candidates, n_scored, n_recalibrated, batch_norm)
        widths = number == 4 and sort
        stages.append(
            Stage(make, share=length, carry=number > 0, momentum=False, teacher=number == 0, prepare=sort_channels if widths else None)
        )
    return Staged(stages)


def sandwich(
    random: int = 2,
    distill: bool = True,
    n_candidates: int = 1000,
    n_scored: int = 512,
    n_recalibrated: int = 8,
    batch_norm: str = "batch",
    **plan: Any,
) -> OneShot:
    """The sandwich rule: the largest path, the smallest and random ones in every step, in one stage.

    Args:
        random: Random paths of a step.
        distill: Whether all but the largest path learn from its output.
        n_candidates, n_scored, n_recalibrated: As in `ofa`.
        batch_norm: As in `Supernet`.
        **plan: Settings of a `Plan`; the defaults are the first stage of `ofa`, ours.

    Source: Yu and Huang 2019; Yu et al. 2020 (BigNAS). An alternative to progressive shrinking.
    """
    settings = Plan.of("sandwich", plan, **{**_OFA, "epochs": 180, "lr": 0.1625, "lr_rise": 5 / 180, "reserve": 0.1})
    return _scored(Entangled(Sandwich(random, distill)), settings, n_candidates, n_scored, n_recalibrated, batch_norm)


def _scored(mixer: Any, plan: Plan, n: int, n_scored: int, n_recalibrated: int, batch_norm: str) -> OneShot:
    return OneShot(mixer, None, plan, None, "score", n, n_scored, batch_norm, "evolve" if n > 1 else "random", n_recalibrated)


def _mixed(mixer: Any, plan: Plan, batch_norm: str) -> OneShot:
    return OneShot(mixer, FirstOrder(), plan, batch_norm=batch_norm)
