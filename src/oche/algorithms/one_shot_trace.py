"""What the logits of a weight-sharing search stood for after each epoch, small enough for a record.

    curves()  ->  {"train by epochs": [[1, 31.2], [2, 40.5], ...], "probability: edge 1<-0 = skip_connect": [[1, 0.21], ...], ...}

A long search keeps every second epoch, then every fourth, and always the last one, so that a record stays at some tens of kilobytes
however long the search was. Epochs of stages that follow one another are counted through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from oche.supernets.policy import Policy

#: Epochs that are kept at most, besides the last one.
MOST_EPOCHS = 32

#: Choices whose probabilities are kept at most, in the order of the policy.
MOST_CHOICES = 40

#: First word of the names of curves of probabilities.
PROBABILITY = "probability: "


class Trace:
    """A history by epochs."""

    def __init__(self) -> None:
        self._every = 1
        self._entries: list[dict[str, Any]] = []
        self._labels: dict[str, list[str]] = {}

    def add(self, epoch: int, numbers: Mapping[str, float], policy: Policy | None = None) -> None:
        """Note an epoch.

        Args:
            epoch: Its number, above all earlier ones.
            numbers: Named numbers.
            policy: Whose probabilities are noted, or None.
        """
        rows = dict(probabilities(policy)) if policy is not None else {}
        for name, (labels, _) in rows.items():
            known = self._labels.setdefault(name, [])
            known += [label for label in labels if label not in known]
        # A label that a stage no longer has gets no value: its curve ends there.
        found = {name: dict(zip(labels, values, strict=True)) for name, (labels, values) in rows.items()}
        self._entries = [entry for entry in self._entries if entry["epoch"] % self._every == 0]
        self._entries.append({"epoch": epoch, "numbers": dict(numbers), "probabilities": found})
        while len(self._entries) > MOST_EPOCHS + 1:
            self._every *= 2
            last = self._entries[-1]
            self._entries = [entry for entry in self._entries if entry is last or entry["epoch"] % self._every == 0]

    @property
    def epoch(self) -> int:
        """The last epoch that was noted, 0 at the start."""
        return self._entries[-1]["epoch"] if self._entries else 0

    def curves(self) -> dict[str, list[list[float]]]:
        """Lists of (epoch, value), by name."""
        names = dict.fromkeys(name for entry in self._entries for name in entry["numbers"])
        found = {f"{name} by epochs": self._curve("numbers", name) for name in names}
        for key, labels in self._labels.items():
            for label in labels:
                points = [[e["epoch"], e["probabilities"][key][label]] for e in self._entries if label in e["probabilities"].get(key, {})]
                found[f"{PROBABILITY}{key} = {label}"] = points
        return found

    def _curve(self, part: str, name: str) -> list[list[float]]:
        return [[entry["epoch"], entry[part][name]] for entry in self._entries if name in entry[part]]

    def state(self) -> dict[str, Any]:
        """What `load` needs."""
        return {
            "every": self._every,
            "entries": [{**entry} for entry in self._entries],
            "labels": {key: list(labels) for key, labels in self._labels.items()},
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self._every = int(state["every"])
        self._entries = [{**entry} for entry in state["entries"]]
        self._labels = {key: list(labels) for key, labels in state["labels"].items()}


def probabilities(policy: Policy) -> Iterator[tuple[str, tuple[tuple[str, ...], list[float]]]]:
    """Labels and what they are compared by (as a rule a softmax) for each choice that has logits; picks in order one by one."""
    rows = [row for row in policy.rows.values() if row.trained and len(row.labels) > 1]
    for row in rows[:MOST_CHOICES]:
        key = row.key
        with torch.no_grad():
            p = policy.probabilities(key) if policy.score is None else policy.score(policy.logits(key))
        for slot, values in enumerate(p.reshape(-1, len(row.labels)).tolist()):
            yield key if p.dim() == 1 else f"{key} pick {slot + 1}", (row.labels, [round(value, 4) for value in values])
