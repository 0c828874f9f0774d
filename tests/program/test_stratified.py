"""Stratified sampling: costs spread over the range, where plain draws crowd in the middle."""

from __future__ import annotations

import pytest

import oche
from oche.errors import ArgumentError, SpaceError, UnknownNameError
from oche.program import MemberCost, Space, Strata, stratify


def widths():
    return {f"w{i}": oche.oneof([1, 2, 4, 8, 16, 32], name=f"w{i}") for i in range(8)}


def total(child):
    return sum(child.values())


def test_bins_fill_evenly_where_plain_draws_do_not():
    space = Space(widths())
    strata = stratify(space, total, n=100, bins=10, scale="linear", low=8, high=256)
    assert len(strata.members) == 100
    assert len(strata.edges) == 11
    assert strata.edges[0] == 8 and strata.edges[-1] == 256
    assert all(low <= cost <= high for cost, low, high in zip(strata.costs, [8] * 100, [256] * 100, strict=True))
    assert [total(space.decode(m)) for m in strata.members] == list(strata.costs)
    plain = [total(space.decode(space.sample(i))) for i in range(100)]
    crowded = Strata((), tuple(plain), strata.edges, 100).counts
    assert max(crowded) >= 25
    # A share of 10 each; bins that random draws hardly reach leave theirs to the others, bit by bit.
    assert max(strata.counts) <= 17
    assert sum(count >= 8 for count in strata.counts) >= 7 > sum(count >= 8 for count in crowded)


def test_a_bin_takes_its_share_and_no_more():
    space = Space({"x": oche.oneof(list(range(1, 41)))})
    strata = stratify(space, lambda child: child["x"], n=40, bins=4, scale="linear", low=1, high=41, seed=5)
    assert sum(strata.counts) == 40
    # A fifth of four bins is none: no bin may be left out.
    assert strata.counts == (10, 10, 10, 10)


def test_the_range_is_found_by_itself():
    strata = stratify(Space(widths()), total, n=20)
    assert strata.edges[0] <= 14
    assert strata.edges[-1] >= 220
    assert strata.edges[1] / strata.edges[0] == pytest.approx(strata.edges[2] / strata.edges[1])


def test_equal_seeds_give_equal_members():
    space = Space(widths())
    assert space.stratified(total, seed=4) == space.stratified(total, seed=4) != space.stratified(total, seed=5)
    assert space.stratified(MemberCost(lambda dna: 1 + sum(dna.flat), of="dna"), n=5) == space.stratified(
        MemberCost(lambda found: 1 + sum([1, 2, 4, 8, 16, 32].index(int(v)) for v in found.values()), of="decisions"), n=5
    )


def test_params_are_counted_without_memory():
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            width = oche.intv(1, 100_000, log=True, name="width")
            self.layer = nn.Linear(20_000, width)  # up to 8 GB

    space = Space(Net)
    strata = stratify(space, "params", n=12, bins=6)
    assert list(strata.costs) == [20_001 * m.flat[0] for m in strata.members]
    assert min(strata.costs) < 20_001 * 100 < 20_001 * 10_000 < max(strata.costs)


def test_one_cost_for_all_is_one_bin():
    strata = stratify(Space(widths()), lambda child: 7, n=6)
    assert strata.counts == (6,)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"cost": "parms"}, UnknownNameError, "did you mean 'params'"),
        ({"cost": "macs"}, ArgumentError, "input_size"),
        ({"cost": 3}, ArgumentError, "cost: got 3"),
        ({"cost": total, "n": 0}, ArgumentError, "n: got 0"),
        ({"cost": total, "scale": "cubic"}, UnknownNameError, "scale"),
        ({"cost": lambda child: -1}, ArgumentError, "above 0"),
        ({"cost": total, "low": 5, "high": 4}, ArgumentError, "low not above high"),
        ({"cost": total, "low": 1000, "high": 2000}, SpaceError, "widen"),
        ({"cost": "params"}, SpaceError, "torch modules"),
    ],
)
def test_mistakes_are_named(given, error, message):
    with pytest.raises(error, match=message):
        stratify(Space(widths()), **given)
