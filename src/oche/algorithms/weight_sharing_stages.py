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
from oche.algorithms.staged import Limit, Stage, Staged
from oche.errors import ArgumentError
from oche.mixers.dirichlet import Dirichlet
from oche.mixers.partial_channels import PartialChannels
from oche.mixers.skip_dropout import SkipDropout
from oche.schemes.first_order import FirstOrder

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


def _mixed(mixer: Any, plan: Plan, batch_norm: str) -> OneShot:
    return OneShot(mixer, FirstOrder(), plan, batch_norm=batch_norm)
