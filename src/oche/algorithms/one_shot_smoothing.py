"""What a weighting that perturbs needs of a search: the probabilities of a draw, and the training loss at other mixtures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from oche import ranks
from oche.supernets.drawn import Moment
from oche.supernets.network import Supernet


def perturbed(
    net: Supernet,
    weighting: Any,
    loss: Callable[[Any], Tensor],
    weights: Mapping[str, Tensor],
    arch: Mapping[str, Tensor],
    clock: tuple[int, int, Moment],
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """What a weighting that perturbs makes of the probabilities of all candidates; inputs are left alone.

    Args:
        net: The shared network.
        weighting: Has `perturb`.
        loss: The training loss of a model on the present batch.
        weights, arch: Where the loss is asked for; nothing of them is changed.
        clock: Step, path, and how far the search is.
        generator: Of the perturbation.
    """
    step, path, moment = clock
    frozen = not any(row.requires_grad for row in arch.values())
    with net.at(step, "weights", path, moment):
        gates = net.draw().gates
    found = {key: gates[key].weights for key, row in sorted(net.policy.rows.items()) if row.kind != "set"}
    rows = {key: row.detach() if frozen else row for key, row in found.items() if row is not None}
    fixed = {name: weight.detach() for name, weight in weights.items()}
    still = {key: row.detach() for key, row in net.named_arch().items()}

    def probe(mixtures: Mapping[str, Tensor]) -> tuple[float, dict[str, Tensor]]:
        leaves = {key: mixture.detach().requires_grad_(True) for key, mixture in mixtures.items()}
        training = net.training
        net.eval()
        with net.at(step, "weights", path, moment, leaves):
            value = loss(net.functional(fixed, still))
        net.train(training)
        mean, slopes = ranks.gradients(value, list(leaves.values()))
        return float(mean), {
            key: torch.zeros_like(leaf) if slope is None else slope for (key, leaf), slope in zip(leaves.items(), slopes, strict=True)
        }

    return weighting.perturb(rows, moment, generator, probe)
