"""Train a small residual network on scikit-learn's digits.

Run: python resnet_before.py
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, in_channels, channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.act = nn.ReLU()
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(channels),
            )

    def forward(self, x):
        out = self.act(self.norm1(self.conv1(x)))
        out = self.norm2(self.conv2(out))
        return self.act(out + self.shortcut(x))


class ResNet(nn.Module):
    """A stem, three stages of residual blocks, and a linear head."""

    def __init__(self, classes=10):
        super().__init__()
        width = 8
        blocks = 1
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        stages = []
        channels = width
        for stage in range(3):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                out_channels = width * 2**stage
                stages.append(BasicBlock(channels, out_channels, stride))
                channels = out_channels
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(channels, classes)

    def forward(self, x):
        out = self.stages(self.stem(x))
        return self.head(out.mean((2, 3)))


def load_data():
    """Images and labels of three splits: 800 for weights, 400 for decisions, 597 for the result."""
    x, y = load_digits(return_X_y=True)
    x = torch.tensor(x, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    y = torch.tensor(y)
    rest, test = train_test_split(torch.arange(len(y)).numpy(), test_size=597, random_state=0, stratify=y)
    train, valid = train_test_split(rest, test_size=400, random_state=0, stratify=y[rest])
    return {"train": (x[train], y[train]), "valid": (x[valid], y[valid]), "test": (x[test], y[test])}


DATA = load_data()


def accuracy(model, split):
    """Share of right answers on a split."""
    x, y = DATA[split]
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


def train(model, epochs=4, batch_size=64, seed=0):
    """Train a model and return its accuracy on `valid`."""
    x, y = DATA["train"]
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = epochs * -(-len(y) // batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(len(y), generator=generator).split(batch_size):
            loss = functional.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return accuracy(model, "valid")


def main():
    torch.manual_seed(0)
    model = ResNet()
    valid = train(model)
    print(f"valid {valid:.3f}, test {accuracy(model, 'test'):.3f}")


if __name__ == "__main__":
    main()
