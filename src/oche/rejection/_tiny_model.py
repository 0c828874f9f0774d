"""The model of the sampler `tiny`: trained from random weights, its exact probabilities, its training examples, and its file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from oche.errors import ArgumentError, DataError, TrainingError
from oche.loop.progress_bar import progress
from oche.rejection._sums import ALPHABET, QUESTION, RESPONSE, random_sums, spell, sums
from oche.seeds import building, derive, generator

if TYPE_CHECKING:
    from torch import Tensor

    from oche.rejection._decoder import Decoder

LAYOUT = {"symbols": len(ALPHABET), "positions": QUESTION + RESPONSE}
#: Shares of questions with operands of 1, 2 and 3 digits.
SHARES = (0.10, 0.35, 0.55)
# A training looks at its pass rate every so many steps, on so many sums of three digits, and gives up at last. A good teacher takes
# about as many steps as `_USUAL`, which is what the progress bar goes by.
_LOOK, _HELD, _MOST, _USUAL = 5, 200, 4000, 650


def examples(pairs: Sequence[tuple[str, str]]) -> tuple[Tensor, Tensor]:
    """What a tuning reads, `(n, 12)`, and what it has to say, `(n, 12)`: the response and its full stop; nothing else counts.

    Raises:
        ArgumentError: there are no pairs, or one is no sum.
    """
    import torch

    from oche.rejection._tune import IGNORED

    if not pairs:
        raise ArgumentError("tuning: got no responses; allowed: at least one; check what the synthesis kept")
    whole = torch.tensor([spell(text, response) for text, response in pairs])
    targets = whole[:, 1:].clone()
    targets[:, : QUESTION - 1] = IGNORED
    # Target j is symbol j + 1; the first full stop is the last that counts.
    ends = QUESTION + torch.tensor([len(response) for _, response in pairs])
    targets[torch.arange(1, whole.shape[1])[None] > ends[:, None]] = IGNORED
    return whole[:, :-1], targets


def pretrain(rates: Sequence[float], seed: int = 0, shares: Sequence[float] = SHARES, digits: int = 3) -> list[Decoder]:
    """Train from random weights until the mean exact pass rate reaches the highest of `rates`; one model for each of them.

    Args:
        rates: Pass rates at temperature 1, in (0, 1): a model is the first one of the training that reaches its rate.
        seed: Root of weights and questions.
        shares: Shares of questions with operands of 1, 2 and 3 digits.
        digits: Digits of the sums whose pass rate counts.

    Raises:
        TrainingError: one was not reached.
    """
    import copy

    import torch

    from oche.rejection._decoder import Decoder
    from oche.rejection._tune import Tuning, steps

    with building(derive(seed, "tiny", "weights")):
        model = Decoder(**LAYOUT)
    plan = Tuning(_MOST, 128, 3e-3, "constant", warmup_steps=100, weight_decay=0.01, grad_clip=1.0)
    held = sums(100 if digits == 1 else _HELD, digits, derive(seed, "tiny", "held"))
    whole = np.array([spell(q.text, str(q.reference)) for q in held])
    lengths = np.array([len(q.reference) for q in held])
    found: dict[float, Decoder] = {}

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        rng = generator(seed, "tiny", "questions")
        while True:
            sequences = torch.from_numpy(random_sums(plan.batch_size, shares, rng))
            yield sequences[:, :-1], sequences[:, 1:]

    with progress("train the tiny transformer") as update:

        def reached(step: int) -> bool:
            if step % _LOOK:
                return False
            got = float(probabilities(model, whole, lengths).mean())
            update(min(0.99, step / _USUAL), f"step {step}, pass rate {got:.3f} of {max(rates)}")
            for rate in rates:
                if got >= rate and rate not in found:
                    found[rate] = copy.deepcopy(model).double().eval()
            return len(found) == len(set(rates))

        for _ in steps(model, batches(), plan, reached):
            pass
    if missing := sorted(set(rates) - set(found)):
        raise TrainingError(f"tiny: got a pass rate below {missing[0]} after {_MOST} steps; allowed: a lower rate, or another seed")
    return [found[rate] for rate in rates]


def probabilities(model: Decoder, whole: np.ndarray, lengths: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Exact probabilities of responses, `(n,)`.

    Args:
        model: The transformer.
        whole: Symbols of questions and responses, `(n, 13)`.
        lengths: Symbols of each response before its full stop, `(n,)`.
        temperature: Of the sampling.
    """
    import torch

    found = []
    with torch.no_grad():
        for part, size in zip(torch.from_numpy(whole).split(500), torch.from_numpy(lengths).split(500), strict=True):
            logs = (model(part[:, :-1])[:, QUESTION - 1 :].double() / temperature).log_softmax(2)
            own = logs.gather(2, part[:, QUESTION:, None])[..., 0]
            counted = torch.arange(RESPONSE)[None] <= size[:, None]
            found.append((own * counted).sum(1).exp())
    return torch.cat(found).numpy()


def save(path: str | os.PathLike[str], model: Decoder, about: dict[str, Any]) -> None:
    """Write weights as single precision, which is what was trained."""
    import copy

    from oche import training

    training.save(path, copy.deepcopy(model).float(), {"network": "tiny", **about})


def load(path: str | os.PathLike[str]) -> Decoder:
    """Read weights, in double precision and evaluation mode.

    Raises:
        DataError: the file is not there, cannot be read, or holds another network. Nothing in it is executed.
    """
    from oche import training
    from oche.rejection._decoder import Decoder

    def build(meta: dict[str, Any]) -> Decoder:
        if meta.get("network") != "tiny":
            raise DataError(f"weights of sampler 'tiny': got {os.fspath(path)!r}, another network; allowed: a file of Tiny.save")
        return Decoder(**LAYOUT)

    return training.load(path, build).model.double()  # type: ignore[return-value]
