"""Genes of text: the user's own encoding, and programs that evolve."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import oche
from oche.errors import DNAError, NotRelaxable, SpaceError
from oche.program import DNA, DNAArray, Space
from oche.testing import spaces


def schedule(name=None):
    """A list of rising milestones, written as 3-8-20."""
    return oche.custom(
        encode=lambda value: "-".join(map(str, value)),
        decode=lambda text: [int(part) for part in text.split("-")],
        random=lambda rng: "-".join(map(str, sorted(rng.integers(1, 50, size=3).tolist()))),
        mutate=lambda text, rng: text + f"-{int(text.split('-')[-1]) + 1}",
        name=name,
    )


def grow(program, rng):
    return {"layers": [*program["layers"], int(rng.integers(8))]}


def program():
    return {
        "kind": oche.oneof([0, {"at": schedule()}]),
        "net": oche.evolve({"layers": [1]}, grow, spread=3),
        "lr": oche.floatv(1e-3, 1, scale="log"),
    }


def test_text_genes_are_sampled_decoded_encoded_and_written():
    space = Space(program())
    assert space.size == math.inf
    assert [(p.id, p.kind, p.choice) for p in space.points[1:3]] == [("kind[=1/2].at", "text", "custom"), ("net", "text", "evolve")]
    seen = set()
    for seed in range(40):
        dna = space.sample(seed)
        assert space.sample(seed) == dna
        value = space.decode(dna)
        assert space.encode(value) == dna
        assert DNA.from_json(dna.to_json()) == dna
        assert space.from_nested(json.loads(json.dumps(space.nested(dna)))) == dna
        assert space.encode_decisions(space.decisions(dna)) == dna
        seen.add(len(value["net"]["layers"]))
    assert seen == {1, 2, 3, 4}  # the initial program after 0 to 3 mutations
    assert space.sample(0).to_json().count('\\"layers\\"') == 1


def test_mutation_of_text_is_the_users_own():
    space = Space(program())
    rng = np.random.default_rng(0)
    dna = next(d for d in map(space.sample, range(20)) if d.flat[0] == 1)
    changed = space.resample(dna.flat, 1, rng)
    assert changed[1] == f"{dna.flat[1]}-{int(str(dna.flat[1]).split('-')[-1]) + 1}"
    changed = space.resample(dna.flat, 2, rng)
    before, after = json.loads(dna.flat[2])["layers"], json.loads(changed[2])["layers"]
    assert after[:-1] == before
    space.validate(DNA(changed))


def test_a_gene_below_a_redrawn_choice_is_drawn_anew():
    space = Space(program())
    rng = np.random.default_rng(1)
    dna = next(d for d in map(space.sample, range(20)) if d.flat[0] == 0)
    redrawn = {space.resample(dna.flat, 0, rng)[:2] for _ in range(30)}
    assert (0, None) in redrawn
    assert len(redrawn) > 10


def test_nodes_evolve_and_children_are_built():
    @oche.symbolic
    def power(base, exponent=1):
        return base**exponent

    start = power(2, exponent=1)
    space = Space({"p": oche.evolve(start, lambda node, rng: node.set({"exponent": node.args["exponent"] + 1}), spread=5)})
    values = {space.build(space.sample(seed))["p"] for seed in range(40)}
    assert values == {2, 4, 8, 16, 32, 64}
    assert space.decode(space.encode({"p": start}))["p"] == start


def test_the_same_name_is_one_text():
    space = Space([schedule("s"), schedule("s")])
    assert len(space.points) == 1
    first, second = space.decode(space.sample(3))
    assert first == second


def test_evolution_and_random_search_run_on_text_and_resume(tmp_path):
    def search(n, store):
        rewards = []
        loop = oche.sample(Space(program()), "regularized-evolution?population=6", n=n, seed=2, store=store, name="evolve")
        for child, feedback in loop:
            rewards.append(feedback.dna.flat)
            feedback(float(len(child["net"]["layers"])))
        return rewards

    whole = search(40, None)
    store = tmp_path / "runs.db"
    # A budget is part of the population's default size only; here the size is given.
    assert search(15, store) + search(40, store) == whole
    longest = max(len(json.loads(flat[1 + 1])["layers"]) for flat in whole)
    assert longest > 5  # beyond what a random member reaches (1 + 3)


@pytest.mark.parametrize(
    ("flat", "message"),
    [
        ((1, 5, '{"layers":[1]}', 0.1), "'kind.=1/2..at'.*got 5.*text"),
        ((1, "x", '{"layers":[1]}', 0.1), "'kind.=1/2..at'.*got 'x'.*ValueError"),
        ((0, None, "{", 0.1), "'net'"),
        ((0, None, '{"layers":[1]}', "0.1"), "'lr'.*a number"),
    ],
)
def test_illegal_text_is_refused_by_name(flat, message):
    with pytest.raises(DNAError, match=message):
        Space(program()).decode(DNA(flat))


def test_mistakes_in_the_users_functions_are_named():
    with pytest.raises(SpaceError, match=r"custom 'c', mutate: got 3"):
        oche.custom(str, int, str, 3, name="c")
    with pytest.raises(SpaceError, match=r"evolve 'e', initial.*comes back"):
        oche.evolve((1, 2), grow, name="e")
    with pytest.raises(SpaceError, match=r"evolve 'e'.*allowed: a node"):
        oche.evolve({"f": print}, grow, name="e")
    with pytest.raises(SpaceError, match=r"evolve 'e', spread"):
        oche.evolve([1], grow, spread=-1, name="e")
    space = Space(oche.evolve([1], lambda program, rng: program.nothing, name="e"))
    with pytest.raises(SpaceError, match=r"evolve 'e', mutate: got AttributeError"):
        space.resample(("[1]",), 0, np.random.default_rng(0))
    with pytest.raises(SpaceError, match=r"custom 'c', random: got int"):
        Space(oche.custom(str, int, lambda rng: 3, lambda t, rng: t, name="c"))
    with pytest.raises(SpaceError, match=r"encode at 'net'"):
        Space(program()).encode({"kind": 0, "net": {1, 2}, "lr": 0.1})


def test_text_is_not_relaxable():
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            schedule("s")

    with pytest.raises(NotRelaxable, match=r"'s'.*text"):
        oche.supernet(oche.Space(Net))


@pytest.mark.parametrize("name", spaces.SPACES)
def test_an_array_gives_back_what_it_was_given(name):
    space = spaces.space(name)
    points = [space.sample(i) for i in range(100)]
    array = DNAArray(space, points[:60])
    for dna in points[60:]:
        array.append(dna)
    array[3] = points[99]
    assert list(array) == [*points[:3], points[99], *points[4:]]
    assert array[-1] == points[99]
    assert array[10:13] == points[10:13]
    assert [type(g) for g in array[5].flat] == [type(g) for g in points[5].flat]
    with pytest.raises(IndexError, match=r"got 100"):
        array[100]
    with pytest.raises(DNAError):
        array.append(DNA((99,) * len(space.points)))
    assert len(array) == 100


def test_an_array_of_twenty_choices_takes_less_than_100_bytes_a_point():
    space = Space([oche.oneof(list(range(5))) for _ in range(20)])
    array = DNAArray(space, (space.sample(i) for i in range(2000)))
    assert array.nbytes / len(array) == 40
    assert array.genes.shape == (2000, 20)
    text = DNAArray(Space(program()), (Space(program()).sample(i) for i in range(20)))
    assert [text[i] for i in range(20)] == [Space(program()).sample(i) for i in range(20)]
    wide = Space(oche.intv(0, 10**6))
    assert DNAArray(wide, [DNA((10**6,))])[0] == DNA((10**6,))
