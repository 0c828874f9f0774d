"""Pruning as a search: train the widest network once, and let the least important channels say the widths.

    slimming      weights are trained with l1 sum |scales of norms| beside the loss; channels with the smallest scales of all go
    l1-pruning    weights are trained as they are; channels with the smallest weights, compared with their layer's, go

The widths that are left are a point of the space, the nearest that there is, and are trained from scratch like every other pick: widths
are compared, not weights. Sources: Liu et al. 2017 (network slimming), Li et al. 2017 (filter norms), Liu et al. 2019 (from scratch).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from oche.algorithms.one_shot import OneShot
from oche.algorithms.one_shot_plan import Plan
from oche.errors import ArgumentError
from oche.loop.contracts import Budget, Problem
from oche.mixers.widest import Widest
from oche.program import DNA, Space
from oche.supernets.width_pruning import CRITERIA, channel_importance, check_threshold, global_threshold, nearest_point, scales


class Slimming(OneShot):
    """Widths from a trained network.

    Args:
        ratio: Share of all channels that goes, from 0 to below 1.
        criterion: `bn` (scales of norms) or `l1` (weights).
        l1: Weight of the penalty on the scales of norms, at least 0.
        min_channels: Channels that stay in each width at least.
        batch_norm: As in `Supernet`.
        plan: Length and rates of the training.
    """

    def __init__(
        self,
        ratio: float = 0.4,
        criterion: str = "bn",
        l1: float = 1e-4,
        min_channels: int = 1,
        batch_norm: str = "batch",
        plan: Plan | None = None,
    ) -> None:
        if criterion not in CRITERIA:
            raise ArgumentError(f"criterion: got {criterion!r}; allowed: {', '.join(repr(c) for c in CRITERIA)}")
        if isinstance(l1, bool) or not isinstance(l1, (int, float)) or l1 < 0:
            raise ArgumentError(f"l1: got {l1!r}; allowed: a number from 0")
        check_threshold(ratio, min_channels)
        super().__init__(Widest(), None, plan, pick="score", n_candidates=1, batch_norm=batch_norm)
        self.pick = "derive"  # from weights instead of logits
        self.ratio, self.criterion, self.l1, self.min_channels = float(ratio), criterion, float(l1), min_channels

    def setup(self, space: Space, problem: Problem, seed: int, budget: Budget | None = None) -> None:
        """Build the network; see `WeightSharing.setup`.

        Raises:
            ArgumentError: the space has no widths, or one that no norm or layer writes alone.
        """
        super().setup(space, problem, seed, budget)
        if not any(row.axis == "width" for row in self.net.policy.rows.values()):
            raise ArgumentError(f"slimming on space {space.name!r}: got no widths; allowed: spaces with elastic widths, such as 'size'")
        channel_importance(self.net, self.criterion)
        self._scales = scales(self.net) if self.l1 else []

    def _train_loss(self, weights: Mapping[str, Tensor], arch: Mapping[str, Tensor], batch: Any = None) -> Tensor:
        loss = super()._train_loss(weights, arch, batch)
        penalties = [weights[name].abs().sum() for name in self._scales]
        return loss + self.l1 * sum(penalties) if penalties else loss

    def _best_derived(self, n: int) -> list[DNA]:
        kept = global_threshold(channel_importance(self.net, self.criterion), self.ratio, self.min_channels)
        return [nearest_point(self.net, {key: len(channels) for key, channels in kept.items()})]


def slimming(ratio: float = 0.4, l1: float = 1e-4, min_channels: int = 1, batch_norm: str = "batch", **plan: Any) -> Slimming:
    """Network slimming.

    Args:
        ratio, l1, min_channels, batch_norm: As in `Slimming`.
        **plan: Settings of a `Plan`.

    Source: Liu et al. 2017; 40 % and the penalty of their VGG; the rates are those of the training recipe of NAS-Bench-201 (ours).
    """
    return Slimming(ratio, "bn", l1, min_channels, batch_norm, Plan.of("slimming", plan, lr=0.1, lr_min=0.0, weight_decay=1e-4))


def l1_pruning(ratio: float = 0.4, min_channels: int = 1, batch_norm: str = "batch", **plan: Any) -> Slimming:
    """Pruning by the l1 norm of filters.

    Args:
        ratio, min_channels, batch_norm: As in `Slimming`.
        **plan: Settings of a `Plan`.

    Source: Li et al. 2017; one threshold for all layers, each compared with its own mean, is ours.
    """
    return Slimming(ratio, "l1", 0.0, min_channels, batch_norm, Plan.of("l1-pruning", plan, lr=0.1, lr_min=0.0, weight_decay=1e-4))
