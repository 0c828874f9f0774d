"""Search the settings by which a classifier of wines is trained.

Run: python training_after.py
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold
from torch import nn
from torch.nn import functional

import oche


def load_data():
    """Measurements of 178 wines, each column with mean 0 and deviation 1, and their three classes."""
    x, y = load_wine(return_X_y=True)
    x = torch.tensor(x, dtype=torch.float32)
    return (x - x.mean(0)) / x.std(0), torch.tensor(y)


def make_optimizer(name, parameters, lr, weight_decay):
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=lr, momentum=0.9, weight_decay=weight_decay)
    return torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay)


def fit(x, y, hidden, dropout, lr, weight_decay, batch_size, optimizer, epochs):
    """A trained network with one hidden layer."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(x.shape[1], hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 3))
    steps = make_optimizer(optimizer, net.parameters(), lr, weight_decay)
    for _ in range(epochs):
        for rows in torch.randperm(len(y)).split(batch_size):
            loss = functional.cross_entropy(net(x[rows]), y[rows])
            steps.zero_grad()
            loss.backward()
            steps.step()
    return net.eval()


@oche.symbolic
def cross_validate(hidden=16, dropout=0.1, lr=0.01, weight_decay=1e-4, batch_size=32, optimizer="sgd", epochs=10):
    """Minus the mean validation loss over four folds."""
    x, y = load_data()
    losses = []
    for train, valid in StratifiedKFold(4, shuffle=True, random_state=0).split(x, y):
        net = fit(x[train], y[train], hidden, dropout, lr, weight_decay, batch_size, optimizer, epochs)
        with torch.no_grad():
            losses.append(functional.cross_entropy(net(x[valid]), y[valid]).item())
    return -sum(losses) / len(losses)


def main():
    settings = cross_validate(
        hidden=oche.oneof([8, 16, 32]),
        dropout=oche.floatv(0.0, 0.5),
        lr=oche.floatv(1e-3, 0.3, scale="log"),
        weight_decay=oche.floatv(1e-5, 1e-2, scale="log"),
        batch_size=oche.oneof([16, 32, 64]),
        optimizer=oche.oneof(["sgd", "adamw"]),
    )
    best = oche.search(settings, "regularized-evolution", float, budget=oche.Budget(trials=16)).best
    score = best.record.value
    print(f"found {best.decisions}")
    print(f"validation loss {-score:.4f}")


if __name__ == "__main__":
    main()
