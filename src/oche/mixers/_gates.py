"""Gates of discrete draws: multipliers that are exactly one or zero and still carry a gradient, and sums that answer for all candidates.

A gate of the active candidate alone hears `<its output, dL/d output>` only. `answer` lets the gates of candidates that are not on the path
hear the same of theirs: these are run without a graph, so that neither weights nor inputs get a gradient through them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from oche.errors import ArgumentError
from oche.seeds import generator as numpy_generator
from oche.supernets.drawn import Drawn, Slot
from oche.supernets.mixer import mix, name
from oche.supernets.outputs import check_equal, combine
from oche.supernets.policy import Policy


def one_hot(index: int, like: Tensor) -> Tensor:
    """A vector of zeros with one 1."""
    return torch.zeros_like(like).index_fill(-1, torch.tensor([index], device=like.device), 1.0)


def straight_through(probabilities: Tensor, index: int) -> Tensor:
    """A one-hot vector, bit for bit, whose gradient is that of `probabilities`."""
    return one_hot(index, probabilities).detach() + (probabilities - probabilities.detach())


def gumbel(logits: Tensor, tau: float, generator: torch.Generator) -> Tensor:
    """`softmax((log_softmax(logits) + G) / tau)` with G of a standard Gumbel distribution; see `noisy`."""
    return torch.softmax(noisy(logits, tau, generator), -1)


def noisy(logits: Tensor, tau: float, generator: torch.Generator) -> Tensor:
    """`(log_softmax(logits) + G) / tau` with G of a standard Gumbel distribution, drawn again if anything is not finite.

    Args:
        logits: `(n,)`; minus infinity for what cannot be drawn.
        tau: Above 0.
        generator: On the CPU.

    Raises:
        ArgumentError: no draw is finite, because the logits are not.
    """
    for _ in range(100):
        uniform = torch.rand(logits.shape, generator=generator, dtype=torch.float64)
        noise = -torch.log(-torch.log(uniform))
        found = (torch.log_softmax(logits, -1) + noise.to(logits)) / tau
        if torch.isfinite(noise).all() and torch.isfinite(torch.softmax(found.detach(), -1)).all():
            return found
    raise ArgumentError(f"logits: got {logits.tolist()}; allowed: finite numbers; lower the learning rate of arch")


def point(policy: Policy, generator: torch.Generator) -> Drawn:
    """The candidates of one point of the space, drawn by its probability, unweighted; the point under `dna`."""
    dna = policy.sample(numpy_generator(int(torch.randint(2**62, (1,), generator=generator))))
    return Drawn(policy.gates(dna), extra={"dna": dna})


def categorical(probabilities: Tensor, generator: torch.Generator) -> int:
    """An index drawn by its probability; on the CPU, in double precision."""
    return int(torch.multinomial(probabilities.detach().double().cpu(), 1, generator=generator))


def temperature(tau: Any, tau_min: Any) -> tuple[float, float]:
    """Two temperatures, checked.

    Raises:
        ArgumentError: one is no number above 0.
    """
    for what, value in (("tau", tau), ("tau_min", tau_min)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value <= 0:
            raise ArgumentError(f"{what}: got {value!r}; allowed: a number above 0")
    return float(tau), float(tau_min)


def annealed(tau: float, tau_min: float, policy: Policy) -> float:
    """The temperature of the present moment: `tau` in the first epoch, `tau_min` in the last one, linear in between."""
    return tau + (tau_min - tau) * policy.moment.ramp


def answer(
    slot: Slot,
    drawn: Drawn,
    watched: Sequence[int],
    candidates: Sequence[Callable[..., Any]],
    inputs: Sequence[Any],
    named: Mapping[str, Any],
    silent: bool = True,
) -> Any:
    """The output of the active candidate; the gradient of gate k is `<o_k, dL/d output>` for every watched k.

    Args:
        slot: The place.
        drawn: Its gate has one active candidate.
        watched: Candidates whose gates get a gradient.
        candidates: All of them.
        inputs, named: What they are called with.
        silent: Whether gates get a gradient also where the active candidate gives zeros.
    """
    gate = drawn.gate(slot)
    if gate.weights is None or not gate.weights.requires_grad or gate.active is None or len(gate.active) != 1:
        return mix(slot, gate, candidates, *inputs, **named)
    (active,) = gate.active
    output = candidates[active](*inputs, **named)
    if not silent and not _anything(output):
        return output
    with torch.no_grad():
        others = [output if k == active else candidates[k](*inputs, **named) for k in watched]
    check_equal([output, *others], [slot.labels[active], *(slot.labels[k] for k in watched)], name(slot))
    weights, ks = gate.weights, tuple(watched)
    return combine([output, *others], lambda parts: _Answer.apply(weights, parts[0], ks, *(part.detach() for part in parts[1:])))


def _anything(output: Any) -> bool:
    """Whether any number is not zero."""
    if isinstance(output, dict):
        return any(_anything(item) for item in output.values())
    if isinstance(output, (tuple, list)):
        return any(_anything(item) for item in output)
    return bool(output.any()) if isinstance(output, Tensor) else True


class _Answer(torch.autograd.Function):
    """Identity in `output`; a gradient for the weight of every candidate whose output is given."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, output: Tensor, watched: tuple[int, ...], *outputs: Tensor) -> Tensor:
        ctx.watched, ctx.n = watched, weights.shape[0]
        ctx.save_for_backward(weights, *outputs)
        return output.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        (gradient,) = upstream
        weights, *outputs = ctx.saved_tensors
        found = torch.zeros_like(weights)
        for k, output in zip(ctx.watched, outputs, strict=True):
            found[k] = (output * gradient).sum()
        return found, gradient, None, *(None for _ in outputs)
