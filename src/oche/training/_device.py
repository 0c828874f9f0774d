"""Which device to compute on, from one word."""

from __future__ import annotations

import torch

from oche.errors import ArgumentError

DEVICES = ("auto", "cpu", "cuda", "mps")


def device(name: str = "auto") -> torch.device:
    """The device that `name` stands for; `auto` takes `cuda`, then `mps`, then `cpu`, whichever is there first.

    Args:
        name: One of `DEVICES`, or a numbered one such as `cuda:1`.

    Raises:
        ArgumentError: the name is unknown or this machine has no such device.
    """
    kind = name.partition(":")[0]
    if kind not in DEVICES:
        raise ArgumentError(f"device: got {name!r}; allowed: {', '.join(DEVICES)}")
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if present[kind]))
    if not present.get(kind, False):
        here = ", ".join(kind for kind, there in present.items() if there)
        raise ArgumentError(f"device: got {name!r}, which this machine does not have; allowed here: auto, {here}")
    return torch.device(name)
