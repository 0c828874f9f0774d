"""The parts of the family by themselves: novelty, fronts, emitters' rules, schedulers, autoencoder, table of policies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oche._pareto import non_dominated_sort
from oche.diversity import novelty
from oche.diversity._autoencoder import Autoencoder
from oche.diversity._emitters import Emitter, improvement, stagnates, stagnation_window
from oche.diversity._members import Members
from oche.diversity._novelty import local_competition, nearest
from oche.diversity._schedulers import SCHEDULERS, scheduler
from oche.diversity._selection import best_by_fronts, pool_crowding
from oche.errors import ArgumentError, UnknownNameError

# -- novelty ----------------------------------------------------------------------------------------------------------------

_FOUR = [(0, 0), (1, 0), (0, 2), (3, 4)]


@pytest.mark.parametrize(("k", "expected"), [(2, (1.20711, 1, 1.70711, 3.60555)), (15, (2.35355, 2.17705, 2.31396, 4.17081))])
def test_novelty_of_four_points_and_an_archive_of_one(k: int, expected: tuple[float, ...]) -> None:
    np.testing.assert_allclose(novelty(_FOUR, [*_FOUR, (1, 1)], k, own=range(4)), expected, atol=1e-5)


def test_novelty_of_points_outside_the_reference_and_the_reference_quirk() -> None:
    assert novelty([(0, 0)], [(3, 4), (1, 0)], 1).tolist() == [1.0]
    assert novelty([(0, 0)], [(3, 4), (1, 0)], 1, drop_nearest=True).tolist() == [5.0]
    # A member of the reference loses itself and nothing more.
    assert novelty([(0, 0)], [(0, 0), (3, 4), (1, 0)], 1, own=[0], drop_nearest=True).tolist() == [1.0]
    assert novelty([(0, 0)], np.zeros((0, 2)), 3).tolist() == [0.0]


@pytest.mark.parametrize("dimension", [1, 2, 4, 5])
def test_a_tree_finds_the_neighbors_that_products_find(dimension: int, monkeypatch: pytest.MonkeyPatch) -> None:
    known = np.random.default_rng(0).normal(size=(400, dimension))
    own = np.where(np.arange(400) % 3, np.arange(400), -1)
    found = nearest(known, known, 7, own)
    monkeypatch.setattr("oche.diversity._novelty._TREE_DIMENSIONS", 0)
    expected = nearest(known, known, 7, own)
    assert np.array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-12)


@given(st.integers(1, 60), st.integers(1, 80), st.integers(1, 6), st.integers(1, 20), st.integers(0, 1000))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_novelty_equals_brute_force(n: int, m: int, d: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, reference = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    distance = np.sqrt(((points[:, None] - reference) ** 2).sum(2))
    expected = np.sort(distance, axis=1)[:, :k].mean(1)
    np.testing.assert_allclose(novelty(points, reference, k), expected, rtol=1e-9)


def test_novelty_in_blocks_equals_novelty_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    known = rng.normal(size=(300, 5))
    whole = novelty(known, known, 7, own=range(300))
    monkeypatch.setattr("oche.diversity._novelty._BLOCK", 32)
    monkeypatch.setattr("oche.diversity._novelty._REFERENCES", 50)
    np.testing.assert_allclose(novelty(known, known, 7, own=range(300)), whole, rtol=1e-12)


def test_near_duplicates_keep_their_digits() -> None:
    # A product alone would give 0 or noise here: the squares are 1e8 and their difference 1e-12.
    points = np.array([(1e4, 0.0), (1e4 + 1e-6, 0.0)])
    np.testing.assert_allclose(novelty(points, points, 1, own=[0, 1]), 1e-6, rtol=1e-4)


def test_local_competition_counts_beaten_neighbors() -> None:
    rewards = [3, 1, 2, 9]
    assert local_competition(_FOUR, rewards, _FOUR, rewards, 2, own=range(4)).tolist() == [2, 0, 1, 2]
    rows, distances = nearest([(0, 0)], _FOUR, 9, own=[0])
    assert rows.tolist() == [[1, 2, 3, -1]]
    assert np.isinf(distances[0, 3])


# -- selection --------------------------------------------------------------------------------------------------------------


def test_fronts_and_crowding_over_the_range_of_the_pool() -> None:
    points = np.array([(1, 6), (2, 5), (3, 4), (4, 1), (2.5, 3), (1.5, 2)])
    assert non_dominated_sort(points) == [[0, 1, 2, 3], [4], [5]]
    np.testing.assert_allclose(pool_crowding(points[:4] / (3, 5)), (np.inf, 1.0667, 1.4667, np.inf), atol=1e-4)
    assert best_by_fronts(points, 3) == [0, 3, 2]
    assert sorted(best_by_fronts(points, 5)) == [0, 1, 2, 3, 4]


@given(st.permutations(range(6)))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_the_order_of_the_list_does_not_matter(order: list[int]) -> None:
    points = np.array([(1, 6), (2, 5), (3, 4), (4, 1), (2.5, 3), (1.5, 2)])
    chosen = {order[i] for i in best_by_fronts(points[list(order)], 3)}
    assert chosen == {0, 2, 3}


# -- emitters ---------------------------------------------------------------------------------------------------------------


def test_windows_of_stagnation() -> None:
    assert [stagnation_window(n, 6) for n in (94, 63, 228, 574)] == [433, 330, 880, 2033]
    assert stagnation_window(94, 6, "original") == 590
    assert stagnation_window(94, 6, "original", steps=4000) == 800


@pytest.mark.parametrize("rule", ["custom", "original"])
def test_flat_rewards_stagnate_and_rising_ones_do_not(rule: str) -> None:
    window = stagnation_window(12, 6, rule)
    assert stagnates([[1.0] * 6] * (window + 1), 12, 6, rule)
    assert not stagnates([[1.0] * 6] * window, 12, 6, rule)
    assert not stagnates([[float(i)] * 6 for i in range(window + 1)], 12, 6, rule)
    assert not stagnates([[1.0] * 6] * (window + 1), 12, 6, "never")


def test_improvement_is_last_less_first_and_never_negative() -> None:
    assert improvement([[0], [0], [0]], [[1], [1], [1]]) == 1
    assert improvement([[3], [3], [3]], [[1], [1], [1]]) == 0
    emitter = Emitter(0, 0, None, 0.1)
    for value in (0, 0, 0, 1, 1, 1):
        emitter.remember([value])
    emitter.measure()
    assert emitter.improvement == 1
    assert Emitter.from_state(emitter.state()) == emitter


def test_local_improvement_moves_the_base() -> None:
    emitter = Emitter(0, 0, None, 0.1)
    for value in (0, 0, 0, 1, 1, 1):
        emitter.remember([value])
    emitter.measure(local=True)
    for _ in range(3):
        emitter.remember([1])
    emitter.measure(local=True)
    assert emitter.improvement == 0


# -- schedulers -------------------------------------------------------------------------------------------------------------


def test_alternating_alternates_and_time_sampling_follows_the_budget() -> None:
    rng = np.random.default_rng(0)
    assert [scheduler("alternating").next(p, 0.5, rng) for p in ("explore", "exploit")] == ["exploit", "explore"]
    timed = scheduler("time_sampling")
    assert {timed.next("explore", 0.0, rng) for _ in range(50)} == {"explore"}
    assert {timed.next("explore", 1.0, rng) for _ in range(50)} == {"exploit"}
    coin = [scheduler("fixed-sampling").next("explore", 0.5, rng) for _ in range(400)]
    assert 150 < coin.count("explore") < 250


def test_the_bandit_pays_as_it_should() -> None:
    bandit = scheduler("mab")
    rng = np.random.default_rng(0)
    bandit.learn("explore", 3, 0, False)
    assert bandit.next("explore", 0, rng) == "exploit"  # never tried
    bandit.learn("exploit", 0, 2, False)
    assert bandit.values == pytest.approx([-np.tanh(3), np.tanh(2)])
    assert bandit.next("exploit", 0, rng) == "exploit"
    for _ in range(8):
        bandit.learn("exploit", 0, 0, True)
    assert bandit.values[1] == pytest.approx((np.tanh(2) - 8) / 9)
    assert bandit.next("exploit", 0, rng) == "explore"
    again = scheduler("mab")
    again.load(bandit.state())
    assert again.state() == bandit.state()
    with pytest.raises(UnknownNameError, match="'alternating', 'fixed-sampling', 'mab', 'time-sampling'"):
        scheduler("sometimes")
    assert set(SCHEDULERS) == {"alternating", "fixed-sampling", "time-sampling", "mab"}


# -- the autoencoder --------------------------------------------------------------------------------------------------------


def test_sizes_of_the_autoencoders() -> None:
    assert Autoencoder("paper").parameters == {"encoder": 77_978, "decoder": 78_211}
    assert sum(Autoencoder("small").parameters.values()) == 15_571


def test_training_learns_and_is_reproducible() -> None:
    rng = np.random.default_rng(0)
    frames = np.zeros((60, 1, 32, 32), dtype=np.uint8)
    for i in range(60):
        x, y = rng.integers(2, 26, 2)
        frames[i, 0, y : y + 5, x : x + 5] = 255
    coders = [Autoencoder(epochs=12, batch=16, seed=1) for _ in range(2)]
    before = coders[0].encode(frames[:, None])
    told = [c.train(frames, seed=3) for c in coders]
    assert told[0] == told[1]
    assert coders[0].version == 1
    latents, errors = coders[0].encode(frames[:, None])
    assert errors.mean() < 0.9 * before[1].mean()
    assert np.array_equal(latents, coders[1].encode(frames[:, None])[0])
    copy = Autoencoder(epochs=12, batch=16, seed=9)
    copy.load(coders[0].state())
    assert np.array_equal(copy.encode(frames[:, None])[0], latents)
    assert copy.reconstruct(frames[:2, None]).shape == (2, 1, 1, 32, 32)
    # SELU cannot go below this.
    assert latents.min() > -1.7581


def test_training_stops_at_the_fourth_rise_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    coder = Autoencoder(epochs=100, batch=64)
    errors = iter([0.5, 0.6, 0.4, 0.5, 0.5, 0.5, 0.5, 0.1])
    monkeypatch.setattr(coder, "_error", lambda data: next(errors))
    # The first epoch is not validated: 1 + 7 epochs, the last four above the best of 0.4.
    assert coder.train(np.zeros((10, 1, 32, 32), dtype=np.uint8), seed=0)["epochs"] == 8


def test_without_a_rise_there_is_one_epoch_more_than_named(monkeypatch: pytest.MonkeyPatch) -> None:
    coder = Autoencoder(epochs=3)
    monkeypatch.setattr(coder, "_error", lambda data: 0.5)
    assert coder.train(np.zeros((10, 1, 32, 32), dtype=np.uint8), seed=0)["epochs"] == 4


def test_frames_are_made_to_fit() -> None:
    coder = Autoencoder("small")
    frames = np.zeros((2, 3, 64, 64), dtype=np.uint8)
    frames[:, :, :2, :2] = 255
    small = coder.fit_frames(frames)
    assert small.shape == (2, 1, 32, 32)
    assert small[0, 0, 0, 0] == 255
    assert small.sum() == 2 * 255
    assert np.array_equal(coder.fit_frames(frames / 255), small)
    assert Autoencoder("paper").fit_frames(frames).shape == (2, 3, 64, 64)
    with pytest.raises(ArgumentError, match=r"frames: got values from -1.0 to 0.0; allowed: 0 to 255"):
        coder.fit_frames(np.where(np.arange(64) > 3, np.full((1, 3, 64, 64), -1.0), 0.0))
    with pytest.raises(ArgumentError, match="50 x 50 pixels; allowed: a square whose side is a multiple of 32"):
        coder.fit_frames(np.zeros((1, 3, 50, 50), dtype=np.uint8))


def test_a_dead_encoder_is_told(caplog: pytest.LogCaptureFixture) -> None:
    Autoencoder("small", latent=2).check(np.ones((5, 4)))
    assert "2 of 2 latent numbers are the same for all frames" in caplog.text


# -- the table --------------------------------------------------------------------------------------------------------------


def test_members_keep_their_ids() -> None:
    members = Members()
    first = members.add({"genome": np.arange(6.0).reshape(3, 2), "reward": np.arange(3.0)}, ["a", None, None])
    assert first == [0, 1, 2]
    members.keep([2, 0])
    assert members.add({"genome": np.full((400, 2), 7.0), "reward": np.zeros(400)}, [None] * 400)[0] == 3
    assert members.of("genome", [2, 0, 3]).tolist() == [[4, 5], [0, 1], [7, 7]]
    assert members.zone(0) == "a"
    again = Members()
    again.load(members.state())
    assert again.add({"genome": np.zeros((1, 2)), "reward": np.zeros(1)}, [None]) == [403]
    with pytest.raises(ArgumentError, match=r"genome: got shape \(3,\)"):
        again.add({"genome": np.zeros((1, 3)), "reward": np.zeros(1)}, [None])


def test_a_batch_of_elites_is_added_as_one_after_the_other() -> None:
    from oche.diversity._grid import EliteGrid
    from oche.diversity._rollout import Grid

    rng = np.random.default_rng(0)
    elites, best = EliteGrid(Grid(0, 1, 5)), dict[int, tuple[float, list[float], int]]()
    for _ in range(40):
        n = int(rng.integers(1, 20))
        genomes, rewards = rng.standard_normal((n, 3)), rng.integers(0, 5, n).astype(float)
        cells, numbers = rng.integers(-1, 25, n), rng.integers(0, 999, n)
        status, gain = elites.add(genomes, rewards, cells, numbers)
        for i, cell in enumerate(cells.tolist()):
            if cell < 0:
                assert status[i] == 0
                continue
            old = best.get(cell)
            expected = (2, rewards[i]) if old is None else (int(rewards[i] > old[0]), rewards[i] - old[0])
            assert (status[i], gain[i]) == expected
            if status[i]:
                best[cell] = (rewards[i], genomes[i].tolist(), int(numbers[i]))
    assert elites.cells == list(best)
    assert [(r, g, n) for r, g, n in zip(elites.rewards, elites.genomes.tolist(), elites.numbers, strict=True)] == list(best.values())


def test_batches_told_as_arrays_are_those_told_one_by_one() -> None:
    import oche
    from oche.diversity import MapElites, environment
    from oche.errors import ArgumentError
    from oche.loop.contracts import Feedback

    space = environment("point").space
    asked: list[list[list[float]]] = [[], []]
    for way in (0, 1):
        algorithm = MapElites(population=8, batch=8)
        algorithm.setup(space, np.random.default_rng(5), oche.Budget(trials=1000))
        for _ in range(4):
            if way:
                genomes = algorithm.ask_batch()
                proposals = []
            else:
                proposals = algorithm.ask(8)
                genomes = np.array([p.dna.flat for p in proposals])
            asked[way] += genomes.tolist()
            rewards, places = genomes[:, 0], np.tanh(genomes[:, :2])
            failed = genomes[:, 1] > 1.5
            if way:
                algorithm.tell_batch(np.where(failed, np.nan, rewards), places)
            else:
                told = [
                    Feedback(status="failed", reason="x") if bad else Feedback(reward=float(r), descriptor=tuple(p))
                    for bad, r, p in zip(failed, rewards, places.tolist(), strict=True)
                ]
                algorithm.tell([(p.id, f) for p, f in zip(proposals, told, strict=True)])
    assert asked[0] == asked[1]
    with pytest.raises(ArgumentError, match="one call after each ask_batch"):
        algorithm.tell_batch([0.0])
