"""Search: evolution's propose and tell, and the whole sample loop, beside PyGlove and beside a hand-written loop on tuples."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from symbolic_frame import Row

import oche
from oche import seeds
from oche.algorithms import RegularizedEvolution
from oche.loop.contracts import Feedback

POPULATION, TOURNAMENT = 50, 10
CHOICES, CANDIDATES = 6, 5


def _space() -> Any:
    return oche.Space({f"op{i}": oche.oneof(list(range(CANDIDATES)), name=f"op{i}") for i in range(CHOICES)})


def _evolution(n: int) -> Callable[[], Any]:
    search = RegularizedEvolution(POPULATION, TOURNAMENT)
    search.setup(_space(), seeds.generator(0))

    def step() -> None:
        (proposal,) = search.ask(1)
        search.tell([(proposal.id, Feedback(reward=float(sum(proposal.dna.flat))))])  # type: ignore[arg-type]

    for _ in range(POPULATION):
        step()
    return step


def _by_hand(n: int) -> Callable[[], Any]:
    """The same search on bare tuples, with the same generator and the same draws."""
    rng = seeds.generator(0)
    members: deque[tuple[tuple[int, ...], float]] = deque(maxlen=POPULATION)
    for _ in range(POPULATION):
        flat = tuple(int(u * CANDIDATES) for u in rng.random(CHOICES).tolist())
        members.append((flat, float(sum(flat))))

    def step() -> None:
        drawn = rng.choice(POPULATION, size=TOURNAMENT, replace=False)
        parent = members[max(drawn, key=lambda i: members[i][1])][0]
        place = int(rng.integers(CHOICES))
        child = (*parent[:place], int(rng.random() * CANDIDATES), *parent[place + 1 :])
        members.append((child, float(sum(child))))

    return step


def _pyglove_evolution(n: int) -> Callable[[], Any]:
    import pyglove as pg

    search = pg.evolution.regularized_evolution(population_size=POPULATION, tournament_size=TOURNAMENT, seed=0)
    spec = pg.dna_spec(pg.Dict({f"op{i}": pg.oneof(list(range(CANDIDATES))) for i in range(CHOICES)}))
    search.setup(spec)

    def step() -> None:
        dna = search.propose()
        search.feedback(dna, float(sum(dna.to_numbers())))

    for _ in range(POPULATION):
        step()
    return step


def _after_the_first(loop: Any) -> Callable[[], Any]:
    """One turn of a loop whose population is full."""

    def step() -> None:
        child, feedback = next(loop)
        feedback(float(sum(child.values())))

    for _ in range(POPULATION):
        step()
    return step


def _loop(algorithm: Callable[[], Any]) -> Callable[[int], Callable[[], Any]]:
    def maker(n: int) -> Callable[[], Any]:
        loop = oche.sample(_space(), algorithm(), n=n + POPULATION + 1, seed=0)
        return _after_the_first(loop)

    return maker


def _pyglove_loop(algorithm: str) -> Callable[[int], Callable[[], Any]]:
    def maker(n: int) -> Callable[[], Any]:
        import pyglove as pg

        if algorithm == "random":
            made = pg.geno.Random(seed=0)
        else:
            made = pg.evolution.regularized_evolution(population_size=POPULATION, tournament_size=TOURNAMENT, seed=0)
        program = pg.Dict({f"op{i}": pg.oneof(list(range(CANDIDATES))) for i in range(CHOICES)})
        loop = iter(pg.sample(program, made, num_examples=n + POPULATION + 1))
        return _after_the_first(loop)

    return maker


def rows() -> list[Row]:
    """The rows; a target below 1 against the hand-written loop allows three times its time."""
    evolution = _loop(lambda: RegularizedEvolution(POPULATION, TOURNAMENT))
    return [
        Row("evolution propose + tell, 6x5, P=50 T=10", _evolution, _pyglove_evolution, target=100),
        Row("evolution propose + tell / hand-written loop", _evolution, _by_hand, target=1 / 3),
        Row("sample loop, evolution, 6x5", evolution, _pyglove_loop("evolution"), target=50),
        Row("sample loop, random, 6x5", _loop(lambda: "random"), _pyglove_loop("random"), target=50),
    ]
