"""The protocol is an object: frozen, hashed, derivable, and records that do not follow it are refused by field."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.judge.made_records import record, runs

import oche
from oche import judge
from oche.errors import JudgeError, UnknownNameError
from oche.judge import Metric, Protocol, Split, TrainProtocol

SMALL = Protocol.preset("digits")


@pytest.mark.parametrize("name", Protocol.presets())
def test_every_preset_survives_json_and_keeps_its_hash(name):
    protocol = Protocol.preset(name)
    again = Protocol.from_json(protocol.to_json(), name)
    assert again == protocol
    assert (again.hash, hash(again)) == (protocol.hash, hash(protocol))
    assert len(protocol.hash) == 64


def test_there_are_eight_methods_on_five_data_sets_and_ours():
    names = Protocol.presets()
    assert sum(n.startswith("yang2020-") and n.count("-") == 2 for n in names) == 40
    assert {"nasbench201", "digits", "cifar10-small", "yang2020-cifar10"} <= set(names)
    assert Protocol.preset("digits-tiny") == Protocol.preset("Digits")


@pytest.mark.parametrize(
    ("method", "field", "search", "final"),
    [
        ("darts", "epochs", 50, 600), ("stacnas", "epochs", 200, 600), ("pdarts", "epochs", 75, 600), ("manas", "epochs", 50, 600),
        ("cnas", "epochs", 60, 200), ("nsganet", "epochs", 20, 600), ("nao", "epochs", 100, 600), ("enas", "epochs", 150, 630),
        ("darts", "batch_size", 64, 96), ("stacnas", "batch_size", 64, 96), ("pdarts", "batch_size", 96, 128),
        ("manas", "batch_size", 64, 128), ("cnas", "batch_size", 64, 64), ("nsganet", "batch_size", 128, 96),
        ("nao", "batch_size", 64, 128), ("enas", "batch_size", 160, 144),
        ("darts", "channels", 16, 36), ("nsganet", "channels", 16, 34), ("nao", "channels", 20, 36), ("enas", "channels", 20, None),
        ("darts", "lr_min", 0.001, 0.0), ("pdarts", "lr_min", 0.0, 0.0), ("cnas", "lr_min", 0.003, 0.001), ("enas", "lr", 0.05, 0.05),
        ("darts", "weight_decay", 3e-4, 3e-4), ("enas", "weight_decay", 1e-4, 1e-4),
        ("darts", "cells", 8, 20), ("pdarts", "cells", 5, 20), ("cnas", "cells", 6, 20), ("nao", "cells", 11, 20), ("enas", "cells", 8, 17),
        ("darts", "nodes", 4, 4), ("cnas", "nodes", 6, 6), ("nsganet", "nodes", 5, 5), ("nao", "nodes", 5, 5),
    ],
)  # fmt: skip
def test_published_protocols(method, field, search, final):
    protocol = Protocol.preset(f"yang2020-{method}-cifar10")
    assert protocol.search is not None
    assert (getattr(protocol.search, field), getattr(protocol.train, field)) == (search, final)


def test_more_of_the_published_protocols():
    final = {m: TrainProtocol.preset(m) for m in ("darts", "pdarts", "cnas", "nao", "enas", "nsganet")}
    assert [final[m].drop_path for m in final] == [0.2, 0.3, 0.25, 0.2, None, 0.2]
    assert (final["cnas"].aux_weight, final["cnas"].label_smoothing, final["cnas"].optimizer) == (0.0, 0.1, "adam")
    assert (final["nao"].dropout, final["nsganet"].squeeze_excitation, final["enas"].nesterov) == (0.4, True, True)
    assert all(p.momentum == 0.9 and p.grad_clip == 5 and p.cutout == 16 for p in final.values())
    small = Protocol.preset("yang2020-nao-sport8")
    assert (small.train.batch_size, small.train.cells, small.split) == (96, 8, Split(0.4, 0.4, 0.2))
    assert Protocol.preset("yang2020-enas-mit67").train.cells == 8
    pdarts = TrainProtocol.preset("pdarts-search")
    assert (pdarts.stages, pdarts.arch["skip_dropout"]) == ((25, 25, 25), [0.0, 0.4, 0.7])
    assert Protocol.preset("yang2020-pdarts-cifar100").search.arch["skip_dropout"] == [0.1, 0.2, 0.3]
    assert TrainProtocol.preset("enas-search").schedule == "cosine-restarts"


@pytest.mark.parametrize("name", ["digits", "cifar10-small", "nasbench201"])
def test_our_presets_are_the_recipes_that_training_uses(name):
    recipe = oche.training.recipe(name)
    mine = Protocol.preset(name).train.recipe()
    assert mine == {k: v for k, v in recipe.to_json().items() if k in mine}
    assert oche.training.recipe(mine).to_json() == recipe.to_json()


def test_a_rung_is_a_derived_protocol():
    base = Protocol.preset("yang2020-cifar10")
    rung = base.derive(cutout=0, epochs=1500, **{"search.epochs": 25, "metric.name": "valid"})
    assert rung.differences(base) == {
        "metric.name": ("valid", "test"), "search.epochs": (25, 50), "train.cutout": (0, 16), "train.epochs": (1500, 600),
    }  # fmt: skip
    assert rung.hash != base.hash
    assert base.derive(name="other").hash == base.hash
    assert base.derive(n_search=5).seeds == (0, 1, 2, 3, 4)
    with pytest.raises(dataclasses.FrozenInstanceError):
        base.n_search = 3  # type: ignore[misc]


@given(st.integers(2, 50), st.floats(0.001, 0.5), st.integers(1, 2000))
def test_hashes_follow_values_only(n, alpha, epochs):
    one = SMALL.derive(n_search=n, alpha=alpha, epochs=epochs)
    other = SMALL.derive(epochs=epochs).derive(alpha=alpha).derive(n_search=n)
    assert one.hash == other.hash
    assert (one.hash == SMALL.hash) == (n == SMALL.n_search and alpha == SMALL.alpha and epochs == SMALL.train.epochs)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"epoch": 3}, UnknownNameError, "did you mean 'epochs'"),
        ({"n_search": 1}, JudgeError, "2 or more"),
        ({"select": "best_test"}, JudgeError, "never the best epoch on test"),
        ({"budget": {"parsecs": 3}}, JudgeError, "limits in"),
        ({"search_seeds": (1, 1)}, JudgeError, "each seed once"),
        ({"alpha": 2}, JudgeError, "between 0 and 1"),
        ({"ci": "magic"}, JudgeError, "welch-log"),
        ({"lr": -1}, JudgeError, "above 0"),
        ({"metric.nam": "x"}, UnknownNameError, "did you mean 'name'"),
        ({"split.train": 1}, JudgeError, "there is no split"),
    ],
)
def test_bad_protocols(change, error, said):
    with pytest.raises(error, match=said):
        SMALL.derive(**change)


def test_unknown_presets_are_suggested():
    with pytest.raises(UnknownNameError, match="did you mean 'nasbench201'"):
        Protocol.preset("nasbench-210")


def test_a_budget_of_the_loop_is_taken():
    assert SMALL.derive(budget=oche.Budget(trials=40)).budget == {"trials": 40}


def following(**recipe):
    settings = {**SMALL.train.recipe(), **recipe}
    return {"data": {"name": "digits"}, "recipe": settings, "metric": {"name": "test"}}


def test_a_report_follows_its_declared_protocol():
    protocol = SMALL.derive(n_random=3, n_search=3, alpha=0.2)
    arms = [runs(kind, values, protocol=following()) for kind, values in (("search", [93, 94, 95]), ("random", [90, 91, 92]))]
    report = judge.report(*arms, protocol=protocol)
    assert report.settings.alpha == 0.2
    assert protocol.hash[:8] in str(report)
    assert report.to_json()["declared"]["hash"] == protocol.hash
    assert judge.report(*arms, protocol=protocol, alpha=0.01).settings.alpha == 0.01
    short = judge.report(*arms, protocol=protocol.derive(n_search=8))
    assert any("declares 8 runs of 'evolution'" in w for w in short.warnings)


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        (SMALL.derive(epochs=600), r"train\.epochs \(6 vs 600\)"),
        (SMALL.derive(metric=Metric("valid")), "metric"),
        (SMALL.derive(datasets=("cifar10",)), r"dataset \('digits' vs 'cifar10'\)"),
        (SMALL.derive(space="darts"), "space"),
        (SMALL.derive(budget={"trials": 7}), "budget"),
    ],
)
def test_records_of_another_protocol_are_refused_by_field(protocol, said):
    with pytest.raises(JudgeError, match=said):
        protocol.check([record("search", 93.0, protocol=following())])


def test_a_real_search_follows_the_table_s_protocol(table):
    protocol = Protocol.preset("nasbench201").derive(datasets=("cifar10",), n_random=2, n_search=2, budget={"trials": 5})
    task = oche.tasks.tabular("nasbench201", dataset="cifar10", search=("valid", 12), report=("test", 200))
    found = oche.search("nasbench201", "random", task, budget=oche.Budget(trials=5), seeds=2)
    assert protocol.check(found.records) == []
    with pytest.raises(JudgeError, match=r"train\.epochs \(200 vs 12\)"):
        protocol.derive(epochs=12).check(found.records)
