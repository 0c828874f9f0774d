"""A sampler with a real model that trains in seconds: a transformer that adds numbers, and whose pass rates are known exactly.

The right response to a sum is one text, so its probability is a product of next-symbol probabilities: estimators, allocations and tuning
can be tested against the truth. The model is trained to a stated mean pass rate, not for a stated time: a fresh training gives other
weights on another machine, but a sampler that is as good.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oche import files
from oche.errors import ArgumentError, DataError
from oche.rejection._queries import Query
from oche.rejection._sampler import Completion, Request
from oche.rejection._sums import ALPHABET, RESPONSE, STOP, question, read, spell
from oche.rejection._tiny_model import LAYOUT, SHARES, examples, load, pretrain, probabilities, save
from oche.seeds import derive

if TYPE_CHECKING:
    from oche.rejection._decoder import Decoder, Past
    from oche.rejection._tune import Tuning

#: Numbers of the random stream that belong to one sample: two steps of the counter of Philox, of which five numbers are used.
_PER_SAMPLE, _BLOCKS = 8, 2
# Rows of a forward pass while drawing, always as many (the last pass is filled up), and samples at work at once.
_ROWS, _AT_ONCE = 64, 4096


class Tiny:
    """Adds numbers of one to three digits, as well as it was trained to.

    Without `path` the model is trained when it is first needed (about 20 seconds of one core for the default) and kept in the user's
    cache. A sample is drawn from tables of next-symbol probabilities in double precision: each distinct beginning of a response is
    computed once per call, and what is drawn does not depend on what else is asked for.

    Args:
        path: Weights that `save` wrote; then `rate` and `seed` are not used.
        rate: Train until the mean exact pass rate on sums of three digits (at temperature 1) reaches this, in (0, 1). The default is a
            teacher; 0.006 gives a weak student, which adds one digit right in one case of five.
        temperature: Of the sampling; 0 takes the most probable symbol.
        seed: Seed of weights and training, not of the samples.
    """

    # Once a beginning is known a sample costs a look-up, and those after the last one wanted are never counted.
    simulated = True

    def __init__(self, path: str | os.PathLike[str] | None = None, rate: float = 0.43, temperature: float = 1.0, seed: int = 0) -> None:
        if not 0 < rate < 1:
            raise ArgumentError(f"rate: got {rate!r}; allowed: a pass rate above 0 and below 1")
        if not temperature >= 0:
            raise ArgumentError(f"temperature: got {temperature!r}; allowed: a number from 0")
        self.path, self.rate, self.temperature, self.seed = path, float(rate), float(temperature), seed

    # -- the model ----------------------------------------------------------------------------------------------------------

    @cached_property
    def model(self) -> Decoder:
        """The transformer, in evaluation mode; read, or trained and put into the cache, when it is first asked for."""
        if self.path is not None:
            return load(self.path)
        kept = _cached(self.rate, self.seed)
        try:
            return load(kept)
        except DataError:
            pass
        (found,) = pretrain([self.rate], self.seed)
        save(kept, found, {"rate": self.rate, "seed": self.seed})
        return found

    @classmethod
    def stages(cls, rates: Sequence[float], seed: int = 0) -> list[Tiny]:
        """Samplers of several qualities out of one training, the same as `Tiny(rate=..., seed=...)` each: a student and its teacher."""
        found: list[Tiny] = [cls(rate=rate, seed=seed) for rate in rates]
        if not all(_cached(one.rate, seed).exists() for one in found):
            for one, model in zip(found, pretrain([one.rate for one in found], seed), strict=True):
                save(_cached(one.rate, seed), model, {"rate": one.rate, "seed": seed})
        return found

    def prepare(self) -> None:
        """Read or train the model."""
        _ = self.model

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the weights; `tiny?path=...` reads them."""
        save(path, self.model, {})

    def at(self, temperature: float) -> Tiny:
        """The same model at another temperature."""
        other = Tiny(temperature=temperature)
        other.model = self.model
        return other

    def tuned(self, dataset: Iterable[Any], plan: Tuning | None = None, seed: int = 0) -> Tiny:
        """A sampler whose model was tuned on kept responses; this one stays as it is. The loss counts responses and their end only.

        Args:
            dataset: Lines of `Synthesis.dataset()`, or pairs of a query and a response.
            plan: Steps, batch size, learning rate.
            seed: Seed of the order.

        Raises:
            ArgumentError: there is nothing to tune on.
        """
        import copy

        from oche.rejection._tune import Tuning, shuffled, steps

        plan = plan or Tuning()
        sequences, targets = examples([pair for line in dataset for pair in _pairs(line)])
        other = self.at(self.temperature)
        other.model = copy.deepcopy(self.model).float()
        for _ in steps(other.model, shuffled(sequences, targets, plan.batch_size, derive(seed, "tune")), plan):
            pass
        other.model.double().eval()
        return other

    # -- what is known exactly ----------------------------------------------------------------------------------------------

    def pass_rates(self, queries: Sequence[Query]) -> np.ndarray:
        """Exact probability of the right response for each query at this temperature, `(queries,)`, without drawing any."""
        if self.temperature == 0:
            raise ArgumentError("exact pass rates: got temperature 0; allowed: above 0; draw one sample per query instead")
        wanted = [q.reference if isinstance(q.reference, str) else q.reference[0] for q in queries]
        whole = np.array([spell(q.text, response) for q, response in zip(queries, wanted, strict=True)])
        return probabilities(self.model, whole, np.array([len(r) for r in wanted]), self.temperature)

    # -- sampling -----------------------------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Temperature and a hash of the weights."""
        import hashlib

        content = hashlib.sha256()
        for name, value in sorted(self.model.state_dict().items()):
            content.update(name.encode() + value.detach().float().numpy().tobytes())
        return {"sampler": "tiny", "weights": content.hexdigest()[:16], "temperature": self.temperature}

    def generate(self, requests: Sequence[Request]) -> list[list[Completion]]:
        """Draw; a pure function of the requests and the weights."""
        found: list[list[Completion]] = []
        for lot in _lots(requests):
            counts = [r.count for r in lot]
            drawn = self._draw([question(r.query.text) for r in lot], counts, np.concatenate([_uniforms(r) for r in lot]))
            parts = np.split(drawn, np.cumsum(counts)[:-1])
            found += [[_completion(r.query, row) for row in part.tolist()] for r, part in zip(lot, parts, strict=True)]
        return found

    def _draw(self, questions: list[list[int]], counts: Sequence[int], uniforms: np.ndarray) -> np.ndarray:
        """Symbols, `(samples, 5)`, of samples that come in groups of `counts`, one group per question."""
        node = np.repeat(np.arange(len(questions)), counts)
        symbols = np.full((len(node), RESPONSE), STOP)
        alive = np.arange(len(node))
        table, past = self._next(np.array(questions), None)
        for place in range(RESPONSE):
            # The number of the cumulative shares that the random number has passed.
            symbols[alive, place] = chosen = (uniforms[alive, place, None] >= table[node]).sum(1)
            go_on = chosen != STOP
            alive, node, chosen = alive[go_on], node[go_on], chosen[go_on]
            if not len(alive) or place + 1 == RESPONSE:
                break
            # Equal beginnings are one node.
            keys, node = np.unique(node * len(ALPHABET) + chosen, return_inverse=True)
            parents = keys // len(ALPHABET)
            table, past = self._next(keys[:, None] % len(ALPHABET), [(k[parents], v[parents]) for k, v in past])
        return symbols

    def _next(self, sequences: np.ndarray, past: Past | None) -> tuple[np.ndarray, Past]:
        """Cumulative shares of the next symbol without the last one, `(rows, symbols - 1)`, and the past of the next step."""
        import torch

        rows = len(sequences)
        tables, pasts = [], []
        with torch.no_grad():
            for start in range(0, rows, _ROWS):
                chosen = torch.arange(start, start + _ROWS).clamp(max=rows - 1)
                part = None if past is None else [(k[chosen], v[chosen]) for k, v in past]
                logits, present = self.model.step(torch.from_numpy(sequences)[chosen], part)
                last = logits[:, -1]
                if self.temperature == 0:
                    shares = torch.zeros_like(last).scatter_(1, last.argmax(1, keepdim=True), 1.0)
                else:
                    shares = (last / self.temperature).softmax(1)
                tables.append(shares.cumsum(1)[:, :-1])
                pasts.append(present)
        joined = [(torch.cat([p[i][0] for p in pasts])[:rows], torch.cat([p[i][1] for p in pasts])[:rows]) for i in range(len(pasts[0]))]
        return torch.cat(tables)[:rows].numpy(), joined

    def __getstate__(self) -> dict[str, Any]:
        # A worker must draw from these weights, not from those that it would train.
        self.prepare()
        return self.__dict__


def _cached(rate: float, seed: int) -> Path:
    import torch

    return files.cache_dir() / f"tiny-{files.digest([LAYOUT, rate, seed, SHARES, torch.__version__])[:16]}.pt"


def _pairs(line: Any) -> Iterator[tuple[str, str]]:
    """Query text and response, once per response."""
    if isinstance(line, dict):
        for response in line["responses"]:
            yield line["query"], response
    else:
        query, response = line
        yield getattr(query, "text", query), response


def _lots(requests: Sequence[Request]) -> Iterator[list[Request]]:
    """Requests in their order, cut so that a lot holds few samples or a single request."""
    lot: list[Request] = []
    held = 0
    for request in requests:
        if lot and held + request.count > _AT_ONCE:
            yield lot
            lot, held = [], 0
        lot.append(request)
        held += request.count
    if lot:
        yield lot


def _uniforms(request: Request) -> np.ndarray:
    """Random numbers of the samples of a request, `(count, 5)`: sample i has its own part of the stream of (seed, query)."""
    stream = np.random.Philox(key=derive(request.seed, "tiny", request.query.id))
    stream.advance(request.first * _BLOCKS)
    return np.random.Generator(stream).random((request.count, _PER_SAMPLE))[:, :RESPONSE]


def _completion(query: Query, symbols: list[int]) -> Completion:
    text, stopped = read(symbols)
    return Completion(text, "stop" if stopped else "length", len(query.text), len(text) + stopped)
