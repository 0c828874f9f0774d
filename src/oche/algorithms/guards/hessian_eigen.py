"""Hessian eigenvalue: the search ends when the validation loss becomes sharp in the logits, and the point of some epochs ago is taken.

    e_i = dominant eigenvalue of d2 L_valid / d arch2 after epoch i, on one validation batch, by power iteration
    m_i = mean of the last `window` of them;   end if m_(i - window) / m_i < ratio, and take the point of epoch i - window

Source: Zela et al. 2020 (R-DARTS with early stopping): window 5, ratio 0.75.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from oche.algorithms.guards._guard import Guard, Watched
from oche.errors import ArgumentError
from oche.program import DNA
from oche.seeds import torch_generator


class HessianEigen(Guard):
    """Watch the curvature.

    Args:
        window: Epochs of a mean, and epochs to go back.
        ratio: In (0, 1).
        iterations: Of the power iteration; each costs about two passes.
        stop: Whether the training ends; otherwise the number is only shown.
    """

    def __init__(self, window: int = 5, ratio: float = 0.75, iterations: int = 20, stop: bool = True) -> None:
        for what, value in (("window", window), ("iterations", iterations)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ArgumentError(f"hessian eigen, {what}: got {value!r}; allowed: a whole number from 1")
        if not 0 < ratio < 1:
            raise ArgumentError(f"hessian eigen, ratio: got {ratio!r}; allowed: a number between 0 and 1")
        self.window, self.ratio, self.iterations, self.stop = window, ratio, iterations, bool(stop)
        self.eigenvalues: list[float] = []
        self._points: list[DNA] = []
        self._stopped = False

    def after_epoch(self, watched: Watched) -> tuple[bool, float]:
        """Compute, and compare means."""
        if not watched.arch_moves:
            return False, 0.0
        if watched.net.mixer.needs_all or watched.net.mixer.objective == "reward":
            raise ArgumentError(
                f"guard: got HessianEigen with {type(watched.net.mixer).__name__}, whose gradient of the logits has no second derivative; "
                "allowed: for example 'darts', 'pc-darts', 'gdas'"
            )
        self.eigenvalues.append(dominant_eigenvalue(watched, self.iterations))
        self._points.append(watched.net.derive())
        n, w = len(self.eigenvalues), self.window
        if self.stop and n >= 2 * w:
            before, now = (sum(part) / w for part in (self.eigenvalues[n - 2 * w : n - w], self.eigenvalues[n - w :]))
            self._stopped = now != 0 and before / now < self.ratio
        return self._stopped, 2.0 * self.iterations + 1

    def point(self) -> DNA | None:
        """The point of `window` epochs ago."""
        return self._points[-1 - self.window] if self._stopped else None

    def metrics(self) -> dict[str, float]:
        """The latest eigenvalue."""
        return {"eigenvalue": self.eigenvalues[-1]} if self.eigenvalues else {}

    def state(self) -> dict[str, Any]:
        """Eigenvalues and points."""
        return {"eigenvalues": list(self.eigenvalues), "points": [point.to_json() for point in self._points], "stopped": self._stopped}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue."""
        self.eigenvalues = [float(value) for value in state["eigenvalues"]]
        self._points = [DNA.from_json(text) for text in state["points"]]
        self._stopped = bool(state["stopped"])


def dominant_eigenvalue(watched: Watched, iterations: int) -> float:
    """The eigenvalue of largest size of the Hessian of the validation loss in the logits, by Hessian-vector products."""
    net = watched.net
    arch = {key: row.detach().clone().requires_grad_(True) for key, row in net.named_arch().items()}
    weights = {name: weight.detach() for name, weight in net.named_weights().items()}
    training = net.training
    net.eval()
    try:
        with net.at(watched.training.step, "arch"):
            loss = watched.problem.loss(net.functional(weights, arch), watched.valid_batch)
        rows = list(arch.values())
        gradient = _flat(torch.autograd.grad(loss, rows, create_graph=True, allow_unused=True), rows)
        vector = torch.randn(gradient.shape, generator=torch_generator(watched.seed, "eigenvalue")).to(gradient)
        vector, value = vector / vector.norm(), 0.0
        for _ in range(iterations if gradient.requires_grad else 0):
            product = _flat(torch.autograd.grad(gradient @ vector, rows, retain_graph=True, allow_unused=True), rows)
            value = float(vector @ product)
            size = product.norm()
            if not float(size) > 0:
                return 0.0
            vector = product / size
    finally:
        net.train(training)
    return value


def _flat(parts: Any, like: list[Tensor]) -> Tensor:
    return torch.cat([(torch.zeros_like(row) if part is None else part).flatten() for part, row in zip(parts, like, strict=True)])
