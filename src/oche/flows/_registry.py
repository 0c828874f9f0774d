"""Names to flows."""

from __future__ import annotations

from typing import Any

from oche.loop.registry import Registry

registry = Registry("flow", "oche.flows")
registry.register("joint", "oche.flows._joint:Joint", "one search over all decisions at once")


def names() -> list[str]:
    """Names of all registered flows."""
    return registry.names()


def get(flow: Any) -> Any:
    """A flow from its name or as it is; None is `joint`.

    Raises:
        UnknownNameError: no such flow; the nearest name is suggested.
    """
    return registry.get(flow or "joint") if flow is None or isinstance(flow, str) else flow
