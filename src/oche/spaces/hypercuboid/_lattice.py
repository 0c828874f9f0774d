"""A lattice of states as a choice: level after level one goes from a state to a state by one of several ways.

A point decides for each level where to go and how; where one comes from is known from the level before, except at the first. In a supernet
each level has one softmax over all ways from all states to all states, and a point is derived as a path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from oche.errors import NotRelaxable, SpaceError, UndeclaredDecision
from oche.program import Choice, Site
from oche.program.layout import join
from oche.program.resolver import Collect, Resolver
from oche.program.spec import Decision, Pick
from oche.spaces.hypercuboid._modules import Mixture, Path, Step, name_of
from oche.supernets.chains import Link
from oche.supernets.drawn import Slot
from oche.supernets.longest_path import PathRule
from oche.supernets.policy import Row


class Lattice(Choice):
    """Levels between states.

    Args:
        levels: Names of the levels, which are the keys of the decisions.
        states: Labels of the states, the same at all levels.
        ways: Labels of the ways from a state to a state.
        stem: Builds what maps the input to a state, called with the state.
        way: Builds a candidate, called with the level, the state that it comes from, the state that it leads to, and the way.
        sink: Builds what maps a state to the output, called with the state.
        rule: Which path stands for the scores of a supernet.

    Raises:
        SpaceError: there is no state, no way or no level, or one twice.
    """

    def __init__(
        self,
        levels: Sequence[str],
        states: Sequence[str],
        ways: Sequence[str],
        stem: Callable[[str], nn.Module],
        way: Callable[[str, str, str, str], nn.Module],
        sink: Callable[[str], nn.Module],
        rule: PathRule | None = None,
    ) -> None:
        for what, given in (("levels", levels), ("states", states), ("ways", ways)):
            if not given or len(set(given)) < len(given):
                raise SpaceError(
                    f"lattice, {what}: got {list(given)}; allowed: at least one, and none twice; otherwise no path leads through"
                )
        self.levels, self.states, self.ways = tuple(levels), tuple(states), tuple(ways)
        self.rule = rule or PathRule()
        self.ways_from = {label: part for label, part in self._ways()}
        made: dict[str, Any] = {f"stem {state}": _Call(stem, state) for state in self.states}
        for level in self.levels:
            made |= {f"{level}: {label}": _Call(way, level, *parts) for label, parts in self.ways_from.items()}
        made |= {f"sink {state}": _Call(sink, state) for state in self.states}
        super().__init__(None, made)

    def _ways(self) -> list[tuple[str, tuple[str, str, str]]]:
        """All ways by label, in the order of the softmax: where from, where to, how."""
        return [(f"{a}->{b} {way}", (a, b, way)) for a in self.states for b in self.states for way in self.ways]

    def decision(self, level: str, label: str) -> str:
        """What a point decides where a supernet takes a way."""
        return label if level == self.levels[0] else label.partition("->")[2]

    def labels_of(self, level: str) -> tuple[str, ...]:
        """What a point can decide at a level."""
        return tuple(dict.fromkeys(self.decision(level, label) for label in self.ways_from))

    @property
    def decides(self) -> bool:
        """Not by one decision of its own: its levels do."""
        return False

    @property
    def default(self) -> dict[str, str]:
        """The first label of each level."""
        return {level: self.labels_of(level)[0] for level in self.levels}

    def collect(self, collector: Collect, site: Site, plain: bool) -> tuple[list[Decision], Any]:
        """One pick for each level, side by side; all candidates are built once, so that mistakes in them are found here."""
        for label in self.candidates:
            inside, _ = collector.visit(self, site, label)
            if inside:
                raise SpaceError(f"lattice, {label!r}: got a choice inside; allowed: candidates without; make it an axis of the lattice")
        picks: list[Decision] = []
        for level in self.levels:
            labels = self.labels_of(level)
            empty: tuple[tuple[Decision, ...], ...] = ((),) * len(labels)
            if level not in collector.fixed:
                place = join(site.location, level)
                picks.append(Pick(join(site.rel, level), place, level, "oneof", labels, 1, True, False, (empty,), True, labels))
        return picks, self.child(collector, site, {**self.default, **collector.fixed})

    def child(self, resolver: Resolver, site: Site, decision: Any) -> Any:
        """The path of the decisions of all levels."""
        taken = resolver.taken() if decision is None else decision
        missing = next((level for level in self.levels if level not in taken), None)
        if missing is not None:
            raise UndeclaredDecision(f"choice {missing!r}: got no decision for it; allowed: one for each of {', '.join(self.levels)}")
        state: str | None = None
        names: list[str] = []
        for level in self.levels:
            label = taken[level]
            if label not in self.labels_of(level):
                raise SpaceError(f"choice {level!r}: got candidate {label!r}; allowed: {', '.join(self.labels_of(level))}")
            label = label if state is None else f"{state}->{label}"
            start, state, _ = self.ways_from[label]
            names += [f"stem {start}"] if not names else []
            names.append(f"{level}: {label}")
        stem, *levels, sink = [resolver.candidate(self, site, name) for name in (*names, f"sink {state}")]
        return Path(stem, levels, sink)

    def relax(self, builder: Any, site: Site) -> Any:
        """All states at once.

        Raises:
            NotRelaxable: the gates of the mixer need what every candidate gives, although not all states are there.
        """
        if builder.mixer.needs_all:
            raise NotRelaxable(
                f"lattice {site.location!r}: got {type(builder.mixer).__name__}, whose gates need what every candidate gives; allowed: "
                "mixers that run all candidates of a level or one, such as softmax and gumbel-hard"
            )
        modules: dict[str, nn.Module] = {}

        def build(name: str, **overrides: Any) -> nn.Module:
            # Candidates change the width, so a mixer that asks for fewer channels gets the whole ones.
            return modules.setdefault(name, builder.candidate(self, site, name))

        rows, reached = [], set(self.states)
        for number, level in enumerate(self.levels):
            allowed = self._allowed(builder.space, level)
            labels = tuple(
                label
                for label, (start, _, _) in self.ways_from.items()
                if self.decision(level, label) in allowed and (number == 0 or start in reached)
            )
            bare = Row(level, labels, tuple(range(len(labels))))
            for i in range(len(labels)):
                build(name_of(bare, i))
            costs = tuple(float(sum(p.numel() for p in modules[name_of(bare, i)].parameters())) for i in range(len(labels)))
            starts, ends = (tuple(self.ways_from[label][side] for label in labels) for side in (0, 1))
            decisions = tuple(self.decision(level, label) for label in labels)
            link = Link(self.levels[number - 1] if number else None, starts, ends, decisions, self.rule, costs)
            builder.group(level, labels, link=link)
            rows.append(builder.rows[level])
            reached = set(ends)
        stems = {state: f"stem {state}" for state in self.states if state in set(rows[0].link.starts)}
        sinks = {state: f"sink {state}" for state in self.states if state in reached}
        for name in (*stems.values(), *sinks.values()):
            build(name)
        slot = Slot(self.levels[0], site.location or "lattice", tuple(modules))
        return Mixture(slot, modules, builder.runtime, builder.mixer, [Step.of(row, slot.location) for row in rows], stems, sinks)

    def _allowed(self, space: Any, level: str) -> Mapping[str, Any] | tuple[str, ...]:
        """Labels that a level may still decide in a space."""
        if level in space.fixed:
            return (space.fixed[level],)
        return space.labels(level) if level in space.keys else (self.default[level],)


class _Call:
    """A builder with its arguments, called with nothing; a class, so that it can be pickled."""

    def __init__(self, function: Callable[..., nn.Module], *arguments: str) -> None:
        self.function, self.arguments = function, arguments

    def __call__(self) -> nn.Module:
        return self.function(*self.arguments)
