"""Folders of images: splits, shares, what is decoded and when, augmentation, the hub's layout."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.folders import draw_images

from oche import training
from oche.errors import ArgumentError, DataError
from oche.training import Recipe, augment, batches, data, n_batches
from oche.training._augment import box, crop_draws, resized_crops

pytest.importorskip("PIL")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_images(tmp_path_factory.mktemp("set"), {"train": 40, "val": 10}, side=48)


def test_train_and_val_folders_become_three_splits_with_equal_classes(folder: Path):
    found = data.load(f"images:{folder}?size=32")
    assert found.sizes == {"train": 80, "valid": 80, "test": 40}
    assert found.class_names == ("class0", "class1", "class2", "class3") and found.shape == (3, 32, 32)
    for split in found.splits:
        assert len(set(np.bincount(found.y[found.indices(split)]))) == 1
    assert all(found.x.names[i].startswith("val") for i in found.indices("test"))
    assert pickle.loads(pickle.dumps(found)).fingerprint == found.fingerprint


def test_one_folder_is_cut_into_three(tmp_path: Path):
    found = data.load(f"images:{draw_images(tmp_path, {'.': 10}, side=16)}?size=16")
    assert found.sizes == {"train": 16, "valid": 16, "test": 8}


def test_shares_are_disjoint_balanced_seeded_and_named(folder: Path):
    share = data.load(f"images:{folder}?size=32[20%,5%]")
    assert share.sizes == {"train": 32, "valid": 8, "test": 40}
    assert np.bincount(share.y[share.indices("train")]).tolist() == [8] * 4
    assert np.bincount(share.y[share.indices("valid")]).tolist() == [2] * 4
    assert not set(share.indices("train")) & set(share.indices("valid"))
    other = data.load(f"images:{folder}?size=32[20%,5%,seed=1]")
    assert set(other.indices("train")) != set(share.indices("train"))
    assert share.describe()["name"].endswith("[20%,5%]") and other.describe()["name"].endswith("[20%,5%,seed=1]")
    assert pickle.loads(pickle.dumps(other)).fingerprint == other.fingerprint != share.fingerprint
    halves = data.load(f"images:{folder}?size=32[25%]")
    assert halves.sizes == {"train": 20, "valid": 20, "test": 40}
    assert data.load("digits[10%,5%]").sizes == {"train": 120, "valid": 60, "test": 597}
    with pytest.raises(ArgumentError, match="together up to 1"):
        data.load("digits[90%,20%]")


def test_nothing_is_read_before_a_batch_asks_and_a_damaged_image_is_named(tmp_path: Path):
    root = draw_images(tmp_path, {"train": 4, "val": 2}, classes=2, side=16)
    (root / "train" / "class1" / "000.jpg").write_bytes(b"no image")
    found = data.load(f"images:{root}?size=16")
    assert found.fingerprint
    with pytest.raises(DataError, match=r"class1.000\.jpg.*cannot be read"):
        list(batches(found, "train+valid", 4))


def test_an_image_is_its_middle_resized(tmp_path: Path):
    from PIL import Image

    root = draw_images(tmp_path, {"train": 2, "val": 2}, classes=2, side=64)
    found = data.load(f"images:{root}?size=28")
    i = int(found.indices("train")[0])
    image = Image.open(root / found.x.names[i]).convert("RGB")
    edge = 64 * 224 / 256
    left, top = (72 - edge) / 2, (64 - edge) / 2
    expected = image.resize((28, 28), Image.Resampling.BILINEAR, box=(left, top, left + edge, top + edge))
    assert np.array_equal(found.x[np.array([i])][0], np.asarray(expected).transpose(2, 0, 1))


RECIPE = Recipe(batch_size=16, augment="resized-crop+flip+jitter")


def test_workers_and_resumes_see_the_same_batches_and_torch_is_not_disturbed(folder: Path):
    alone, helped = (data.load(f"images:{folder}?size=32&workers={n}[20%]") for n in (0, 2))
    assert alone.fingerprint == helped.fingerprint
    state = torch.get_rng_state()
    one, two, again = (list(batches(d, "train", 16, 3, 1, RECIPE)) for d in (alone, helped, alone))
    assert torch.equal(state, torch.get_rng_state())
    assert len(one) == 1 == n_batches(alone, "train", 16)
    for (x, y), (a, b), (c, _) in zip(one, two, again, strict=True):
        assert torch.equal(x, a) and torch.equal(y, b) and torch.equal(x, c)
    assert not torch.equal(one[0][0], next(batches(alone, "train", 16, 3, 2, RECIPE))[0])


@pytest.mark.parametrize("name", ["images", "digits"])
def test_ranks_see_together_what_one_sees(folder: Path, name: str):
    images = name == "images"
    found = data.load(f"images:{folder}?size=24" if images else "digits[:150]")
    recipe = RECIPE if images else Recipe(batch_size=16, augment="crop+flip", crop_padding=1)
    whole = list(batches(found, "train", 16, 3, 0, recipe))
    parts = [list(batches(found, "train", 16, 3, 0, recipe, part=(rank, 2))) for rank in range(2)]
    assert len(parts[0]) == len(parts[1]) == n_batches(found, "train", 16, 2)
    for (x, y), (x0, y0), (x1, y1) in zip(whole, *parts, strict=False):
        n = len(y0) + len(y1)
        assert len(y) - n in (0, 1)
        # Means over channels of pixels may be summed in another order.
        assert torch.allclose(x[:n], torch.cat([x0, x1]), atol=1e-5) and torch.equal(y[:n], torch.cat([y0, y1]))
    with pytest.raises(ArgumentError, match="batch_size: got 15 on 2 ranks; allowed: a multiple of 2"):
        next(batches(found, "train", 15, 3, part=(0, 2)))


def test_boxes_follow_the_law_and_fit():
    draws = crop_draws(torch.Generator().manual_seed(0), 400)
    shares = []
    for numbers in draws:
        top, left, h, w = box(100, 200, numbers)
        assert 0 <= top <= 100 - h and 0 <= left <= 200 - w and 0.7 < w / h < 1.4
        shares.append(h * w / 20000)
    # Of areas up to half the image nearly all fit: they are uniform there.
    low = [s for s in shares if s < 0.45]
    assert min(low) > 0.075 and abs(np.mean(low) - (0.08 + 0.45) / 2) < 0.02
    assert box(10, 1000, draws[0] * 0 + 0.999) == (0, 493, 10, 13)


def test_resized_crops_of_tensors_keep_type_and_size():
    x = torch.arange(2 * 3 * 8 * 8, dtype=torch.uint8).view(2, 3, 8, 8)
    draws = crop_draws(torch.Generator().manual_seed(1), 2)
    found = resized_crops(x, draws)
    assert found.shape == x.shape and found.dtype == torch.uint8 and not torch.equal(found, x)
    whole = np.tile([1.0, 0.5, 0.0, 0.0], (2, 10, 1))  # all of the area, square
    assert torch.equal(resized_crops(x, whole), x)


def test_jitter_keeps_black_and_range_and_turns_hues(monkeypatch: pytest.MonkeyPatch):
    import colorsys

    from oche.training import _augment

    x = torch.rand(64, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 255
    found = augment(x, ["jitter"], torch.Generator().manual_seed(1))
    assert 0 <= float(found.min()) <= float(found.max()) <= 255
    turned = _augment._turn_hue(x, torch.full((64,), 0.15))
    for before, after in zip(x[:8].permute(0, 2, 3, 1).reshape(-1, 3), turned[:8].permute(0, 2, 3, 1).reshape(-1, 3), strict=True):
        h, s, v = colorsys.rgb_to_hsv(*(before / 255).tolist())
        assert np.allclose(colorsys.hsv_to_rgb((h + 0.15) % 1, s, v), (after / 255).tolist(), atol=1e-4)
    with pytest.raises(ArgumentError, match="1 channels; allowed: 3"):
        augment(x[:, :1], ["jitter"], torch.Generator())


def test_parquet_of_the_hub_is_written_out_once(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    root = draw_images(tmp_path / "drawn", {"train": 6, "validation": 2}, classes=3, side=16)
    target = tmp_path / "data" / "tiny"
    target.mkdir(parents=True)
    features = {"label": {"names": ["zebra", "ant, bee", "cat"], "_type": "ClassLabel"}}
    for split in ("train", "validation"):
        paths = sorted((root / split).glob("*/*"))
        rows = {
            "image": [{"bytes": p.read_bytes(), "path": p.name} for p in paths],
            "label": [int(p.parent.name[-1]) for p in paths],
        }
        table = pa.table(rows).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        parquet.write_table(table, target / f"{split}-00000-of-00001.parquet")
    monkeypatch.setenv("OCHE_DATA", str(tmp_path / "data"))
    found = data.load("hub:someone/tiny?size=16")
    assert found.sizes == {"train": 9, "valid": 9, "test": 6} and found.name == "hub:someone/tiny"
    assert found.class_names == ("00000-zebra", "00001-ant", "00002-cat")
    direct = data.load(f"images:{root / 'train'}?size=16")
    of_class = [direct.x[direct.indices(s)][direct.y[direct.indices(s)] == 2] for s in direct.splits]
    ours = [found.x[found.indices(s)][found.y[found.indices(s)] == 2] for s in ("train", "valid")]
    key = lambda images: sorted(i.tobytes() for part in images for i in part)
    assert key(of_class) == key(ours)
    before = {p: p.stat().st_mtime_ns for p in own_cache.rglob("*.jpg")}
    assert data.load(f"images:{target}?size=16").sizes == found.sizes
    assert before and {p: p.stat().st_mtime_ns for p in own_cache.rglob("*.jpg")} == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda r: r / "nothing", "no folder"),
        (lambda r: (r / "a").mkdir() or r, "1 class folders"),
        (
            lambda r: [(r / p).mkdir(parents=True) for p in ("train/a", "train/b", "val/a", "val/c")] and r,
            "'b' in one of 'train' and 'val'",
        ),
        (lambda r: [(r / p).mkdir() for p in ("a", "b")] and r, "no image in class 'a'"),
        (lambda r: [(r / p).mkdir() for p in ("train", "val", "test")] and r, "train, and one of val and test"),
    ],
)
def test_a_folder_that_is_none_is_told_why(tmp_path: Path, make, message: str):
    with pytest.raises(DataError, match=message):
        data.load(f"images:{make(tmp_path)}")


def test_the_imagenet_recipe_is_the_published_one():
    recipe = training.recipe("imagenet")
    assert (recipe.epochs, recipe.batch_size, recipe.lr, recipe.label_smoothing, recipe.weight_decay) == (250, 1024, 0.5, 0.1, 3e-5)
    rates = [training.linear(e, 250, 0.5, 0.0, 5) for e in (0, 4, 5, 127.5, 249)]
    assert rates == pytest.approx([0.5 / 6, 5 * 0.5 / 6, 0.5, 0.25, 0.5 / 245])
    assert "schedule" not in Recipe().to_json() and Recipe.from_json(recipe.to_json()).to_json() == recipe.to_json()
    for wrong in ({"augment": "crop+resized-crop"}, {"schedule": "step"}, {"precision": "fp16"}, {"schedule": "linear", "power": 2.0}):
        with pytest.raises(ArgumentError):
            Recipe(**wrong)
