"""Other classes in place of some, in this thread or task only, and put back afterwards."""

from __future__ import annotations

import asyncio
import threading

import pytest
from torch import nn

import oche
from oche.errors import ArgumentError


class Plain:
    def __init__(self, x, y=2):
        self.x, self.y = x, y


class Heir(Plain):
    inits = 0

    def __init__(self, x, y=3):
        super().__init__(x, y)
        Heir.inits += 1


class WithNew:
    def __new__(cls, x):
        made = super().__new__(cls)
        made.x = x
        return made


class Bare:
    pass


class Other:
    def __init__(self, *args, **kwargs):
        self.args = (args, kwargs)


def test_a_class_is_swapped_and_put_back():
    before = dict(WithNew.__dict__)
    with oche.detour({Plain: Other, WithNew: Other}):
        assert Plain(1, y=5).args == ((1,), {"y": 5})
        assert WithNew(7).args == ((7,), {})
        # A subclass is not the class itself.
        assert type(Heir(1)) is Heir
    assert dict(WithNew.__dict__) == before
    assert (Plain(1).x, Plain(1, y=4).y, WithNew(3).x) == (1, 4, 3)
    with pytest.raises(TypeError):
        Plain()
    with oche.detour({Bare: Other}):
        assert type(Bare()) is Other
    with pytest.raises(TypeError, match=r"takes no arguments"):
        Bare(1)
    assert type(Bare()) is Bare


def test_a_subclass_as_replacement_is_initialized_once():
    Heir.inits = 0
    with oche.detour({Plain: Heir}):
        made = Plain(9)
    assert (type(made), made.x, made.y, Heir.inits) == (Heir, 9, 3, 1)


def test_a_replacement_may_make_the_class_itself_and_detours_nest():
    with oche.detour({Plain: lambda x: ("wrapped", Plain(x))}):
        name, inner = Plain(4)
        assert (name, type(inner)) == ("wrapped", Plain)
        with oche.detour({Plain: Other}):
            assert type(Plain(4)) is Other
        assert Plain(4)[0] == "wrapped"
    assert type(Plain(4)) is Plain


def test_it_ends_with_an_exception_too():
    with pytest.raises(KeyError), oche.detour({Plain: Other}):
        raise KeyError
    assert type(Plain(1)) is Plain


def test_other_threads_and_tasks_do_not_see_it():
    seen = []

    def work():
        seen.append(type(Plain(1)))

    with oche.detour({Plain: Other}):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert type(Plain(1)) is Other
    assert seen == [Plain]

    async def swapped(first, second):
        with oche.detour({Plain: Other}):
            first.set()
            await second.wait()
            return type(Plain(1))

    async def plain(first, second):
        await first.wait()
        kind = type(Plain(1))
        second.set()
        return kind

    async def both():
        first, second = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(swapped(first, second), plain(first, second))

    assert asyncio.run(both()) == [Other, Plain]
    assert type(Plain(1)) is Plain


def test_torch_layers_of_code_that_knows_nothing_of_it():
    def network():
        return nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))

    with oche.detour({nn.ReLU: nn.GELU}):
        net = network()
    assert [type(m).__name__ for m in net] == ["Linear", "GELU", "Linear"]
    assert type(network()[1]) is nn.ReLU


def test_what_cannot_be_swapped_is_refused():
    with pytest.raises(ArgumentError, match=r"cannot be swapped"), oche.detour({Plain: Other, int: Other}):
        pass
    assert type(Plain(1)) is Plain
    with pytest.raises(ArgumentError, match=r"from a class"), oche.detour({len: Other}):
        pass


def test_all_classes_of_a_module_at_once():
    layers = oche.wrap(nn)
    node = layers.Sequential(layers.Linear(2, oche.oneof([3, 5])), layers.ReLU())
    assert isinstance(node, oche.Node)
    assert [oche.Space(node).build(dna)[0].out_features for dna in oche.Space(node)] == [3, 5]
    assert layers.init is not nn.init
    assert layers.init.ones_ is nn.init.ones_
    with pytest.raises(ArgumentError, match=r"'Linear'"):
        _ = layers.Lienar
    assert not hasattr(layers, "nothing_like_it")
    assert isinstance(oche.wrap(Plain)(1), oche.Node)
