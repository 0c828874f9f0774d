"""The training loop: equal seeds give equal weights, also across a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from oche import seeds, spaces, training
from oche.errors import ArgumentError, MissingExtraError, ResumeError, TrainingError
from oche.training import Epoch, Recipe, cosine, data, fit, score

RECIPE = Recipe(epochs=4, batch_size=32, lr=0.05, augment="crop+flip", crop_padding=1, label_smoothing=0.1, grad_clip=5.0, warmup_epochs=1)


@pytest.fixture(scope="module")
def digits() -> data.DataSet:
    return data.load("digits[:200]")


def network(seed: int = 0, dropout: float = 0.3) -> nn.Module:
    with seeds.building(seed):
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(dropout), nn.Linear(256, 10)
        )


def equal(a: nn.Module, b: nn.Module) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_equal_seeds_give_equal_weights_and_other_seeds_do_not(digits: data.DataSet):
    one, same, other = network(), network(), network()
    first = fit(one, digits, RECIPE, seed=3)
    torch.rand(7)  # what others draw does not matter
    assert fit(same, digits, RECIPE, seed=3).history == first.history
    fit(other, digits, RECIPE, seed=4)
    assert equal(one, same) and not equal(one, other)


def test_torch_s_global_generator_is_put_back(digits: data.DataSet):
    before = torch.get_rng_state()
    fit(network(), digits, RECIPE.derive(epochs=2), seed=0)
    assert torch.equal(before, torch.get_rng_state())


def test_one_epoch_is_the_textbook_loop(digits: data.DataSet):
    recipe = Recipe(epochs=1, batch_size=50, lr=0.05, weight_decay=1e-3)
    trained, by_hand = network(dropout=0.0), network(dropout=0.0)
    row = fit(trained, digits, recipe, seed=1).history[0]
    optimizer = torch.optim.SGD(by_hand.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3)
    losses = []
    for x, y in training.batches(digits, "train", 50, seed=1, epoch=0):
        loss = nn.functional.cross_entropy(by_hand(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert equal(trained, by_hand)
    assert row.loss == pytest.approx(np.mean(losses))
    assert row.lr == 0.05


def test_rows_and_cost_say_what_was_done(digits: data.DataSet):
    rows: list[Epoch] = []
    result = fit(network(), digits, RECIPE, seed=0, on_epoch=rows.append)
    assert tuple(rows) == result.history
    assert [row.lr for row in rows] == [cosine(t, 4, 0.05, 0.0, 1) for t in range(4)]
    assert (result.cost.epochs, result.cost.passes) == (4, 4 * 4)
    assert result.cost.seconds > 0 and result.cost.cpu_seconds > 0
    joined = fit(network(), digits, RECIPE.derive(epochs=2), seed=0, split="train+valid")
    assert joined.cost.passes == 2 * 7


def test_training_ends_where_the_caller_says_so(digits: data.DataSet):
    result = fit(network(), digits, RECIPE, seed=0, on_epoch=lambda row: row.epoch < 1)
    assert len(result.history) == 2 and result.cost.epochs == 2


def test_the_gradient_is_clipped(digits: data.DataSet):
    # With momentum 0, one batch and no decay, a step is lr times the gradient, whose norm is cut to 0.01.
    recipe = Recipe(epochs=1, batch_size=100, lr=1.0, momentum=0.0, nesterov=False, weight_decay=0.0, grad_clip=0.01)
    net = network(dropout=0.0)
    before = torch.cat([p.detach().flatten() for p in net.parameters()]).clone()
    fit(net, digits, recipe, seed=0)
    after = torch.cat([p.detach().flatten() for p in net.parameters()])
    assert float((after - before).norm()) == pytest.approx(0.01, rel=1e-3)


def test_label_smoothing_raises_the_loss_of_a_sure_network(digits: data.DataSet):
    plain, smooth = (
        fit(network(dropout=0.0), digits, Recipe(epochs=15, label_smoothing=share), seed=0).history[-1].loss for share in (0.0, 0.2)
    )
    # The least possible loss with smoothing is the entropy of the smoothed target, 0.18 + 9 * 0.02.
    entropy = -(0.82 * np.log(0.82) + 9 * 0.02 * np.log(0.02))
    assert plain < 0.1 and entropy < smooth < entropy + 0.2


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_resuming_gives_the_weights_of_an_unbroken_training(digits: data.DataSet, tmp_path: Path, stop: int):
    unbroken, broken = network(), network()
    whole = fit(unbroken, digits, RECIPE, seed=5)
    file = tmp_path / "checkpoint.pt"
    fit(broken, digits, RECIPE, seed=5, checkpoint=file, on_epoch=lambda row: row.epoch + 1 < stop)
    resumed = network(seed=99)  # its weights come from the file
    rest = fit(resumed, digits, RECIPE, seed=5, checkpoint=file)
    assert rest.history == whole.history and rest.cost.passes == whole.cost.passes
    assert equal(resumed, unbroken)
    assert fit(network(seed=98), digits, RECIPE, seed=5, checkpoint=file).history == whole.history


KILLED = """
import sys, time
from tests.training.test_fit import RECIPE, network
from oche.training import data, fit
def slow(row):
    print(row.epoch, flush=True)
    time.sleep(0.2)
fit(network(), data.load("digits[:200]"), RECIPE, seed=5, checkpoint=sys.argv[1], on_epoch=slow)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_training_resumes_to_the_same_weights(digits: data.DataSet, tmp_path: Path):
    file = tmp_path / "checkpoint.pt"
    paths = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths}
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(file)], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "0"
    time.sleep(0.25)
    process.kill()
    process.wait(timeout=30)
    process.stdout.close()
    unbroken, resumed = network(), network(seed=99)
    fit(unbroken, digits, RECIPE, seed=5)
    done: list[int] = []
    fit(resumed, digits, RECIPE, seed=5, checkpoint=file, on_epoch=lambda row: done.append(row.epoch))
    assert 1 <= len(done) <= 3
    assert equal(resumed, unbroken)


@pytest.mark.parametrize(
    ("change", "named"), [({"recipe": RECIPE.derive(lr=0.01)}, "recipe"), ({"seed": 6}, "seed"), ({"split": "valid"}, "split")]
)
def test_a_checkpoint_of_another_training_is_refused(digits: data.DataSet, tmp_path: Path, change: dict[str, object], named: str):
    file = tmp_path / "checkpoint.pt"
    fit(network(), digits, RECIPE, seed=5, checkpoint=file, on_epoch=lambda row: False)
    with pytest.raises(ResumeError, match=f"{named} differ"):
        fit(network(), digits, checkpoint=file, **{"recipe": RECIPE, "seed": 5, **change})


def test_a_checkpoint_of_another_network_or_data_or_of_nothing_is_refused(digits: data.DataSet, tmp_path: Path):
    file = tmp_path / "checkpoint.pt"
    fit(network(), digits, RECIPE, seed=5, checkpoint=file, on_epoch=lambda row: False)
    with pytest.raises(ResumeError, match="another network"):
        fit(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), digits, RECIPE, seed=5, checkpoint=file)
    with pytest.raises(ResumeError, match="data differ"):
        fit(network(), data.load("digits[:202]"), RECIPE, seed=5, checkpoint=file)
    file.write_bytes(b"not a checkpoint")
    with pytest.raises(ResumeError, match="which is not one"):
        fit(network(), digits, RECIPE, seed=5, checkpoint=file)


class Explodes(nn.Module):
    """A network whose output is not finite from its n-th training batch on."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.inner = network(dropout=0.0)
        self.at = at
        self.seen = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += 1
        return self.inner(x) * (float("nan") if self.seen > self.at else 1.0)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(digits: data.DataSet, tmp_path: Path):
    file = tmp_path / "checkpoint.pt"
    net = Explodes(at=9)
    with pytest.raises(TrainingError) as caught:
        fit(net, digits, RECIPE, seed=0, checkpoint=file)
    # Four batches an epoch: the tenth is batch 1 of epoch 2, step 9 from 0.
    for part in ("got nan at step 9 (epoch 2, batch 1", "lower lr", f"kept in {file}"):
        assert part in str(caught.value)
    sane = Explodes(at=10**9)
    result = fit(sane, digits, RECIPE, seed=0, checkpoint=file)
    whole = Explodes(at=10**9)
    fit(whole, digits, RECIPE, seed=0)
    assert len(result.history) == 4 and equal(sane, whole)


def test_a_rate_that_is_too_high_says_so(digits: data.DataSet):
    with pytest.raises(TrainingError, match="lower lr or set grad_clip; there is no checkpoint yet"):
        fit(network(), digits, Recipe(epochs=3, lr=1e30), seed=0)


# -- scores -----------------------------------------------------------------------------------------------------------------


def test_the_score_is_the_share_of_right_answers_in_percent(digits: data.DataSet):
    class Constant(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.one_hot(torch.full((len(x),), 3), 10).float()

    for split in ("train", "valid", "test"):
        share = 100 * float((digits.y[digits.splits[split]] == 3).mean())
        assert score(Constant(), digits, split, batch_size=7) == pytest.approx(share)


def test_scoring_leaves_modes_and_statistics_alone(digits: data.DataSet):
    net = network().train()
    net[1].eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    first = score(net, digits, "test")
    assert [m.training for m in net] == [True, False, True, True, True, True]
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert score(net, digits, "test", batch_size=3) == first


def test_modes_come_back_when_a_network_fails(digits: data.DataSet):
    net = nn.Sequential(nn.Flatten(), nn.Linear(63, 10)).train()
    with pytest.raises(RuntimeError):
        score(net, digits)
    assert net.training


# -- the preset -------------------------------------------------------------------------------------------------------------


def test_the_digits_preset_trains_a_small_cell_well_and_tells_cells_apart():
    whole = data.load("digits")
    build = {"channels": 8, "cells": 1, "in_channels": 1}
    good = "|nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
    dead = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    scores = {}
    for cell in (good, dead):
        net = spaces.network("nasbench201", cell=cell, seed=0, **build)
        fit(net, whole, training.recipe("digits"), seed=0)
        scores[cell] = score(net, whole, "test")
    assert scores[good] > 90
    assert scores[dead] < 20


def test_a_training_in_parts_is_the_training_in_one_piece(digits: data.DataSet, tmp_path: Path):
    whole, first, second = network(), network(), network(seed=9)
    full = fit(whole, digits, RECIPE, seed=3)
    one = fit(first, digits, RECIPE, seed=3, until=1, keep=tmp_path / "one.pt")
    assert one.history == full.history[:1] and one.cost.epochs == 1
    fit(first, digits, RECIPE, seed=3, until=3, source=tmp_path / "one.pt", keep=tmp_path / "three.pt")
    last = fit(second, digits, RECIPE, seed=3, source=tmp_path / "three.pt")
    assert last.history == full.history and equal(second, whole)
    assert last.cost.epochs == 1, "epochs of earlier parts are theirs"
    assert last.cost.passes == full.cost.passes / 4


def test_a_part_is_refused_for_another_training_or_beyond_the_recipe(digits: data.DataSet, tmp_path: Path):
    fit(network(), digits, RECIPE, seed=3, until=1, keep=tmp_path / "one.pt")
    with pytest.raises(ResumeError, match="seed differ"):
        fit(network(), digits, RECIPE, seed=4, source=tmp_path / "one.pt")
    for until in (0, 5):
        with pytest.raises(ArgumentError, match="until: got"):
            fit(network(), digits, RECIPE, seed=3, until=until)
    with pytest.raises(ArgumentError, match="source"):
        fit(network(), digits, RECIPE, seed=3, source=tmp_path / "one.pt", checkpoint=tmp_path / "other.pt")


def test_accelerate_trains_the_same_network_where_it_is_installed_and_is_asked_for_where_not(digits: data.DataSet):
    plain, wrapped = network(), network()
    fit(plain, digits, RECIPE.derive(epochs=2), seed=0)
    try:
        import accelerate  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        with pytest.raises(MissingExtraError, match=r"pip install 'oche\[accelerate\]'"):
            fit(wrapped, digits, RECIPE, seed=0, engine="accelerate")
    else:
        fit(wrapped, digits, RECIPE.derive(epochs=2), seed=0, engine="accelerate")
        assert equal(plain, wrapped)
    with pytest.raises(ArgumentError, match="engine: got 'ddp'; allowed: plain, accelerate"):
        fit(wrapped, digits, RECIPE, seed=0, engine="ddp")
