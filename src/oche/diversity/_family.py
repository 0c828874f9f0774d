"""Family trees: from which random policies the rewarding ones descend, and through how many generations of which phase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oche.diversity._measures import EXPLORE

_LEAVES = 6


def family(trials: Sequence[Any], zones: Sequence[str], most: int = _LEAVES) -> list[dict[str, Any]] | None:
    """The tree of the best rewarding policies, with runs of single children drawn together.

    Args:
        trials: Ended trials; `proposal.info["parent"]` is the number of the proposal that each was made from.
        zones: Names of the zones; the best policy of each comes first.
        most: Policies whose line is drawn.

    Returns:
        Nodes, parents before their children: `number` of the proposal, `parent` (None at a root), `generations` since that parent,
        `reward`, `zone` and `phase`. None where nothing is rewarding or no parents are known.

    Example:
        >>> runs = oche.search(env.space, "novelty-search", env, budget=oche.Budget(trials=2000))
        >>> family(runs[0].trials, env.zones)
    """
    known = {t.proposal.id: t for t in trials}
    parent = {i: int(t.proposal.info["parent"]) for i, t in known.items() if int(t.proposal.info.get("parent", -1)) in known}
    rewarding = sorted((t for t in known.values() if t.feedback.scalar > 0), key=lambda t: (-t.feedback.scalar, t.proposal.id))
    if not rewarding or not parent:
        return None
    first = [next((t for t in rewarding if t.feedback.zone == zone), None) for zone in zones]
    chosen = list(dict.fromkeys(t.proposal.id for t in [*filter(None, first), *rewarding]))[: max(most, len(zones))]
    children: dict[int, set[int]] = {}
    roots: set[int] = set()
    for leaf in chosen:
        at = leaf
        while at in parent:
            children.setdefault(parent[at], set()).add(at)
            at = parent[at]
        roots.add(at)
    kept = {i for i, c in children.items() if len(c) > 1} | roots | set(chosen)
    # Where a line goes over from exploration to an emitter it is worth a node.
    kept |= {i for c in children.values() for i in c if _phase(known[i]) != _phase(known[parent[i]])}
    return [_node(known[i], parent, kept) for i in sorted(kept)]


def _phase(trial: Any) -> str:
    return EXPLORE if trial.proposal.info.get("phase", EXPLORE) == EXPLORE else "emitter"


def _node(trial: Any, parent: dict[int, int], kept: set[int]) -> dict[str, Any]:
    at, generations = trial.proposal.id, 0
    while at in parent:
        at, generations = parent[at], generations + 1
        if at in kept:
            break
    return {
        "number": trial.proposal.id,
        "parent": at if generations else None,
        "generations": generations,
        "reward": trial.feedback.scalar,
        "zone": trial.feedback.zone,
        "phase": _phase(trial),
    }
