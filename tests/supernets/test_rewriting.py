"""The same program in both styles as sampled child, path supernet and mixture; choices of several; what is saved, left out and shared."""

from __future__ import annotations

import json
import math

import pytest
import torch
import torch.multiprocessing as mp
from torch import nn

from oche.errors import ArgumentError, NotRelaxable
from oche.mixers import Softmax, UniformPath
from oche.program import Space, manyof, oneof, permutate, repeat, symbolic
from oche.supernets import Policy, supernet
from oche.weightings import Scalar

torch.set_num_threads(1)
Seq, Lin, Tanh, Id = symbolic(nn.Sequential), symbolic(nn.Linear), symbolic(nn.Tanh), symbolic(nn.Identity)


def features():
    return torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


def candidates():
    return {"lin": lambda: nn.Linear(4, 4), "tanh": nn.Tanh, "id": nn.Identity}


class Plain(nn.Module):
    def __init__(self, depth: int = 1) -> None:
        super().__init__()
        self.order = nn.Sequential(*permutate(candidates(), name="order"))
        self.two = nn.Sequential(*manyof(2, candidates(), name="two"))
        self.any = nn.Sequential(*manyof(2, candidates(), distinct=False, name="any"))
        self.nested = oneof({"id": nn.Identity, "deep": lambda: oneof(candidates(), name="inner")}, name="outer")
        self.deep = repeat(lambda: nn.Linear(4, 4), [1, 3], name="depth")
        self.same = nn.Sequential(*[oneof(candidates(), name="shared") for _ in range(depth + 1)])

    def forward(self, x):
        return self.same(self.deep(self.nested(self.any(self.two(self.order(x))))))


def tree():
    ops = lambda: {"lin": Lin(4, 4), "tanh": Tanh(), "id": Id()}
    return Seq(
        Seq(*[symbolic(Several)(permutate(ops(), name="order"))]),
        symbolic(Several)(manyof(2, ops(), name="two")),
        oneof({"id": Id(), "deep": oneof(ops(), name="inner")}, name="outer"),
        repeat(lambda: nn.Linear(4, 4), oneof([1, 3], name="depth")),
        oneof(ops(), name="shared"),
        oneof(ops(), name="shared"),
    )


class Several(nn.Sequential):
    """Layers in a row, given as one list."""

    def __init__(self, layers) -> None:
        super().__init__(*layers)


def some(space, n=25):
    return [space.sample(i) for i in range(n)]


@pytest.mark.parametrize("style", ["plain", "tree"])
def test_three_executions_of_one_program_agree(style):
    program = Plain if style == "plain" else tree()
    before = None if style == "plain" else (hash(program), repr(program))
    space = Space(program)
    fingerprint = space.fingerprint
    mixture, path = supernet(space, Softmax(), seed=2), supernet(space, UniformPath(), seed=2)
    for dna in some(space):
        fresh, inherited = space.build(dna, seed=2), mixture.child(dna)
        assert list(fresh.state_dict()) == list(inherited.state_dict())
        assert all(torch.equal(a, b) for a, b in zip(fresh.state_dict().values(), inherited.state_dict().values(), strict=True))
        with mixture.fixed(dna), path.fixed(dna):
            assert torch.equal(mixture(features()), fresh(features()))
            assert torch.equal(path(features()), fresh(features()))
    assert tuple(mixture.named_arch()["order"].shape) == (3, 3)
    assert tuple(mixture.named_arch()["two"].shape) == (2, 3)
    assert tuple(mixture.named_arch()["shared"].shape) == (3,)
    assert Space(program).fingerprint == fingerprint
    assert before is None or before == (hash(program), repr(program))


@pytest.mark.parametrize("style", ["plain", "tree"])
def test_a_step_of_the_weights_leaves_arch_alone_and_the_other_way_round(style):
    net = supernet(Space(Plain if style == "plain" else tree()), UniformPath(), seed=1)
    arch = [row.detach().clone() for row in net.arch()]
    optimizer = torch.optim.SGD(net.weights(), 0.01)
    for step in range(100):
        optimizer.zero_grad()
        with net.at(step):
            net(features()).square().mean().backward()
        optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(arch, net.arch(), strict=True))
    net = supernet(Space(Plain if style == "plain" else tree()), Softmax(), seed=1)
    weights = [w.detach().clone() for w in net.weights()]
    net(features()).square().mean().backward()
    torch.optim.Adam(net.arch(), 0.1).step()
    assert all(torch.equal(a, b) for a, b in zip(weights, net.weights(), strict=True))
    assert all(float(row.grad.abs().sum()) > 0 for row in net.arch())


def test_each_slot_mixes_its_own_row():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ops = nn.ModuleList(manyof(2, {"x2": lambda: Times(2.0), "x4": lambda: Times(4.0)}, name="two"))

        def forward(self, x):
            return torch.stack([op(x) for op in self.ops])

    net = supernet(Two, Softmax())
    net.named_arch()["two"].data.copy_(torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]]))
    assert torch.allclose(net(torch.ones(1)).flatten(), torch.tensor([3.0, 2.5]))
    assert net.space.decisions(net.derive())["two"] == ("x4", "x2")
    net = supernet(Two, Softmax(), weighting=Scalar())
    assert net(torch.ones(1)).shape == (2, 1)


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def test_paths_of_several_are_points_of_the_space():
    net = supernet(Space(Plain), UniformPath())
    seen = {"order": set(), "two": set(), "any": set()}
    for step in range(300):
        with net.at(step):
            net(features())
        for key, found in seen.items():
            found.add(net.drawn.gates[key].active)
    assert [len(found) for found in seen.values()] == [6, 6, 9]


def test_a_set_without_a_merge_has_no_mixture():
    class Set(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ops = nn.Sequential(*manyof(2, candidates(), sorted=True, name="set"))

    with pytest.raises(NotRelaxable, match=r"choice 'set': got manyof of a set of 2.*merge='sum'.*sorted=False"):
        supernet(Set)


def test_logits_move_to_a_program_of_another_depth_by_key_and_label():
    net = supernet(Space(Plain, depth=1), Softmax(), seed=1)
    with torch.no_grad():
        for row in net.arch():
            row.copy_(torch.randn(row.shape, generator=torch.Generator().manual_seed(4)))
    saved = json.loads(json.dumps(net.arch_state()))
    deeper = supernet(Space(Plain, depth=4), Softmax(), seed=9)
    assert len(deeper.weights()) > len(net.weights())
    saved["shared"] = {"labels": saved["shared"]["labels"][::-1], "logits": saved["shared"]["logits"][::-1]}
    deeper.load_arch(saved)
    assert all(torch.equal(deeper.named_arch()[key], row) for key, row in net.named_arch().items())
    assert deeper.space.decisions(deeper.derive()) == net.space.decisions(net.derive())
    with pytest.raises(ArgumentError, match=r"got keys \['more'\].*for \['order'\].*strict=False"):
        deeper.load_arch({"more" if key == "order" else key: value for key, value in saved.items()})
    with pytest.raises(ArgumentError, match=r"saved logits of 'shared'.*labels a, b.*lin, tanh, id"):
        deeper.load_arch({**saved, "shared": {"labels": ["a", "b"], "logits": [0.0, 0.0]}})
    deeper.load_arch({"shared": saved["shared"], "more": saved["order"]}, strict=False)


def test_labels_can_be_excluded_from_what_is_derived():
    policy = Policy(Space(Plain))
    with torch.no_grad():
        policy.logits("shared").copy_(torch.tensor([0.0, 1.0, 2.0]))
        policy.logits("any").copy_(torch.tensor([[0.0, 1.0, 2.0]] * 2))
    taken = policy.space.decisions(policy.derive(exclude={"id"}))
    assert (taken["shared"], taken["any"]) == ("tanh", ("tanh", "tanh"))
    assert sorted(taken["order"]) == ["id", "lin", "tanh"]  # all three are needed
    assert policy.space.decisions(policy.derive())["shared"] == "id"


def test_choices_that_are_left_out_stand_at_their_default():
    class Valued(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.op = nn.Linear(4, 4, bias=oneof([False, True], name="bias"))
            self.act = oneof({"id": nn.Identity, "tanh": nn.Tanh}, name="act")

        def forward(self, x):
            return self.act(self.op(x))

    with pytest.raises(NotRelaxable, match=r"choice 'bias'.*space\.where"):
        supernet(Valued)
    net = supernet(Space(Valued).where("act"), UniformPath())
    assert list(net.named_arch()) == ["act"]
    assert net.notes == {"bias": "left out of the space: stands at its default, False"}
    for dna in net.space:
        assert net.child(dna).op.bias is None
        net.child(dna, weights="fresh").load_state_dict(net.child(dna).state_dict(), strict=True)


def _rank(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    try:
        torch.manual_seed(rank)  # what differs between ranks must not move the paths
        net = supernet(Space(Plain), UniformPath(), seed=7)
        paths, value = [], torch.zeros(1)
        for step in range(20):
            with net.at(step):
                value = net(torch.randn(2, 4)).mean()
            paths.append(sorted((key, gate.active) for key, gate in net.drawn.gates.items()))
            net.zero_grad()
            value.backward()
            # One flat all-reduce: it fits only if both ranks have gradients for the very same weights.
            flat = torch.cat([w.grad.flatten() for w in net.weights() if w.grad is not None])
            torch.distributed.all_reduce(flat)
        gathered: list = [None] * world
        torch.distributed.all_gather_object(gathered, paths)
        assert gathered[0] == gathered[1]
        assert len({repr(p) for p in paths}) > 15
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_all_ranks_draw_the_same_paths(tmp_path):
    mp.spawn(_rank, (2, str(tmp_path)), nprocs=2)


def test_factories_of_modules_may_stand_among_the_arguments_of_a_node():
    space = Space(Seq(Lin(4, 4), oneof({"lin": lambda: nn.Linear(4, 4), "id": nn.Identity}, name="op")))
    assert space.size == 2
    net = supernet(space, seed=1)
    for dna in space:
        decoded, child = space.decode(dna, seed=1), net.child(dna)
        assert all(torch.equal(a, b) for a, b in zip(decoded.state_dict().values(), child.state_dict().values(), strict=True))
