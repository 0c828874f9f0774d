"""All programs that a program with choices can become.

A space is compiled once, without training anything: it can be counted, enumerated, sampled and restricted, and any of its points
can be decoded into a program. Algorithms see the space and never the program.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from oche.errors import ArgumentError, DNAError, SpaceError, unknown
from oche.files import digest
from oche.program.counting import size_text
from oche.program.decisions import read, write
from oche.program.discovery import discover
from oche.program.dna import DNA, Gene
from oche.program.encoding import Encode
from oche.program.layout import Layout, Point
from oche.program.node import Node, Symbol
from oche.program.resolver import Decide, Resolver
from oche.program.spec import Decision, Pick, walk
from oche.program.subspaces import fix, keep, restrict
from oche.seeds import as_generator


class OpenProgram:
    """A plain program with some of its decisions taken; `Space` accepts it and sees the rest.

    Args:
        space: The space of all decisions.
        decisions: Those that are taken.
    """

    def __init__(self, space: Space, decisions: Mapping[str, Any]) -> None:
        self.space = space
        self.decisions = dict(decisions)

    def __repr__(self) -> str:
        return f"OpenProgram({self.space.name}, {self.decisions})"


class Space:
    """All points of a program with choices.

    Args:
        program: A class or function that builds something and meets choices on the way (plain style), or a node, a choice, or a
            list, tuple or dict with choices in it (tree style).
        collect: How decisions under plain control flow are found. `alternatives`: the program runs once for each other candidate of
            each value that it was given, the others at their defaults. `exhaustive`: once for every combination, at most 4,096 runs.
        **arguments: Keyword arguments of a plain program.

    Raises:
        SpaceError: choices contradict each other or hold themselves without end, there are more combinations than may be run, or
            the program is of neither style.
        UnknownNameError: the program has no such argument.
        ArgumentError: an argument without a default is missing.

    Source: Peng et al. 2020 (PyGlove), abstract search space; ranks, exact counts and discovery by running are ours.

    Example:
        >>> from oche.program import oneof
        >>> space = Space({"a": oneof([1, oneof([2, 3])]), "b": oneof(["x", "y"])})
        >>> space.size, space.decode(space.at(3))
        (6, {'a': 2, 'b': 'y'})
    """

    def __init__(self, program: Any, collect: str = "alternatives", **arguments: Any) -> None:
        if isinstance(program, Space):
            program, arguments = program.program, {**program.arguments, **arguments}
        if isinstance(program, OpenProgram):
            self.__dict__.update(program.space.fix(program.decisions).__dict__)
            return
        plain = callable(program) and not isinstance(program, Node)
        if not plain and arguments:
            raise SpaceError(
                f"space: got arguments {', '.join(arguments)} for a program that is not called; allowed: for a class or function"
            )
        self.program = program
        self.arguments = arguments
        self.plain = plain
        self.name = _program_name(program)
        if plain:
            _check_arguments(program, self.name, arguments)
        self.root = self
        self.fixed: dict[str, Any] = {}
        self._open = False
        self.collect = collect
        self._set_decisions(discover(program, arguments, plain, {}, collect))

    def _set_decisions(self, decisions: Sequence[Decision]) -> None:
        self.tree = tuple(decisions)
        self.layout = Layout(self.tree)
        self.points: tuple[Point, ...] = tuple(self.layout.points)

    def _derived(self, decisions: Sequence[Decision], fixed: Mapping[str, Any], is_open: bool) -> Space:
        made = object.__new__(Space)
        made.program, made.arguments, made.plain, made.name = self.program, self.arguments, self.plain, self.name
        made.collect = self.collect
        made.root, made.fixed, made._open = self.root, dict(fixed), is_open
        made._set_decisions(decisions)
        return made

    def with_arguments(self, **arguments: Any) -> Space:
        """The same space of a program that is called with some other arguments.

        Raises:
            SpaceError: with these arguments the program has other choices.
        """
        whole = Space(self.program, self.collect, **{**self.arguments, **arguments})
        whole.name = self.name
        if whole.fingerprint != self.root.fingerprint:
            raise SpaceError(
                f"program {self.name!r}: got other choices with {', '.join(arguments)}; allowed: arguments that change sizes only; "
                "compile a new Space"
            )
        if self.root is self:
            return whole
        made = self._derived(self.tree, self.fixed, self._open)
        made.arguments, made.root = whole.arguments, whole
        return made

    # -- reading ------------------------------------------------------------------------------------------------------------

    @property
    def size(self) -> int | float:
        """Number of points, exact; `math.inf` if there is a float or text decision."""
        return self.layout.size

    @property
    def n(self) -> tuple[int, ...]:
        """Number of candidates of each point, 0 for a float."""
        return self.layout.n

    @property
    def parent(self) -> tuple[int, ...]:
        """Index of the point that each point depends on, -1 if none."""
        return self.layout.parent

    @property
    def parent_choice(self) -> tuple[int, ...]:
        """The parent's candidate under which each point is active."""
        return self.layout.parent_choice

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical list of points: spaces with equal fingerprints have equal DNA."""
        return digest(
            [
                [p.id, p.key, p.choice, p.n, list(p.labels), p.parent, p.parent_choice, p.group, p.slot, p.lo, p.hi, p.scale, p.step,
                 p.distinct, p.is_sorted]
                for p in self.points
            ]
        )  # fmt: skip

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """All decision keys, in order."""
        return tuple(dict.fromkeys(p.key for p in self.points))

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.keys)

    @cached_property
    def _by_id(self) -> dict[str, int]:
        return {p.id: i for i, p in enumerate(self.points)}

    def labels(self, key: str) -> tuple[str, ...]:
        """Labels that can be decided for `key`."""
        return self._pick(key).labels

    def relaxed_labels(self, key: str) -> tuple[str, ...]:
        """Labels of the candidates that a supernet of this space holds for `key`."""
        pick = self._pick(key)
        return pick.relaxed or pick.labels

    def _pick(self, key: str) -> Pick:
        found = next((d for d in walk(self.tree) if d.key == key), None)
        if not isinstance(found, Pick):
            raise unknown("choice", key, [d.key for d in walk(self.tree) if isinstance(d, Pick)])
        return found

    # -- points -------------------------------------------------------------------------------------------------------------

    def at(self, index: int) -> DNA:
        """The point of rank `index` in canonical order (the last decision fastest).

        Raises:
            SpaceError: the space is infinite, or the index is out of range.
        """
        size = self._finite_size()
        if not 0 <= index < size:
            raise SpaceError(f"index: got {index}; allowed: 0 to {size - 1}")
        return DNA.trusted(self.layout.at(index), self.fingerprint)

    def index(self, dna: DNA) -> int:
        """The rank of a point; the inverse of `at`."""
        self._finite_size()
        self.validate(dna)
        return self.layout.index(dna.flat)

    def __iter__(self) -> Iterator[DNA]:
        """All points in canonical order."""
        return (self.at(i) for i in range(self._finite_size()))

    def sample(self, seed: int | np.random.Generator = 0, measure: str = "choice") -> DNA:
        """A random point.

        Args:
            seed: A number, or a NumPy generator that goes on.
            measure: `choice`: uniform at each decision on the way down. `space`: uniform over all points. They differ where
                candidates hold sub-spaces of different sizes, or sorted picks may repeat.
        """
        rng = as_generator(seed)
        if measure == "choice":
            return DNA.trusted(self.layout.sample(rng), self.fingerprint)
        if measure == "space":
            return self.at(_below(self._finite_size(), rng))
        raise SpaceError(f"measure: got {measure!r}; allowed: 'choice', 'space'")

    def stratified(self, cost: Any = "params", n: int = 20, seed: int | np.random.Generator = 0, **settings: Any) -> list[DNA]:
        """Random points whose costs spread evenly between the smallest and the largest.

        Args:
            cost: `params`, or a function of a child that gives a number.
            n: Number of points.
            seed: A number, or a generator that goes on.
            **settings: `bins`, `scale`, `low`, `high`, see `stratify`.
        """
        from oche.program.stratified import stratify

        return list(stratify(self, cost, n, seed=seed, **settings).members)

    def validate(self, dna: DNA) -> None:
        """Check that a DNA is a point of this space.

        Raises:
            DNAError: it is not; the message names the first point at fault.
        """
        if not isinstance(dna, DNA):
            raise DNAError(f"DNA: got {dna!r}; allowed: oche.DNA((...))")
        if dna.fingerprint is not None and dna.fingerprint != self.fingerprint:
            raise DNAError(
                f"DNA: got one of another space ({dna.fingerprint[:12]}); allowed: DNA of {self.name!r} ({self.fingerprint[:12]}); "
                "a DNA of a restricted space is carried over by its lift()"
            )
        self.layout.check(dna.flat)

    def active(self, flat: Sequence[Gene]) -> list[bool]:
        """Which points are active in a flat DNA."""
        return self.layout.active(flat)

    def resample(self, flat: Sequence[Gene], point: int, rng: np.random.Generator) -> tuple[Gene, ...]:
        """Redraw one active point and everything below it; see `Layout.resample`."""
        return self.layout.resample(flat, point, rng)

    # -- from points to programs and back -----------------------------------------------------------------------------------

    def decisions(self, dna: DNA) -> dict[str, Any]:
        """Active decisions by key: a label, a tuple of labels, or a number."""
        self.validate(dna)
        return read(self.points, dna.flat)

    def encode_decisions(self, decisions: Mapping[str, Any], defaults: bool = False) -> DNA:
        """The point of some decisions; the inverse of `decisions`.

        Args:
            decisions: By key; those that turn out inactive are ignored.
            defaults: Take the first candidate (the lower end) where no decision is given.

        Raises:
            UnknownNameError: a key does not exist.
            SpaceError: a decision is missing, or names no candidate.
        """
        for key in decisions:
            if key not in self._known:
                raise unknown("choice", key, self.keys)
        flat: list[Gene] = [None] * len(self.points)
        write(self.tree, "", decisions, flat, self._by_id, defaults)
        self.layout.check(flat)
        return DNA.trusted(tuple(flat), self.fingerprint)

    def decode(self, dna: DNA, seed: int = 0, **arguments: Any) -> Any:
        """The program of a point.

        Args:
            dna: A point of this space.
            seed: Root of the random streams from which modules get their initial weights.
            **arguments: Arguments of a plain program that differ from the space's own: the same decisions, by key, are built into
                another size.

        Returns:
            What a plain program builds, or a decided copy of a tree. In a space that leaves choices out (`where`), a tree with those
            choices still in it, or an open program.
        """
        decisions = {**self.fixed, **self.decisions(dna)}
        if self._open and self.plain:
            return OpenProgram(self.root, decisions)
        resolver = Decide(decisions, seed, keep_nodes=True, partial=self._open)
        return resolver.run(self.program, self._with(arguments), self.plain)

    def build(self, dna: DNA, seed: int = 0, **arguments: Any) -> Any:
        """The same as `decode`, with nodes built."""
        if self._open:
            raise SpaceError(
                f"space {self.name!r}: got a space that leaves choices out; allowed: build points of the whole space; use lift()"
            )
        resolver = Decide({**self.fixed, **self.decisions(dna)}, seed)
        return resolver.run(self.program, self._with(arguments), self.plain)

    def run(self, resolver: Resolver, **arguments: Any) -> Any:
        """Run the program under a resolver of one's own, and return what it builds."""
        return resolver.run(self.program, self._with(arguments), self.plain)

    def _with(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if arguments and not self.plain:
            raise SpaceError(
                f"decode: got arguments {', '.join(arguments)} for a program that is not called; allowed: for a class or function"
            )
        return {**self.arguments, **arguments}

    def encode(self, value: Any) -> DNA:
        """The point that decodes to `value`; the first candidate that matches wins.

        Args:
            value: For a tree, a value of its form. For a plain program, decisions as `{key: label}`.

        Raises:
            SpaceError: a part matches no candidate, or differs where the program is fixed; the message names the path.
        """
        if self.plain:
            if not isinstance(value, Mapping):
                raise SpaceError(f"encode: got {type(value).__name__}; allowed for a class or function: decisions as {{key: label}}")
            return self.encode_decisions(value)
        return self.encode_decisions(Encode().decisions(self.program, value))

    def nested(self, dna: DNA) -> Any:
        """The nested form: a list for several decisions, a tuple for a decision with others inside, else the number."""
        self.validate(dna)
        return self.layout.nested(dna.flat)

    def from_nested(self, value: Any) -> DNA:
        """The inverse of `nested`; lists may stand for tuples, as they do in JSON."""
        flat = self.layout.from_nested(value)
        self.layout.check(flat)
        return DNA.trusted(flat, self.fingerprint)

    # -- sub-spaces ---------------------------------------------------------------------------------------------------------

    def restrict(self, allowed: Mapping[str, Sequence[str]]) -> Space:
        """A space with fewer candidates at some choices.

        Args:
            allowed: By key, the labels that stay, at least one.
        """
        for key, labels in allowed.items():
            known = self.relaxed_labels(key)
            for label in labels:
                if label not in known:
                    raise unknown(f"candidate of {key!r}", str(label), known)
        return self._derived([restrict(d, allowed) for d in self.tree], self.fixed, self._open)

    def where(self, test: str | Callable[[Point], bool]) -> Space:
        """A space of some of the decisions; the rest stays open in what it decodes to.

        Args:
            test: A regular expression searched in keys, or a predicate of points. A conditional decision needs its parent's too.

        Raises:
            SpaceError: it is no regular expression, or matches no choice.
        """
        try:
            holds = (lambda p, found=re.compile(test): found.search(p.key) is not None) if isinstance(test, str) else test
        except re.error as error:
            raise SpaceError(f"where: got {test!r}; allowed: a regular expression, and this is none: {error}") from error
        kept = {p.key for p in self.points if holds(p)}
        if not kept:
            raise SpaceError(f"where: got {test!r}, which matches no choice; allowed: {', '.join(self.keys[:12])}")
        if kept == set(self.keys):
            return self
        return self._derived(keep(self.tree, kept), self.fixed, True)

    def fix(self, decisions: Mapping[str, Any]) -> Space:
        """The space of what is still to be decided once some decisions are taken."""
        for key in decisions:
            if key not in self.keys:
                raise unknown("choice", key, self.keys)
        return self._derived(fix(self.tree, decisions), {**self.fixed, **decisions}, self._open)

    def lift(self, dna: DNA) -> DNA:
        """The same point in the root space; decisions that were left out get their first candidate."""
        return self.root.encode_decisions({**self.fixed, **self.decisions(dna)}, defaults=True)

    def _finite_size(self) -> int:
        if isinstance(self.size, float) and math.isinf(self.size):
            cause = next(p for p in self.points if p.kind in ("float", "text"))
            raise SpaceError(
                f"space {self.name!r}: got a {cause.kind} decision ({cause.key!r}), so it is infinite; "
                "allowed: finite spaces for ranks; use sample()"
            )
        return int(self.size)

    def __repr__(self) -> str:
        size = "infinite" if self.size == math.inf else f"{size_text(self.size)} points"
        return f"Space({self.name}, {len(self.points)} decision points, {size})"


def as_space(program: Any, **arguments: Any) -> Space:
    """`program` itself if it is a space, else its space."""
    return program if isinstance(program, Space) and not arguments else Space(program, **arguments)


def _check_arguments(program: Any, name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that a program does not take, and calls without those that it must have."""
    try:
        parameters = inspect.signature(program).parameters.values()
    except (TypeError, ValueError):  # some built-in types have no signature
        return
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    names = [p.name for p in named]
    if not any(p.kind == p.VAR_KEYWORD for p in parameters):
        for given in arguments:
            if given not in names:
                raise unknown(f"argument of program {name!r}", given, names)
    missing = [p.name for p in named if p.default is p.empty and p.name not in arguments]
    if missing:
        raise ArgumentError(
            f"program {name!r}: got no value for {', '.join(map(repr, missing))}; allowed: a call with every argument that has no default; "
            f"give {missing[0]}=..."
        )


def _program_name(program: Any) -> str:
    if isinstance(program, Node):
        return program.symbol.__name__
    if isinstance(program, Symbol):
        return program.__name__
    return getattr(program, "__qualname__", None) or type(program).__name__


def _below(size: int, rng: np.random.Generator) -> int:
    """A uniform integer in [0, size), of any length."""
    if size < 2**62:
        return int(rng.integers(size))
    n_bytes = (size.bit_length() + 7) // 8
    excess = n_bytes * 8 - size.bit_length()
    while True:
        value = int.from_bytes(rng.bytes(n_bytes), "big") >> excess
        if value < size:
            return value
