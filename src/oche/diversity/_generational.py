"""Base of the algorithms here: they are written as loops that ask for whole batches, and run as ask-and-tell algorithms.

A subclass writes `_search`, a generator: `results = yield Batch(...)` evaluates some genomes; `yield Boundary(name)` says that nothing
is going on, so that the attributes alone describe the search. From there `_search` can be started anew: that is how it is resumed.
Every piece between two yields has a root seed of its own, drawn at an ask; each component derives its generator from it by name.
"""

from __future__ import annotations

import base64
from collections.abc import Generator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from oche import seeds
from oche.diversity._results import Result, Results, checked_columns
from oche.errors import ArgumentError, BudgetError, ResumeError
from oche.loop.contracts import Budget, Feedback, Proposal
from oche.loop.threads import limited_threads
from oche.program import DNA, Space

# Genes are rounded to so many decimals: far below any step, and half as long in a store.
_DECIMALS = 6


@dataclass(frozen=True)
class Batch:
    """Genomes to evaluate.

    Args:
        genomes: `(n, d)` in standard units, [-5, 5].
        info: What is recorded with each of them.
        parents: Number of the proposal that each was made from, -1 for none; recorded with it, for family trees.
    """

    genomes: np.ndarray
    info: Mapping[str, Any] = field(default_factory=dict)
    parents: Sequence[int] | np.ndarray | None = None


@dataclass(frozen=True)
class Boundary:
    """A point where the state is whole."""

    name: str


Search = Generator[Batch | Boundary, Results, None]


class Generational:
    """See the module. Subclasses set `name` and write `_search`, `_begin`, `_pack` and `_unpack`."""

    name = "generational"
    uses_observations = False
    #: Whether steps use libraries whose results depend on the number of threads; limiting them takes a millisecond.
    multiplies = True
    #: Boundary that was just reached, for the loop: the time to call `checkpoint`.
    boundary: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        return {}

    # -- what subclasses write --------------------------------------------------------------------------------------------------

    def _begin(self, budget: Budget | None) -> None:
        """Start with nothing."""
        raise TypeError(f"{type(self).__name__}: override _begin")

    def _search(self) -> Search:
        raise TypeError(f"{type(self).__name__}: override _search")

    def _pack(self) -> dict[str, Any]:
        """The state at a boundary: numbers, text, arrays, lists and dicts of them. Arrays are never changed in place afterwards."""
        raise TypeError(f"{type(self).__name__}: override _pack")

    def _unpack(self, state: Mapping[str, Any]) -> None:
        """The inverse of `_pack`, after `_begin`."""
        raise TypeError(f"{type(self).__name__}: override _unpack")

    # -- the protocol -----------------------------------------------------------------------------------------------------------

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`.

        Raises:
            ArgumentError: a decision is not a number on a linear scale.
            BudgetError: the budget does not reach for the first population.
        """
        for p in space.points:
            if p.kind != "float" or p.scale != "linear":
                raise ArgumentError(
                    f"algorithm {self.name!r} on space {space.name!r}: got choice {p.key!r} ({p.kind}, {p.scale}); "
                    "allowed: floatv with a linear scale; use 'regularized-evolution'"
                )
        self._space, self._rng, self.dimension = space, rng, len(space.points)
        low, high = np.array([p.lo for p in space.points], float), np.array([p.hi for p in space.points], float)
        # Standard units: [-5, 5] is the whole range of every gene.
        self._middle, self._scale, self._low, self._high = (low + high) / 2, (high - low) / 10, low, high
        self._plain = bool((low == -5).all() and (high == 5).all())
        self._budget = budget
        self._clear()
        self._begin(budget)
        self._base = self._pack()
        self._task = self._search()

    def _clear(self) -> None:
        self._asked = 0
        # The current batch: its genomes, the number of its first proposal, and which proposals are not asked, not told, and told.
        self._genomes, self._first = np.empty((0, 0)), 0
        self._parents: np.ndarray | None = None
        self._info: Mapping[str, Any] = {}
        self._queue: list[int] = []
        self._open: set[int] = set()
        self._done: dict[int, Feedback] = {}
        self._started = self._over = False
        self._root, self._draws = 0, dict[str, int]()
        self._journal: list[list[Any]] = []
        self.boundary = None

    def ask(self, n: int) -> list[Proposal]:
        """At most `n` genomes of the current batch; none while its results are awaited."""
        self._advance()
        taken = self._queue[:n]
        del self._queue[:n]
        if not taken:
            return []
        fingerprint, values = self._space.fingerprint, self._values(taken[0], len(taken)).tolist()
        at, info = taken[0] - self._first, self._info
        parents = [-1] * len(taken) if self._parents is None else self._parents[at : at + len(taken)].tolist()
        return [
            Proposal(i, DNA.trusted(tuple(v), fingerprint), 1, {**info, "parent": p} if p >= 0 else {**info})
            for i, v, p in zip(taken, values, parents, strict=True)
        ]

    def ask_batch(self) -> np.ndarray:
        """All genomes of the next batch as one array `(n, genes)`, for your own loop around a batched simulator; then `tell_batch`.

        Raises:
            ArgumentError: the batch before it was not told.
        """
        self._advance()
        if not self._over and len(self._queue) != len(self._genomes):
            raise ArgumentError("ask batch: got a batch that is partly out; allowed: tell it first")
        if self._over:
            return np.empty((0, self.dimension))
        self._queue = []
        return self._values(self._first, len(self._genomes))

    def _advance(self) -> None:
        """Run the search to its next batch, if the last one was told."""
        while not self._queue and not self._open and not self._over:
            root = int(self._rng.integers(2**62))
            self._journal.append(["go", root])
            self._go(root, None)
        if self._queue and self._after is None:
            # The root of what follows the batch; only the first draw of a batch counts.
            self._after = int(self._rng.integers(2**62))

    def _values(self, first: int, n: int) -> np.ndarray:
        """Genomes of the batch in the units of the space."""
        at = first - self._first
        if self._plain:
            return self._genomes[at : at + n].copy()
        return np.clip(self._middle + self._genomes[at : at + n] * self._scale, self._low, self._high)

    _after: int | None = None

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Collect results; with the last one of a batch the search goes on to its next one.

        Raises:
            ArgumentError: a result for a proposal that was not asked, or without what the algorithm learns from.
        """
        self.boundary = None
        for number, feedback in results:
            if number not in self._open:
                raise ArgumentError(f"tell: got proposal {number}; allowed: one that was asked and not told yet")
            self._open.remove(number)
            self._done[number] = feedback
        if self._queue or self._open or not self._done:
            return
        told = [self._done[i] for i in sorted(self._done)]
        self._done = {}
        self._told(Results(self._genomes, self._numbers(), told))

    def tell_batch(self, rewards: Any, descriptors: Any = None, observations: Any = None, zones: Any = None) -> None:
        """What came back for the batch of `ask_batch`.

        Args:
            rewards: `(n,)`; NaN where an evaluation failed.
            descriptors: `(n, numbers)`, for algorithms that are given them.
            observations: `(n, frames, channels, height, width)`, for those that learn from pictures.
            zones: Names of the reward zones, None for none.

        Raises:
            ArgumentError: no batch was asked, or another length.
        """
        if self._queue or self._done or not self._open:
            raise ArgumentError("tell batch: got results without a whole batch; allowed: one call after each ask_batch")
        columns = checked_columns(len(self._genomes), rewards, descriptors, observations, zones)
        self.boundary = None
        self._open = set()
        self._told(Results(self._genomes, self._numbers(), columns))

    def _numbers(self) -> np.ndarray:
        return np.arange(self._first, self._first + len(self._genomes))

    def _told(self, batch: Results) -> None:
        assert self._after is not None
        root, self._after = self._after, None
        self._journal.append(["results", root, batch])
        self._go(root, batch)

    def _go(self, root: int, results: Results | None) -> None:
        """Run the search up to its next batch or boundary."""
        self._root, self._draws = root, {}
        with limited_threads(1) if self.multiplies else nullcontext():
            try:
                if self._started:
                    found = self._task.send(results)  # type: ignore[arg-type] - nothing after a boundary
                else:
                    self._started = True
                    found = next(self._task)
            except StopIteration:
                self._over = True
                return
        if isinstance(found, Boundary):
            self.boundary = found.name
            self._base, self._journal = self._pack(), []
            return
        self._genomes, self._first = np.clip(np.round(found.genomes, _DECIMALS), -5, 5), self._asked
        self._info = found.info
        self._parents = None if found.parents is None else np.asarray(found.parents)
        self._asked += len(self._genomes)
        self._queue = list(range(self._first, self._asked))
        self._open = set(self._queue)

    def _generator(self, component: str) -> np.random.Generator:
        """The generator of a component for its next use."""
        self._draws[component] = self._draws.get(component, 0) + 1
        return seeds.generator(self._root, component, self._draws[component])

    # -- state ------------------------------------------------------------------------------------------------------------------

    def checkpoint(self) -> dict[str, Any]:
        """The state at the boundary that was just reached, for a file: tensors, numbers, text, lists and dicts."""
        return {"asked": self._asked, "base": _tensors(self._base), **self._made_for()}

    def _made_for(self) -> dict[str, Any]:
        return {"space": self._space.fingerprint, "genes": self.dimension}

    def load_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Continue from a `checkpoint`, after `setup`.

        Raises:
            ResumeError: it was made on another space.
        """
        self._check(state)
        self._restart(int(state["asked"]), _arrays(state["base"]))

    def _check(self, state: Mapping[str, Any]) -> None:
        own = self._made_for()
        if any(state.get(key, value) != value for key, value in own.items()):
            raise ResumeError(
                f"state of {self.name!r}: got one of another space, with {state['genes']} genes; "
                f"allowed: of space {self._space.name!r}, with {own['genes']}; give the environment that it was made on"
            )

    def _restart(self, asked: int, base: dict[str, Any]) -> None:
        self._clear()
        self._begin(self._budget)
        self._unpack(base)
        self._asked, self._base, self._task = asked, base, self._search()

    def state(self) -> dict[str, Any]:
        """The last boundary and what came after it, as JSON values."""
        journal = [entry if entry[0] == "go" else ["results", entry[1], [_result_json(r) for r in entry[2]]] for entry in self._journal]
        open_now = sorted(self._open)
        return {
            "asked": self._asked,
            "first": self._asked - self._batch_size(),
            "base": _json(self._base),
            "journal": journal,
            "queued": list(self._queue),
            "open": open_now,
            "done": [[i, _result_json(Result(self._genomes[i - self._first], f, i))] for i, f in sorted(self._done.items())],
            "after": self._after,
            **self._made_for(),
        }

    def _batch_size(self) -> int:
        """Proposals since the last boundary."""
        return sum(len(e[2]) for e in self._journal if e[0] == "results") + len(self._open) + len(self._done)

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`.

        Raises:
            ResumeError: it was made on another space.
        """
        self._check(state)
        self._restart(int(state["first"]), _from_json(state["base"]))
        for entry in state["journal"]:
            if entry[0] == "go":
                self._journal.append(list(entry))
                self._go(entry[1], None)
            else:
                told = [_result(r) for r in entry[2]]
                numbers = np.array([r.number for r in told])
                batch = Results(np.stack([r.genome for r in told]), numbers, [r.feedback for r in told])
                self._open, self._queue = set(), []
                self._journal.append(["results", entry[1], batch])
                self._go(entry[1], batch)
        self._done = {int(i): _result(r).feedback for i, r in state["done"]}
        queued, still = set(state["queued"]), set(state["open"])
        self._queue = [i for i in self._queue if i in queued]
        self._open &= still
        self._after = state["after"]
        self.boundary = None


def population_for(budget: Budget | None, population: int | None, of: str) -> int:
    """The size of a population: as given, else a twentieth of the budget, from 4 to 100.

    Raises:
        BudgetError: the budget is smaller than the population.
    """
    trials = budget.trials if budget is not None else None
    if population is None:
        return 100 if trials is None else int(np.clip(trials // 20, 4, 100))
    if trials is not None and trials < population:
        raise BudgetError(f"algorithm {of!r}: got a budget of {trials} trials; allowed: at least its population of {population}")
    return population


def _result_json(result: Result) -> dict[str, Any]:
    f = result.feedback
    return {
        "number": result.number,
        "genome": _json(result.genome),
        "reward": list(f.reward) if isinstance(f.reward, tuple) else f.reward,
        "status": f.status,
        "zone": f.zone,
        "descriptor": list(f.descriptor) if f.descriptor is not None else None,
        "observations": _json(np.asarray(f.observations)) if f.observations is not None else None,
    }


def _result(value: Mapping[str, Any]) -> Result:
    reward = tuple(value["reward"]) if isinstance(value["reward"], list) else value["reward"]
    seen = _from_json(value["observations"]) if value["observations"] is not None else None
    feedback = Feedback(reward=reward, status=value["status"], zone=value["zone"], descriptor=value["descriptor"], observations=seen)
    return Result(_from_json(value["genome"]), feedback, int(value["number"]))


def _json(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        packed = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"dtype": str(value.dtype), "shape": list(value.shape), "base64": packed}
    if isinstance(value, Mapping):
        return {"dict": [[k, _json(v)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_json(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(v) for v in value]
    if isinstance(value, Mapping):
        if "dict" in value:
            return {k: _from_json(v) for k, v in value["dict"]}
        return np.frombuffer(base64.b64decode(value["base64"]), dtype=value["dtype"]).reshape(value["shape"]).copy()
    return value


def _tensors(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        import torch

        return torch.from_numpy(np.ascontiguousarray(value))
    if isinstance(value, Mapping):
        return {k: _tensors(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_tensors(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def _arrays(value: Any) -> Any:
    if hasattr(value, "numpy"):
        return value.numpy()
    if isinstance(value, Mapping):
        return {k: _arrays(v) for k, v in value.items()}
    return [_arrays(v) for v in value] if isinstance(value, (list, tuple)) else value
