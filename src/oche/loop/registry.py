"""Names to things. The registry and its grammar of settings live on the ground floor, `oche._registry`; this is its public place."""

from oche._registry import Entry, Registry, canonical, load, parse

__all__ = ["Entry", "Registry", "canonical", "load", "parse"]
