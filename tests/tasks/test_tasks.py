"""Tasks: what a child earns, and what the protocol says of it."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import nn

import oche
from oche.errors import ArgumentError, FeedbackError, SpaceError, UnknownNameError
from oche.loop import Task
from oche.program import Space
from oche.tasks._children import architecture, fitting_arguments


class Net(nn.Module):
    def __init__(self, in_channels=3, classes=7, width=4):
        super().__init__()
        self.body = oche.oneof(
            {"wide": lambda c: nn.Conv2d(c, 2 * width, 3), "thin": lambda c: nn.Conv2d(c, 2 * width, 1)}, name="conv", c=in_channels
        )
        self.head = nn.Linear(2 * width, classes)

    def forward(self, x):
        return self.head(self.body(x).relu().mean((2, 3)))


@pytest.fixture(scope="module")
def digits():
    return oche.tasks.classification("digits", recipe="digits?epochs=2&batch_size=50", device="cpu")


def test_classification_fills_in_what_the_data_says(digits):
    assert digits.arguments(Space(Net)) == {"in_channels": 1, "classes": 10}
    assert digits.arguments(Space(Net, classes=10)) == {"in_channels": 1}
    assert fitting_arguments(lambda depth: None, (1, 8, 8), 10) == {}


def test_classification_is_reproducible_and_reports_in_percent(digits):
    space = Space(Net, in_channels=1, classes=10)
    dna = space.at(0)
    rewards = [digits.evaluate(digits.child(space, dna, 3), 3).reward for _ in range(2)]
    assert rewards[0] == rewards[1]
    assert rewards[0] != digits.evaluate(digits.child(space, dna, 4), 4).reward
    final = digits.report(digits.child(space, dna, 3, final=True), 3)
    assert 0 <= final.reward <= 100
    assert final.metrics["params"] == sum(p.numel() for p in digits.child(space, dna, 3).parameters())
    # 2 epochs over 1,200 images in batches of 50.
    assert (final.cost.epochs, final.cost.passes, final.cost.trials) == (2, 48, 1)
    # 2 epochs over 600 images, and one look at 600 of valid at a third of the price.
    assert digits.evaluate(digits.child(space, dna, 3), 3).cost.passes == pytest.approx(24 + 12 / 3)


def test_a_task_travels_to_workers(digits):
    again = pickle.loads(pickle.dumps(digits))
    assert again.describe() == digits.describe()
    space = Space(Net, in_channels=1, classes=10)
    assert again.evaluate(again.child(space, space.at(0), 3), 3) is not None


def test_the_final_network_may_have_another_size():
    task = oche.tasks.classification("digits", recipe="digits?epochs=1", final={"width": 8}, device="cpu")
    space = Space(Net, in_channels=1, classes=10)
    assert task.child(space, space.at(0), 0).head.in_features == 8
    assert task.child(space, space.at(0), 0, final=True).head.in_features == 16
    assert task.describe()["final"] == {"width": 8}


def test_a_program_that_builds_no_module_is_refused(digits):
    space = Space({"a": oche.oneof([1, 2])})
    with pytest.raises(SpaceError, match="torch module"):
        digits.child(space, space.at(0), 0)


def test_functions_may_return_numbers_tuples_and_metrics():
    task = oche.tasks.function(lambda child, seed: (child["x"] + seed, {"twice": 2 * child["x"]}), name="sum")
    feedback = task.evaluate({"x": 3}, seed=4)
    assert feedback.reward == 7
    assert feedback.metrics == {"value": 7, "twice": 6}
    assert oche.tasks.function(lambda child: (1, 2)).evaluate(None, 0).reward == (1.0, 2.0)
    with pytest.raises(FeedbackError, match="'nope'"):
        oche.tasks.function(lambda child: "nope").evaluate(None, 0)
    with pytest.raises(FeedbackError, match="finite"):
        oche.tasks.function(lambda child: float("nan")).evaluate(None, 0)


def test_a_task_comes_from_a_name_a_function_or_itself(digits):
    assert oche.tasks.as_task(digits) is digits
    assert oche.tasks.as_task("classification?data=digits").name == "classification:digits"
    assert oche.tasks.as_task(lambda child: 1.0).evaluate(None, 0).reward == 1
    assert isinstance(digits, Task)
    with pytest.raises(UnknownNameError, match="did you mean 'classification'"):
        oche.tasks.as_task("clasification")
    with pytest.raises(ArgumentError, match="got 3"):
        oche.tasks.as_task(3)


def test_architecture_text_of_a_program_without_a_form_of_its_own():
    space = Space({"a": oche.oneof(["x", "y"]), "lr": oche.floatv(0.5, 0.5)})
    assert architecture(space, space.sample(1)) in ("a=x, lr=0.5", "a=y, lr=0.5")


def test_tabular_looks_up_both_fidelities(oche_data):
    task = oche.tasks.tabular("nasbench201", dataset="cifar10", search=("valid", 12), report=("test", 200))
    space = oche.spaces.get("nasbench201")
    best = task.table.cells[6111]
    assert task.n_report == 10_000
    dna = space.encode_decisions(oche.spaces.nasbench201.decisions(best))
    child = task.child(space, dna, 0)
    assert child == best
    assert task.report(child, 0).reward == pytest.approx(94.3733, abs=1e-4)
    assert task.evaluate(child, 0).cost.epochs == 12
    assert len(task.population()) == 15_625
    with pytest.raises(UnknownNameError, match="12"):
        oche.tasks.tabular("nasbench201", dataset="cifar10", search=("valid", 200), report=("test", 200))
    with pytest.raises(ArgumentError, match="split, epochs"):
        oche.tasks.tabular("nasbench201", dataset="cifar10", search="valid", report=("test", 200))


def test_training_does_not_touch_the_global_generator(digits):
    space = Space(Net, in_channels=1, classes=10)
    before = torch.get_rng_state()
    digits.evaluate(digits.child(space, space.at(0), 1), 1)
    assert torch.equal(before, torch.get_rng_state())


def test_final_networks_are_kept_where_asked(tmp_path):
    plain = oche.tasks.classification("digits", recipe="digits?epochs=1", device="cpu")
    task = oche.tasks.keeping(plain, tmp_path)
    assert plain.keep is None
    space = Space(Net, in_channels=1, classes=10)
    trained = task.child(space, space.at(1), 3, final=True)
    feedback = task.report(trained, 3)
    saved = oche.training.load(feedback.artifacts["network"], lambda meta: space.build(space.encode_decisions(meta["decisions"])))
    assert saved.meta["arguments"] == {"in_channels": 1, "classes": 10}
    assert saved.meta["test"] == feedback.reward
    assert oche.training.score(saved.model, task.data, "test") == feedback.reward
    assert "keep" not in str(task.describe())
