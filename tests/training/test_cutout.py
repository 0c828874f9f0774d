"""Cutout: a square of the right size at a place that seed and epoch decide, blank after normalization, the same on every share."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oche import judge
from oche.errors import ArgumentError
from oche.training import Recipe, batches, cutout, data, recipe
from oche.training.data import DataSet


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 12), st.integers(0, 99))
def test_what_is_blank_is_one_square_cut_off_at_the_border(height, width, side, seed):
    found = cutout(torch.ones(5, 2, height, width), side, torch.Generator().manual_seed(seed))
    assert torch.equal(found[:, 0], found[:, 1])
    for image in found[:, 0]:
        rows, columns = (image == 0).any(1), (image == 0).any(0)
        # Rows times columns: a rectangle, and without gaps.
        assert torch.equal(image == 0, rows[:, None] & columns[None, :])
        for line, length in ((rows, height), (columns, width)):
            places = line.nonzero().flatten().tolist()
            assert places == list(range(places[0], places[-1] + 1)) if places else side == 0
            assert len(places) <= side
            # The middle lies inside, so at least half of the side does too, as far as the image goes.
            assert len(places) >= min(length, (side + 1) // 2)


def test_every_middle_is_drawn_and_a_whole_square_has_its_size():
    found = cutout(torch.ones(4000, 1, 8, 8), 1, torch.Generator().manual_seed(0))
    hits = (found == 0).sum((0, 1))
    assert (found == 0).sum((1, 2, 3)).tolist() == [1] * 4000
    assert hits.min() > 30 and hits.max() < 100  # 62.5 of each are expected
    inner = cutout(torch.ones(400, 1, 32, 32), 16, torch.Generator().manual_seed(1))
    assert int((inner == 0).sum((1, 2, 3)).max()) == 256


def test_batches_are_cut_after_normalization_and_the_rest_stays():
    digits = data.load("digits[:60]")
    plain = list(batches(digits, "train", 16, 3, 1, Recipe()))
    cut = list(batches(digits, "train", 16, 3, 1, Recipe(cutout=4)))
    again = list(batches(digits, "train", 16, 3, 1, Recipe(cutout=4)))
    later = list(batches(digits, "train", 16, 3, 2, Recipe(cutout=4)))
    for (x, y), (z, classes), (same, _) in zip(plain, cut, again, strict=True):
        assert torch.equal(y, classes) and torch.equal(z, same)
        assert torch.equal(torch.where(z == 0, x, z), x) and (z == 0).sum() > 0
    assert not torch.equal((cut[0][0] == 0), (later[0][0] == 0))
    # Two ranks see the halves of what one sees.
    halves = [list(batches(digits, "train", 16, 3, 1, Recipe(cutout=4), part=(r, 2))) for r in (0, 1)]
    assert torch.equal(torch.cat([halves[0][0][0], halves[1][0][0]]), cut[0][0])


def test_where_it_cannot_work_it_says_so():
    flat: DataSet = data.from_arrays(torch.zeros(20, 3).numpy(), torch.arange(20).numpy() % 2)
    with pytest.raises(ArgumentError, match="cutout: got inputs of shape"):
        next(iter(batches(flat, "train", 4, 0, 0, Recipe(cutout=2))))
    with pytest.raises(ArgumentError, match="got cutout=2 without a seed"):
        next(iter(batches(flat, "train", 4, None, 0, Recipe(cutout=2))))
    for wrong in (-1, 1.5, True):
        with pytest.raises(ArgumentError, match="cutout"):
            Recipe(cutout=wrong)


def test_old_recipes_mean_what_they_meant_and_published_ones_keep_their_square():
    assert "cutout" not in Recipe().to_json()
    assert Recipe.from_json(Recipe(cutout=8).to_json()).cutout == 8
    assert recipe(judge.TrainProtocol.preset("darts").recipe()).cutout == 16
