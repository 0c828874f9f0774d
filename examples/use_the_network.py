"""What happens after a search: the found network is kept, loaded, used for prediction, and exported for other programs.

Run: python examples/use_the_network.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from own_network import Net

import oche
from oche import training


def main(folder, epochs=3, trials=4):
    """Search, keep the network, load it again, predict, export; return the share of right predictions on `test`."""
    task = oche.tasks.keeping(oche.tasks.classification("digits", recipe=f"digits?epochs={epochs}"), folder)
    best = oche.search(Net, "random", task, budget=oche.Budget(trials=trials)).best
    print("found", best.decisions, f"test {best.record.value:.1f} %")

    # A network file holds weights and JSON, never code: what builds the network is passed here.
    saved = training.load(best.record.artifacts["network"], lambda meta: best.build())
    data = task.data
    rows = data.splits["test"]
    right = float((saved.predict(data.x[rows]).argmax(1) == data.y[rows]).mean())

    example = torch.zeros(2, *data.shape)
    for format, name in (("torch.export", "net.pt2"), ("onnx", "net.onnx")):
        print("wrote", training.export(saved.model, Path(folder) / name, format, example).name)
    return right


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(f"right on test: {100 * main(folder):.1f} %")
