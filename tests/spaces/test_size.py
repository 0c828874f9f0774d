"""The size space of NATS-Bench: published counts, exact children, the skip between widths, and its table."""

from __future__ import annotations

import gzip
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import oche
from oche import networks, spaces
from oche.errors import ArgumentError, DataError, UnknownNameError
from oche.mixers import ChannelScores, Interpolation, Softmax, UniformPath
from oche.spaces.size import Size, from_text, size_macs, size_params, to_text
from oche.spaces.size._table import index_of, read, widths_of
from oche.supernets.shortcuts import WidthShortcut

torch.set_num_threads(1)
SMALL = {"divide": 8, "in_channels": 1}
# Counted on records of the release: Dong et al. 2021.
PUBLISHED = {
    "8:8:8:8:8": (11_714, 4_481_104),
    "64:64:64:64:64": (713_674, 274_399_872),
    "8:8:8:16:32": (49_202, 6_840_640),
    "8:16:32:48:64": (251_394, 26_780_288),
}


@pytest.mark.parametrize(("text", "counts"), PUBLISHED.items(), ids=PUBLISHED)
def test_published_sizes(text, counts):
    net = spaces.network("size", widths=text, classes=10)
    assert networks.count(net, (3, 32, 32)) == networks.Counts(*counts)
    assert (size_params(from_text(text)), size_macs(from_text(text))) == counts


@given(st.lists(st.integers(1, 8), min_size=5, max_size=5), st.sampled_from([4, 7, 8]))
@settings(max_examples=5, deadline=None)
def test_the_formulas_are_the_counts_of_the_network(units, side):
    net = spaces.network("size", widths=units, step=1, in_channels=2, classes=3)
    counts = networks.count(net, (2, side, side))
    assert (counts.params, counts.macs) == (size_params(units, 3, 2), size_macs(units, side, 3, 2))


def test_sizes_of_the_whole_space():
    every = [widths_of(i) for i in range(32_768)]
    params = [size_params(w) for w in every]
    half = size_macs((64,) * 5) / 2
    assert round(statistics.fmean(params)) == 268_684
    assert statistics.median(params) == 261_642
    assert round(sum(size_macs(w) <= half for w in every) / len(every), 6) == 0.682526


def test_the_index_is_that_of_the_benchmark():
    space = spaces.get("size")
    assert (space.size, space.keys, space.name) == (32_768, ("c0", "c1", "c2", "c3", "c4"), "size")
    for text, index in (("8:8:8:16:32", 11), ("64:64:64:64:64", 32_767), ("16:8:8:8:8", 4096)):
        dna = space.encode_decisions({f"c{i}": w for i, w in enumerate(text.split(":"))})
        assert space.index(dna) == index_of(text) == index
        assert to_text(widths_of(index)) == Size.architecture(space.decisions(dna)) == text
    assert spaces.get("size", **SMALL).fingerprint == space.fingerprint


def test_the_supernet_of_the_authors_has_its_published_weights_and_is_the_widest_network():
    space = spaces.get("size", affine=False, project=False)
    net = oche.supernet(space)
    assert sum(w.numel() for w in net.weights()) == 712_522
    widest = space.encode_decisions({key: "64" for key in space.keys})
    child, x = net.child(widest), torch.randn(2, 3, 8, 8)
    with net.fixed(widest), torch.no_grad():
        assert torch.allclose(net(x), child(x), atol=1e-5)


@pytest.mark.parametrize("project", [True, False])
@pytest.mark.parametrize("mixer", [Softmax, UniformPath])
def test_children_have_the_outputs_of_the_supernet(mixer, project):
    net = oche.supernet(spaces.get("size", project=project, **SMALL), mixer())
    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for index in (0, 11, 4096, 20_001, 32_767):
        dna = net.space.at(index)
        child, fresh = net.child(dna), net.child(dna, weights="fresh")
        fresh.load_state_dict(child.state_dict(), strict=True)
        assert repr(child) == repr(fresh)
        if project:
            widths = [w // 8 for w in widths_of(index)]
            assert sum(p.numel() for p in child.parameters()) == size_params(widths, 10, 1)
        with net.fixed(dna), torch.no_grad():
            assert torch.allclose(net(x), child(x), atol=1e-5)
            assert torch.allclose(net(x), fresh(x), atol=1e-5)
        if mixer is Softmax:  # logits that are sure of the point
            for key, label in net.space.decisions(dna).items():
                row = torch.full((8,), -1e4)
                row[net.policy.rows[key].labels.index(label)] = 0
                net.named_arch()[key].data.copy_(row)
            assert torch.allclose(net(x), child(x), atol=1e-5)


def test_a_skip_between_mixed_widths_weighs_the_probability_that_they_agree():
    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            a, b = oche.oneof([2, 4], name="a"), oche.oneof([2, 4], name="b")
            self.first, self.skip, self.last = torch.nn.Conv2d(3, a, 1), WidthShortcut(a, b), torch.nn.Conv2d(b, 2, 1)

        def forward(self, x):
            return self.last(self.skip(self.first(x)))

    net = oche.supernet(Two)
    p, q = torch.tensor([0.25, 0.75]), torch.tensor([0.6, 0.4])
    net.named_arch()["a"].data.copy_(p.log())
    net.named_arch()["b"].data.copy_(q.log())
    seen = {}
    skip = net.network.skip
    skip.register_forward_hook(lambda m, inputs, out: seen.update(x=inputs[0], out=out))
    skip.project.register_forward_hook(lambda m, inputs, out: seen.update(projected=out))
    net(torch.randn(2, 3, 4, 4))
    agree = float(p @ q)
    assert torch.allclose(seen["out"], agree * seen["x"] + (1 - agree) * seen["projected"], atol=1e-6)
    net(torch.randn(2, 3, 4, 4)).square().sum().backward()
    assert all(float(row.grad.abs().sum()) > 0 for row in net.arch())


@pytest.mark.parametrize("project", [True, False])
@pytest.mark.parametrize("allowed", [{"c3": ["8", "16"]}, {"c2": ["8"]}, {"c2": ["16"], "c3": ["16"]}, {"c2": ["8", "16"], "c4": ["64"]}])
def test_layers_of_unlike_widths_mix_and_hold_every_member(allowed, project):
    space = spaces.get("size", divide=8, in_channels=1, project=project).restrict(allowed)
    x = torch.randn(3, 1, 16, 16)
    for mixer in (Softmax(), Interpolation(), ChannelScores(), UniformPath()):
        net = oche.supernet(space, mixer)
        assert net(x).shape == (3, 10)
    net = oche.supernet(space, Softmax())
    for seed in range(3):
        dna = space.sample(seed)
        with net.fixed(dna):
            assert torch.allclose(net(x), net.child(dna)(x), atol=1e-5)
        for key, label in space.decisions(dna).items():
            if key in net.policy.rows:
                row = torch.full((len(net.policy.rows[key].labels),), -1e4)
                row[net.policy.rows[key].labels.index(label)] = 0
                net.named_arch()[key].data.copy_(row)
        assert torch.allclose(net(x), net.child(dna)(x), atol=1e-5)


def test_wrong_widths_are_named():
    with pytest.raises(ArgumentError, match="3 N"):
        spaces.network("size", widths=(8, 8, 8))
    with pytest.raises(ArgumentError, match="width c1: got 12"):
        spaces.network("size", widths="8:12:8:8:8")
    with pytest.raises(ArgumentError, match="width c2: got 'x'"):
        spaces.network("size", widths="8:8:x:8:8")
    with pytest.raises(ArgumentError, match="divide"):
        spaces.get("size", divide=3)
    assert sum(p.numel() for p in spaces.network("size", widths=(8,) * 8).parameters()) == size_params((8,) * 8)


# -- the table --------------------------------------------------------------------------------------------------------------------


def written(path, rows, header="index,arch,cifar10_valid_12,cifar10_test_90,ImageNet16-120_test_90"):
    text = "\n".join([header, *rows]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


ROWS = ["11,8:8:8:16:32,60.5,85.25,30", "0,8:8:8:8:8,50,79.79,16.07", "32767,64:64:64:64:64,70,93,46"]


@pytest.mark.parametrize("name", ["dump.csv", "dump.csv.gz"])
def test_a_table_is_read_by_the_names_of_its_columns(tmp_path, name, monkeypatch):
    monkeypatch.setenv("OCHE_CACHE", str(tmp_path / "cache"))
    table = read(written(tmp_path / name, ROWS))
    assert table.rows == (0, 11, 32_767)
    assert not table.complete
    assert table.query("8:8:8:8:8", dataset="cifar10", epochs=90, split="test") == 79.79
    assert table.query("8:8:8:8:8", dataset="ImageNet16-120", epochs=90, split="test") == 16.07
    assert table.best(dataset="cifar10-valid", epochs=12, split="valid") == (32_767, "64:64:64:64:64", 70.0)
    with pytest.raises(UnknownNameError, match="cifar10, 12 epochs, test"):
        table.query("8:8:8:8:8", dataset="cifar10", epochs=12, split="test")
    with pytest.raises(DataError, match="its 3 networks"):
        table.query("16:8:8:8:8", dataset="cifar10", epochs=90, split="test")
    with pytest.raises(ArgumentError, match="size space"):
        table.query("9:8:8:8:8", dataset="cifar10", epochs=90, split="test")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS, "11,8:8:8:16:32,1,2,3"], "twice"),
        (["12,8:8:8:16:32,60,85,30"], "index 12"),
        (["0,8:8:8:8:8,0.5,0.79,0.1"], "percent"),
        (["0,8:8:8:8:8,50"], "cut"),
        (["0,8:8:8:8,50,60,70"], "size space"),
    ],
)
def test_a_file_that_is_not_the_table_is_refused(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read(written(tmp_path / "dump.csv", rows))


def test_two_columns_of_one_meaning_are_refused(tmp_path):
    header = "arch,cifar10_valid_12,cifar10-valid_valid_12"
    with pytest.raises(DataError, match=r"'cifar10-valid_valid_12' and another one of \('cifar10', 12, 'valid'\)"):
        read(written(tmp_path / "dump.csv", ["8:8:8:8:8,50,60"], header))


def test_an_imported_table_is_a_task_for_the_space(tmp_path, monkeypatch):
    # Every network of the space that has only widths 8 and 16: accuracies that grow with the number of weights.
    known = [i for i in range(32_768) if max(widths_of(i)) <= 16]
    rows = [f"{i},{to_text(widths_of(i))},{50 + size_params(widths_of(i)) / 4000},{60 + i / 1000},40" for i in known]
    monkeypatch.delenv("OCHE_DATA", raising=False)
    monkeypatch.setattr("oche.files.cache_dir", lambda: tmp_path / "cache")
    spaces.import_table("size", written(tmp_path / "dump.csv", rows))
    task = oche.tasks.tabular("size", dataset="cifar10", search=("valid", 12), report=("test", 90))
    space = spaces.get("size").restrict({f"c{i}": ["8", "16"] for i in range(5)})
    runs = oche.search(space, "sweep", task, budget=oche.Budget(trials=32))
    assert runs.records[0].arch == "16:16:16:16:16"
    assert runs.records[0].metrics["test"] == pytest.approx(60 + index_of("16:16:16:16:16") / 1000)
