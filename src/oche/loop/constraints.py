"""Hard constraints on what may be tried, for every algorithm that proposes points.

A constraint belongs to the search and not to the algorithm: it stands between the algorithm and the loop. A proposal that breaks it is
never evaluated and never counts as a trial; the algorithm is told at once that it was skipped, and asked again. So random search under
a constraint draws uniformly from what is allowed, and every other algorithm needs no line for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from oche.errors import ArgumentError, OcheError, SkipTrial, SpaceError
from oche.files import digest
from oche.loop.contracts import AskTell, Budget, Cost, Feedback, Proposal
from oche.program import DNA, Space
from oche.program.costs import MemberCost

#: Verdicts that are kept, so that a point which is proposed again is not built again.
_REMEMBERED = 100_000

_PLAIN = (bool, int, float, str, tuple, type(None))


@dataclass(frozen=True)
class Constraint:
    """What members must be like to be tried.

    Args:
        max_params: Largest number of weights.
        max_macs: Largest number of multiply-adds for one input.
        where: Predicate of a member.
        of: What `where` gets: `child` (networks lie on torch's meta device), `decisions` (labels by key), or `dna`.
        input_size: Shape of one input without the batch, for `max_macs`.
        attempts: So many proposals in a row may break it before the search stops with an error.

    Raises:
        ArgumentError: nothing is constrained, or an argument is not of its kind.
    """

    max_params: int | None = None
    max_macs: int | None = None
    where: Callable[[Any], bool] | None = None
    of: str = "child"
    input_size: Sequence[int] | None = None
    attempts: int = 1000

    def __post_init__(self) -> None:
        for name in ("max_params", "max_macs", "attempts"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ArgumentError(f"constraint, {name}: got {value!r}; allowed: a whole number from 1")
        if self.where is not None and not callable(self.where):
            raise ArgumentError(f"constraint, where: got {self.where!r}; allowed: a function of a member that says whether it may be tried")
        if self.max_params is None and self.max_macs is None and self.where is None:
            raise ArgumentError("constraint: got none; allowed: at least one of max_params, max_macs, where")
        self._costs()  # wrong settings stop here

    def describe(self) -> dict[str, Any]:
        """What two runs must share to obey the same constraint, as JSON. A function counts by its name and its source text."""
        found = {k: getattr(self, k) for k in ("max_params", "max_macs") if getattr(self, k) is not None}
        if self.input_size is not None and self.max_macs is not None:
            found["input_size"] = list(self.input_size)
        if self.where is not None:
            found["where"] = getattr(self.where, "__qualname__", type(self.where).__qualname__)
            found["of"] = self.of
            if (source := _source(self.where)) is not None:
                found["source"] = source
        return found

    def broken(self, space: Space, dna: DNA) -> str | None:
        """Why a member may not be tried, or None if it may.

        Raises:
            SpaceError: `where` raises.
        """
        for name, cost, limit in self._costs():
            try:
                value = cost(space, dna)
            except SkipTrial as error:
                return str(error)
            except OcheError:
                raise
            except Exception as error:
                raise SpaceError(
                    f"constraint, {name}: got {type(error).__name__}: {error} for {dna}; allowed: a function that answers for every member"
                ) from error
            if limit is None and not value:
                return f"{name} does not hold"
            if limit is not None and value > limit:
                return f"{value:,} {name} of at most {limit:,}"
        return None

    def _costs(self) -> list[tuple[str, MemberCost, int | None]]:
        found: list[tuple[str, MemberCost, int | None]] = []
        if self.where is not None:
            found.append((getattr(self.where, "__name__", "where"), MemberCost(self.where, self.of), None))
        if self.max_params is not None:
            found.append(("params", MemberCost("params"), self.max_params))
        if self.max_macs is not None:
            found.append(("macs", MemberCost("macs", input_size=self.input_size), self.max_macs))
        return found


class Constrained:
    """An algorithm whose proposals all obey a constraint.

    Its own proposals keep their numbers; the loop sees those that are left, numbered on. Its state holds that of the algorithm, so a
    run resumes as any other does.

    Args:
        algorithm: Any ask-and-tell algorithm.
        constraint: The constraint.
    """

    def __init__(self, algorithm: AskTell, constraint: Constraint) -> None:
        self.algorithm = algorithm
        self.constraint = constraint
        self.rejected = 0
        self._asked = 0
        self._inner: dict[int, tuple[int, int]] = {}
        self._verdicts: dict[tuple[Any, ...], str | None] = {}

    def __getattr__(self, name: str) -> Any:
        # Settings, and marks such as `finite` and `uses_observations`, are the algorithm's. Private names are looked up while copying.
        if name.startswith("_") or name == "algorithm":
            raise AttributeError(name)
        return getattr(self.algorithm, name)

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`."""
        self._space = space
        self.rejected = self._asked = 0
        self._inner.clear()
        self._verdicts.clear()
        self.algorithm.setup(space, rng, budget)

    def ask(self, n: int) -> list[Proposal]:
        """`n` proposals that obey the constraint.

        Raises:
            SpaceError: too many in a row break it.
        """
        found: list[Proposal] = []
        in_a_row = 0
        while len(found) < n:
            got = self.algorithm.ask(1)
            if not got:
                break
            proposal = got[0]
            reason = self._verdict(proposal.dna)
            if reason is None:
                found.append(self._numbered(proposal))
                in_a_row = 0
                continue
            self.rejected += 1
            in_a_row += 1
            told = Feedback(status="skipped", reason=f"constraint: {reason}", cost=Cost())
            self.algorithm.tell([(proposal.id, told)] * proposal.count)
            if in_a_row >= self.constraint.attempts and not self._runs_out:
                raise SpaceError(
                    f"constraint on space {self._space.name!r}: got {in_a_row} proposals in a row that break it, the last one by {reason}; "
                    "allowed: a constraint that a fair share of the space obeys; loosen it, restrict the space, or raise attempts"
                )
        return found

    @property
    def _runs_out(self) -> bool:
        """Whether the algorithm comes to its end by itself, however many points are refused; a bracket asks until it is full."""
        return getattr(self.algorithm, "finite", False) and not getattr(self.algorithm, "multi_fidelity", False)

    def _numbered(self, proposal: Proposal) -> Proposal:
        number = self._asked
        self._asked += 1
        self._inner[number] = (proposal.id, proposal.count)
        return replace(proposal, id=number)

    def _verdict(self, dna: DNA) -> str | None:
        if dna.flat not in self._verdicts:
            if len(self._verdicts) >= _REMEMBERED:
                self._verdicts.clear()
            self._verdicts[dna.flat] = self.constraint.broken(self._space, dna)
        return self._verdicts[dna.flat]

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Pass results on under the algorithm's own numbers."""
        passed = []
        for number, feedback in results:
            if number not in self._inner:
                raise ArgumentError(f"tell: got proposal {number}; allowed: one that was asked and not told yet")
            inner, left = self._inner.pop(number)
            if left > 1:
                self._inner[number] = (inner, left - 1)
            passed.append((inner, feedback))
        self.algorithm.tell(passed)

    def state(self) -> dict[str, Any]:
        """The algorithm's state, and the numbers."""
        open_ones = [[number, *inner] for number, inner in self._inner.items()]
        return {"algorithm": self.algorithm.state(), "asked": self._asked, "rejected": self.rejected, "open": open_ones}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        self._asked, self.rejected = int(state["asked"]), int(state["rejected"])
        self._inner = {int(number): (int(inner), int(left)) for number, inner, left in state["open"]}
        self.algorithm.load(state["algorithm"])


def as_constraint(value: Any) -> Constraint | None:
    """A constraint from one, from a dict of its arguments, from a predicate of a child, or None."""
    if value is None or isinstance(value, Constraint):
        return value
    if isinstance(value, Mapping):
        return Constraint(**value)
    if callable(value):
        where: Any = value
        return Constraint(where=where)
    raise ArgumentError(f"constraint: got {value!r}; allowed: oche.loop.Constraint(max_params=...), its arguments as a dict, or a function")


def constrained(algorithm: Any, constraint: Constraint | None) -> Any:
    """`algorithm` under a constraint; itself if there is none.

    Raises:
        ArgumentError: it shares weights, and so proposes nothing before its end.
    """
    if constraint is None:
        return algorithm
    if hasattr(algorithm, "advance"):
        raise ArgumentError(
            f"constraint with algorithm {type(algorithm).__name__!r}: got one that shares weights; "
            "allowed: algorithms that propose points, for example 'regularized-evolution'; add a term to its loss instead"
        )
    return Constrained(algorithm, constraint)


def _source(function: Callable[..., Any]) -> str | None:
    """Hash of what a function says, and of the plain values that it was given by default or found around it."""
    code = getattr(function, "__code__", None)
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    values = [repr(v) for v in (*(getattr(function, "__defaults__", None) or ()), *cells) if isinstance(v, _PLAIN)]
    if code is not None and code.co_name == "<lambda>":
        # The source of a lambda is the whole line that it stands in.
        constants = [repr(c) for c in code.co_consts if isinstance(c, _PLAIN)]
        return digest([code.co_code.hex(), constants, list(code.co_names), values])[:16]
    try:
        return digest([inspect.getsource(function), values])[:16]
    except (TypeError, OSError):
        return None
