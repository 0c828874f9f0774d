"""The grammar of options: seeds, budgets, settings, tasks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oche.cli import _compose as compose
from oche.errors import ArgumentError, BudgetError, UnknownNameError


@pytest.mark.parametrize(("text", "meant"), [("5", 5), ("0,3,7", [0, 3, 7]), ("3,", [3]), (" 1 , 2 ", [1, 2])])
def test_seeds_are_a_count_or_a_list(text, meant):
    assert compose.seeds(text) == meant


@pytest.mark.parametrize("text", ["0", "-1", "1,1", "a", "", "1.5", ","])
def test_other_seeds_are_refused(text):
    with pytest.raises(ArgumentError, match="--seeds: got"):
        compose.seeds(text)


@given(st.lists(st.integers(0, 2**63), min_size=1, max_size=6, unique=True))
def test_any_list_of_different_seeds_comes_back(seeds):
    assert compose.seeds(",".join(map(str, seeds)) + ",") == seeds


def test_a_budget_is_limits_by_unit():
    assert compose.budget("trials=40,seconds=120.5").limits() == {"trials": 40, "seconds": 120.5}
    assert compose.budget("trials=40&epochs=2").limits() == {"trials": 40, "epochs": 2}
    assert compose.budget(None) is None


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("trails=40", UnknownNameError, "did you mean 'trials'"),
        ("trials=many", BudgetError, "trials='many'"),
        ("trials=true", BudgetError, "trials=True"),
        ("trials=0", BudgetError, "trials=0"),
        ("trials", ArgumentError, "--budget"),
        ("", BudgetError, "--budget"),
    ],
)
def test_a_bad_budget_is_named(text, error, said):
    with pytest.raises(error, match=said):
        compose.budget(text)


def test_settings_are_typed_and_may_hold_lists():
    assert compose.settings("a=1,b=[1,2],c=x,d=0.5,e=true", "--x") == {"a": 1, "b": [1, 2], "c": "x", "d": 0.5, "e": True}


def test_a_task_needs_data_or_a_name():
    with pytest.raises(ArgumentError, match="neither --data nor --task"):
        compose.task(None, None)


def test_settings_of_a_recipe_change_the_preset_of_the_data_and_nothing_else():
    plain, changed = compose.task(None, "digits").recipe, compose.task(None, "digits", "epochs=2").recipe
    assert changed.epochs == 2 != plain.epochs
    assert changed.derive(epochs=plain.epochs).to_json() == plain.to_json()


def test_a_search_recipe_leaves_the_final_training_alone():
    task = compose.task(None, "digits", search_recipe="epochs=1")
    assert (task.search_recipe.epochs, task.recipe) == (1, compose.task(None, "digits").recipe)


def test_the_size_of_the_final_program_reaches_the_protocol():
    assert compose.task(None, "digits", final="channels=32,cells=2").describe()["final"] == {"channels": 32, "cells": 2}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"text": None, "data": "digit"}, "did you mean 'digits'"),
        ({"text": "clasification", "data": "digits"}, "did you mean 'classification'"),
        ({"text": "classification?dat=digits", "data": None}, "dat"),
        ({"text": None, "data": "digits", "recipe": "epoch=2"}, "epoch"),
        ({"text": "tabular", "data": None, "recipe": "epochs=2"}, "with a classification only"),
        ({"text": None, "data": "digits", "device": "gpu"}, "device: got 'gpu'"),
    ],
    ids=["data", "task", "setting", "recipe", "recipe of a table", "device"],
)
def test_a_bad_task_is_named(arguments, said):
    with pytest.raises((ArgumentError, UnknownNameError), match=said):
        compose.task(**arguments)


def test_random_search_gets_the_seeds_that_a_verdict_needs():
    from oche.cli.search import random_seeds

    # C(9, 3) = 84 splits: the first count with 3 / splits below .05; 5 + 5 runs decide as they are.
    assert random_seeds([0, 1, 2], tests=3) == [0, 1, 2, 3, 4, 5]
    assert random_seeds([0, 1, 2, 3, 4], tests=3) == [0, 1, 2, 3, 4]
    assert len(random_seeds([0, 1], tests=3)) == 10
    assert random_seeds([4], tests=3) == [4]
