"""Random streams: stable, separate, and without touching what is global."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oche import seeds

paths = st.lists(st.one_of(st.integers(), st.text(max_size=5), st.none(), st.floats(allow_nan=False)), max_size=3)


def test_a_seed_is_the_same_in_every_process():
    here = seeds.derive(7, "eval", [0, None, 2], 0)
    code = "from oche import seeds; print(seeds.derive(7, 'eval', [0, None, 2], 0))"
    assert int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout) == here
    # The first 63 bits of SHA-256 of '[7,"eval",[0,null,2],0]'.
    assert here == 3774193011393550861


@given(st.integers(0, 2**63), paths, paths)
def test_different_paths_give_different_seeds(seed, a, b):
    assert (seeds.derive(seed, *a) == seeds.derive(seed, *b)) == (repr(a) == repr(b))
    assert 0 <= seeds.derive(seed, *a) < 2**63


def test_generators_are_reproducible_and_pass_through():
    assert seeds.generator(1, "a").random() == seeds.generator(1, "a").random()
    assert seeds.generator(1, "a").random() != seeds.generator(1, "b").random()
    rng = np.random.default_rng(0)
    assert seeds.as_generator(rng) is rng
    first, second = (torch.rand(3, generator=seeds.torch_generator(1, "a")) for _ in range(2))
    assert torch.equal(first, second)


def test_building_seeds_and_restores_even_after_an_error():
    before = torch.get_rng_state()
    with seeds.building(5):
        first = torch.rand(2)

    def fail_inside():
        with seeds.building(5):
            assert torch.equal(torch.rand(2), first)
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail_inside()
    assert torch.equal(before, torch.get_rng_state())
