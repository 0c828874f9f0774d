"""What the page shows of few-shot searches: the tree of the best run of each arm, its heat maps, leaves and costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oche.judge._grouping import dataset_name
from oche.judge._oracle import oracle_words
from oche.judge._split_tree import TreeNode, heat_map, read_tree, short, tree_picture
from oche.store.record import Record

if TYPE_CHECKING:
    from oche.judge._report import Report

# More heat maps than this make the page slow to read; the JSON holds them all.
_MAPS, _TREES = 7, 6


def tree_parts(report: Report) -> list[dict[str, Any]]:
    """One part for each arm that split a supernet."""
    parts = []
    for group in report.groups:
        records = [r for r in group.done if _nodes(r)]
        if records:
            parts.append({"name": group.label, "dataset": dataset_name(records[0]), **_part(records)})
    return parts[:_TREES]


def _nodes(record: Record) -> Mapping[str, Any]:
    tree = record.settings.get("split_tree")
    return tree.get("nodes", {}) if isinstance(tree, Mapping) else {}


def _part(records: Sequence[Record]) -> dict[str, Any]:
    best = max(records, key=lambda r: (max(n["score"] for n in _nodes(r).values() if "pick" in n), -(r.search_seed or 0)))
    root = read_tree(_nodes(best))
    assert root is not None
    leaves = [node for node in root.walk() if node.last]
    # With halving, a score counts among those that came as far.
    chosen = max(leaves, key=lambda node: (len(node.found.get("rungs", ())), node.found["score"])).path
    split = [node for node in root.walk() if "similarity" in node.found]
    return {
        "about": f"search seed {best.search_seed}, the best of {len(records)} by its leaf's score" if len(records) > 1 else "",
        "agreement": _agreement(records),
        "oracle": oracle_words(records),
        "picture": tree_picture(root, chosen),
        "maps": [_map(node) for node in split[:_MAPS]],
        "hidden": max(0, len(split) - _MAPS),
        "leaves": [_leaf(node, node.path == chosen) for node in leaves],
    }


def _map(node: TreeNode) -> dict[str, Any]:
    found = node.found
    cuts = sorted(found["cuts"].items(), key=lambda item: item[1][0])
    cut, error = found["cuts"][found["choice"]]
    interval = f" ± {error:.2f}" if error is not None else ""
    groups = " | ".join(", ".join(short(label) for label in group) for group in found["groups"])
    others = [
        [key, f"{value:.3f}" + (f" ± {half:.3f}" if half is not None else ""), str(found["batches"][key])] for key, (value, half) in cuts
    ]
    return {
        "name": node.name,
        "text": f"{found['choice']}: {groups}; similarity across {cut:.2f}{interval}, {found['batches'][found['choice']]} batches",
        "picture": heat_map(found["labels"], found["similarity"], found["groups"]),
        "cuts": others,
    }


def _leaf(node: TreeNode, taken: bool) -> dict[str, Any]:
    found = node.found
    pick = found.get("arch") or ", ".join(f"{k}={'+'.join(v) if isinstance(v, list) else v}" for k, v in found["pick"].items())
    above = " / ".join(part for part in node.path.split("/")[1:] if part != "whole")
    score = f"{found['score']:.4f}" if abs(found["score"]) <= 1 else f"{found['score']:.2f}"
    return {"name": above or "all", "size": f"{found['size']:,}", "pick": pick, "score": score, "tone": "win" if taken else ""}


def _agreement(records: Sequence[Record]) -> str:
    """How often the runs of an arm split the same choice first."""
    roots = [tree.found for r in records if (tree := read_tree(_nodes(r))) is not None and "choice" in tree.found]
    if len(roots) < 2:
        return ""
    (choice, times), *_ = Counter(r["choice"] for r in roots).most_common(1)
    groups = Counter(str(sorted(sorted(g) for g in r["groups"])) for r in roots if r["choice"] == choice).most_common(1)[0][1]
    return f"{times} of {len(roots)} runs split {choice} first, {groups} of them into the same groups."
