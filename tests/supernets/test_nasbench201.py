"""Supernets of the NAS-Bench-201 program against the published counts."""

from __future__ import annotations

import pytest
import torch

from oche.errors import ArgumentError
from oche.mixers import PartialChannels
from oche.spaces.nasbench201.network import space
from oche.supernets import supernet

torch.set_num_threads(1)


def images(n: int = 4) -> torch.Tensor:
    return torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("affine", "weights"), [(False, 1_692_698), (True, 1_699_546)])
def test_the_supernet_has_the_known_number_of_weights(affine, weights):
    net = supernet(space(affine=affine))
    assert sum(w.numel() for w in net.weights()) == weights
    assert {key: row.numel() for key, row in net.named_arch().items()} == {
        f"edge {node}<-{source}": 5 for node in (1, 2, 3) for source in range(node)
    }  # fmt: skip


def test_partial_channels_work_out_of_the_box_and_weight_the_inputs_of_each_node():
    small = space(channels=8, cells=1, in_channels=1)
    net = supernet(small, PartialChannels(4))
    assert not net.notes
    assert [net.named_arch()[f"node {node}"].numel() for node in (1, 2, 3)] == [1, 2, 3]
    assert sum(w.numel() for w in net.weights()) < sum(w.numel() for w in supernet(small).weights())
    net(images()).sum().backward()
    assert all(row.grad is not None for row in net.arch())
    with pytest.raises(ArgumentError, match=r"got 6 channels and k=4; .*use 4 or 8 channels"):
        supernet(space(channels=6, cells=1), PartialChannels(4))


def test_all_cells_take_one_decision_and_children_are_exact():
    small = space(channels=4, cells=2, in_channels=1)
    net = supernet(small, seed=3)
    for index in (0, 7777, 15_624, 4242):
        dna = small.at(index)
        fresh, inherited = net.child(dna, weights="fresh"), net.child(dna)
        assert all(torch.equal(a, b) for a, b in zip(fresh.state_dict().values(), inherited.state_dict().values(), strict=True))
        fresh.load_state_dict(inherited.state_dict(), strict=True)
        with net.fixed(dna):
            assert torch.equal(net(images()), fresh(images()))


def test_the_derived_cell_takes_the_best_op_of_each_edge_none_included():
    small = space(channels=4, cells=1, in_channels=1)
    net = supernet(small, PartialChannels(2))
    with torch.no_grad():
        for i, key in enumerate(small.keys):
            net.named_arch()[key][i % 5] = 1.0
    expected = {key: small.labels(key)[i % 5] for i, key in enumerate(small.keys)}
    assert small.decisions(net.derive()) == expected
    assert "none" in expected.values()
