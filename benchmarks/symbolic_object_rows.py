"""Rows of symbolic objects: making, copying, editing, reading, comparing, writing.

Both sides hold the same tree of 103 objects: a net with a list of 25 layers of four objects each, and a head. What a library keeps
between calls (a hash, a regular expression) it may use; the rows "fresh" give it new objects for every call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from symbolic_frame import Maker, Row

import oche


def _ten(self: Any, f0: int, f1: int, f2: int, f3: int, f4: int, f5: int, f6: int, f7: int, f8: int, f9: int) -> None:
    """Keeps nothing: only the symbolic side is measured."""


def _mixed(self: Any, f0: int, f1: str, f2: float, f3: bool, f4: Any, f5: list[int], f6: str, f7: int, f8: float, f9: str) -> None:
    """Keeps nothing."""


class Ten:
    """Ten whole numbers."""

    __init__ = _ten  # type: ignore[assignment]


class Mixed:
    """Ten fields of several types, a list among them."""

    __init__ = _mixed  # type: ignore[assignment]


class Conv:
    """A leaf of the tree."""

    def __init__(self, filters: int, kernel: int, name: str = "conv") -> None:
        self.filters, self.kernel, self.name = filters, kernel, name


class Norm:
    """A leaf of the tree."""

    def __init__(self, momentum: float) -> None:
        self.momentum = momentum


class Act:
    """A leaf of the tree."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


class Layer:
    """Three leaves."""

    def __init__(self, conv: Conv, norm: Norm, act: Act) -> None:
        self.conv, self.norm, self.act = conv, norm, act


class Head:
    """The end of the tree."""

    def __init__(self, classes: int) -> None:
        self.classes = classes


class Net:
    """The tree: 1 + 1 list + 25 * 4 + 1 objects."""

    def __init__(self, layers: list[Layer], head: Head) -> None:
        self.layers, self.head = layers, head


class _Side:
    """One library's classes and operations."""

    def __init__(self, wrap: Callable[[type], Any]) -> None:
        self.Ten, self.Mixed, self.Conv, self.Norm, self.Act, self.Layer, self.Head, self.Net = (
            wrap(c) for c in (Ten, Mixed, Conv, Norm, Act, Layer, Head, Net)
        )

    def tree(self) -> Any:
        """A new tree of 103 objects."""
        layers = [self.Layer(self.Conv(16 + i, 3, name=f"c{i}"), self.Norm(0.9), self.Act("relu")) for i in range(25)]
        return self.Net(layers, self.Head(10))

    def ten(self, _: int) -> Callable[[], object]:
        """Make an object of ten whole numbers."""
        make = self.Ten
        return lambda: make(f0=0, f1=1, f2=2, f3=3, f4=4, f5=5, f6=6, f7=7, f8=8, f9=9)

    def mixed(self, _: int) -> Callable[[], object]:
        """Make an object of ten mixed fields."""
        make = self.Mixed
        return lambda: make(f0=0, f1="a", f2=0.5, f3=True, f4=None, f5=[1, 2, 3], f6="b", f7=7, f8=1e-3, f9="c")

    def construct(self, _: int) -> Callable[[], object]:
        """Make a tree."""
        return self.tree

    def on_tree(self, act: Callable[[Any], object]) -> Maker:
        """The same tree for all calls."""

        def maker(_: int) -> Callable[[], object]:
            tree = self.tree()
            return lambda: act(tree)

        return maker

    def on_fresh(self, act: Callable[[Any], object], most: int = 400) -> Maker:
        """A new tree for every call, as many as memory bears."""

        def maker(n: int) -> Callable[[], object]:
            trees = [self.tree() for _ in range(min(n, most))]
            turn = iter(trees * (n // len(trees) + 1)) if n <= most else None
            if turn is None:
                raise ValueError(f"{n} calls: at most {most} new trees; set least_seconds lower")
            return lambda: act(next(turn))

        return maker

    def on_two(self, act: Callable[[Any, Any], object]) -> Maker:
        """Two equal trees."""

        def maker(_: int) -> Callable[[], object]:
            a, b = self.tree(), self.tree()
            return lambda: act(a, b)

        return maker


def _ours_by_function(tree: Any) -> object:
    return tree.map(lambda path, value: value + 1 if value.__class__ is int else value)


def _theirs_by_function(tree: Any) -> object:
    # In place, as that library does; the values grow from call to call.
    return tree.rebind(lambda key_path, value, parent: value + 1 if value.__class__ is int else value)


def _counted(act: Callable[[Any, int], object]) -> Callable[[Any], object]:
    """Another value in each call: an edit that changes nothing could be skipped."""
    count = [0]

    def call(tree: Any) -> object:
        count[0] += 1
        return act(tree, count[0])

    return call


def rows() -> list[Row]:
    """Rows of objects."""
    import pyglove as pg

    ours, theirs = _Side(oche.symbolic), _Side(pg.symbolize)
    text, their_text = ours.tree().to_json(), theirs.tree().to_json_str()
    deep = "layers[20].conv.filters"
    small, their_small = ours.Head(1), theirs.Head(1)

    def their_query(tree: Any) -> object:
        return pg.query(tree, ".*filters$")

    return [
        Row("construct, 10 whole numbers", ours.ten, theirs.ten, 20),
        Row("construct, 10 mixed fields", ours.mixed, theirs.mixed, 20),
        Row("construct, tree of 103 objects", ours.construct, theirs.construct, 50),
        Row("clone deep, 103 objects", ours.on_tree(lambda t: t.clone()), theirs.on_tree(lambda t: t.clone(deep=True)), 50),
        Row(
            "rebind one field",
            lambda _: functools.partial(_counted(lambda t, n: t.set({"classes": n})), small),
            lambda _: functools.partial(_counted(lambda t, n: t.rebind(classes=n)), their_small),
            3,
        ),
        Row(
            "rebind by path, depth 3",
            ours.on_tree(_counted(lambda t, n: t.set({deep: n}))),
            theirs.on_tree(_counted(lambda t, n: t.rebind({deep: n}))),
            5,
        ),
        Row("rebind by function, 103 objects", ours.on_tree(_ours_by_function), theirs.on_tree(_theirs_by_function), 10),
        Row(
            "query by regex, 103 objects",
            ours.on_tree(lambda t: t.query("filters$")),
            theirs.on_tree(their_query),
            5,
        ),
        Row("equality of equal trees", ours.on_two(lambda a, b: a == b), theirs.on_two(pg.eq), 5),
        Row("diff of equal trees", ours.on_two(lambda a, b: a.diff(b)), theirs.on_two(pg.diff), 50),
        Row("hash", ours.on_tree(hash), theirs.on_tree(pg.hash), 3),
        Row("hash, fresh trees", ours.on_fresh(hash), theirs.on_fresh(pg.hash), 3, least_seconds=0.01),
        Row("to JSON text, 103 objects", ours.on_tree(lambda t: t.to_json()), theirs.on_tree(lambda t: t.to_json_str()), 10),
        Row("from JSON text, 103 objects", lambda _: lambda: oche.Node.from_json(text), lambda _: lambda: pg.from_json_str(their_text), 50),
    ]
