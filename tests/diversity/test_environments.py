"""The environments: lengths, the reference's numbers, equality of batches, pictures, errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oche.diversity import Grid, PolicyShape, coverage, environment, environments
from oche.diversity._maze_map import blocked, first_wall, walls
from oche.diversity._policy import Policies
from oche.diversity._rollout import frame_indices, roll_out
from oche.errors import ArgumentError, UnknownNameError

NAMES = ("curling", "hard-maze", "redundant-arm", "point")
SHORT = {"curling": 16, "hard-maze": 3, "redundant-arm": 40, "point": 40}


def genomes(name: str, n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, environment(name).length))


def test_lengths_of_genomes() -> None:
    assert {name: environment(name).length for name in NAMES} == {"curling": 94, "hard-maze": 63, "redundant-arm": 228, "point": 48}
    assert PolicyShape(29, 8, layers=3, hidden=10).length == 574
    assert environments() == sorted(NAMES)


def test_frame_indices() -> None:
    assert frame_indices(500, 5) == [100, 200, 300, 400, 499]
    assert frame_indices(100, 5) == [20, 40, 60, 80, 99]
    assert frame_indices(500, 1) == [499]


def test_the_controller_gives_the_known_action() -> None:
    policy = Policies(environment("curling").simulator.shape, np.linspace(-1, 1, 94)[None])
    action = policy.act(np.array([-0.5, 0.2, 0, 0, 0, 0])[:, None])[:, 0]
    np.testing.assert_allclose(action, (0.908633, 0.912920), atol=1e-6)


# -- the arm ----------------------------------------------------------------------------------------------------------------


def test_the_arm_starts_and_stays_where_it_should() -> None:
    done = environment("redundant-arm").rollout(np.zeros(228))
    np.testing.assert_allclose(done.descriptor[0], (0.306472, 0.691742), atol=1e-6)
    assert done.length[0] == 100
    assert np.array_equal(done.frames[0, 0], done.frames[0, 4])


def test_the_arm_ends_by_an_illegal_move_where_the_reference_does() -> None:
    last = np.zeros(228)
    last[-1] = 2.0
    done = environment("redundant-arm").rollout(np.stack([np.linspace(-1, 1, 228), last]))
    assert done.length.tolist() == [34, 28]
    np.testing.assert_allclose(done.descriptor, [(0.223035, 0.472047), (0.222000, 0.474961)], atol=1e-6)
    # The episode ended between frames 0 and 1: all later frames are its last one.
    assert not np.array_equal(done.frames[0, 0], done.frames[0, 1])
    assert all(np.array_equal(done.frames[0, 1], done.frames[0, i]) for i in (2, 3, 4))


def test_the_arm_is_rewarded_at_the_limit_unless_the_reference_is_wanted() -> None:
    # The tip of the resting arm lies in no zone, so a zone is put there.
    from oche.diversity import Zone

    repaired, old = environment("redundant-arm"), environment("redundant-arm?reward_at_limit=false")
    for env in (repaired, old):
        env.simulator.zones = (Zone("here", (0.306472, 0.691742), 0.05),)
    assert repaired.rollout(np.zeros(228)).reward[0] == pytest.approx(1, abs=1e-4)
    assert repaired.rollout(np.zeros(228)).zone[0] == 0
    assert old.rollout(np.zeros(228)).reward[0] == 0
    assert old.rollout(np.zeros(228)).zone[0] == -1
    assert old.describe() != repaired.describe()


# -- curling ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["numpy", "box2d"])
def test_a_still_arm_leaves_the_ball(backend: str) -> None:
    done = environment(f"curling?backend={backend}").rollout(np.zeros(94))
    np.testing.assert_allclose(done.descriptor[0], (-0.5, 0.2), atol=1e-6)
    assert done.reward[0] == 0
    assert done.length[0] == 500


@pytest.mark.parametrize(("backend", "n"), [("numpy", 128), ("box2d", 6)])
def test_the_ball_stays_on_the_table(backend: str, n: int) -> None:
    done = environment(f"curling?backend={backend}").rollout(genomes("curling", n), 0)
    assert np.abs(done.descriptor).max() <= 1.3001


def test_zones_of_curling() -> None:
    from oche.diversity._rollout import zone_rewards

    points = np.array([(0.8, 0.8), (1.0, 0.8), (0.8, -0.7), (0.8, 0.39)]).T
    reward, zone = zone_rewards(environment("curling").simulator.zones, points)
    np.testing.assert_allclose(reward, (1, 0.5, 0.5, 0), atol=1e-12)
    assert zone.tolist() == [0, 0, 1, -1]


def test_the_quick_table_agrees_with_box2d_on_whether_the_ball_moves_and_mostly_on_where() -> None:
    some = genomes("curling", 40, seed=3)
    quick, exact = (environment(f"curling?backend={b}").rollout(some, 0).descriptor for b in ("numpy", "box2d"))
    moved = [np.abs(d - (-0.5, 0.2)).max(1) > 1e-3 for d in (quick, exact)]
    assert (moved[0] == moved[1]).mean() >= 0.95
    assert (np.linalg.norm(quick - exact, axis=1) < 0.3).mean() >= 0.65


# -- the maze ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "wheels", "end"),
    [(200, (1, 1), (190.11, 580.11)), (300, (-1, -1), (16.87, 406.87)), (40, (0.5, -0.5), (60, 450))],
)
def test_the_robot_ends_where_the_reference_does(steps: int, wheels: tuple[float, float], end: tuple[float, float]) -> None:
    simulator = environment("hard-maze").simulator
    state = simulator.start(16)
    for _ in range(steps):
        simulator.step(state, np.repeat(np.array(wheels, dtype=float)[:, None], 16, axis=1))
    np.testing.assert_allclose(state["pose"][:2, 0], end, atol=6)
    if wheels == (0.5, -0.5):
        assert state["pose"][2, 0] == pytest.approx(-1.2146, abs=1e-4)


def test_the_map_is_near_the_reference() -> None:
    assert abs(int(walls().sum()) - 5216) < 100
    free = ~blocked()
    assert free.sum() == 29257
    # Start and both goals lie in one region.
    from scipy.ndimage import label

    regions, _ = label(free)
    assert len({int(regions[x // 3, y // 3]) for x, y in ((60, 450), (60, 60), (100, 200))} - {0}) == 1


def walked(x: int, y: int, dx: int, dy: int) -> tuple[int, int] | None:
    """The slow, plain form of a line of sight: every square that the line touches, by stepping an error term."""

    def wall(a: int, b: int) -> bool:
        return not (0 <= a < 200 and 0 <= b < 200) or bool(walls()[a, b])

    sx, sy, ax, ay = (-1 if dx < 0 else 1), (-1 if dy < 0 else 1), abs(dx), abs(dy)
    swap = ay >= ax
    long, short = (ay, ax) if swap else (ax, ay)
    error = before = long
    minor = 0
    for major in range(1, long + 1):
        error += 2 * short
        touched = []
        if error > 2 * long:
            minor += 1
            error -= 2 * long
            if error + before <= 2 * long:
                touched.append((major, minor - 1))
            if error + before >= 2 * long:
                touched.append((major - 1, minor))
        before = error
        touched.append((major, minor))
        if any(wall(*((x + sx * s, y + sy * m) if swap else (x + sx * m, y + sy * s))) for m, s in touched):
            return (sx * minor, sy * major) if swap else (sx * major, sy * minor)
    return None


@given(st.integers(0, 29256), st.floats(0, 6.28))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_lines_of_sight_equal_the_plain_walk(place: int, angle: float) -> None:
    x, y = (int(v) for v in np.argwhere(~blocked())[place])
    dx, dy = round(33.3 * np.cos(angle)), round(33.3 * np.sin(angle))
    expected = walked(x, y, dx, dy)
    for _ in range(2):  # the second time it is remembered
        met, ex, ey = first_wall(*(np.array([v]) for v in (x, y, dx, dy)))
        assert (bool(met[0]), int(ex[0]), int(ey[0])) == ((False, 0, 0) if expected is None else (True, *expected))


def test_the_reference_rewards_the_place_before_the_last_move() -> None:
    late, repaired = environment("hard-maze?reward_before_last_move=true").simulator, environment("hard-maze").simulator
    state = late.start(16)
    late.step(state, np.ones((2, 16)))
    assert late.outcome(state)[:, 0].tolist() == [60.0, 450.0]
    assert repaired.outcome(state)[0, 0] > 60.5


# -- all of them ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@given(st.data())
@settings(max_examples=4, deadline=None, derandomize=True)
def test_a_batch_equals_single_runs_bit_for_bit(name: str, data: st.DataObject) -> None:
    n = data.draw(st.integers(2, SHORT[name]))
    env, some = environment(name), genomes(name, n, data.draw(st.integers(0, 99)))
    simulator = env.simulator
    if name in ("hard-maze", "curling"):
        simulator.steps = 150
    whole = roll_out(simulator, some, 3, 3)
    row = data.draw(st.integers(0, n - 1))
    alone = roll_out(simulator, some[row : row + 1], 3, 3)
    for part in ("reward", "zone", "descriptor", "frames", "length"):
        assert np.array_equal(getattr(whole, part)[row], getattr(alone, part)[0]), part


@pytest.mark.parametrize("name", ["point", "redundant-arm"])
def test_blocks_do_not_matter(name: str) -> None:
    env, some = environment(name), genomes(name, 70)
    whole = env.rollout(some)
    env.simulator.block = 32
    parts = env.rollout(some)
    assert np.array_equal(whole.descriptor, parts.descriptor)
    assert np.array_equal(whole.frames, parts.frames)


@pytest.mark.parametrize("name", ["curling", "redundant-arm", "point"])
def test_pictures_show_what_happens(name: str) -> None:
    frames = environment(name).rollout(genomes(name, 16, seed=1)).frames
    assert frames.shape == (16, 5, 3, 64, 64)
    assert frames.dtype == np.uint8
    assert (frames[:, 0] != frames[:, 4]).any((1, 2, 3)).sum() >= 8
    gray = environment(f"{name}?channels=1&frames=2").rollout(genomes(name, 2, seed=1)).frames
    assert gray.shape == (2, 2, 1, 64, 64)
    assert gray.max() > 0


def test_colors_of_curling() -> None:
    frame = environment("curling").rollout(np.zeros(94)).frames[0, 0]
    seen = {tuple(int(v) for v in c) for c in frame.reshape(3, -1).T}
    assert seen == {(0, 0, 0), (0, 0, 255), (100, 100, 100), (150, 150, 150)}
    # The ball lies at (-0.5, 0.2): pixel x = 1.0 / 3 * 64, y = 1.3 / 3 * 64.
    blue = np.argwhere((frame[2] == 255) & (frame[0] == 0))
    np.testing.assert_allclose(blue.mean(0) + 0.5, (1.3 / 3 * 64, 1.0 / 3 * 64), atol=0.6)


def test_cells_of_the_grid() -> None:
    assert coverage([(0.1, 0.1), (0.1, 0.1), (1.0, 1.0)], Grid(0, 1)) == 0.0008
    assert Grid(0, 1).cell_index([(1.0, 1.0), (0.0, 0.0), (1.01, 0.5)]).tolist() == [2499, 0, -1]
    # The quotient of the largest number below the edge rounds up to 1, which is no cell.
    below = np.nextafter(1.35, 0)
    assert (below + 1.35) / 2.7 * 50 == 50
    assert Grid(-1.35, 1.35).cell_index([(-1.35, below), (below, -1.35), (np.nan, 0.0)]).tolist() == [49, 2450, -1]
    with pytest.raises(ArgumentError, match=r"descriptor: got .* in row 1"):
        coverage([(0.1, 0.1), (2.0, 0.1)], Grid(0, 1))
    assert environment("curling").grid.n_reachable == 48**2


@pytest.mark.parametrize(
    ("genome", "says"),
    [(np.zeros(93), r"shape \(1, 93\); allowed: \(n, 94\)"), (np.full(94, np.nan), "not a finite number in row 0")],
)
def test_bad_genomes_are_refused(genome: np.ndarray, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        environment("curling").rollout(genome)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ArgumentError, match="frames: got 0; allowed: a whole number from 1 to 500"):
        environment("curling?frames=0")
    with pytest.raises(ArgumentError, match="frames: got 101"):
        environment("redundant-arm?frames=101")
    with pytest.raises(ArgumentError, match="channels: got 2"):
        environment("point?channels=2")
    with pytest.raises(UnknownNameError, match="did you mean 'curling'"):
        environment("curlin")
    with pytest.raises(UnknownNameError, match="'box2d', 'numpy'"):
        environment("curling?backend=mujoco")
