"""`oche.supernet`: a supernet of a program, with a mixer given by object or by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from oche.loop.registry import load
from oche.supernets.mixer import Mixer
from oche.supernets.network import Supernet


def supernet(
    space: Any,
    mixer: Mixer | str | None = None,
    weighting: Callable[[Tensor], Tensor] | str | None = None,
    seed: int = 0,
    batch_norm: str = "batch",
) -> Supernet:
    """Build one module with all candidates of all choices of a program.

    Args:
        space: A space, or a program with choices.
        mixer: An object, or a name with settings such as `partial-channels?k=2`; default `Softmax()`.
        weighting: Maps probabilities `(n,)` to multipliers `(n,)`, for example `oche.weightings.Scalar()`, or a name with settings such as
            `max-w?detach=true`; None leaves them.
        seed: Root of the initial weights, the logits and the draws.
        batch_norm: `batch` (statistics of the batch, also in evaluation) or `running`.

    Raises:
        NotRelaxable: a choice cannot take part; the message names the place and what to do.
        UnknownNameError: no such mixer or weighting; the message lists those that there are.
    """
    # By name: mixers and weightings live on a higher floor, and only the one that is named is loaded.
    made = mixer if isinstance(mixer, Mixer) else load("oche.mixers:registry").get(mixer or "softmax")
    weights = load("oche.weightings:registry").get(weighting) if isinstance(weighting, str) else weighting
    return Supernet(space, made, weights, seed, batch_norm)
