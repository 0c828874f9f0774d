"""Batches and augmentation: functions of (seed, epoch, number) and of nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oche import training
from oche.errors import ArgumentError
from oche.training import Recipe, augment, batches, cutout, data, n_batches

AUGMENTED = Recipe(augment="crop+flip", crop_padding=1)


@pytest.fixture(scope="module")
def counted() -> data.DataSet:
    """Items that tell their position."""
    n = 50
    x = np.repeat(np.arange(n, dtype=np.float32)[:, None], 3, axis=1)
    return data.from_arrays(x, np.arange(n) % 2, splits={"train": list(range(41)), "valid": list(range(41, 46)), "test": [46, 47, 48, 49]})


def positions(made, counted: data.DataSet) -> list[int]:
    return [round(float(v) * counted.std[0] + counted.mean[0]) for x, _ in made for v in x[:, 0]]


@given(st.integers(0, 9), st.integers(0, 9))
def test_a_pass_gives_each_item_once_in_an_order_of_seed_and_epoch(seed: int, epoch: int):
    digits = data.load("digits[:130]")
    first = [y for _, y in batches(digits, "train", 16, seed, epoch)]
    again = [y for _, y in batches(digits, "train", 16, seed, epoch)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    # 65 items in sixteens leave one, which a training pass leaves out.
    assert sum(len(y) for y in first) == 64


def test_items_and_classes_belong_together_and_all_come(counted: data.DataSet):
    found = positions(batches(counted, "train", 4, seed=1), counted)
    # 41 items in fours leave one, which a training pass leaves out.
    assert len(found) == 40 and len(set(found)) == 40 and set(found) <= set(range(41))
    for x, y in batches(counted, "train", 4, seed=1):
        values = (x[:, 0] * counted.std[0] + counted.mean[0]).round().long()
        assert torch.equal(values % 2, y)


def test_orders_differ_by_seed_and_by_epoch(counted: data.DataSet):
    orders = {tuple(positions(batches(counted, "train", 8, seed, epoch), counted)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_without_a_seed_the_stored_order_is_kept_and_complete(counted: data.DataSet):
    assert positions(batches(counted, "train", 4), counted) == counted.splits["train"].tolist()
    assert sorted(positions(batches(counted, "valid+test", 4), counted)) == list(range(41, 50))


@given(st.integers(1, 60))
def test_the_number_of_batches(batch_size: int):
    digits = data.load("digits[:98]")
    assert n_batches(digits, "train", batch_size) == sum(1 for _ in batches(digits, "train", batch_size, seed=0))


def test_inputs_are_normalized_channel_by_channel():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2, 3, 3)) * [[[[2.0]], [[5.0]]]] + [[[[1.0]], [[-7.0]]]]
    made = data.from_arrays(x, np.arange(40) % 2, splits={"train": list(range(36)), "valid": [36, 37], "test": [38, 39]})
    whole = torch.cat([batch for batch, _ in batches(made, "train", 10)])
    assert torch.allclose(whole.mean((0, 2, 3)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(whole.std((0, 2, 3), unbiased=False), torch.ones(2), atol=1e-5)
    assert whole.dtype == torch.float32


def test_the_batch_does_not_share_memory_with_the_data():
    digits = data.load("digits[:10]")
    before = digits.x.copy()
    for x, y in batches(digits, "train", 5):
        x.zero_()
        y.zero_()
    assert np.array_equal(digits.x, before)


# -- augmentation -----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 30), st.integers(1, 3))
def test_a_crop_is_a_window_of_the_padded_image(seed: int, padding: int):
    x = torch.rand(6, 2, 5, 4)
    out = augment(x, ["crop"], torch.Generator().manual_seed(seed), padding)
    padded = torch.nn.functional.pad(x, (padding,) * 4)
    for image, source in zip(out, padded, strict=True):
        windows = [source[:, r : r + 5, c : c + 4] for r in range(2 * padding + 1) for c in range(2 * padding + 1)]
        assert any(torch.equal(image, window) for window in windows)


@given(st.integers(0, 30))
def test_a_flip_is_the_image_or_its_mirror(seed: int):
    x = torch.rand(8, 1, 3, 3)
    out = augment(x, ["flip"], torch.Generator().manual_seed(seed))
    assert all(torch.equal(o, i) or torch.equal(o, i.flip(-1)) for o, i in zip(out, x, strict=True))


def test_crops_and_flips_are_uniform():
    x = torch.zeros(9000, 1, 1, 1)
    marked = torch.nn.functional.pad(x + 1, (1, 1, 1, 1))
    out = augment(marked, ["crop"], torch.Generator().manual_seed(0), 1)
    places = out.flatten(1).argmax(1).bincount(minlength=9)
    # Nine places of 1,000 each; five standard deviations are 149.
    assert (places - 1000).abs().max() < 150
    flipped = augment(torch.tensor([[[[0.0, 1.0]]]]).expand(9000, -1, -1, -1), ["flip"], torch.Generator().manual_seed(0))
    assert abs(int(flipped[:, 0, 0, 0].sum()) - 4500) < 240


def test_augmented_batches_depend_on_seed_epoch_and_number_only():
    digits = data.load("digits[:130]")
    whole = list(batches(digits, "train", 16, 3, 2, AUGMENTED))
    again = list(batches(digits, "train", 16, 3, 2, AUGMENTED))
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(whole, again, strict=True))
    plain = list(batches(digits, "train", 16, 3, 2))
    assert [y.tolist() for _, y in whole] == [y.tolist() for _, y in plain]
    assert not any(torch.equal(a, b) for (a, _), (b, _) in zip(whole, plain, strict=True))


def test_the_border_of_a_crop_is_black_before_normalization():
    x = np.full((40, 1, 4, 4), 200, dtype=np.uint8)
    x[::2] = 100
    made = data.from_arrays(x, np.arange(40) % 2)
    black = (0 - made.mean[0]) / made.std[0]
    seen = torch.cat([b for b, _ in batches(made, "train", 8, 0, 0, AUGMENTED)])
    assert seen.min() == pytest.approx(black)


def test_the_border_may_be_gray():
    x = np.zeros((40, 3, 4, 4), dtype=np.uint8)
    x[::2] = 255
    made = data.from_arrays(x, np.arange(40) % 2)
    gray = torch.tensor([(128 - m) / s for m, s in zip(made.mean, made.std, strict=True)])
    seen = torch.cat([b for b, _ in batches(made, "train", 8, 0, 0, AUGMENTED.derive(border="gray"))])
    others = seen[:, 0].unique()
    assert len(others) == 3 and float(gray[0]) == pytest.approx(float(others[1]), abs=1e-6)
    with pytest.raises(ArgumentError, match=r"border.*black without crop"):
        AUGMENTED.derive(border="gray", augment="flip")


@given(st.integers(0, 30), st.integers(1, 7))
def test_a_cutout_is_one_square_around_any_pixel(seed: int, side: int):
    out = cutout(torch.ones(8, 2, 6, 5), side, torch.Generator().manual_seed(seed))
    windows = []
    for middle in ((r, c) for r in range(6) for c in range(5)):
        image = torch.ones(6, 5)
        top, left = (m - side // 2 for m in middle)
        image[max(0, top) : top + side, max(0, left) : left + side] = 0
        windows.append(image)
    for image in out:
        assert torch.equal(image[0], image[1]) and any(torch.equal(image[0], w) for w in windows)


def test_a_cutout_is_the_mean_of_the_data_and_comes_after_the_rest():
    digits = data.load("digits[:64]")
    plain = torch.cat([x for x, _ in batches(digits, "train", 16, 1, 0, Recipe())])
    cut = torch.cat([x for x, _ in batches(digits, "train", 16, 1, 0, Recipe(cutout=4))])
    changed = cut != plain
    assert (cut[changed] == 0).all() and all(4 <= int(n) <= 16 for n in (cut == 0).flatten(1).sum(1))
    halves = [torch.cat([x for x, _ in batches(digits, "train", 16, 1, 0, Recipe(cutout=4), part=(i, 2))]) for i in range(2)]
    rows = {tuple(row.tolist()) for row in cut.flatten(1)}
    assert {tuple(row.tolist()) for half in halves for row in half.flatten(1)} == rows
    with pytest.raises(ArgumentError, match="cutout=4 without a seed"):
        next(batches(digits, "train", 16, recipe=Recipe(cutout=4)))
    for bad in (-1, True, 1.5):
        with pytest.raises(ArgumentError, match="cutout"):
            Recipe(cutout=bad)
    assert "cutout" not in Recipe().to_json() and Recipe.from_json(Recipe(cutout=4).to_json()) == Recipe(cutout=4)


def test_torch_s_global_generator_is_not_touched():
    before = torch.get_rng_state()
    list(batches(data.load("digits[:40]"), "train", 8, 0, 0, AUGMENTED))
    assert torch.equal(before, torch.get_rng_state())


def test_augmentation_needs_images_and_a_seed():
    with pytest.raises(ArgumentError, match="augment='none'"):
        augment(torch.ones(2, 3), ["flip"], torch.Generator())
    with pytest.raises(ArgumentError, match="without a seed"):
        next(batches(data.load("digits"), "train", 8, recipe=AUGMENTED))


# -- the view of a search ---------------------------------------------------------------------------------------------------


def test_a_problem_shows_train_and_valid_and_never_test():
    digits = data.load("digits[:140]")
    problem = training.problem(digits, Recipe(batch_size=16, epochs=7, augment="flip"), seed=1)
    assert (problem.n_batches, problem.epochs, problem.device) == ({"train": 5, "valid": 5}, 7, "cpu")
    for split in ("train", "valid"):
        assert sum(1 for _ in problem.batches(split, 0, 0)) == problem.n_batches[split]
    with pytest.raises(ArgumentError, match="read once at the end"):
        problem.batches("test", 0, 0)


def test_the_batches_of_a_problem_depend_on_its_seed_and_the_call():
    digits = data.load("digits[:130]")

    def order(root: int, split: str, seed: int, epoch: int) -> tuple[float, ...]:
        problem = training.problem(digits, Recipe(batch_size=16), seed=root)
        return tuple(float(x.sum()) for x, _ in problem.batches(split, seed, epoch))

    assert order(0, "train", 1, 2) == order(0, "train", 1, 2)
    assert len({order(a, "train", b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)}) == 8


def test_losses_and_scores_by_hand():
    problem = training.problem(data.load("digits"), Recipe(label_smoothing=0.1))
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]], requires_grad=True)
    batch = (torch.zeros(3), torch.tensor([0, 0, 0]))
    assert problem.score(lambda x: logits, batch) == (2, 3)
    p = logits.log_softmax(1)
    expected = -(0.95 * p[:, 0] + 0.05 * p[:, 1]).mean()
    loss = problem.loss(lambda x: logits, batch)
    assert loss.item() == pytest.approx(expected.item())
    assert loss.requires_grad


def test_parts_of_valid_are_disjoint_balanced_and_never_test():
    problem = training.problem(data.load("digits[:400]"), Recipe(batch_size=64), 0)
    seen = {}
    for split in ("valid-fit", "valid-select", "valid"):
        found = [(x, y) for x, y in problem.batches(split, 0, 0)]
        assert split == "valid" or len(found) == problem.parts[split]
        seen[split] = (torch.cat([x for x, _ in found]), torch.cat([y for _, y in found]))
    rows = {split: {tuple(row.flatten().tolist()) for row in x} for split, (x, _) in seen.items()}
    assert not rows["valid-fit"] & rows["valid-select"]
    assert rows["valid-fit"] | rows["valid-select"] == rows["valid"]
    assert len(seen["valid-select"][0]) == len(seen["valid"][0]) // 4
    counts = torch.bincount(seen["valid-select"][1], minlength=10)
    assert int(counts.max() - counts.min()) <= 2
