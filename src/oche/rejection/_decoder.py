"""A small decoder-only transformer over symbols: pre-norm layers, learned positions, an output matrix of its own.

Small enough that its probabilities can be had exactly and a training takes seconds, and otherwise built as a language model is: the same
forward pass serves training on whole sequences and drawing symbol by symbol with stored keys and values.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Keys and values of the symbols read so far, one pair per layer, each `(batch, heads, length, width / heads)`.
Past = list[tuple[Tensor, Tensor]]


class Decoder(nn.Module):
    """Scores of the next symbol at every position.

    Args:
        symbols: Size of the alphabet.
        positions: Longest sequence.
        width: Width of the residual stream.
        heads: Attention heads, which divide the width.
        layers: Layers.
        hidden: Width of the feed-forward part.
    """

    def __init__(self, symbols: int, positions: int, width: int = 64, heads: int = 4, layers: int = 2, hidden: int = 256) -> None:
        super().__init__()
        self.symbol = nn.Embedding(symbols, width)
        self.position = nn.Embedding(positions, width)
        self.layers = nn.ModuleList(_Layer(width, heads, hidden) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, symbols)

    def forward(self, sequence: Tensor, positions: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Logits, `(batch, length, symbols)`, of the symbol after each of `sequence`, `(batch, length)`.

        Args:
            sequence: `(batch, length)`.
            positions: `(batch, length)`, for packed examples; None: they rise from 0.
            mask: Which position sees which, `(batch, 1, length, length)`, for packed examples; None: each sees what is before it.
        """
        if mask is None and positions is None:
            return self.step(sequence)[0]
        x = self.symbol(sequence) + self.position(torch.arange(sequence.shape[1]) if positions is None else positions)
        for layer in self.layers:
            x, _ = layer(x, None, mask)
        return self.out(self.norm(x))

    def step(self, sequence: Tensor, past: Past | None = None) -> tuple[Tensor, Past]:
        """Logits for symbols that come after `past`, and the past that includes them.

        Args:
            sequence: `(batch, length)`; one symbol each if there is a past.
            past: What an earlier step gave.
        """
        start = past[0][0].shape[2] if past else 0
        x = self.symbol(sequence) + self.position(torch.arange(start, start + sequence.shape[1]))
        present: Past = []
        for number, layer in enumerate(self.layers):
            x, pair = layer(x, past[number] if past else None)
            present.append(pair)
        return self.out(self.norm(x)), present


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor, past: tuple[Tensor, Tensor] | None, mask: Tensor | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        batch, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        # A single symbol after a past sees all of it.
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=past is None and mask is None)
        x = x + self.mix(seen.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.norm2(x)))), (k, v)
