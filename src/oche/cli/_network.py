"""Network files on the command line: what they say of their network, and how it is built again from a program that the user names.

A network file holds weights and JSON. Which code runs is decided by the command's words, never by the file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from oche.errors import ArgumentError, DNAError


def describe(
    space: Any, program: str, dna: Any, arguments: dict[str, Any], seed: int, metrics: dict[str, float], counts: dict[str, int]
) -> dict[str, Any]:
    """What a network file says of its network."""
    return {
        "program": program,
        "space": space.name,
        "fingerprint": space.fingerprint,
        "dna": list(dna.flat),
        "decisions": space.decisions(dna),
        "arguments": arguments,
        "seed": seed,
        "metrics": metrics,
        **counts,
    }


def counted(child: Any, shape: Sequence[int] | None) -> dict[str, int]:
    """Weights of a network, and its multiply-adds for one input where the shape of one is known and the network can be counted."""
    from oche import networks

    found = {"params": sum(p.numel() for p in child.parameters())}
    if shape is not None:
        with suppress(ArgumentError):
            found["macs"] = networks.count(child, shape).macs
    return found


def plain_arguments(space: Any) -> dict[str, Any]:
    """Arguments of the program that its user gave, as far as JSON can hold them."""
    return {key: value for key, value in space.arguments.items() if isinstance(value, (bool, int, float, str, type(None)))}


def open_network(net: Path, program: str | None, device: str | None = None) -> Any:
    """A saved network, built again from the program that the user names, or from a space of the library."""
    from oche import training

    where = training.device(device) if device is not None else "cpu"
    return training.load(net, _builder(program), device=where)


def read_meta(net: Path) -> dict[str, Any]:
    """What a network file says of its network, without building it."""
    from oche import training

    class Seen(Exception):
        """Carries `meta` out of the loader before anything is built."""

    def stop(meta: dict[str, Any]) -> Any:
        raise Seen(meta)

    try:
        training.load(net, stop)
    except Seen as seen:
        return seen.args[0]
    raise AssertionError("the loader returned without asking for the network")


def space_of(meta: dict[str, Any], program: str | None) -> Any:
    """The space of a saved network: that of the program which the user names, or a space of the library.

    Raises:
        ArgumentError: the network was built from a file of the user's, and no program is named.
        DNAError: the program has another space.
    """
    from oche.cli._program import load_space

    text = program or meta.get("program")
    if not isinstance(text, str) or (program is None and ".py" in text):
        raise ArgumentError(f"network: got one built by {text!r}, and no --program; allowed: file.py:Name; add --program {text}")
    space, _ = load_space(text)
    if space.fingerprint != meta["fingerprint"]:
        raise DNAError(f"network: got a member of {meta['space']!r}; allowed: a member of {space.name!r}; give its program")
    return space


def _builder(program: str | None) -> Callable[[dict[str, Any]], Any]:
    def build_again(meta: dict[str, Any]) -> Any:
        from oche.program import DNA

        return space_of(meta, program).build(DNA(tuple(meta["dna"])), seed=0, **meta.get("arguments", {}))

    return build_again
