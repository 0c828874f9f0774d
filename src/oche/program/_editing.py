"""A batch of edits in place, with one invalidation at its end."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from oche.program._tree import Branch, FrozenDict, FrozenList, no_such_step

_epochs = itertools.count(1)


class Epoch:
    """Number of batches that ended in this process: what was cached in an earlier one is computed anew."""

    now = 0


class Batch:
    """Edits of one node in place.

    The first edit below a node makes a copy of that node, later ones change the copy: nodes that other trees share stay as they are.
    Nothing is invalidated until the batch ends; then every node that was copied loses its caches once, the deepest first.

    Args:
        root: The node that is edited.
    """

    def __init__(self, root: Branch) -> None:
        self.root = root
        self.before = root.arguments
        self._arguments: dict[str, Any] = dict(root.arguments)
        self._open: dict[tuple[str | int, ...], Any] = {(): self._arguments}
        #: Steps to every container that was copied, in the order in which they lose their caches.
        self.touched: list[tuple[str | int, ...]] = []

    def set(self, steps: tuple[str | int, ...], new: Any, path: str) -> None:
        """Put `new` at the end of some steps."""
        holder: Any = self._arguments
        owner: Any = self.root
        for i, step in enumerate(steps[:-1]):
            here = steps[: i + 1]
            if here not in self._open:
                value = holder[_checked(holder, owner, step, path)]
                self._open[here] = _Draft(value, step, path)
                holder[_checked(holder, owner, step, path)] = self._open[here]
            owner = self._open[here].original
            holder = self._open[here].items
        last = steps[-1]
        if isinstance(owner, Branch) and last not in holder:
            owner.check_argument(str(last), path)
        else:
            last = _checked(holder, owner, last, path)
        holder[last] = new
        # What stood here may have been opened for edits below it; those are overwritten.
        self._open = {k: v for k, v in self._open.items() if k[: len(steps)] != steps}

    def close(self) -> Mapping[str, Any]:
        """The arguments that the root has from now on."""
        self.touched = sorted(self._open, key=len, reverse=True)
        made = {k: v.close() if isinstance(v, _Draft) else v for k, v in self._arguments.items()}
        Epoch.now = next(_epochs)
        return made


class _Draft:
    """One node or container below the root while the batch is open."""

    def __init__(self, original: Any, step: str | int, path: str) -> None:
        self.original = original
        if isinstance(original, Branch):
            self.items: Any = dict(original.arguments)
        elif isinstance(original, dict):
            self.items = dict(original)
        elif isinstance(original, (list, tuple)):
            self.items = list(original)
        else:
            raise no_such_step(original, step, path)

    def close(self) -> Any:
        original = self.original
        if isinstance(original, (Branch, dict)):
            made = {k: v.close() if isinstance(v, _Draft) else v for k, v in self.items.items()}
            return original.replace(made) if isinstance(original, Branch) else FrozenDict(made)
        items = [v.close() if isinstance(v, _Draft) else v for v in self.items]
        if isinstance(original, list):
            return FrozenList(items)
        return type(original)(*items) if hasattr(original, "_fields") else tuple(items)


def _checked(holder: Any, owner: Any, step: str | int, path: str) -> Any:
    if isinstance(holder, list):
        if isinstance(step, int) and step < len(holder):
            return step
    elif step in holder:
        return step
    elif isinstance(owner, dict):
        found = next((k for k in holder if not isinstance(k, str) and str(k) == str(step)), None)
        if found is not None:
            return found
    raise no_such_step(owner, step, path)
