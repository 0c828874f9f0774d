"""Choices whose gene is text of the user's own: a value with its own encoding, or a whole program that evolves.

The space knows nothing of the text: it is made by `random`, changed by `mutate` and read by `decode`. Such a space is infinite, so it
has no ranks; everything else (sampling, mutation, JSON, stores, decoding, encoding) works as for numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from oche.errors import DNAError, NotRelaxable, OcheError, SpaceError
from oche.program.choice import Choice
from oche.program.node import Node
from oche.program.resolver import Collect, Resolver, Site
from oche.program.spec import Decision, Text
from oche.seeds import generator


class TextChoice(Choice):
    """A value that the user encodes as text.

    Args:
        kind: `custom` or `evolve`.
        encode: Text of a value.
        decode: Value of a text; raises where the text is no gene.
        random: New text from a generator.
        mutate: Changed text from a text and a generator.
        name: As in `Choice`.
        rules: Names of the user's functions, which choices of one name must share.
    """

    def __init__(
        self,
        kind: str,
        encode: Callable[[Any], str],
        decode: Callable[[str], Any],
        random: Callable[[np.random.Generator], str],
        mutate: Callable[[str, np.random.Generator], str],
        name: str | None,
        rules: tuple[str, ...],
    ) -> None:
        super().__init__(name, {})
        self.kind = kind
        self.encode = encode
        self.decode = decode
        self.rules = rules
        self._random = random
        self._mutate = mutate

    def random(self, rng: np.random.Generator) -> str:
        """A random gene."""
        return self._text("random", self._random(rng))

    def mutate(self, text: str, rng: np.random.Generator) -> str:
        """A gene near `text`."""
        return self._text("mutate", self._mutate(text, rng))

    def first(self) -> str:
        """The gene of a program that nobody searches, always the same."""
        return self.random(generator(0, "first", self.name or ""))

    def check(self, text: str, place: str) -> None:
        """Raise `DNAError` unless `text` can be decoded."""
        try:
            self.decode(text)
        except Exception as error:
            raise DNAError(
                f"gene of {place!r}: got {text!r} ({type(error).__name__}: {error}); allowed: text that decode of this {self.kind} takes"
            ) from error

    def gene_of(self, value: Any) -> str:
        """The gene of a value."""
        return self._text("encode", self.encode(value))

    def _text(self, rule: str, made: Any) -> str:
        if not isinstance(made, str):
            raise SpaceError(f"{self.kind} {self.key or self.name or ''!r}, {rule}: got {type(made).__name__}; allowed: text (the gene)")
        return made

    @property
    def default(self) -> Any:
        """The first gene."""
        return self.first()

    def collect(self, collector: Collect, site: Site, plain: bool) -> tuple[list[Decision], Any]:
        """One text; an undecided program sees the value of the first gene."""
        gene = self.keyed(site.key)
        text = Text(site.rel, site.location, site.key, self.kind, gene, self.rules, self.name is not None)
        first = self.first()
        self.check(first, site.location)
        return [text], self.decode(first)

    def child(self, resolver: Resolver, site: Site, decision: Any) -> Any:
        """The value of the gene; a node is built like every other node of the program."""
        if not isinstance(decision, str):
            raise SpaceError(f"choice {site.location!r}: got {decision!r}; allowed: text, the gene of this {self.kind}")
        self.check(decision, site.location)
        with resolver.scope(site.location):
            return resolver.materialize(self.decode(decision))

    def relax(self, builder: Any, site: Site) -> Any:
        """Text cannot be mixed."""
        raise NotRelaxable(
            f"choice {site.location!r}: got a gene of text ({self.kind}); allowed in a supernet: choices between modules; "
            "use a black-box algorithm, or leave it out with space.where(...)"
        )

    def __repr__(self) -> str:
        return f"{self.kind}({', '.join(self.rules)})"


class Serialized:
    """The gene of a program: its own text.

    Args:
        initial: A node, or a value that JSON can hold.
        mutate: Changed program from a program and a generator.
        spread: A random member is the initial program after 0 to this many mutations.
        name: Name of the choice, for messages.
    """

    def __init__(self, initial: Any, mutate: Callable[[Any, np.random.Generator], Any], spread: int, name: str | None) -> None:
        self.initial = initial
        self.changed = mutate
        self.spread = spread
        self.name = name
        if self.decode(self.encode(initial)) != initial:
            raise SpaceError(
                f"evolve {name or ''!r}, initial: got {initial!r}, which comes back from JSON as another value; "
                "allowed: a node, or numbers, text, lists and dicts with text keys"
            )

    def encode(self, program: Any) -> str:
        """The program's text."""
        if isinstance(program, Node):
            return program.to_json()
        try:
            return json.dumps(program, separators=(",", ":"))
        except (TypeError, ValueError) as error:
            raise SpaceError(
                f"evolve {self.name or ''!r}: got {program!r} ({error}); allowed: a node, or numbers, text, lists and dicts with text keys"
            ) from error

    def decode(self, text: str) -> Any:
        """The program of a text."""
        if isinstance(self.initial, Node):
            return Node.from_json(text)
        return json.loads(text)

    def random(self, rng: np.random.Generator) -> str:
        """The initial program after a random number of mutations."""
        program = self.initial
        for _ in range(int(rng.integers(self.spread + 1))):
            program = self._next(program, rng)
        return self.encode(program)

    def mutate(self, text: str, rng: np.random.Generator) -> str:
        """The text of the program, mutated once."""
        return self.encode(self._next(self.decode(text), rng))

    def _next(self, program: Any, rng: np.random.Generator) -> Any:
        try:
            return self.changed(program, rng)
        except OcheError:
            raise
        except Exception as error:
            raise SpaceError(
                f"evolve {self.name or ''!r}, mutate: got {type(error).__name__}: {error}; "
                "allowed: a function of a program and a generator that returns a program"
            ) from error


class Evolve(TextChoice):
    """A program that is its own gene; an undecided program is the initial one."""

    def __init__(self, program: Serialized, name: str | None, rules: tuple[str, ...]) -> None:
        super().__init__("evolve", program.encode, program.decode, program.random, program.mutate, name, rules)
        self.program = program

    def first(self) -> str:
        """The initial program."""
        return self.program.encode(self.program.initial)
