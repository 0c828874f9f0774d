"""Which mixers, schemes and weightings go together; those that would give up a part of one of them in silence are refused by name."""

from __future__ import annotations

from typing import Any

from oche.errors import ArgumentError
from oche.schemes.base import Scheme
from oche.supernets.mixer import Mixer


def check_pair(mixer: Mixer, scheme: Scheme | None, weighting: Any) -> None:
    """Refuse what does not go together.

    Raises:
        ArgumentError: names both, and what would do.
    """
    kind = type(mixer).__name__
    if hasattr(weighting, "perturb") and not mixer.blends:
        raise ArgumentError(
            f"weighting: got {type(weighting).__name__} with {kind}, whose gates are no probabilities of all candidates; allowed: for "
            "example mixer='softmax'"
        )
    if scheme is None:
        return
    if (scheme.looks_ahead or scheme.copies == 2) and not mixer.learns_arch:
        raise ArgumentError(f"scheme: got {type(scheme).__name__} with {kind}, which trains no logits; allowed: 'first-order'")
    if scheme.looks_ahead and mixer.objective == "reward":
        raise ArgumentError(
            f"scheme: got {type(scheme).__name__} with {kind}, whose objective is a reward without a gradient for the weights; allowed: "
            "'first-order'"
        )
    if scheme.arch_descends_train and mixer.objective == "reward":
        raise ArgumentError(
            f"scheme: got {type(scheme).__name__} with {kind}, whose reward the training loss does not hold; allowed: 'first-order'"
        )
    if scheme.joint and mixer.phased:
        raise ArgumentError(
            f"scheme: got {type(scheme).__name__} with {kind}, which has arch steps of its own kind, so that one pass cannot serve both "
            "groups; allowed: 'first-order', 'second-order', or 'rarts?alpha_grad=fresh'"
        )
    if not scheme.needs_valid and (mixer.objective != "loss" or mixer.phased):
        what = "has arch steps of its own kind" if mixer.phased else f"lowers a {mixer.objective}, which the training loss does not hold"
        raise ArgumentError(f"scheme: got {type(scheme).__name__} with {kind}, which {what}; allowed: 'first-order', 'second-order'")
