"""OLES: a candidate stops being trained once its training gradient no longer points where validation wants to go.

For each candidate with weights, in every step: the cosine of the gradient of its last weight step with that of the validation loss, per
tensor along the first axis, meaned over the axis and then over tensors. Every `interval` steps: a mean below `threshold` freezes it for
good.
Source: Jiang et al. 2023 (OLES): every 20 steps, 0.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional

from oche import ranks
from oche.algorithms.guards._guard import Guard, Watched
from oche.errors import ArgumentError
from oche.supernets.relaxed import Mixed


class OLES(Guard):
    """Freeze candidates.

    Args:
        interval: Steps of a mean.
        threshold: Mean cosine below which a candidate is frozen.
    """

    needs_gradients = True
    every_step = True

    def __init__(self, interval: int = 20, threshold: float = 0.4) -> None:
        if isinstance(interval, bool) or not isinstance(interval, int) or interval < 1:
            raise ArgumentError(f"oles, interval: got {interval!r}; allowed: a whole number from 1")
        if not -1 <= threshold <= 1:
            raise ArgumentError(f"oles, threshold: got {threshold!r}; allowed: a number from -1 to 1")
        self.interval, self.threshold = interval, threshold
        self.frozen: list[str] = []
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._steps = 0

    def after_step(self, watched: Watched) -> float:
        """Compare gradients; at the end of an interval freeze."""
        if not watched.arch_moves:
            return 0.0
        named, last = watched.net.named_weights(), watched.training.weight_gradients
        with watched.net.at(watched.training.step - 1, "arch"):
            arch = {key: row.detach() for key, row in watched.net.named_arch().items()}
            loss = watched.problem.loss(watched.net.functional(named, arch), watched.valid_batch)
        found = dict(zip(named, ranks.gradients(loss, list(named.values()))[1], strict=True))
        for place, names in candidates(watched).items():
            pairs = [(last.get(name), found[name]) for name in names]
            cosines = [cosine(a, b) for a, b in pairs if a is not None and b is not None]
            if cosines and place not in self.frozen:
                self._sums[place] = self._sums.get(place, 0.0) + sum(cosines) / len(cosines)
                self._counts[place] = self._counts.get(place, 0) + 1
        self._steps += 1
        if self._steps == self.interval:
            self._freeze(watched)
        return 1.0

    def _freeze(self, watched: Watched) -> None:
        weak = [place for place, total in self._sums.items() if total / self._counts[place] < self.threshold]
        self.frozen.extend(sorted(weak))
        members = candidates(watched)
        watched.training.frozen |= {name for place in weak for name in members[place]}
        self._sums, self._counts, self._steps = {}, {}, 0

    def metrics(self) -> dict[str, float]:
        """The number of frozen candidates."""
        return {"frozen": float(len(self.frozen))}

    def state(self) -> dict[str, Any]:
        """Frozen candidates, and the sums of this interval."""
        return {"frozen": list(self.frozen), "sums": dict(self._sums), "counts": dict(self._counts), "steps": self._steps}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue."""
        self.frozen = list(state["frozen"])
        self._sums, self._counts, self._steps = dict(state["sums"]), dict(state["counts"]), int(state["steps"])


def candidates(watched: Watched) -> dict[str, list[str]]:
    """Names of the weights of each candidate that has any, by its place in the network."""
    found: dict[str, list[str]] = {}
    for place, module in watched.net.network.named_modules():
        if isinstance(module, Mixed):
            for child, inner in zip(module.names, module.inside, strict=True):
                names = [f"network.{place}.{child}.{name}" for name, _ in inner.named_parameters()]
                if names:
                    found[f"{place}.{child}"] = names
    return found


def cosine(a: Tensor, b: Tensor) -> float:
    """The mean cosine of two gradients along their first axis; of vectors as a whole."""
    rows = (a.flatten(1), b.flatten(1)) if a.dim() > 1 else (a.flatten()[None], b.flatten()[None])
    return float(functional.cosine_similarity(*rows, dim=1).mean())
