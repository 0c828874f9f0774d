"""Few-shot search: one supernet becomes several, each for a part of the space, and each proposes.

The space is cut at one choice after another. What is cut off from each other no longer shares weights, so candidates that pull these
weights in different directions no longer spoil each other's estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from oche.errors import ArgumentError, unknown

CRITERIA = ("gm", "random", "exhaustive")
RESTARTS = ("none", "final", "all")
ALL = "all"


class FewShot:
    """Splits of a supernet, by default where and how gradients disagree (GM-NAS).

    Every node of the tree is trained to the epoch of the next split with its architecture parameters at rest; then one of its choices is
    split into groups of candidates, and each group gets a supernet of its own. The last ones are whole searches, and the best of their
    picks on the validation split wins. For algorithms that propose points, the parts of the space are searched in turn.

    Args:
        splits: Pairs of an epoch and a number of groups, or `all` (a group for each candidate); as text `15:2,30:2`. Epochs grow; none:
            one search over the whole space.
        criterion: `gm` groups candidates whose gradients agree; `random`; `exhaustive`, all apart (vanilla few-shot); or
            `criterion(supernet, choice)`, which gives a similarity of the choice's candidates.
        choose: Which choice is split: `gm`, the one with the smallest mean similarity across its groups; `random`; or keys, one for
            each split. None: `gm` with the criterion `gm` or a function, else `random`.
        restart: Which nodes start with new weights: `none`, `final` (those after the last split) or `all`. The others start with copies of
            their parent's weights, statistics and momentum.
        final_epochs: Of each last node. None: those of the algorithm.
        max_leaves: No more last nodes than this; nodes with the smallest cut are split first. None: no limit.
        select: How the pick is chosen among the last nodes: `valid`, by their own weights on all validation data after their batch-norm
            statistics were computed anew; or `select(supernet, dna)`, which gives a number.
        prune: Nodes that are kept at a split, by the best quarter of 16 random points on the validation data. None: all.
        batches: Most batches for the similarity of a choice. After the first 8, choices that are surely not the smallest drop out.
        resplit: Whether a choice may be split again.

    Raises:
        ArgumentError: settings that are not possible.

    Source: Zhao et al. 2021 (few-shot NAS), Hu et al. 2022 (GM-NAS). 32 batches, their adaptive number and the validation data for the
    choice among leaves are ours.
    """

    name = "few-shot"
    #: Whether algorithms that train a supernet go through it.
    shares_weights = True

    def __init__(
        self,
        splits: Any = "15:2,30:2",
        criterion: Any = "gm",
        choose: Any = None,
        restart: str = "final",
        final_epochs: int | None = None,
        max_leaves: int | None = None,
        select: Any = "valid",
        prune: int | None = None,
        batches: int = 32,
        resplit: bool = False,
    ) -> None:
        self.splits = as_splits(splits)
        if not callable(criterion) and criterion not in CRITERIA:
            raise unknown("criterion of flow few-shot", str(criterion), CRITERIA)
        if restart not in RESTARTS:
            raise unknown("restart of flow few-shot", str(restart), RESTARTS)
        for what, value, low in (("final_epochs", final_epochs, 1), ("max_leaves", max_leaves, 2), ("prune", prune, 1)):
            _check_number(what, value, low)
        if batches is None:
            raise ArgumentError("flow few-shot, batches: got None; allowed: a whole number from 1")
        _check_number("batches", batches, 1)
        if not callable(select) and select != "valid":
            raise ArgumentError(
                f"flow few-shot, select: got {select!r}; allowed: 'valid', or a function of supernet and point; the best of several leaves "
                "by test data of a benchmark would be no result of a search"
            )
        self.criterion, self.restart, self.final_epochs = criterion, restart, final_epochs
        self.max_leaves, self.select, self.prune, self.batches, self.resplit = max_leaves, select, prune, batches, bool(resplit)
        self._choose = choose
        self.choose: str | list[str] = self._chosen(choose)

    def _chosen(self, choose: Any) -> str | list[str]:
        if choose is None:
            return "random" if self.criterion in ("random", "exhaustive") else "gm"
        if choose in ("gm", "random"):
            return choose
        keys = [choose] if isinstance(choose, str) else list(choose)
        if len(keys) != len(self.splits):
            raise ArgumentError(
                f"flow few-shot, choose: got {len(keys)} choices; allowed: 'gm', 'random', or one for each of {len(self.splits)} splits"
            )
        return keys

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two flows of this class the same; settings at their defaults are left out."""

        def shown(value: Any) -> Any:
            return getattr(value, "__qualname__", repr(value)) if callable(value) else value

        return {
            "splits": ",".join(f"{epoch}:{groups}" for epoch, groups in self.splits),
            "criterion": shown(self.criterion),
            "choose": self._choose,
            "restart": self.restart,
            "final_epochs": self.final_epochs,
            "max_leaves": self.max_leaves,
            "select": None if self.select == "valid" else shown(self.select),
            "prune": self.prune,
            "batches": None if self.batches == 32 else self.batches,
            "resplit": self.resplit or None,
        }

    @staticmethod
    def _parts(groups: int | str, candidates: int) -> int:
        return candidates if groups == ALL else int(groups)

    def leaves(self, candidates: int = 2) -> int:
        """Last nodes, if no limit holds.

        Args:
            candidates: Of a choice that is split into `all`.
        """
        return math.prod(self._parts(groups, candidates) for _, groups in self.splits)

    def trained_epochs(self, final_epochs: int, candidates: int = 2) -> int:
        """Epochs that all supernets are trained together, if no limit holds.

        Args:
            final_epochs: Of each last node after the last split.
            candidates: As in `leaves`.
        """
        nodes, before, total = 1, 0, 0
        for epoch, groups in self.splits:
            total += nodes * (epoch - before)
            before, nodes = epoch, nodes * self._parts(groups, candidates)
        return total + nodes * final_epochs

    def search(self, make: Callable[[], Any]) -> Any:
        """An algorithm over the whole space: of the kind that `make` gives."""
        made = make()
        if hasattr(made, "advance"):
            from oche.flows._few_shot_search import FewShotSearch

            return FewShotSearch(self, make)
        from oche.flows._few_shot_points import FewShotPoints

        return FewShotPoints(self, make)


def as_splits(splits: Any) -> list[tuple[int, int | str]]:
    """Pairs of an epoch and a number of groups or `all`, from pairs or text.

    Raises:
        ArgumentError: not that, or epochs that do not grow.
    """
    allowed = "allowed: pairs of an epoch and a number of groups from 2 or 'all', as text '15:2,30:2'"
    if isinstance(splits, str):
        splits = [part.split(":") for part in splits.split(",") if part.strip()]
    if not isinstance(splits, Sequence):
        raise ArgumentError(f"flow few-shot, splits: got {splits!r}; {allowed}")
    found: list[tuple[int, int | str]] = []
    for pair in splits:
        try:
            epoch, groups = pair
            parsed = (int(epoch), ALL if groups == ALL else int(groups))
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"flow few-shot, splits: got {pair!r}; {allowed}") from error
        if parsed[0] < 0 or (parsed[1] != ALL and int(parsed[1]) < 2):
            raise ArgumentError(f"flow few-shot, splits: got {parsed}; {allowed}")
        found.append(parsed)
    epochs = [epoch for epoch, _ in found]
    if any(a >= b for a, b in pairwise(epochs)):
        raise ArgumentError(f"flow few-shot, splits: got epochs {epochs}; allowed: epochs that grow")
    return found


def _check_number(what: str, value: Any, low: int) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < low):
        raise ArgumentError(f"flow few-shot, {what}: got {value!r}; allowed: a whole number from {low}")
