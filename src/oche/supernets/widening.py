"""A wider supernet starts from a narrower one: channels that are new copy channels that were there.

A tensor of another size is read at an index of channels: first all old ones, then random old ones. Within one mixed op every tensor uses
the same index for a pair of sizes, so a copied channel keeps its filter, its norm and what was read from it together.
Source: Chen et al. 2021 (DrNAS), progressive widening of partial channels.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from oche.errors import ArgumentError, NotRelaxable
from oche.seeds import torch_generator
from oche.supernets.network import Supernet
from oche.supernets.relaxed import Mixed


class Widening:
    """How tensors of one supernet become those of a wider one, by name.

    Args:
        narrow: The supernet that was trained.
        wide: One of the same program with more channels inside of mixed ops, and perhaps fewer candidates. Nothing is changed yet.
        seed: Of the channels that are copied.
    """

    def __init__(self, narrow: Supernet, wide: Supernet, seed: int) -> None:
        self.seed = seed
        self.narrow, self.wide = narrow, wide
        self._places = sorted((name for name, module in wide.network.named_modules() if isinstance(module, Mixed)), key=len, reverse=True)

    @torch.no_grad()
    def apply(self) -> None:
        """Give the wide supernet the weights, the buffers and the logits of what it shares with the narrow one.

        Raises:
            ArgumentError: a tensor of the wide supernet is smaller than that of the narrow one.
        """
        old = self.narrow.network.state_dict()
        new = {
            name: self.widened(name, old[name], tensor) if name in old else tensor
            for name, tensor in self.wide.network.state_dict().items()
        }
        self.wide.network.load_state_dict(new)
        self.wide.policy.take(self.narrow.policy)

    def widened(self, name: str, old: Tensor, new: Tensor) -> Tensor:
        """`old` in the shape of `new`.

        Args:
            name: In the state dict of the network.
            old: A tensor of the narrow supernet, or the momentum that belongs to it.
            new: The tensor whose shape is wanted.
        """
        if old.dim() != new.dim() or any(a > b for a, b in zip(old.shape, new.shape, strict=True)):
            raise ArgumentError(f"widening, {name!r}: got {tuple(old.shape)} for {tuple(new.shape)}; allowed: sizes that grow")
        for dim, (n, wanted) in enumerate(zip(old.shape, new.shape, strict=True)):
            if n != wanted:
                old = old.index_select(dim, self._index(name, n, wanted).to(old.device))
        return old

    def _index(self, name: str, n: int, wanted: int) -> Tensor:
        place = next((place for place in self._places if name.startswith(f"{place}.")), name)
        more = torch.randint(n, (wanted - n,), generator=torch_generator(self.seed, "widen", place, n, wanted))
        return torch.cat([torch.arange(n), more])


def narrowed(supernet: Supernet, keep: int) -> dict[str, list[str]]:
    """For each choice of one candidate, the `keep` labels of the largest score, in their order; of equal ones the higher index stays.

    Raises:
        NotRelaxable: a choice is a level of a chain.

    Source: Chen et al. 2019 (P-DARTS): candidates that are never a decision may go like all others.
    """
    kept: dict[str, list[str]] = {}
    for key, row in supernet.policy.rows.items():
        if row.link is not None:
            raise NotRelaxable(
                f"choice {key!r}: got a level of a chain of choices, whose candidates cannot be left out one by one; allowed: choices that "
                "stand alone; use an algorithm that keeps all candidates to the end, such as 'darts'"
            )
        if row.kind != "one" or len(row.labels) <= keep:
            continue
        order = _smallest_first(supernet, key)
        stay = set(order[len(order) - keep :])
        if not stay & set(row.allowed):  # at least one that can be decided
            stay = {*order[len(order) - keep + 1 :], max(row.allowed, key=order.index)}
        kept[key] = [row.labels[i] for i in sorted(stay)]
    return kept


def _smallest_first(supernet: Supernet, key: str) -> list[int]:
    policy = supernet.policy
    logits = policy.logits(key).detach().double().cpu()
    scores: Mapping[int, float] = dict(enumerate((torch.softmax(logits, -1) if policy.score is None else policy.score(logits)).tolist()))
    return sorted(scores, key=lambda i: scores[i])  # stable: of equal ones the lower index goes first
