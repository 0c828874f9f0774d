"""Saved, loaded, used and exported networks."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from oche import spaces, training
from oche.errors import ArgumentError, DataError, MissingExtraError
from oche.training import data

CELL = "|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|none~0|nor_conv_1x1~1|nor_conv_3x3~2|"
SIZE = {"channels": 4, "cells": 1, "in_channels": 1}


@pytest.fixture(scope="module")
def digits() -> data.DataSet:
    return data.load("digits")


@pytest.fixture(scope="module")
def trained(digits: data.DataSet) -> nn.Module:
    net = spaces.network("nasbench201", cell=CELL, seed=1, **SIZE)
    training.fit(net, digits, training.recipe("digits", epochs=8), seed=1)
    return net.eval()


def build(meta: dict) -> nn.Module:
    return spaces.network(meta["space"], cell=meta["cell"], seed=123, **meta["arguments"])


@pytest.fixture
def file(tmp_path: Path, trained: nn.Module, digits: data.DataSet) -> Path:
    path = tmp_path / "found.pt"
    training.save(path, trained, {"space": "nasbench201", "cell": CELL, "arguments": SIZE}, digits)
    return path


def test_a_saved_network_comes_back_with_its_weights_and_meta(file: Path, trained: nn.Module, digits: data.DataSet):
    saved = training.load(file, build)
    assert saved.meta["cell"] == CELL
    assert saved.meta["input"]["shape"] == [1, 8, 8] and saved.meta["input"]["classes"] == [str(i) for i in range(10)]
    assert not saved.model.training
    mine, theirs = saved.model.state_dict(), trained.state_dict()
    assert all(torch.equal(mine[k], theirs[k]) for k in theirs)
    assert training.score(saved.model, digits) == training.score(trained, digits)


def test_predictions_are_those_behind_the_score(file: Path, trained: nn.Module, digits: data.DataSet):
    positions = digits.splits["test"]
    probabilities = training.load(file, build).predict(digits.x[positions], batch_size=100)
    assert probabilities.shape == (597, 10)
    assert probabilities.sum(1) == pytest.approx(np.ones(597), abs=1e-5)
    accuracy = 100 * float((probabilities.argmax(1) == digits.y[positions]).mean())
    assert accuracy == pytest.approx(training.score(trained, digits, "test"))
    assert accuracy > 80


def test_one_input_and_a_data_set_as_meta(trained: nn.Module, digits: data.DataSet):
    one = training.predict(trained, digits.x[0], digits)
    assert one.shape == (1, 10)
    assert one[0] == pytest.approx(training.predict(trained, torch.from_numpy(digits.x[:5]), digits)[0], abs=1e-6)
    normalized = (digits.x[:5] - digits.mean[0]) / digits.std[0]
    assert training.predict(trained, normalized)[0] == pytest.approx(one[0], abs=1e-5)


def test_prediction_leaves_the_mode_alone(trained: nn.Module, digits: data.DataSet):
    trained.train()
    training.predict(trained, digits.x[:4], digits)
    assert trained.training
    trained.eval()


def test_inputs_of_another_kind_are_refused(trained: nn.Module, digits: data.DataSet):
    with pytest.raises(ArgumentError, match=r"allowed: \(n, 1, 8, 8\)"):
        training.predict(trained, np.zeros((2, 3, 8, 8)), digits)
    with pytest.raises(ArgumentError, match="not finite"):
        training.predict(trained, np.full((2, 1, 8, 8), np.nan), digits)


def test_a_file_that_is_no_network_is_refused(tmp_path: Path, file: Path):
    with pytest.raises(DataError, match="which is not one"):
        training.load(tmp_path / "absent.pt", build)
    (tmp_path / "other.pt").write_bytes(b"something else")
    with pytest.raises(DataError, match="which is not one"):
        training.load(tmp_path / "other.pt", build)
    with pytest.raises(DataError, match="weights of another network"):
        training.load(file, lambda meta: nn.Linear(2, 2))


class Harmful:
    def __reduce__(self):
        return (print, ("this ran",))


def test_nothing_in_a_file_is_executed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    torch.save({"schema": "oche.network/1", "meta": Harmful(), "weights": {}}, tmp_path / "bad.pt")
    with pytest.raises(DataError):
        training.load(tmp_path / "bad.pt", build)
    assert "this ran" not in capsys.readouterr().out


def test_a_file_of_another_version_is_refused(tmp_path: Path):
    torch.save({"schema": "oche.network/9", "meta": json.dumps({}), "weights": {}}, tmp_path / "new.pt")
    with pytest.raises(DataError, match=r"got schema 'oche[.]network/9'"):
        training.load(tmp_path / "new.pt", build)


def test_meta_must_be_json_and_nothing_is_written_otherwise(tmp_path: Path, trained: nn.Module):
    with pytest.raises(ArgumentError, match="not JSON"):
        training.save(tmp_path / "x.pt", trained, {"when": object()})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cell", [CELL, "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"])
def test_an_exported_program_gives_the_same_scores_at_any_batch(tmp_path: Path, cell: str):
    net = spaces.network("nasbench201", cell=cell, seed=2, **SIZE).eval()
    path = training.export(net, tmp_path / "net.pt2", "torch.export", torch.randn(1, 1, 8, 8))
    program = torch.export.load(path).module()
    for n in (1, 2, 9):
        x = torch.randn(n, 1, 8, 8)
        assert torch.allclose(program(x), net(x), atol=1e-5)


@pytest.mark.parametrize("cell", [CELL, "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"])
def test_an_exported_onnx_file_gives_the_same_scores_at_any_batch(tmp_path: Path, cell: str):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    from onnx.reference import ReferenceEvaluator

    net = spaces.network("nasbench201", cell=cell, seed=2, **SIZE).train()
    path = training.export(net, tmp_path / "net.onnx", "onnx", torch.randn(3, 1, 8, 8))
    assert net.training
    onnx.checker.check_model(str(path))
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]
    session = ReferenceEvaluator(str(path))
    net.eval()
    for n in (1, 2, 5):
        x = torch.randn(n, 1, 8, 8)
        (out,) = session.run(None, {session.input_names[0]: x.numpy()})
        assert out == pytest.approx(net(x).detach().numpy(), abs=1e-4)


def test_an_unknown_format_and_a_missing_package(tmp_path: Path, trained: nn.Module, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ArgumentError, match="format: got 'tflite'"):
        training.export(trained, tmp_path / "x", "tflite", torch.randn(2, 1, 8, 8))
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match=r"oche\[export\]"):
        training.export(trained, tmp_path / "x.onnx", "onnx", torch.randn(2, 1, 8, 8))
    assert not list(tmp_path.iterdir())
