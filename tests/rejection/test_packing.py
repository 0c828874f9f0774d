"""Packing: which examples go together, what counts, and that neighbors are never seen."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oche.errors import ArgumentError
from oche.rejection._decoder import Decoder
from oche.rejection._packing import join, next_fit, seen_within
from oche.rejection._tune import IGNORED, next_symbol_loss
from oche.seeds import building


def test_the_packs_of_six_examples():
    assert next_fit([5, 3, 4, 2, 6, 1], 8) == [[0, 1], [2, 3], [4, 5]]
    assert next_fit([], 8) == []


@given(st.lists(st.integers(1, 10), max_size=30), st.integers(10, 25))
def test_packs_keep_the_order_and_the_limit(lengths, limit):
    groups = next_fit(lengths, limit)
    assert [i for group in groups for i in group] == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in group) <= limit for group in groups)
    for one, other in pairwise(groups):
        assert sum(lengths[i] for i in one) + lengths[other[0]] > limit, "a pack is closed only when the next example has no room"


def test_an_example_that_fits_no_pack_is_named():
    with pytest.raises(ArgumentError, match=r"got example 1 of 9 symbols; allowed: at most the 8 of a pack"):
        next_fit([5, 9], 8)


def test_what_counts():
    pack = join([([1, 2, 3], [4, 5]), ([6], [7])], end=0)
    assert pack.sequence.tolist() == [1, 2, 3, 4, 5, 0, 6, 7, 0]
    no = IGNORED
    assert pack.targets.tolist() == [no, no, 4, 5, 0, no, 7, 0, no], "neither the prompt nor the first symbol of an example, but the end"
    assert pack.positions.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2]
    assert pack.segments.tolist() == [0] * 6 + [1] * 3


@given(
    st.lists(
        st.tuples(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.lists(st.integers(1, 9), max_size=4)), min_size=1, max_size=4
    )
)
def test_logits_in_a_pack_equal_those_alone(examples):
    with building(0):
        model = Decoder(symbols=10, positions=10, width=16, heads=2, layers=2, hidden=32).eval()
    pack = join(examples, end=0)
    with torch.no_grad():
        together = model(pack.sequence[None], pack.positions[None], seen_within(pack.segments[None]))[0]
        start, losses = 0, []
        for example in examples:
            alone = join([example], end=0)
            logits = model(alone.sequence[None])[0]
            assert torch.allclose(together[start : start + len(logits)], logits, atol=1e-5)
            start += len(logits)
            losses.append(next_symbol_loss(logits[None], alone.targets[None]) * (alone.targets != IGNORED).sum())
        mean = next_symbol_loss(together[None], pack.targets[None])
    assert float(mean) == pytest.approx(float(sum(losses) / (pack.targets != IGNORED).sum()), abs=1e-5)
