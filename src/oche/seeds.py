"""Random streams: stable hashing of (seed, path) into seeds and generators.

One run takes one seed; every part derives its own stream by name, so that adding a part moves no other stream and the number of
workers changes nothing. This is the only file that touches torch's global generator, and it always restores it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

_BITS = 63


def derive(seed: int, *path: Any) -> int:
    """A stable 63-bit seed for `path` below `seed`.

    The same arguments give the same number in every process, version of Python and platform. Path items are made text by
    canonical JSON; tuples count as lists.

    Raises:
        TypeError: a path item is not JSON (a number, text, None, or lists and dicts of them).
    """
    text = json.dumps([int(seed), *path], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> (64 - _BITS)


def generator(seed: int, *path: Any) -> np.random.Generator:
    """A NumPy generator for `path` below `seed`."""
    return np.random.Generator(np.random.PCG64(derive(seed, *path)))


def torch_generator(seed: int, *path: Any) -> torch.Generator:
    """A torch generator (on the CPU) for `path` below `seed`."""
    import torch

    return torch.Generator().manual_seed(derive(seed, *path))


def as_generator(seed: int | np.random.Generator) -> np.random.Generator:
    """`seed` itself if it is a generator already, else a new generator seeded by it."""
    return seed if isinstance(seed, np.random.Generator) else generator(int(seed))


@contextmanager
def building(seed: int) -> Iterator[None]:
    """Run a block of code of the user's from `seed` and put torch's global generators back afterwards.

    torch layers draw initial weights and dropout masks from the global generators; there is no other way to seed them without touching
    the user's class. Accelerators that are in use are seeded and restored too. Does nothing if torch was never imported.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    saved = torch.get_rng_state()
    devices = _accelerator_generators(torch)
    states = [generator.get_state() for generator in devices]
    for generator in (torch.default_generator, *devices):
        generator.manual_seed(int(seed))
    try:
        yield
    finally:
        torch.set_rng_state(saved)
        for generator, state in zip(devices, states, strict=True):
            generator.set_state(state)


def _accelerator_generators(torch: Any) -> list[Any]:
    """Default generators of accelerators that were used in this process; asking for others would initialize them."""
    found = list(torch.cuda.default_generators) if torch.cuda.is_initialized() else []
    mps = sys.modules.get("torch.mps")
    if mps is not None and torch.backends.mps.is_available():
        found.append(mps._get_default_mps_generator())
    return found
