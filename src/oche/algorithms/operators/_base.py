"""Members, what an operator may know, and the algebra of operators.

    a >> b      b of what a gives          a + b    both, one after the other     a * k    k times, results one after the other
    a | b       both, each point once      a & b    what both give                a ** k   applied k times in a row
    a - b       of a what b does not give  a ^ b    what only one gives           a[i:j]   a slice of what a gives
    ~a  or -a   of the input what a does not give

Points are the same if their DNA is. Numeric arguments may be schedules: functions of the context, see `Linear`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from oche.errors import ArgumentError
from oche.program import DNA, Space
from oche.seeds import generator


@dataclass(frozen=True)
class Member:
    """A point with what is known of it.

    Args:
        dna: The point.
        reward: Its reward, several for several objectives, or None before it was evaluated.
        born: Number of its proposal; -1 for a point that is not proposed yet.

    Example:
        >>> Member(DNA((0, 1)), 0.5).reward
        0.5
    """

    dna: DNA
    reward: float | tuple[float, ...] | None = None
    born: int = -1

    @property
    def scalar(self) -> float:
        """The reward as one number; minus infinity without one.

        Raises:
            ArgumentError: there are several objectives.
        """
        if self.reward is None:
            return float("-inf")
        if isinstance(self.reward, tuple):
            if len(self.reward) != 1:
                raise ArgumentError(
                    f"operator: got {len(self.reward)} objectives; allowed: 1; use 'nsga2', 'pareto-local-search', or the operator "
                    "Nondominated"
                )
            return self.reward[0]
        return self.reward

    def to_json(self) -> list[Any]:
        """The member as a list of JSON values."""
        return [list(self.dna.flat), list(self.reward) if isinstance(self.reward, tuple) else self.reward, self.born]

    @classmethod
    def from_json(cls, value: Sequence[Any], fingerprint: str | None) -> Member:
        """The inverse of `to_json`."""
        flat, reward, born = value
        return cls(DNA.trusted(tuple(flat), fingerprint), tuple(reward) if isinstance(reward, list) else reward, born)


@dataclass
class Context:
    """What an operator may know.

    Args:
        space: The space of all members.
        rng: The one source of randomness.
        step: Number of points proposed so far; schedules are functions of it.
        memory: What `Remember` kept, for `Recall`: numbers, texts and lists of members.

    Example:
        >>> context = Context.of({"x": oneof([1, 2, 3])}, seed=0)
        >>> len(context.draw(5))
        5
    """

    space: Space
    rng: np.random.Generator
    step: int = 0
    memory: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, program: Any, seed: int = 0, step: int = 0) -> Context:
        """A context to try operators in."""
        from oche.program import as_space

        return cls(as_space(program), generator(seed), step)

    def draw(self, n: int) -> list[Member]:
        """`n` random points, with their numbers 0, 1, ... as rewards."""
        return [Member(self.space.sample(self.rng), float(i), i) for i in range(n)]

    def member(self, flat: Sequence[Any], reward: float | None = None) -> Member:
        """The point of some genes."""
        return Member(DNA.trusted(tuple(flat), self.space.fingerprint), reward)


#: A number, or a function of the context.
Number = int | float | Callable[[Context], float]


def number(value: Number, context: Context) -> float:
    """The value of a numeric argument now."""
    return value(context) if callable(value) else value


class Operator:
    """Maps members to members. Subclasses say how in `apply`, and with `arguments` how they were made.

    Example:
        >>> context = Context.of({"x": oneof([1, 2, 3])})
        >>> [m.reward for m in (Last(2) + First(1))(context.draw(4), context)]
        [2.0, 3.0, 0.0]
    """

    def apply(self, members: list[Any], context: Context) -> list[Any]:
        """What the operator gives for `members`."""
        raise TypeError(f"{type(self).__name__}: override apply")

    def arguments(self) -> Mapping[str, Any]:
        """Arguments of the constructor, for the text form."""
        return {k: v for k, v in vars(self).items() if not k.startswith("_")}

    def __call__(self, members: Sequence[Any], context: Context) -> list[Any]:
        return self.apply(list(members), context)

    def __repr__(self) -> str:
        # A function is shown by its name: the text must be the same in every process.
        shown = (v if isinstance(v, Operator) else getattr(v, "__qualname__", None) or v for v in self.arguments().values())
        return f"{type(self).__name__}({', '.join(map(str, shown))})"

    def __rshift__(self, other: Operator) -> Operator:
        return _Pair(">>", self, as_operator(other))

    def __add__(self, other: Operator) -> Operator:
        return _Pair("+", self, as_operator(other))

    def __or__(self, other: Operator) -> Operator:
        return _Pair("|", self, as_operator(other))

    def __and__(self, other: Operator) -> Operator:
        return _Pair("&", self, as_operator(other))

    def __sub__(self, other: Operator) -> Operator:
        return _Pair("-", self, as_operator(other))

    def __xor__(self, other: Operator) -> Operator:
        return _Pair("^", self, as_operator(other))

    def __mul__(self, times: Number) -> Operator:
        return _Times("*", self, times)

    def __pow__(self, times: Number) -> Operator:
        return _Times("**", self, times)

    def __getitem__(self, part: int | slice) -> Operator:
        return _Slice(self, part if isinstance(part, slice) else slice(part, part + 1 or None))

    # Without it, Python would iterate by `[0]`, `[1]`, ... without end.
    __iter__ = None

    def __invert__(self) -> Operator:
        return _Inverse(self)

    def __neg__(self) -> Operator:
        return _Inverse(self)

    def with_prob(self, p: Number) -> Operator:
        """Apply with probability p, else give the input.

        Example:
            >>> context = Context.of({"x": oneof([1, 2, 3])})
            >>> len(First(1).with_prob(0)(context.draw(4), context))
            4
        """
        return _Maybe(self, p)

    def if_true(self, condition: Callable[[list[Any], Context], bool]) -> Operator:
        """Apply where `condition(members, context)` holds, else give the input.

        Example:
            >>> context = Context.of({"x": oneof([1, 2, 3])}, step=9)
            >>> len(First(1).if_true(lambda members, context: context.step > 5)(context.draw(4), context))
            1
        """
        return _If(self, condition, True)

    def if_false(self, condition: Callable[[list[Any], Context], bool]) -> Operator:
        """Apply where `condition(members, context)` does not hold, else give the input.

        Example:
            >>> context = Context.of({"x": oneof([1, 2, 3])}, step=9)
            >>> len(First(1).if_false(lambda members, context: context.step > 5)(context.draw(4), context))
            4
        """
        return _If(self, condition, False)

    def for_each(self) -> Operator:
        """Apply to each item of the input alone; gives one list per item. An item may be a list itself.

        Example:
            >>> context = Context.of({"x": oneof([1, 2, 3])})
            >>> [len(group) for group in (Identity() * 2).for_each()(context.draw(3), context)]
            [2, 2, 2]
        """
        return _ForEach(self)

    def flatten(self) -> Operator:
        """Lists in what the operator gives become their items, at any depth.

        Example:
            >>> context = Context.of({"x": oneof([1, 2, 3])})
            >>> len((Identity() * 2).for_each().flatten()(context.draw(3), context))
            6
        """
        return _Flatten(self)

    def until_change(self, attempts: int = 100) -> Operator:
        """Apply anew until a point comes out that did not go in, at most `attempts` times.

        Example:
            >>> context = Context.of({"x": oneof([1, 2])})
            >>> (parent,) = context.draw(1)
            >>> Mutate().until_change()([parent], context)[0].dna == parent.dna
            False
        """
        return _UntilChange(self, attempts)


def as_operator(value: Any) -> Operator:
    """An operator as it is; a function of (members, context) as an operator.

    Raises:
        ArgumentError: it is neither.
    """
    if isinstance(value, Operator):
        return value
    if callable(value):
        return _Function(value)  # pyright: ignore[reportArgumentType]
    raise ArgumentError(f"operator: got {value!r}; allowed: an operator such as Top(1), or a function of (members, context)")


def _key(item: Any) -> Any:
    return tuple(_key(i) for i in item) if isinstance(item, list) else item.dna


def _once(items: Sequence[Any]) -> list[Any]:
    return list({_key(item): item for item in reversed(items)}.values())[::-1]


class Identity(Operator):
    """Gives its input.

    Example:
        >>> context = Context.of({"x": oneof([1, 2, 3])})
        >>> len((Identity() * 3)(context.draw(2), context))
        6
    """

    def apply(self, members: list[Any], context: Context) -> list[Any]:
        """The input."""
        return members


class Remember(Operator):
    """Keeps something under a name, and gives its input.

    Args:
        name: The name, for `Recall` and `recalled`.
        what: None for the members themselves; a JSON value; or a function of (members, context) that gives one.

    Example:
        >>> context = Context.of({"x": oneof([1, 2, 3])})
        >>> members = (Top(1) >> Remember("best"))(context.draw(4), context)
        >>> Recall("best")([], context)[0].reward
        3.0
    """

    def __init__(self, name: str, what: Any = None) -> None:
        self.name = name
        self.what = what

    def apply(self, members: list[Any], context: Context) -> list[Any]:
        """Keep, and give the input."""
        context.memory[self.name] = (
            list(members) if self.what is None else self.what(members, context) if callable(self.what) else self.what
        )
        return members


class Recall(Operator):
    """Gives the members that `Remember` kept under a name; none before.

    Example:
        >>> context = Context.of({"x": oneof([1, 2, 3])})
        >>> Recall("best")(context.draw(4), context)
        []
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def apply(self, members: list[Any], context: Context) -> list[Any]:
        """The kept members."""
        return list(context.memory.get(self.name, []))


def recalled(name: str, default: float) -> Callable[[Context], float]:
    """A numeric argument that is whatever `Remember` kept under a name.

    Example:
        >>> context = Context.of({"x": oneof([1, 2, 3])})
        >>> context.memory["count"] = 2
        >>> len(First(recalled("count", 1))(context.draw(4), context))
        2
    """

    def value(context: Context) -> float:
        return context.memory.get(name, default)

    value.__qualname__ = f"recalled({name!r}, {default!r})"
    return value


class _Function(Operator):
    def __init__(self, function: Callable[[list[Any], Context], list[Any]]) -> None:
        self.function = function

    def apply(self, members: list[Any], context: Context) -> list[Any]:
        return list(self.function(members, context))


class _Pair(Operator):
    def __init__(self, sign: str, first: Operator, second: Operator) -> None:
        self.sign, self.first, self.second = sign, first, second

    def __repr__(self) -> str:
        return f"({self.first!r} {self.sign} {self.second!r})"

    def apply(self, members: list[Any], context: Context) -> list[Any]:
        a = self.first(members, context)
        if self.sign == ">>":
            return self.second(a, context)
        b = self.second(members, context)
        if self.sign == "+":
            return a + b
        if self.sign == "|":
            return _once(a + b)
        in_a, in_b = {_key(m) for m in a}, {_key(m) for m in b}
        if self.sign == "&":
            return [m for m in _once(a) if _key(m) in in_b]
        rest = [m for m in _once(a) if _key(m) not in in_b]
        return rest if self.sign == "-" else rest + [m for m in _once(b) if _key(m) not in in_a]


class _Times(Operator):
    def __init__(self, sign: str, operator: Operator, times: Number) -> None:
        self.sign, self.operator, self.times = sign, operator, times

    def __repr__(self) -> str:
        return f"({self.operator!r} {self.sign} {getattr(self.times, '__qualname__', self.times)})"

    def apply(self, members: list[Any], context: Context) -> list[Any]:
        times = int(number(self.times, context))
        if self.sign == "*":
            return [m for _ in range(times) for m in self.operator(members, context)]
        for _ in range(times):
            members = self.operator(members, context)
        return members


class _Slice(Operator):
    def __init__(self, operator: Operator, part: slice) -> None:
        self.operator, self.part = operator, part

    def apply(self, members: list[Any], context: Context) -> list[Any]:
        return self.operator(members, context)[self.part]


class _Inverse(Operator):
    def __init__(self, operator: Operator) -> None:
        self.operator = operator

    def apply(self, members: list[Any], context: Context) -> list[Any]:
        found = {_key(m) for m in self.operator(members, context)}
        return [m for m in members if _key(m) not in found]


class _Maybe(Operator):
    def __init__(self, operator: Operator, p: Number) -> None:
        self.operator, self.p = operator, p

    def apply(self, members: list[Any], context: Context) -> list[Any]:
        return self.operator(members, context) if context.rng.random() < number(self.p, context) else members


class _If(Operator):
    def __init__(self, operator: Operator, condition: Callable[[list[Any], Context], bool], wanted: bool) -> None:
        self.operator, self.condition, self.wanted = operator, condition, wanted

    def apply(self, members: list[Any], context: Context) -> list[Any]:
        return self.operator(members, context) if bool(self.condition(members, context)) is self.wanted else members


class _ForEach(Operator):
    def __init__(self, operator: Operator) -> None:
        self.operator = operator

    def apply(self, members: list[Any], context: Context) -> list[Any]:
        return [self.operator(item if isinstance(item, list) else [item], context) for item in members]


class _Flatten(Operator):
    def __init__(self, operator: Operator) -> None:
        self.operator = operator

    def apply(self, members: list[Any], context: Context) -> list[Any]:
        def flat(items: list[Any]) -> list[Any]:
            return [m for item in items for m in (flat(item) if isinstance(item, list) else [item])]

        return flat(self.operator(members, context))


class _UntilChange(Operator):
    def __init__(self, operator: Operator, attempts: int) -> None:
        self.operator, self.attempts = operator, attempts

    def apply(self, members: list[Any], context: Context) -> list[Any]:
        known, made = {_key(m) for m in members}, members
        for _ in range(self.attempts):
            made = self.operator(members, context)
            if any(_key(m) not in known for m in made):
                break
        return made
