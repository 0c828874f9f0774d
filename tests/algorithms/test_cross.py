"""Every mixer with every scheme on every space, for two steps: finite losses, frozen groups untouched, switches that change the output.

The table says which pairs go together; every other pair raises an error that names both.
"""

from __future__ import annotations

import itertools
import math
import re
from functools import cache

import pytest
import torch
from tests.algorithms.test_one_shot import Net, problem
from torch import nn
from torch.nn import functional as F

from oche import mixers, schemes, spaces, weightings
from oche.algorithms import OneShot, Plan
from oche.errors import ArgumentError, NotRelaxable, ShapeMismatch
from oche.loop.contracts import Problem
from oche.mixers import AuxiliarySkip, BinaryPath, Dirichlet, PartialChannels, Sigmoid, SkipDropout
from oche.program import Space
from oche.seeds import torch_generator
from oche.testing.weight_sharing import same
from oche.weightings import Smooth

torch.set_num_threads(1)

MIXERS = {
    "softmax": "softmax",
    "partial channels": "partial-channels?k=2",
    "partial channels, shift": "partial-channels?k=2&channels=shift",
    "partial channels, random": "partial-channels?k=2&channels=random",
    "partial channels of hard Gumbel": "partial-channels?k=2&inner=gumbel-hard",
    "partial channels of Dirichlet": "partial-channels?k=2&inner=dirichlet",
    "Gumbel softmax": "gumbel-softmax",
    "hard Gumbel": "gumbel-hard",
    "binary path": "binary-path",
    "binary path, two": "binary-path?mode=two",
    "ReinMax": "reinmax",
    "Dirichlet": "dirichlet",
    "Dirichlet with KL": "dirichlet?kl=0.1",
    "sigmoid": "sigmoid",
    "auxiliary skip": "auxiliary-skip",
    "skip dropout": "skip-dropout?p=0.3",
    "entangled": "entangled",
    "by phase": "by-phase",
    "sampled path": "sampled-path?samples=2",
    "uniform path": "uniform-path",
    "fair path": "fair-path",
    "elastic path": "elastic-path?paths=2&distill=0",
    "sandwich": "sandwich?random=1",
}
_NO_LOGITS = {"uniform path", "fair path", "elastic path", "sandwich"}
#: What does not go together, by scheme.
REFUSED = {
    "first-order": set(),
    "second-order": {"sampled path", *_NO_LOGITS},
    "single-level?lam=0": {"binary path, two", "Dirichlet with KL", "sigmoid", "by phase", "sampled path"},
}
#: The same for schemes that are tried on one space only.
REFUSED_TOO = {
    "single-level": {"binary path, two", "by phase", "sampled path"},
    "mixed-level": {"sampled path"},
    "rarts": {"binary path, two", "by phase", "sampled path", *_NO_LOGITS},
    "rarts?alpha_grad=fresh": {"sampled path", *_NO_LOGITS},
    "value-penalty": {"binary path, two", "by phase", "sampled path", *_NO_LOGITS},
    "value-penalty?alpha_grad=fresh": {"sampled path", *_NO_LOGITS},
}


@cache
def spaces_of() -> dict[str, tuple[Space, int, int]]:
    """Spaces by name, with the channels and the side of their images."""
    found = {"a plain program": (Space(Net), 1, 4), "nasbench201": (spaces.get("nasbench201", channels=4, cells=1, classes=2), 3, 8)}
    if "darts" in spaces.names():
        found["darts"] = (spaces.get("darts", channels=4, cells=3, classes=2), 3, 8)
    small = {"width": 0.25, "widths": (8, 8, 16, 16, 16, 16), "blocks": (1,) * 6, "downsampling": 4}
    found["proxylessnas"] = (spaces.get("proxylessnas", classes=2, **small), 3, 8)
    return found


@cache
def gated_spaces() -> dict[str, tuple[Space, str]]:
    """Spaces whose candidates are no modules of their own, with what mixers are told that need the output of each."""
    elastic = "choice 'c0': got an elastic width with {}, whose gates need what every candidate gives; allowed: choices between modules"
    lattice = "lattice 'choice0': got {}, whose gates need what every candidate gives; allowed: mixers that run all candidates of a level"
    return {
        "size": (spaces.get("size", divide=8, steps=2, classes=2), elastic),
        "hypercuboid": (spaces.get("hypercuboid", channels=4, steps=2, layers=2, head=8, classes=2), lattice),
    }


def images(channels: int, side: int) -> Problem:
    def batches(split, seed, epoch):
        for i in range(2):
            x = torch.randn(4, channels, side, side, generator=torch_generator(0, split, i))
            yield x, (x.mean((1, 2, 3)) > 0).long()

    return Problem(
        loss=lambda model, batch: F.cross_entropy(model(batch[0]), batch[1]),
        score=lambda model, batch: ((model(batch[0]).argmax(1) == batch[1]).sum(), len(batch[1])),
        batches=batches,
        n_batches={"train": 2, "valid": 2},
        epochs=1,
    )


def made(mixer, scheme: str = "first-order", weighting=None, space: Space | None = None, data: Problem | None = None, **plan) -> OneShot:
    mixer = mixers.registry.get(mixer) if isinstance(mixer, str) else mixer
    pick = "derive" if mixer.learns_arch else "score"
    search = OneShot(mixer, schemes.registry.get(scheme), Plan(**{"epochs": 2, **plan}), weighting, pick, n_candidates=2, n_scored=4)
    search.setup(space or Space(Net), data or problem(), 0)
    return search


def values(tensors) -> list[torch.Tensor]:
    return [t.detach().clone() for t in tensors]


def unchanged(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


PAIRS = [(m, s) for m, s in itertools.product(MIXERS, REFUSED) if m not in REFUSED[s]]


@pytest.mark.parametrize("place", list(spaces_of()))
@pytest.mark.parametrize(("mixer", "scheme"), PAIRS, ids=lambda v: v)
def test_a_valid_pair_takes_two_steps(mixer, scheme, place):
    space, channels, side = spaces_of()[place]
    if place == "proxylessnas" and mixer.startswith("partial channels"):
        # Its choices change the number of channels, of which no part can be mixed.
        with pytest.raises(NotRelaxable, match="got no channels="):
            made(MIXERS[mixer], scheme, space=space, data=images(channels, side))
        return
    if place == "proxylessnas" and mixer == "auxiliary skip":
        with pytest.raises(ShapeMismatch, match="candidates that keep the shape"):
            made(MIXERS[mixer], scheme, space=space, data=images(channels, side)).advance(1)
        return
    takes_steps(made(MIXERS[mixer], scheme, space=space, data=images(channels, side)))


def takes_steps(search: OneShot, n: int = 2) -> None:
    """After `n` steps an arch step moves arch alone, and a weight step the weights alone; a point can be read off."""
    net, state = search.net, search.training
    for _ in range(n):
        progress = search.advance(1)
        assert math.isfinite(progress.metrics["train_loss"])
        if search.mixer.learns_arch and search.scheme.needs_valid:
            assert math.isfinite(progress.metrics["valid_loss"])
    batch, valid = search._train.at(2), search._valid.at(2)
    net.train()
    weights, arch = values(net.weights()), values(net.arch())
    if search.mixer.learns_arch:
        search.scheme.arch_step(state, batch, valid)
        assert unchanged(weights, net.weights()), "an arch step leaves the weights"
        assert not unchanged(arch, net.arch())
        arch = values(net.arch())
    search.scheme.step(state, batch, valid if search.scheme.copies == 2 else None, update_arch=False)
    assert unchanged(arch, net.arch()), "a weight step leaves arch"
    assert not unchanged(weights, net.weights())
    assert all(p.grad is None for p in net.parameters())
    net.space.validate(net.derive() if search.mixer.learns_arch else net.space.at(0))


@pytest.mark.parametrize("mixer", mixers.registry.names())
@pytest.mark.parametrize("place", ["size", "hypercuboid"])
def test_every_mixer_on_widths_and_on_paths_takes_a_step_or_says_why_not(place, mixer):
    space, said = gated_spaces()[place]
    if mixer in ("binary-path", "reinmax"):
        with pytest.raises(NotRelaxable, match=re.escape(said.format(type(mixers.registry.get(mixer)).__name__))):
            made(mixer, space=space, data=images(3, 8))
        return
    # The controller of the default learns from 20 paths a step.
    takes_steps(made("sampled-path?samples=2" if mixer == "sampled-path" else mixer, space=space, data=images(3, 8)), 1)


@pytest.mark.parametrize(("mixer", "scheme"), [(m, s) for m, s in itertools.product(MIXERS, REFUSED_TOO) if m not in REFUSED_TOO[s]])
def test_the_other_schemes_on_a_plain_program(mixer, scheme):
    test_a_valid_pair_takes_two_steps(mixer, scheme, "a plain program")


@pytest.mark.parametrize(
    ("mixer", "scheme"), [(m, s) for s, refused in {**REFUSED, **REFUSED_TOO}.items() for m in sorted(refused)], ids=lambda v: v
)
def test_every_other_pair_is_refused_by_name(mixer, scheme):
    kinds = type(schemes.registry.get(scheme)).__name__, type(mixers.registry.get(MIXERS[mixer])).__name__
    with pytest.raises(ArgumentError, match=f"scheme: got {kinds[0]} with {kinds[1]}, .*; allowed: 'first-order'"):
        made(MIXERS[mixer], scheme)


@pytest.mark.parametrize("mixer", MIXERS)
@pytest.mark.parametrize("weighting", list(weightings.registry.names()))
def test_weightings_go_with_mixers_whose_gates_are_probabilities(mixer, weighting):
    perturbs = weighting == "smooth"
    kind = mixers.registry.get(MIXERS[mixer])
    chosen = weightings.registry.get(weighting)
    if perturbs and not kind.blends:
        with pytest.raises(ArgumentError, match=f"weighting: got Smooth with {type(kind).__name__}"):
            made(MIXERS[mixer], weighting=chosen)
        return
    search = made(MIXERS[mixer], weighting=chosen)
    search.advance(2)
    assert math.isfinite(search.advance(0).metrics["train_loss"])


# -- switches -----------------------------------------------------------------------------------------------------------------

SWITCHES = {
    "channel subset: shuffle, shift": (lambda: made(PartialChannels(2)), lambda: made(PartialChannels(2, channels="shift"))),
    "channel subset: shift, random": (
        lambda: made(PartialChannels(2, channels="shift")),
        lambda: made(PartialChannels(2, channels="random")),
    ),
    "edge weights": (lambda: made(PartialChannels(2)), lambda: made(PartialChannels(2, edges=False))),
    "k": (lambda: made(PartialChannels(2)), lambda: made(PartialChannels(4))),
    "temperature": (lambda: made("gumbel-hard"), lambda: made("gumbel-hard?tau=1")),
    "annealing": (lambda: made("gumbel-softmax"), lambda: made("gumbel-softmax?tau_min=1")),
    "gates of two candidates": (lambda: made(BinaryPath()), lambda: made(BinaryPath("two"))),
    "KL": (lambda: made(Dirichlet()), lambda: made(Dirichlet(kl=0.1))),
    "zero-one loss": (lambda: made(Sigmoid()), lambda: made(Sigmoid(0.0))),
    "form of the zero-one loss": (lambda: made(Sigmoid()), lambda: made(Sigmoid(form="absolute"))),
    "auxiliary skip": (lambda: made(AuxiliarySkip()), lambda: made("softmax")),
    "fading of the skip": (lambda: made(AuxiliarySkip()), lambda: made(AuxiliarySkip(fade=False))),
    "skip dropout": (lambda: made(SkipDropout(p=0.4)), lambda: made("softmax")),
    "shared kernels": (lambda: made("entangled"), lambda: made("softmax")),
    "smoothing": (lambda: made("softmax", weighting=Smooth()), lambda: made("softmax")),
    "the adversary": (lambda: made("softmax", weighting=Smooth("adversarial")), lambda: made("softmax", weighting=Smooth())),
    "second order": (lambda: made("softmax"), lambda: made("softmax", "second-order")),
    "one level": (lambda: made("softmax"), lambda: made("softmax", "single-level?lam=0")),
    "both splits": (lambda: made("softmax", "single-level"), lambda: made("softmax", "single-level?lam=0")),
    "mixed level": (lambda: made("softmax"), lambda: made("softmax", "mixed-level")),
    "coupling": (lambda: made("softmax", "rarts"), lambda: made("softmax", "rarts?beta=2")),
    "arch gradient of RARTS": (lambda: made("softmax", "rarts"), lambda: made("softmax", "rarts?alpha_grad=fresh")),
    "value penalty": (lambda: made("softmax", "value-penalty"), lambda: made("softmax", "value-penalty?lam=2")),
    "warm-up": (lambda: made("softmax"), lambda: made("softmax", warmup=0.5)),
    "arch steps now and then": (lambda: made("softmax"), lambda: made("softmax", arch_every=3)),
    "arch steps after an epoch": (lambda: made("softmax"), lambda: made("softmax", arch_updates=2)),
    "controller": (lambda: made("sampled-path?samples=2"), lambda: made("sampled-path?samples=2&controller=logits")),
    "baseline": (lambda: made("sampled-path?samples=2"), lambda: made("sampled-path?samples=2&decay=0.5")),
    "entropy": (lambda: made("sampled-path?samples=2"), lambda: made("sampled-path?samples=2&entropy=0.5")),
    "fair paths": (lambda: made("fair-path"), lambda: made("uniform-path")),
    "arch by phase": (lambda: made("by-phase"), lambda: made("softmax")),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_switch_changes_the_search(switch):
    one, other = (make() for make in SWITCHES[switch])
    for search in (one, other):
        search.advance(8)
    a, b = one.state(), other.state()
    assert not same(a["training"]["weights"], b["training"]["weights"]) or not same(a["training"]["arch"], b["training"]["arch"])


def test_the_zero_switch_of_binary_gates_changes_a_search_with_a_zero_layer():
    space = spaces.get("nasbench201", channels=4, cells=1, classes=2)
    states = []
    for zero in (True, False):
        search = made(BinaryPath(zero=zero), space=space, data=images(3, 8))
        search.advance(3)
        states.append(search.state()["training"]["arch"])
    assert not same(*states)


def test_a_mixer_of_the_users_own_takes_part():
    class Mean(mixers.Softmax):
        """All candidates, all alike, with a logit each that nothing trains."""

        def draw(self, policy, generator, step, phase, path):
            drawn = super().draw(policy, generator, step, phase, path)
            for key, row in policy.rows.items():
                if row.kind == "one":
                    drawn.gates[key] = type(drawn.gates[key])(torch.full(row.shape, 1 / len(row.labels)) + 0 * policy.logits(key))
            return drawn

    search = made(Mean())
    search.advance(2)
    assert isinstance(search.net, nn.Module)
