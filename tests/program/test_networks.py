"""Plain programs that build torch modules: children, other sizes, and an untouched class."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import oche
from oche.errors import SpaceError
from oche.program import DNA, Space

OPS = {
    "conv3": lambda channels: nn.Conv2d(channels, channels, 3, padding=1, bias=False),
    "conv1": lambda channels: nn.Conv2d(channels, channels, 1, bias=False),
    "identity": lambda channels: nn.Identity(),
}


class Tiny(nn.Module):
    def __init__(self, channels=16):
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        self.body = nn.Sequential(*[oche.oneof(OPS, name=f"op{i}", channels=channels) for i in range(2)])
        self.head = nn.Linear(channels, 10)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


def weights(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("labels", "count"),
    [(("conv3", "identity"), 2_906), (("conv3", "conv3"), 5_210), (("identity", "identity"), 602), (("conv1", "conv1"), 1_114)],
)
def test_weights_of_children(labels, count):
    space = Space(Tiny)
    assert space.size == 9
    child = space.decode(space.encode({"op0": labels[0], "op1": labels[1]}))
    assert weights(child) == count


def test_state_dict_of_a_child_is_that_of_the_plain_program():
    child = Space(Tiny).decode(DNA((0, 2)))
    assert list(child.state_dict()) == ["stem.weight", "body.0.weight", "head.weight", "head.bias"]


def test_children_of_one_seed_share_what_they_have_in_common():
    space = Space(Tiny)
    a, b = (space.decode(DNA(flat), seed=3).state_dict() for flat in ((0, 0), (0, 2)))
    for key in b:
        assert torch.equal(a[key], b[key]), key
    other = space.decode(DNA((0, 0)), seed=4).state_dict()
    assert not torch.equal(a["stem.weight"], other["stem.weight"])


def test_building_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    space = Space(Tiny)
    space.decode(space.at(0), seed=1)
    assert torch.equal(before, torch.get_rng_state())


def test_another_size_of_the_same_decisions():
    space = Space(Tiny)
    child = space.decode(DNA((0, 1)), channels=32)
    assert child.stem.out_channels == 32
    assert child.body[1].kernel_size == (1, 1)


def test_the_class_is_never_touched():
    before = dict(Tiny.__dict__)
    space = Space(Tiny)
    space.decode(space.at(4))
    assert dict(Tiny.__dict__) == before


def test_outside_of_any_search_the_class_is_an_ordinary_class():
    torch.manual_seed(0)
    net = Tiny(channels=8)
    assert [type(m).__name__ for m in net.body] == ["Conv2d", "Conv2d"]
    assert net.body[0].kernel_size == (3, 3)
    torch.manual_seed(0)
    again = Tiny(channels=8)
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(net(x), again(x))
    assert list(net.state_dict()) == ["stem.weight", "body.0.weight", "body.1.weight", "head.weight", "head.bias"]
    # Outside of a constructor a choice is a value: that is how trees are written.
    assert isinstance(oche.oneof(OPS, channels=2), oche.Choice)


def test_nested_defaults_and_merged_inputs():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            edges = {str(i): (lambda: oche.oneof({"skip": nn.Identity, "relu": nn.ReLU})) for i in range(3)}
            self.node = oche.manyof(2, edges, merge="sum")
            self.rows = oche.repeat(lambda i: nn.Linear(2, 2), [2, 3])
            self.width = oche.intv(3, 5)

    net = Net()
    assert net.node.active == (0, 1)
    assert len(net.rows) == 2
    assert net.width == 3
    assert torch.equal(net.node(*[torch.ones(1)] * 3), 2 * torch.ones(1))


def test_darts_cell_is_counted_and_shared_between_cells():
    ops = {name: nn.Identity for name in ("max", "avg", "skip", "sep3", "sep5", "dil3", "dil5")}

    def cell():
        nodes = []
        for node in range(4):
            edges = {f"in{j}": (lambda j=j, node=node: oche.oneof(ops, name=f"n{node}e{j}")) for j in range(node + 2)}
            nodes.append(oche.manyof(2, edges, merge="sum", name=f"node{node}"))
        return nn.ModuleList(nodes)

    one = Space(cell)
    assert one.size == 1_037_664_180
    two = Space(lambda: nn.ModuleList([cell(), cell()]))
    assert two.size == one.size
    child = two.decode(two.sample(3))
    assert [node.active for node in child[0]] == [node.active for node in child[1]]
    assert all(len(node.active) == 2 for node in child[0])


def test_merge_calls_only_the_chosen_edges():
    class Times(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def forward(self, x):
            return x * self.factor

    edges = {str(f): (lambda f=f: Times(f)) for f in (1, 10, 100)}
    space = Space(lambda: oche.manyof(2, edges, merge="sum", name="node"))
    assert space.size == 3
    node = space.decode(space.encode({"node": ("1", "100")}))
    assert node.active == (0, 2)
    x = torch.ones(1)
    assert node(x, x, x).item() == 101
    assert node([x, x, x]).item() == 101


def test_built_modules_are_refused_with_the_cure():
    with pytest.raises(SpaceError, match=r"lambda: Identity"):
        oche.oneof([nn.Identity(), nn.Identity()])


def test_factories_that_do_not_take_what_is_given():
    def program():
        return oche.oneof({"a": lambda channels: nn.Identity(), "b": lambda: nn.Identity()}, name="op", channels=4)

    with pytest.raises(SpaceError, match=r"'op', candidate 'b'.*channels"):
        Space(program)


def test_tree_style_with_torch_classes():
    conv, net = oche.symbolic(nn.Conv2d), oche.symbolic(nn.Sequential)
    node = net(
        conv(3, 8, oche.oneof([1, 3], name="kernel"), padding="same"), oche.oneof([oche.symbolic(nn.ReLU)(), oche.symbolic(nn.GELU)()])
    )
    space = Space(node)
    assert space.size == 4
    sizes = [space.build(dna)[0].kernel_size for dna in space]
    assert sizes == [(1, 1), (1, 1), (3, 3), (3, 3)]
    decided = space.decode(space.at(3))
    assert decided.diff(space.decode(space.at(1))) == {"args[0].kernel_size": (3, 1)}
    assert isinstance(decided.build()[1], nn.GELU)
