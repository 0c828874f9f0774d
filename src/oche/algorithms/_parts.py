"""Published weight-sharing methods with one of their parts exchanged: `pc-darts?scheme=rarts`, `darts?weighting=max-w`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from oche.algorithms.one_shot import OneShot


def exchangeable(preset: Callable[..., OneShot]) -> Callable[..., OneShot]:
    """`preset` with two more settings, `scheme` and `weighting`: objects or texts that replace its own; None leaves them."""

    @functools.wraps(preset)
    def made(*args: Any, scheme: Any = None, weighting: Any = None, **settings: Any) -> OneShot:
        search = preset(*args, **settings)
        return search if scheme is None and weighting is None else search.exchanged(scheme, weighting)

    return made
