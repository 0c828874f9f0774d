"""Several processes on one piece of work: who this one is, and what they tell each other.

A launcher such as `torchrun` starts equal processes (ranks) and names them by environment variables. Rank 0 runs the command: it alone
reads and writes stores, prints and saves. The others follow: they get every message that rank 0 works on and do the same work on their
share of each batch (`oche.loop.executors.ranked`). Nothing is wrapped: gradients are averaged where they are computed (`gradients`), in
one flat buffer together with the loss, so that every rank takes the same step and finds the same loss not finite.

Outside of such a message, and in a single process, the world has one rank and every function here does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

# Rank 0 between messages: what it does there is not done by the others.
_alone = False
# The ranks are no longer at the same place; nothing more can be said.
_lost = False

#: How long one rank waits for another. The launcher ends all when one dies, so this is only for a launcher that does not.
PATIENCE = timedelta(days=1)


def launched() -> int:
    """Number of ranks that a launcher started, 1 without one; read from the environment, torch is not imported."""
    return int(os.environ.get("WORLD_SIZE") or 1) if "RANK" in os.environ else 1


def joint() -> bool:
    """Whether this is rank 0 of several, which hands out work."""
    group = _group()
    return group is not None and _alone and group.get_world_size() > 1


def world() -> int:
    """Ranks that work together at this moment."""
    group = _group()
    return group.get_world_size() if group is not None and not _alone else 1


def rank() -> int:
    """Number of this process among them, from 0."""
    group = _group()
    return group.get_rank() if group is not None and not _alone else 0


def is_first() -> bool:
    """Whether this process is the one that writes files."""
    return rank() == 0


def part() -> tuple[int, int]:
    """Which share of a batch is this rank's: `(rank, world)`."""
    return rank(), world()


@contextmanager
def joined() -> Iterator[bool]:
    """Meet the other ranks of a launcher, and part at the end; does nothing in a single process.

    Yields:
        True where the caller is to go on, False on a rank that followed until rank 0 left the block.
    """
    if launched() == 1 or _group() is not None:
        yield True
        return
    import torch

    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "cpu:gloo,cuda:nccl"
    torch.distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        if rank() == 0:
            with _set_alone(True):
                yield True
        else:
            from oche._registry import load

            load("oche.loop.executors.ranked:follow")()
            yield False
    finally:
        if not _lost:
            if torch.distributed.get_rank() == 0:
                send(None)
            torch.distributed.barrier()
            torch.distributed.destroy_process_group()


@contextmanager
def together() -> Iterator[None]:
    """A block that every rank runs."""
    with _set_alone(False):
        yield


def give_up() -> None:
    """Say that the ranks are no longer at the same place: nothing is sent any more, and the launcher ends the others."""
    global _lost
    _lost = True


def send(message: Any) -> Any:
    """From rank 0, between messages: give the others something; there it is what comes back."""
    import torch

    box = [message]
    torch.distributed.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return box[0]


def first(value: Any) -> Any:
    """The value that rank 0 has. For what is measured, and for what may differ by rounding and decides something."""
    return send(value) if world() > 1 else value


def meet() -> None:
    """Wait until every rank is here."""
    if world() > 1:
        import torch

        torch.distributed.barrier()


def average(tensors: Sequence[Tensor]) -> None:
    """Average tensors over all ranks in place, in one flat all-reduce for each kind of number."""
    n = world()
    if n == 1 or not tensors:
        return
    import torch

    for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
        alike = [tensor for tensor in tensors if tensor.dtype == dtype]
        flat = torch.cat([tensor.detach().flatten() for tensor in alike])
        torch.distributed.all_reduce(flat)
        flat /= n
        with torch.no_grad():
            for tensor, mean in zip(alike, flat.split([tensor.numel() for tensor in alike]), strict=True):
                tensor.copy_(mean.view_as(tensor))


def total(*numbers: float) -> tuple[float, ...]:
    """Sums of numbers over all ranks."""
    if world() == 1:
        return numbers
    import torch

    sums = torch.tensor(numbers, dtype=torch.float64)
    torch.distributed.all_reduce(sums)
    return tuple(sums.tolist())


def gradients(loss: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, list[Tensor | None]]:
    """A loss and its gradients, averaged over the ranks: those of the whole batch, if its shares are equal and the loss is a mean.

    Args:
        loss: A scalar; without a graph it has no gradients.
        tensors: What it is differentiated by, on every rank the same.

    Returns:
        The loss, detached, and a gradient for each tensor; None for one that the loss does not use.
    """
    import torch

    asked = list(tensors)
    found: list[Tensor | None] = [None] * len(asked)
    if loss.requires_grad and asked:
        found = list(torch.autograd.grad(loss, asked, allow_unused=True))
    value = loss.detach().clone()
    if world() > 1:
        # A gradient may share memory with another one, or be expanded.
        found = [None if gradient is None else gradient.clone(memory_format=torch.contiguous_format) for gradient in found]
        average([value, *(gradient for gradient in found if gradient is not None)])
    return value, found


def _group() -> Any:
    """The communication of torch, if there is any; torch is not imported for that."""
    import sys

    torch = sys.modules.get("torch")
    if torch is None or not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return None
    return torch.distributed


@contextmanager
def _set_alone(value: bool) -> Iterator[None]:
    global _alone
    saved, _alone = _alone, value
    try:
        yield
    finally:
        _alone = saved
