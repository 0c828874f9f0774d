"""Supernets of the tiny program of the specification: counts, the init law, exact children, and what must never change."""

from __future__ import annotations

import copy
import io
import math
import pickle

import pytest
import torch
from torch import nn

from oche.errors import ArgumentError, DNAError, NotRelaxable, ShapeMismatch, SpaceError, UnknownNameError
from oche.mixers import PartialChannels, Softmax, UniformPath
from oche.program import Space, manyof, oneof, repeat
from oche.supernets import supernet
from oche.weightings import Scalar

torch.set_num_threads(1)


def conv(channels: int, kernel_size: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2, bias=False)


OPS = {"conv3": lambda channels: conv(channels, 3), "conv1": lambda channels: conv(channels, 1), "id": lambda channels: nn.Identity()}


class Net(nn.Module):
    """Stem, two choices, head: 9 children."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        self.body = nn.Sequential(*[oneof(OPS, name=f"op{i}", channels=channels) for i in range(2)])
        self.head = nn.Linear(channels, 10)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


class Normed(nn.Module):
    """Batch norm inside and outside of a choice, dropout, and the same decision at two places."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4))
        self.a = oneof({"n": lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4, momentum=0.3)), "id": nn.Identity}, name="op")
        self.b = oneof({"n": lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)), "id": nn.Identity}, name="op")
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(self.b(self.a(self.stem(x))))


class Node(nn.Module):
    """Two of three inputs, each edge a choice; a stack of one to three layers behind."""

    def __init__(self) -> None:
        super().__init__()
        edges = {f"e{i}": lambda i=i: oneof({"lin": lambda: nn.Linear(4, 4), "id": nn.Identity}, name=f"edge{i}") for i in range(3)}
        self.node = manyof(2, edges, merge="sum", name="inputs")
        self.tail = repeat(lambda i: nn.Linear(4, 4), [1, 2, 3], name="depth")

    def forward(self, x):
        return self.tail(self.node(x, 2 * x, 3 * x))


def images(n: int = 2, channels: int = 3) -> torch.Tensor:
    return torch.randn(n, channels, 6, 6, generator=torch.Generator().manual_seed(0))


def double() -> supernet:
    return oneof({"x2": lambda: Times(2.0), "x4": lambda: Times(4.0)}, name="op")


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x):
        return self.factor * x


class Doubles(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.op = double()

    def forward(self, x):
        return self.op(x)


def set_logits(net, **values):
    with torch.no_grad():
        for key, value in values.items():
            net.named_arch()[key].copy_(torch.tensor(value))


# -- counts and groups --------------------------------------------------------------------------------------------------------


def test_the_tiny_program_has_the_known_sizes():
    space = Space(Net)
    net = supernet(space)
    assert (sum(w.numel() for w in net.weights()), sum(a.numel() for a in net.arch()), space.size) == (5722, 6, 9)
    sizes = {}
    for dna in space:
        child = net.child(dna)
        sizes[tuple(space.decisions(dna).values())] = sum(p.numel() for p in child.parameters())
    assert sizes["conv3", "id"] == 2906
    assert sizes["conv3", "conv3"] == 5210
    assert sizes["id", "id"] == 602
    assert sizes["conv1", "conv1"] == 1114
    keys = list(net.child(space.encode_decisions({"op0": "conv3", "op1": "id"})).state_dict())
    assert keys == ["stem.weight", "body.0.weight", "head.weight", "head.bias"]


def test_weights_and_arch_are_disjoint_and_cover_everything():
    net = supernet(Node, PartialChannels(1))
    ids = [{id(p) for p in group} for group in (net.weights(), net.arch(), net.parameters())]
    assert not ids[0] & ids[1]
    assert ids[0] | ids[1] == ids[2]
    assert {key: tuple(row.shape) for key, row in net.named_arch().items()} == {
        "edge0": (2,), "edge1": (2,), "edge2": (2,), "inputs": (3,), "depth": (3,),
    }  # fmt: skip
    assert "inputs" not in supernet(Node).named_arch(), "inputs have logits only if the mixer asks for them"


def test_logits_start_small_and_differ_by_key_and_seed():
    first, second = supernet(Net, seed=0), supernet(Net, seed=1)
    rows = [*first.arch(), *second.arch()]
    assert all(0 < row.abs().max() < 0.01 for row in rows)
    assert len({tuple(row.tolist()) for row in rows}) == 4
    assert all(torch.equal(a, b) for a, b in zip(first.arch(), supernet(Net, seed=0).arch(), strict=True))


# -- init law and children ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", [Net, Normed, Node])
def test_inherited_children_are_fresh_children_of_the_same_seed(program):
    net = supernet(program, seed=7)
    for dna in Space(program):
        inherited, fresh = net.child(dna), net.child(dna, weights="fresh")
        assert list(inherited.state_dict()) == list(fresh.state_dict())
        for name, tensor in fresh.state_dict().items():
            assert torch.equal(tensor, inherited.state_dict()[name]), name
        fresh.load_state_dict(inherited.state_dict(), strict=True)
        assert [type(m) for m in inherited.modules()] == [type(m) for m in fresh.modules()]
        assert all(m.momentum in (0.1, 0.3) for m in inherited.modules() if isinstance(m, nn.BatchNorm2d))


@pytest.mark.parametrize(("program", "shape"), [(Net, (2, 3, 6, 6)), (Normed, (2, 1, 4, 4)), (Node, (5, 4))])
@pytest.mark.parametrize("mixer", [Softmax(), UniformPath(), PartialChannels(1)])
def test_a_fixed_supernet_is_exactly_the_child(program, shape, mixer):
    net = supernet(program, mixer).eval()
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    for dna in Space(program):
        child = net.child(dna).train()
        child_dropout_off = [m.eval() for m in child.modules() if isinstance(m, nn.Dropout)]
        with net.fixed(dna):
            assert torch.equal(net(x), child(x)), child_dropout_off


def test_a_fresh_child_takes_other_arguments_and_an_inherited_one_refuses():
    net = supernet(Space(Net, channels=16))
    dna = net.space.at(0)
    assert net.child(dna, weights="fresh", channels=8).stem.out_channels == 8
    assert net.child(dna, channels=16).stem.out_channels == 16
    with pytest.raises(ArgumentError, match=r"'channels': 8.*fresh"):
        net.child(dna, channels=8)
    with pytest.raises(ArgumentError, match=r"'copy'.*'inherit', 'fresh'"):
        net.child(dna, weights="copy")


def test_partial_channels_cannot_give_its_weights_to_a_child():
    net = supernet(Net, PartialChannels(4))
    with pytest.raises(ArgumentError, match=r"'op0'.*channels=4 for 16.*weights='fresh'"):
        net.child(net.derive())
    assert net.child(net.derive(), weights="fresh").stem.out_channels == 16


def test_a_child_shares_nothing_with_the_supernet():
    net = supernet(Net)
    child = net.child(net.derive())
    before = [w.detach().clone() for w in net.weights()]
    with torch.no_grad():
        for parameter in child.parameters():
            parameter.zero_()
    assert all(torch.equal(a, b) for a, b in zip(before, net.weights(), strict=True))


# -- mixing -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("logits", "output", "gradient"), [((0.0, 0.0), 3.0, 0.5), ((math.log(3), 0.0), 2.5, 0.375)])
def test_the_softmax_mixture_has_the_known_value_and_gradient(logits, output, gradient):
    net = supernet(Doubles)
    set_logits(net, op=logits)
    value = net(torch.tensor(1.0))
    (found,) = torch.autograd.grad(value, net.arch())
    assert value.item() == pytest.approx(output)
    assert found.tolist() == pytest.approx([-gradient, gradient])


def test_in_path_mode_only_the_chosen_candidate_gets_gradients():
    net = supernet(Net, UniformPath())
    dna = net.space.encode_decisions({"op0": "conv3", "op1": "id"})
    with net.fixed(dna):
        net(images()).sum().backward()
    body = {name: p.grad is not None for name, p in net.named_weights().items() if ".body." in name}
    assert body == {
        "network.body.0.=conv3.weight": True, "network.body.0.=conv1.weight": False,
        "network.body.1.=conv3.weight": False, "network.body.1.=conv1.weight": False,
    }  # fmt: skip
    assert all(a.grad is None for a in net.arch())


def test_paths_change_from_call_to_call_and_repeat_at_one_step():
    net = supernet(Net, UniformPath(), seed=3)
    seen = set()
    for _ in range(30):
        net(images())
        seen.add(tuple(gate.active for gate in net.drawn.gates.values()))
    assert len(seen) > 4
    with net.at(step=5):
        first = net(images())
        assert torch.equal(first, net(images()))


def test_uniform_paths_are_uniform():
    net = supernet(Node, UniformPath())
    ones, pairs, n = [0, 0, 0], {}, 3000
    for step in range(n):
        with net.at(step):
            drawn = net._draw()
        ones[drawn.gates["depth"].active[0]] += 1
        pairs[drawn.gates["inputs"].active] = pairs.get(drawn.gates["inputs"].active, 0) + 1
    for counts in (ones, list(pairs.values())):
        assert len(counts) == 3
        assert sum((c - n / 3) ** 2 / (n / 3) for c in counts) < 13.8, "chi-square with 2 degrees of freedom, p = 0.001"


def test_one_key_at_two_places_is_one_row_and_two_sets_of_weights():
    net = supernet(Normed)
    assert list(net.named_arch()) == ["op"]
    assert {"network.a.=n.0.weight", "network.b.=n.0.weight"} < set(net.named_weights())
    assert not torch.equal(net.named_weights()["network.a.=n.0.weight"], net.named_weights()["network.b.=n.0.weight"])


def test_inputs_are_merged_and_weighted():
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(2))
    plain, weighted = supernet(Node), supernet(Node, PartialChannels(1, edges=True))
    node = plain.network.node
    assert node.active is None
    set_logits(
        weighted, inputs=(math.log(2.0), 0.0, 0.0), edge0=(-50.0, 50.0), edge1=(-50.0, 50.0), edge2=(-50.0, 50.0), depth=(50.0, 0.0, 0.0)
    )
    set_logits(plain, edge0=(-50.0, 50.0), edge1=(-50.0, 50.0), edge2=(-50.0, 50.0), depth=(50.0, 0.0, 0.0))
    tail = plain.network.tail.inside[0]
    assert torch.allclose(plain(x), tail(x + 2 * x + 3 * x), atol=1e-5)
    assert torch.allclose(weighted(x), tail((2 * x + 2 * x + 3 * x) / 4), atol=1e-5)
    with plain.fixed({"inputs": ("e0", "e2")}):
        assert torch.allclose(plain(x), tail(x + 3 * x), atol=1e-5)


def test_depth_is_mixed_over_the_outputs_after_each_allowed_depth():
    net = supernet(Node)
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(2))
    set_logits(net, depth=(0.0, 0.0, 0.0))
    one, two, three = net.network.tail.inside
    with net.fixed({"edge0": "id", "edge1": "id", "edge2": "id"}):
        h = one(6 * x)
        assert torch.allclose(net(x), (h + two(h) + three(two(h))) / 3, atol=1e-5)


def test_a_weighting_changes_probabilities_and_scalar_does_not():
    net, same = supernet(Doubles), supernet(Doubles, weighting=Scalar())
    squared = supernet(Doubles, weighting=lambda p: p**2)
    for each in (net, same, squared):
        set_logits(each, op=(0.0, 0.0))
    one = torch.tensor(1.0)
    assert (net(one).item(), same(one).item(), squared(one).item()) == (3.0, 3.0, 1.5)


def test_outputs_may_be_nested():
    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            make = lambda factor: lambda: Pair(factor)
            self.op = oneof({"a": make(1.0), "b": make(3.0)}, name="op")

        def forward(self, x):
            return self.op(x)

    class Pair(nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor = factor

        def forward(self, x):
            return {"both": (self.factor * x, x)}

    net = supernet(Nested)
    set_logits(net, op=(0.0, 0.0))
    out = net(torch.ones(2))
    assert torch.allclose(out["both"][0], torch.full((2,), 2.0))
    assert torch.allclose(out["both"][1], torch.ones(2))


def test_functions_can_be_candidates():
    class Activated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = oneof({"relu": lambda: torch.relu, "neg": lambda: torch.neg}, name="act")

        def forward(self, x):
            return self.act(x)

    net = supernet(Activated)
    set_logits(net, act=(0.0, 0.0))
    assert net(torch.tensor(-2.0)).item() == pytest.approx(1.0)
    assert net.child(net.space.at(0))(torch.tensor(-2.0)).item() == 0.0


# -- fixed and restricted -----------------------------------------------------------------------------------------------------


def test_fixing_some_decisions_leaves_the_others_mixed():
    net = supernet(Net)
    x = images()
    with net.fixed({"op0": "id"}):
        h = net.network.stem(x)
        mixed = sum(p * op(h) for p, op in zip(net.policy.probabilities("op1"), net.network.body[1].inside, strict=True))
        assert torch.allclose(net(x), net.network.head(mixed.mean((2, 3))), atol=1e-6)
        with net.fixed({"op1": "id"}):
            assert torch.allclose(net(x), net.network.head(h.mean((2, 3))), atol=1e-6)
    assert net._fixed == {}


@pytest.mark.parametrize(
    ("decisions", "error", "fragment"),
    [
        ({"op9": "id"}, UnknownNameError, "unknown choice: got 'op9'"),
        ({"op0": "conv5"}, UnknownNameError, "unknown candidate of 'op0': got 'conv5'.*conv3"),
        ({"op0": ("id", "conv1")}, ArgumentError, "fixed 'op0': got 2 labels"),
    ],
)
def test_unknown_decisions_are_refused_by_name(decisions, error, fragment):
    net = supernet(Net)
    with pytest.raises(error, match=fragment), net.fixed(decisions):
        pass


def test_a_dna_of_another_space_is_refused():
    net = supernet(Net)
    with pytest.raises(DNAError, match="another space"), net.fixed(Space(Normed).at(0)):
        pass


def test_a_restricted_supernet_keeps_weights_and_logits_by_label():
    net = supernet(Net)
    with torch.no_grad():
        for w in net.weights():
            w.add_(1)
    small = net.restrict({"op0": ["id", "conv1"]})
    assert sum(w.numel() for w in small.weights()) == 5722 - 2304
    assert all(torch.equal(tensor, net.state_dict()[name]) for name, tensor in small.state_dict().items() if name.startswith("network"))
    row, kept = net.named_arch()["op0"], small.named_arch()["op0"]
    labels = net.policy.rows["op0"].labels
    assert torch.equal(kept, torch.stack([row[labels.index(label)] for label in small.policy.rows["op0"].labels]))
    dna = small.space.encode_decisions({"op0": "conv1", "op1": "id"})
    with small.fixed(dna), net.fixed(small.space.lift(dna)):
        assert torch.equal(small(images()), net(images()))
    fresh = net.restrict({"op0": ["id", "conv1"]}, weights="fresh")
    assert torch.equal(fresh.network.stem.weight, supernet(Net).network.stem.weight)


def test_a_restricted_choice_of_inputs_reads_the_right_inputs():
    net = supernet(Node)
    small = net.restrict({"inputs": ["e0", "e2"]})
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(2))
    dna = small.space.encode_decisions({"inputs": ("e0", "e2"), "edge0": "id", "edge2": "id", "depth": "1"})
    with small.fixed(dna):
        assert torch.equal(small(x), small.child(dna)(x))
        assert torch.allclose(small(x), small.network.tail.inside[0](4 * x), atol=1e-5)


# -- batch norm ---------------------------------------------------------------------------------------------------------------


def test_batch_statistics_are_used_in_evaluation_and_nothing_is_tracked():
    net = supernet(Normed).eval()
    assert not list(net.named_buffers())
    x = images(8, 1)
    shifted = 5 * x + 3
    dna = net.space.encode_decisions({"op": "id"})
    with net.fixed(dna):
        assert torch.allclose(net(x), net(shifted), atol=0.05), "the stem's batch norm takes out scale and shift"
    running = supernet(Normed, batch_norm="running").eval()
    with running.fixed(dna):
        assert not torch.allclose(running(x), running(shifted), atol=1e-1)


def test_recalibrated_statistics_are_those_of_the_batches_and_end_with_the_block():
    net = supernet(Normed).eval()
    x = images(64, 1)
    dna = net.space.encode_decisions({"op": "n"})
    with net.fixed(dna):
        by_batch = net(x)
        net.recalibrate([(x, None)])
        stem = net.network.stem[1]
        h = net.network.stem[0](x)
        assert torch.allclose(stem.running_mean, h.mean((0, 2, 3)), atol=1e-6)
        assert torch.allclose(net(x), by_batch, atol=1e-2)
        assert torch.allclose(net(x[:2]), net(x)[:2], atol=1e-4), "a row no longer depends on its batch"
        child = net.child(dna)
        assert torch.equal(child.stem[1].running_mean, stem.running_mean)
    assert not list(net.named_buffers())


def test_running_statistics_move_in_training_only_once_accepted():
    net = supernet(Normed, batch_norm="running")
    before = {name: b.clone() for name, b in net.named_buffers()}
    model = net.functional(net.named_weights(), net.named_arch())
    model(images(4, 1))
    assert all(torch.equal(b, before[name]) for name, b in net.named_buffers())
    model.accept()
    assert net.network.stem[1].num_batches_tracked.item() == 1
    assert not torch.equal(net.network.stem[1].running_mean, before["network.stem.1.running_mean"])


# -- what must not change -----------------------------------------------------------------------------------------------------


def test_the_program_and_the_global_generator_are_left_alone():
    space = Space(Net)
    attributes = dict(vars(Net))
    dna = space.encode_decisions({"op0": "conv3", "op1": "conv1"})
    before, out = space.build(dna), space.build(dna)(images())
    random_state = torch.get_rng_state()
    for mixer in (Softmax(), UniformPath(), PartialChannels(4), PartialChannels(4, channels="random")):
        net = supernet(Net, mixer)
        net(images()).sum().backward()
        with net.fixed(dna):
            net(images())
        net.derive(), net.policy.sample(0), net.restrict({"op0": ["conv3", "id"]}), copy.deepcopy(net)
        if not isinstance(mixer, PartialChannels):
            net.child(dna)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert dict(vars(Net)) == attributes
    after = space.build(dna)
    assert all(torch.equal(a, b) for a, b in zip(before.state_dict().values(), after.state_dict().values(), strict=True))
    assert torch.equal(after(images()), out)
    assert Space(Net).fingerprint == space.fingerprint


def test_functional_calls_leave_the_supernet_alone():
    net = supernet(Net)
    moved = {name: w.detach() + 1 for name, w in net.named_weights().items()}
    logits = {"op0": torch.tensor([9.0, 0.0, 0.0]), "op1": torch.tensor([0.0, 0.0, 9.0])}
    before, state = net(images()), copy.deepcopy(net.state_dict())
    moved_out = net.functional(moved, logits)(images())
    assert not torch.allclose(moved_out, before)
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())
    other = supernet(Net)
    other.load_state_dict({**moved, **{f"policy.={key}": row for key, row in logits.items()}})
    assert torch.allclose(other(images()), moved_out, atol=1e-6)


def test_supernets_are_copied_saved_and_loaded():
    net = supernet(Net, PartialChannels(2), seed=1)
    net(images())
    clone = copy.deepcopy(net)
    restored = pickle.loads(pickle.dumps(net))
    buffer = io.BytesIO()
    torch.save(net.state_dict(), buffer)
    loaded = supernet(Net, PartialChannels(2), seed=2)
    loaded.load_state_dict(torch.load(io.BytesIO(buffer.getvalue()), weights_only=True))
    expected = net(images())
    for other in (clone, restored, loaded):
        assert torch.equal(other(images()), expected)
    with torch.no_grad():
        clone.weights()[0].zero_()
    assert torch.equal(net(images()), expected)


# -- errors -------------------------------------------------------------------------------------------------------------------


def test_unequal_shapes_name_both_candidates_and_both_shapes():
    class Uneven(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.op = oneof({"same": lambda: conv(3, 3), "small": lambda: nn.Conv2d(3, 3, 3)}, name="op")

        def forward(self, x):
            return self.op(x)

    for mixer in (Softmax(), UniformPath()):
        net = supernet(Uneven, mixer)
        run = lambda net=net: [net(images()) for _ in range(30)]
        with pytest.raises(ShapeMismatch, match=r"'op'.*\(2, 3, (6, 6|4, 4)\) from '.*' and \(2, 3, (6, 6|4, 4)\) from '"):
            run()


def test_plain_values_cannot_be_relaxed():
    class Valued(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.op = nn.Conv2d(3, 3, oneof([1, 3], name="kernel"))

    with pytest.raises(NotRelaxable, match=r"choice 'kernel'.*'kernel_size' of Conv2d at 'op'.*symbolic.*space\.where"):
        supernet(Valued)
    net = supernet(Space(Both).fix({"kernel": "3"}))
    assert net.network.op.kernel_size == (3, 3)
    assert list(net.named_arch()) == ["act"]


class Both(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.op = nn.Conv2d(3, 3, oneof([1, 3], name="kernel"))
        self.act = oneof({"relu": nn.ReLU, "id": nn.Identity}, name="act")


def test_programs_without_choices_or_modules_are_refused():
    with pytest.raises((NotRelaxable, SpaceError), match="no choices"):
        supernet(lambda: nn.Linear(2, 2))
    with pytest.raises(NotRelaxable, match="got a dict"):
        supernet(Space({"a": oneof([nn.ReLU, nn.Identity])}))


def test_a_relaxed_module_cannot_run_alone():
    net = supernet(Net)
    with pytest.raises(ArgumentError, match="outside of its supernet"):
        net.network(images())


def test_settings_are_checked():
    with pytest.raises(ArgumentError, match="batch_norm: got 'none'; allowed: 'batch', 'running'"):
        supernet(Net, batch_norm="none")
    with pytest.raises(UnknownNameError, match="partial-channels"):
        supernet(Net, "partial-chanels?k=2")
    with pytest.raises(ArgumentError, match="phase: got 'test'"), supernet(Net).at(0, "test"):
        pass
