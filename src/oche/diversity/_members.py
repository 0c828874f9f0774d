"""The policies that a search keeps: one table, in which populations, archives and emitters point by number.

Because a policy's descriptor stands in one place only, a new autoencoder makes all of them new at once: none can be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from oche.errors import ArgumentError


class Members:
    """Rows by id; ids go up by one and are never used twice.

    Columns: `genome` (standard units), `number` (of its proposal), `reward`, `given` (descriptor from outside),
    `frames` (as the encoder takes them), `descriptor`
    (what novelty is measured by) and `surprise`. `zone` holds names.
    """

    def __init__(self) -> None:
        self.ids = np.zeros(0, dtype=np.int64)
        self.zones: list[str | None] = []
        self._columns: dict[str, np.ndarray] = {}
        self._used = 0
        self._next = 0

    def __len__(self) -> int:
        return self._used

    def __getitem__(self, name: str) -> np.ndarray:
        """A whole column; do not change it in place."""
        return self._columns[name][: self._used]

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def add(self, columns: Mapping[str, np.ndarray], zones: Sequence[str | None]) -> list[int]:
        """Append rows and return their ids."""
        n = len(zones)
        if not n:
            return []
        if not self._columns:
            self._columns = {k: np.empty((0, *v.shape[1:]), dtype=v.dtype) for k, v in columns.items()}
        for name, values in columns.items():
            if values.shape[1:] != self._columns[name].shape[1:]:
                raise ArgumentError(
                    f"{name}: got shape {values.shape[1:]} of a new policy; allowed: {self._columns[name].shape[1:]}, as before"
                )
        if self._used + n > len(self._columns["genome"]):
            room = max(256, 2 * (self._used + n))
            for name, old in self._columns.items():
                grown = np.empty((room, *old.shape[1:]), dtype=old.dtype)
                grown[: self._used] = old[: self._used]
                self._columns[name] = grown
        for name, values in columns.items():
            self._columns[name][self._used : self._used + n] = values
        made = np.arange(self._next, self._next + n)
        self.ids = np.concatenate([self.ids, made])
        self.zones += list(zones)
        self._used += n
        self._next += n
        return made.tolist()

    def rows(self, ids: Sequence[int] | np.ndarray) -> np.ndarray:
        """Rows of some ids."""
        return np.searchsorted(self.ids, np.asarray(ids, dtype=np.int64))

    def distinct(self, *ids: Sequence[int] | np.ndarray) -> np.ndarray:
        """Rows of some ids, each once, in order."""
        chosen = np.zeros(self._used, dtype=bool)
        for part in ids:
            chosen[self.rows(part)] = True
        return np.flatnonzero(chosen)

    def of(self, name: str, ids: Sequence[int] | np.ndarray) -> np.ndarray:
        """A column at some ids."""
        return self._columns[name][self.rows(ids)]

    def zone(self, member: int) -> str | None:
        """The zone that a policy reached."""
        return self.zones[int(self.rows([member])[0])]

    def replace(self, name: str, values: np.ndarray) -> None:
        """Put a whole new column in the place of an old one."""
        self._columns[name] = values

    def keep(self, ids: Iterable[int]) -> None:
        """Forget all others."""
        rows = self.rows(sorted(set(ids)))
        self._columns = {k: v[rows] for k, v in self._columns.items()}
        self.ids, self.zones = self.ids[rows], [self.zones[r] for r in rows]
        self._used = len(rows)

    def state(self) -> dict[str, Any]:
        """Arrays and lists; the arrays are not copied."""
        columns = {k: self[k] for k in self._columns}
        return {"ids": self.ids, "zones": list(self.zones), "next": self._next, "columns": columns}

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.ids, self.zones, self._next = np.array(state["ids"], dtype=np.int64), list(state["zones"]), int(state["next"])
        self._columns = {k: np.array(v) for k, v in state["columns"].items()}
        self._used = len(self.ids)
