"""Names to flows."""

from __future__ import annotations

import json
from typing import Any

from oche.loop.registry import Registry

registry = Registry("flow", "oche.flows")
registry.register("joint", "oche.flows._joint:Joint", "one search over all decisions at once")
registry.register("separate", "oche.flows._separate:Separate", "one part of the decisions first, then the rest, `first=REGEX`")
registry.register("factorized", "oche.flows._factorized:Factorized", "a fresh inner search for each outer point, `outer=REGEX`")
registry.register("hybrid", "oche.flows._hybrid:Hybrid", "a share of the trials in one flow, then another that knows them")
registry.register("few-shot", "oche.flows._few_shot:FewShot", "a supernet is split into several, `splits=EPOCH:GROUPS,...&criterion=gm`")


def names() -> list[str]:
    """Names of all registered flows."""
    return registry.names()


def get(flow: Any) -> Any:
    """A flow from its text, `name?key=value`, or as it is; None is `joint`.

    Raises:
        UnknownNameError: no such flow; the nearest name is suggested.
    """
    return registry.get(flow or "joint") if flow is None or isinstance(flow, str) else flow


def text(flow: Any) -> str:
    """The flow as records name it: `name` or `name?key=value`."""
    shown = "&".join(f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in sorted(flow.settings.items()) if v is not None)
    return f"{flow.name}?{shown}" if shown else flow.name
