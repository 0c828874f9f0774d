"""Few-shot search: one supernet becomes several, each for a part of the space, and each proposes.

The space is cut at one choice after another. What is cut off from each other no longer shares weights, so candidates that pull these
weights in different directions no longer spoil each other's estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from oche.errors import ArgumentError, unknown
from oche.program import Space

CRITERIA = ("gm", "random", "exhaustive")
RESTARTS = ("none", "final", "all")
GROWTHS = ("level", "best")
SELECTS = ("valid", "halving", "oracle")
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
        growth: `level`: at a split all nodes are split; `best`: only the one with the smallest cut, so that the tree grows where candidates
            disagree most, and any number of leaves is possible.
        select: How the pick is chosen among the last nodes: `valid`, by their own weights on all validation data after their batch-norm
            statistics were computed anew; `halving`, by training them from scratch, where the better half of each rung goes on twice as
            long, which is a cost of the search; `select(supernet, dna)`, which gives a number; or `oracle`, by the test accuracy of a
            benchmark. The latter is no result of a search and is there to reproduce results that were chosen so: records and reports say
            it, beside the mean over leaves and what the best of as many random points is worth.
        benchmark: For `oracle`: `table:dataset:epochs`, such as `nasbench201:cifar10:200`.
        prune: Nodes that are kept at a split, by the best quarter of 16 random points on the validation data. None: all.
        batches: Most batches for the similarity of a choice.
        first: Batches after which choices begin to drop out that surely do not have the smallest cut; a probe ends when one is left.
        tolerance: Choices also drop out whose cut is surely not smaller than the smallest one by more than this.
        sketch: Numbers to which gradients are projected before they are compared; 0: whole gradients.
        resplit: Whether a choice may be split again.
        rung_epochs: Epochs of the first rung of `halving`.
        batched: Whether the candidates of a choice are probed in one batched call where shapes allow it and the network is small.

    Raises:
        ArgumentError: settings that are not possible.

    Source: Zhao et al. 2021 (few-shot NAS), Hu et al. 2022 (GM-NAS). 32 batches, their adaptive number, growth under a
    limit and the validation data for the choice among leaves are ours.
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
        growth: str = "level",
        benchmark: str | None = None,
        first: int = 4,
        tolerance: float = 0.0,
        sketch: int = 0,
        batched: bool = True,
        rung_epochs: int = 1,
    ) -> None:
        self.splits = as_splits(splits)
        if not callable(criterion) and criterion not in CRITERIA:
            raise unknown("criterion of flow few-shot", str(criterion), CRITERIA)
        if restart not in RESTARTS:
            raise unknown("restart of flow few-shot", str(restart), RESTARTS)
        if growth not in GROWTHS:
            raise unknown("growth of flow few-shot", str(growth), GROWTHS)
        numbers = (("final_epochs", final_epochs, 1), ("max_leaves", max_leaves, 2), ("prune", prune, 1))
        whole = (("batches", batches, 1), ("first", first, 2), ("sketch", sketch, 0), ("rung_epochs", rung_epochs, 1))
        for what, value, low in (*numbers, *whole):
            _check_number(what, value, low, optional=(what, value, low) in numbers)
        if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)) or not 0 <= tolerance < 2:
            raise ArgumentError(f"flow few-shot, tolerance: got {tolerance!r}; allowed: a difference of cosines, from 0 to below 2")
        self._check_select(select, benchmark)
        self.restart, self.final_epochs = restart, final_epochs
        self.max_leaves, self.prune, self.batches, self.resplit = max_leaves, prune, batches, bool(resplit)
        self.criterion: Any = criterion
        self.select: Any = select
        self.growth, self.benchmark, self.first, self.tolerance, self.sketch = growth, benchmark, first, float(tolerance), sketch
        self.batched, self.rung_epochs = bool(batched), rung_epochs
        self._choose = choose
        self.choose: str | list[str] = self._chosen(choose)

    @staticmethod
    def _check_select(select: Any, benchmark: str | None) -> None:
        if not callable(select) and select not in SELECTS:
            raise unknown("select of flow few-shot", str(select), SELECTS)
        if (select == "oracle") != (benchmark is not None):
            raise ArgumentError(
                f"flow few-shot, select: got {select!r} with benchmark {benchmark!r}; allowed: 'oracle' with "
                "benchmark=table:dataset:epochs, such as nasbench201:cifar10:200, others without; the best of several leaves by test "
                "data is no result of a search"
            )

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
            "growth": None if self.growth == "level" else self.growth,
            "benchmark": self.benchmark,
            "first": None if self.first == 4 else self.first,
            "tolerance": self.tolerance or None,
            "sketch": self.sketch or None,
            "rung_epochs": None if self.rung_epochs == 1 else self.rung_epochs,
            "batched": None if self.batched else False,
        }

    def nodes(self, level: int, candidates: int = 2) -> int:
        """Most nodes after so many splits.

        Args:
            level: Number of splits.
            candidates: Of a choice that is split into `all`.
        """
        found = 1
        for _, groups in self.splits[:level]:
            parts = candidates if groups == ALL or self.criterion == "exhaustive" else int(groups)
            found = found + parts - 1 if self.growth == "best" else found * parts
        return found if self.max_leaves is None else min(found, self.max_leaves)

    def leaves(self, candidates: int = 2) -> int:
        """Most last nodes; see `nodes`."""
        return self.nodes(len(self.splits), candidates)

    def trained_epochs(self, final_epochs: int, candidates: int = 2) -> int:
        """Most epochs that all supernets are trained together.

        Args:
            final_epochs: Of each last node after the last split.
            candidates: As in `nodes`.
        """
        ends = [0, *(epoch for epoch, _ in self.splits)]
        before = sum(self.nodes(level, candidates) * (b - a) for level, (a, b) in enumerate(pairwise(ends)))
        return before + self.leaves(candidates) * final_epochs

    @property
    def reads_gradients(self) -> bool:
        """Whether gradients of single candidates say what is split, or how."""
        return self.criterion == "gm" or (self.choose == "gm" and not callable(self.criterion))

    @property
    def parted(self) -> bool:
        """Whether a weight-sharing search is done in parts, see `oche.loop.TreeRun`; without splits it is the plain one."""
        return bool(self.splits)

    def check(self, space: Space) -> None:
        """Refuse what does not fit a space, before anything is spent.

        Raises:
            UnknownNameError: a choice, or the table of the benchmark, does not exist.
            ArgumentError: no choice has as many candidates as there are groups, or the benchmark is not of this space.
        """
        sizes = {point.key: point.n for point in space.points if point.labels and point.group < 0}
        for level, (_, groups) in enumerate(self.splits):
            needed = 2 if groups == ALL or self.criterion == "exhaustive" else int(groups)
            allowed = sizes
            if isinstance(self.choose, list):
                if self.choose[level] not in space.keys:
                    raise unknown("choice", self.choose[level], space.keys)
                allowed = {key: n for key, n in sizes.items() if key == self.choose[level]}
            most = max(allowed.values(), default=0)
            if most < needed:
                where = "a choice of this space" if allowed is sizes else repr(self.choose[level])
                raise ArgumentError(
                    f"flow few-shot, split {level + 1}: got {groups} groups, and no choice that can be split; "
                    f"allowed: at most {most} groups, the candidates of {where}"
                )
        if self.benchmark is not None:
            from oche.flows._few_shot_leaves import Oracle

            Oracle(self.benchmark, space)

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


def _check_number(what: str, value: Any, low: int, optional: bool) -> None:
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ArgumentError(f"flow few-shot, {what}: got {value!r}; allowed: a whole number from {low}")
