"""Spaces and DNA: compiling, drawing, decoding, encoding and text, of 20 and of 200 choices of five, beside PyGlove.

Targets are ratios of our rate to PyGlove's. PyGlove keeps its DNA linked to its space, so its DNA from text or numbers is linked too
(`use_spec`), as ours is checked against its space.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from symbolic_frame import Row

import oche
from oche.program import DNA, DNAArray, Space


def _ours(n: int) -> dict[str, Any]:
    return {f"x{i}": oche.oneof([0, 1, 2, 3, 4]) for i in range(n)}


def _fresh(make: Callable[[], Any], use: Callable[[Any], object]) -> Callable[[int], Callable[[], object]]:
    """A maker that gives every call an object of its own."""

    def maker(calls: int) -> Callable[[], object]:
        made = iter([make() for _ in range(calls)])
        return lambda: use(next(made))

    return maker


def _rows(n: int) -> list[Row]:
    import pyglove as pg

    def theirs_value() -> Any:
        return pg.Dict({f"x{i}": pg.oneof([0, 1, 2, 3, 4]) for i in range(n)})

    value, program = theirs_value(), _ours(n)
    spec, template = pg.dna_spec(value), pg.template(value)
    space, rng = Space(program), np.random.default_rng(0)
    dna, other = space.sample(0), pg.random_dna(spec, random.Random(0))
    child, other_child = space.decode(dna), template.decode(other)
    text, other_text = dna.to_json(), other.to_json_str(compact=True)
    flat, other_flat = dna.flat, other.to_numbers()

    def draw(_: int) -> Callable[[], object]:
        generator = np.random.default_rng(0)
        return lambda: space.decode(space.sample(generator))

    def their_draw(_: int) -> Callable[[], object]:
        generator = random.Random(0)
        return lambda: template.decode(pg.random_dna(spec, generator))

    def from_text() -> object:
        read = DNA.from_json(text)
        space.validate(read)
        return read

    def their_from_text() -> object:
        read = pg.from_json_str(other_text)
        read.use_spec(spec)
        return read

    def from_flat() -> object:
        read = DNA(flat)
        space.validate(read)
        return read

    def of(call: Callable[[], object]) -> Callable[[int], Callable[[], object]]:
        return lambda _: call

    return [
        Row(f"compile space, {n} choices", _fresh(lambda: _ours(n), Space), _fresh(theirs_value, pg.dna_spec), 50),
        Row(f"random DNA, {n} choices", of(lambda: space.sample(rng)), of(lambda: pg.random_dna(spec, random.Random(0))), 300),
        Row(f"materialize, {n} choices", of(lambda: space.decode(dna)), of(lambda: template.decode(other)), 50),
        Row(f"encode, {n} choices", of(lambda: space.encode(child)), of(lambda: template.encode(other_child)), 50),
        Row(f"random DNA and program, {n} choices", draw, their_draw, 50),
        Row(f"DNA to JSON text, {n} choices", of(dna.to_json), of(lambda: other.to_json_str(compact=True)), 10),
        Row(f"DNA from JSON text, {n} choices", of(from_text), of(their_from_text), 100),
        Row(f"DNA from flat numbers, {n} choices", of(from_flat), of(lambda: pg.DNA.from_numbers(other_flat, spec)), 100),
        Row(f"space size after compiling, {n} choices", of(lambda: space.size), of(lambda: spec.space_size), 1),
        Row(
            f"space size, cold, {n} choices",
            _fresh(lambda: _ours(n), lambda made: Space(made).size),
            _fresh(theirs_value, lambda made: pg.dna_spec(made).space_size),
            50,
        ),
    ]


def rows() -> list[Row]:
    """All rows; the last ones have no counterpart and are only shown."""
    large = {f"x{i}": oche.oneof([0, 1, 2, 3, 4]) for i in range(10_000)}
    small = Space(_ours(20))
    points = [small.sample(i) for i in range(10_000)]
    array = DNAArray(small, points)
    assert array.nbytes / len(array) < 100, "a point of 20 choices takes 100 bytes or more"

    def binomial(calls: int) -> Callable[[], object]:
        made = iter([oche.manyof(15, list(range(30)), sorted=True) for _ in range(calls)])
        return lambda: Space(next(made)).size

    return [
        *_rows(20),
        *_rows(200),
        Row("compile space, 10,000 choices", lambda _: lambda: Space(large), None, None),
        Row("count 15 of 30 candidates", binomial, None, None),
        Row("DNA into an array (20 choices, 40 bytes each)", lambda _: lambda: DNAArray(small, points[:100]), None, None, per_call=100),
        Row("rank and unrank, 20 choices", lambda _: lambda: small.index(small.at(5**19 + 7)), None, None),
    ]
