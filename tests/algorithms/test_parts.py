"""Published methods with another scheme or weighting, by text and on the command line's own path."""

from __future__ import annotations

import pytest
import torch
from tests.algorithms.test_one_shot import Net, problem

from oche import algorithms
from oche.cli._compose import algorithm
from oche.errors import ArgumentError, UnknownNameError
from oche.mixers import PartialChannels, Softmax
from oche.program import Space
from oche.schemes import RARTS, FirstOrder, MixedLevel
from oche.weightings import Scalar


def test_a_scheme_in_place_of_the_own_one():
    search = algorithms.get("pc-darts?k=2&scheme=rarts&epochs=3")
    assert isinstance(search.scheme, RARTS)
    assert isinstance(search.mixer, PartialChannels)
    assert (search.mixer.k, search.plan.epochs) == (2, 3)
    plain = algorithms.get("pc-darts")
    assert isinstance(plain.scheme, FirstOrder)
    assert search.plan.arch_lr == plain.plan.arch_lr, "the method's own plan stays"
    other = algorithms.get("darts", scheme=MixedLevel(2.0), weighting="scalar")
    assert isinstance(other.scheme, MixedLevel)
    assert other.weighting == Scalar()


def test_options_of_the_command_line_are_settings():
    assert algorithm("pc-darts?k=2", scheme="rarts?lam=2") == "pc-darts?k=2&scheme=rarts%3Flam%3D2"
    assert algorithms.get(algorithm("pc-darts", scheme="rarts?lam=2")).scheme.lam == 2
    with pytest.raises(ArgumentError, match="--mixer: got it with algorithm 'pc-darts'"):
        algorithm("pc-darts", mixer="softmax")
    with pytest.raises(ArgumentError, match=r"--scheme: got it with algorithm .* which names one"):
        algorithm("pc-darts?scheme=rarts", scheme="rarts")
    with pytest.raises(ArgumentError, match="scheme: got RARTS with UniformPath"):
        algorithm("rsps", scheme="rarts")
    with pytest.raises(UnknownNameError, match="did you mean 'rarts'"):
        algorithm("darts", scheme="rart")


@pytest.mark.parametrize("text", ["rarts?epochs=2", "rarts?epochs=2&alpha_grad=fresh&warmup=0.5", "darts?scheme=value-penalty&epochs=2"])
def test_two_copies_resume_at_any_step(text):
    def started():
        search = algorithms.get(text)
        search.setup(Space(Net), problem(), 3)
        return search

    unbroken = started()
    while not unbroken.advance(1).done:
        pass
    for stop in (1, 3):
        first = started()
        first.advance(stop)
        second = started()
        second.load(first.state())
        while not second.advance(1).done:
            pass
        a, b = unbroken.state()["training"], second.state()["training"]
        for part in ("weights", "valid_weights", "arch"):
            assert all(torch.equal(a[part][name], b[part][name]) for name in a[part])
        assert second.propose(1)[0].dna == unbroken.propose(1)[0].dna


def test_the_rarts_preset():
    search = algorithms.get("rarts")
    assert isinstance(search.mixer, Softmax)
    assert (search.scheme.lam, search.scheme.beta, search.scheme.alpha_grad) == (1, 1, "fused")
