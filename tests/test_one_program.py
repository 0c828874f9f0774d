"""One class, five algorithms, one argument changed; and the class is the same before and after all of them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import oche

OPS = {
    "conv3": lambda channels: nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)),
    "conv1": lambda channels: nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)),
    "pool": lambda channels: nn.MaxPool2d(3, stride=1, padding=1),
    "skip": lambda channels: nn.Identity(),
}


class Net(nn.Module):
    def __init__(self, channels=8):
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        self.body = nn.Sequential(*[oche.oneof(OPS, name=f"op{i}", channels=channels) for i in range(4)])
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))

    def forward(self, x):
        return self.head(self.body(self.stem(x)))


SEARCHES = {
    "random": oche.Budget(trials=2),
    "regularized-evolution": oche.Budget(trials=5),
    "rsps?epochs=2": None,
    "darts?epochs=2": None,
    "pc-darts?epochs=2&warmup=1": None,
}


def plain():
    """The class used as an ordinary class: its weights, what it computes, and what it is."""
    torch.manual_seed(3)
    net = Net().eval()
    with torch.no_grad():
        return {k: v.clone() for k, v in net.state_dict().items()}, net(torch.ones(2, 1, 8, 8)), dict(Net.__dict__)


def test_the_class_is_the_same_before_and_after_all_searches():
    weights, output, attributes = plain()
    # The first candidate of each choice.
    assert weights["body.0.1.weight"].shape == (8, 8, 3, 3)
    task = oche.tasks.classification("digits", recipe="digits?epochs=1", device="cpu")
    kinds = {}
    for algorithm, budget in SEARCHES.items():
        runs = oche.search(Net, algorithm, task, budget=budget, progress=False)
        assert runs[0].status == "done", runs[0].reason
        kinds[algorithm] = (runs.records[0].kind, set(runs.best.decisions), 0 <= runs.records[0].value <= 100)
    assert all(kind[1:] == ({"op0", "op1", "op2", "op3"}, True) for kind in kinds.values())
    assert [kind[0] for kind in kinds.values()] == ["random_search", "search", "search", "search", "search"]
    again = plain()
    assert list(weights) == list(again[0])
    assert all(torch.equal(weights[k], again[0][k]) for k in weights)
    assert torch.equal(output, again[1])
    assert attributes == again[2]


@pytest.mark.parametrize("algorithm", ["darts?epochs=2", "pc-darts?epochs=2&warmup=1", "rsps?epochs=2"])
def test_a_search_leaves_the_global_generator_alone(algorithm):
    task = oche.tasks.classification("digits", recipe="digits?epochs=1", device="cpu")
    before = torch.get_rng_state()
    oche.search(Net, algorithm, task, progress=False)
    assert torch.equal(before, torch.get_rng_state())
