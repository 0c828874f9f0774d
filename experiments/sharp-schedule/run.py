"""The hand-made path of the small HyperCuboid under five learning-rate schedules, at equal epochs.

python experiments/sharp-schedule/run.py            # trains what out/ lacks, then the table
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t
from torch import nn

import oche
from oche.files import write_text
from oche.seeds import building, derive, torch_generator
from oche.training import CosinePowerAnnealing
from oche.training.data import load
from oche.training.data._dataset import fixed_splits, moments

HERE = Path(__file__).parent
OUT = Path(os.environ.get("OUT", HERE / "out"))
SEEDS, EPOCHS, BATCH, LR, LR_MIN = range(6), 40, 64, 0.1, 1e-4
SCHEDULES = {
    "p = 1": lambda o: CosinePowerAnnealing(o, EPOCHS, power=1, eta_min=LR_MIN),
    "p = 2": lambda o: CosinePowerAnnealing(o, EPOCHS, power=2, eta_min=LR_MIN),
    "p = 10": lambda o: CosinePowerAnnealing(o, EPOCHS, power=10, eta_min=LR_MIN),
    "constant": lambda o: torch.optim.lr_scheduler.ConstantLR(o, factor=1.0),
    "steps": lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [EPOCHS // 2, 3 * EPOCHS // 4], gamma=0.1),
}


def accuracy(schedule: str, seed: int) -> dict[str, float]:
    """Test accuracy in percent after the last epoch, and the training loss of that epoch; plain torch, but for network and schedule."""
    data = load("digits")
    splits = fixed_splits(data.y, {"train": 1000, "test": 797})
    mean, std = moments(data.x, splits["train"])
    x = torch.as_tensor((data.x - np.reshape(mean, (1, -1, 1, 1))) / np.reshape(std, (1, -1, 1, 1)), dtype=torch.float32)
    y = torch.as_tensor(data.y)
    train, test = torch.as_tensor(splits["train"]), torch.as_tensor(splits["test"])
    space = oche.spaces.get("hypercuboid", in_channels=1, classes=10)
    net = space.build(space.encode_decisions(space.program.hand_made()), seed=derive(seed, "weights"))
    optimizer = torch.optim.SGD(net.parameters(), LR, momentum=0.9, weight_decay=3e-4)
    rates = SCHEDULES[schedule](optimizer)
    order = torch_generator(seed, "order")
    loss = torch.zeros(())
    with building(derive(seed, "training")):
        for _ in range(EPOCHS):
            losses = []
            for batch in train[torch.randperm(len(train), generator=order)].split(BATCH):
                loss = nn.functional.cross_entropy(net(x[batch]), y[batch])
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(net.parameters(), 5.0)
                optimizer.step()
                losses.append(float(loss))
            rates.step()
    net.eval()
    with torch.no_grad():
        return {"test": 100 * float((net(x[test]).argmax(-1) == y[test]).float().mean()), "loss": float(np.mean(losses))}


def interval(values: Any) -> str:
    values = np.asarray(values)
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():+.2f} [{values.mean() - half:+.2f}, {values.mean() + half:+.2f}]"


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[dict[str, float]]] = {}
    for seed in SEEDS:
        for name in SCHEDULES:
            path = OUT / f"{name.replace(' ', '')}-{seed}.json"
            if not path.exists():
                write_text(path, json.dumps(accuracy(name, seed)) + "\n")
            found.setdefault(name, []).append(json.loads(path.read_text()))
    write_text(HERE / "results.json", json.dumps(found, indent=1) + "\n")
    for name, rows in found.items():
        test = np.array([row["test"] for row in rows])
        base = np.array([row["test"] for row in found["p = 1"]])
        line = f"{name:9} {test.mean():.2f} ± {test.std(ddof=1):.2f}, training loss {np.mean([row['loss'] for row in rows]):.4f}"
        print(line + (f", minus p = 1: {interval(test - base)}" if name != "p = 1" else ""))
