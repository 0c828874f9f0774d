"""The autoencoder that turns frames into descriptors: two sizes, training with early stopping, encoding."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from oche import seeds
from oche.errors import ArgumentError, unknown
from oche.training import optimizers

logger = logging.getLogger("oche.diversity")

_ENCODE = 512
# Below this spread over all frames a latent number says nothing.
_DEAD = 1e-6


@dataclass(frozen=True)
class AutoencoderSize:
    """A convolutional autoencoder: 4 x 4 kernels, stride 2, SELU, mirrored decoder.

    Args:
        side: Width and height of a frame.
        channels: 3, or 1 for gray.
        filters: Filters of each encoder layer.
        output: Last function of the decoder: `relu` (the authors'), or `sigmoid`, which cannot die.
    """

    side: int
    channels: int
    filters: tuple[int, ...]
    output: str


#: `paper`: the authors' network. `small`: about 13 times cheaper, for CPUs; the size is ours.
SIZES = {
    "paper": AutoencoderSize(64, 3, (32, 64, 32, 16), "relu"),
    "small": AutoencoderSize(32, 1, (16, 16, 8), "sigmoid"),
}


class Autoencoder:
    """Encodes frames, tells how well it knows them, and learns.

    Args:
        size: `paper` or `small`.
        latent: Numbers per frame.
        output: Overrules the size's last function: `relu` or `sigmoid`.
        channels: Overrules the size's channels: 1 or 3.
        learning_rate: Of Adam.
        batch: Frames per step.
        epochs: The most epochs; one more is run, as in the authors' loop.
        patience: Training ends when the validation error has been above its best so often in a row.
        seed: Of the first weights.

    Raises:
        UnknownNameError: another size or output.

    Source: STAX repository, autoencoder and its defaults; the early stop as there.
    """

    def __init__(
        self,
        size: str = "small",
        latent: int = 10,
        output: str | None = None,
        channels: int | None = None,
        learning_rate: float = 1e-3,
        batch: int = 128,
        epochs: int = 100,
        patience: int = 4,
        seed: int = 0,
    ) -> None:
        if size not in SIZES:
            raise unknown("size of the autoencoder", size, SIZES)
        chosen = SIZES[size]
        self.side, self.channels = chosen.side, chosen.channels if channels is None else int(channels)
        self.latent = int(latent)
        if self.latent < 1 or self.channels not in (1, 3):
            raise ArgumentError(f"autoencoder: got latent={latent!r}, channels={channels!r}; allowed: latent from 1, channels 1 or 3")
        last = output or chosen.output
        if last not in ("relu", "sigmoid"):
            raise unknown("output of the autoencoder", last, ("relu", "sigmoid"))
        self._filters, self._output = chosen.filters, last
        self.learning_rate, self.batch, self.epochs, self.patience = float(learning_rate), int(batch), int(epochs), int(patience)
        #: Number of trainings so far.
        self.version = 0
        self.reset(seed)

    def reset(self, seed: int) -> None:
        """New weights."""
        with seeds.building(seed):
            self.encoder, self.decoder = self._build()

    def _build(self) -> tuple[nn.Module, nn.Module]:
        widths = [self.channels, *self._filters]
        flat = self.side >> len(self._filters)
        hidden = widths[-1] * flat * flat
        encoder: list[nn.Module] = []
        for a, b in pairwise(widths):
            encoder += [nn.Conv2d(a, b, 4, 2, 1), nn.SELU()]
        encoder += [nn.Flatten(), nn.Linear(hidden, self.latent), nn.SELU()]
        decoder: list[nn.Module] = [nn.Linear(self.latent, hidden), nn.SELU(), nn.Unflatten(1, (widths[-1], flat, flat))]
        back = widths[::-1]
        for i, (a, b) in enumerate(pairwise(back)):
            end: nn.Module = nn.SELU() if i < len(back) - 2 else nn.ReLU() if self._output == "relu" else nn.Sigmoid()
            decoder += [nn.ConvTranspose2d(a, b, 4, 2, 1), end]
        return nn.Sequential(*encoder), nn.Sequential(*decoder)

    def fit_frames(self, frames: Any) -> np.ndarray:
        """Frames as this network takes them.

        Args:
            frames: `(frames, channels, height, width)`: whole numbers from 0 to 255, or numbers in [0, 1].

        Returns:
            `(frames, channels, side, side)` uint8. Smaller by means of whole blocks; gray where this network is.

        Raises:
            ArgumentError: other values, or a shape that cannot be made to fit.
        """
        found = np.asarray(frames)
        if found.ndim != 4 or found.shape[1] not in (1, 3):
            raise ArgumentError(f"frames: got shape {found.shape}; allowed: (frames, 1 or 3, height, width)")
        if found.dtype != np.uint8:
            if not np.isfinite(found).all() or found.min() < 0 or found.max() > 255:
                raise ArgumentError(f"frames: got values from {found.min()} to {found.max()}; allowed: 0 to 255, or 0 to 1")
            found = (found * 255 if found.max() <= 1 else found).round().astype(np.uint8)
        if found.shape[1] > self.channels:
            found = (np.einsum("schw,c->shw", found.astype(np.uint32), np.array([77, 150, 29], np.uint32)) >> 8).astype(np.uint8)[:, None]
        elif found.shape[1] < self.channels:
            found = np.repeat(found, self.channels, axis=1)
        height, width = found.shape[2:]
        if height != width or height % self.side:
            raise ArgumentError(f"frames: got {height} x {width} pixels; allowed: a square whose side is a multiple of {self.side}")
        block = height // self.side
        if block > 1:
            parts = found.reshape(*found.shape[:2], self.side, block, self.side, block)
            found = parts.mean((3, 5), dtype=np.float32).round().astype(np.uint8)
        return found

    def encode(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Latent numbers and errors.

        Args:
            frames: `(n, frames, channels, side, side)` uint8.

        Returns:
            Latents `(n, frames, latent)` and mean squared errors `(n, frames)`, float64.
        """
        n, per = frames.shape[:2]
        flat = torch.from_numpy(np.ascontiguousarray(frames)).flatten(0, 1)
        latents, errors = torch.empty(n * per, self.latent), torch.empty(n * per)
        with torch.no_grad():
            for i in range(0, n * per, _ENCODE):
                x = flat[i : i + _ENCODE].float() / 255
                z = self.encoder(x)
                latents[i : i + _ENCODE] = z
                errors[i : i + _ENCODE] = ((self.decoder(z) - x) ** 2).mean((1, 2, 3))
        return latents.double().numpy().reshape(n, per, -1), errors.double().numpy().reshape(n, per)

    def reconstruct(self, frames: np.ndarray) -> np.ndarray:
        """What the decoder makes of frames `(n, frames, channels, side, side)` uint8, in the same form."""
        flat = torch.from_numpy(np.ascontiguousarray(frames)).flatten(0, 1)
        with torch.no_grad():
            made = self.decoder(self.encoder(flat.float() / 255)).clamp(0, 1)
        return (made * 255).round().byte().numpy().reshape(frames.shape)

    def train(self, frames: np.ndarray, seed: int) -> dict[str, float]:
        """Learn from frames; a fifth of them, drawn at random, is kept for validation.

        Args:
            frames: `(n, channels, side, side)` uint8.
            seed: Of the split and of the order of batches.

        Returns:
            `epochs`, `validation` (last mean squared error) and `training`.
        """
        split = seeds.torch_generator(seed, "split")
        data = torch.from_numpy(np.ascontiguousarray(frames))
        order = torch.randperm(len(data), generator=split)
        held = max(1, len(data) // 5)
        valid, rest = data[order[:held]], data[order[held:]]
        if not len(rest):
            rest = valid
        optimizer = optimizers.Adam([*self.encoder.parameters(), *self.decoder.parameters()], lr=self.learning_rate)
        best, rises, error, loss, epoch = float("inf"), 0, float("nan"), float("nan"), 0
        for epoch in range(self.epochs + 1):
            loss = self._epoch(rest, optimizer, seeds.torch_generator(seed, "order", epoch))
            if epoch == 0:
                continue
            error = self._error(valid)
            rises = rises + 1 if error > best else 0
            best = min(best, error)
            if rises == self.patience:
                break
        self.version += 1
        return {"epochs": float(epoch + 1), "validation": error, "training": loss}

    def _epoch(self, data: torch.Tensor, optimizer: torch.optim.Optimizer, order: torch.Generator) -> float:
        total = 0.0
        for rows in torch.randperm(len(data), generator=order).split(self.batch):
            x = data[rows].float() / 255
            loss = ((self.decoder(self.encoder(x)) - x) ** 2).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(rows)
        return total / len(data)

    def _error(self, data: torch.Tensor) -> float:
        _, errors = self.encode(data.numpy()[:, None])
        return float(errors.mean())

    def dead_latents(self, latents: np.ndarray) -> int:
        """Latent numbers that are the same for all frames, as when SELU is saturated; novelty rests on the others.

        Args:
            latents: `(n, frames * latent)`, as policies are described.
        """
        flat = latents.reshape(-1, self.latent)
        return int((flat.std(0) < _DEAD).sum()) if len(flat) > 1 else 0

    def check(self, latents: np.ndarray) -> int:
        """The same, with a warning where there are any."""
        dead = self.dead_latents(latents)
        if dead:
            logger.warning(
                "autoencoder: %d of %d latent numbers are the same for all frames; novelty rests on the others", dead, self.latent
            )
        return dead

    @property
    def parameters(self) -> dict[str, int]:
        """Number of weights of `encoder` and `decoder`."""
        return {k: sum(p.numel() for p in m.parameters()) for k, m in (("encoder", self.encoder), ("decoder", self.decoder))}

    def state(self) -> dict[str, Any]:
        """Weights as arrays, and the version."""
        weights = {f"{part}.{k}": v.numpy().copy() for part in ("encoder", "decoder") for k, v in getattr(self, part).state_dict().items()}
        return {"version": self.version, "weights": weights}

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.version = int(state["version"])
        for part in ("encoder", "decoder"):
            own = {k.partition(".")[2]: torch.from_numpy(np.array(v)) for k, v in state["weights"].items() if k.startswith(part)}
            getattr(self, part).load_state_dict(own)
