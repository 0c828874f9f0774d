"""Many episodes at once: the loop that every environment shares.

Genomes are cut into chunks of one fixed size, `LANE`, the last one padded by copies, and several chunks run side by side. All
arithmetic is elementwise over full chunks, so that the result of a genome does not depend on its neighbors, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from oche.diversity._policy import Policies, PolicyShape
from oche.errors import ArgumentError

#: Genomes of a chunk. A multiple of what a vector instruction holds, so that no genome is ever computed by the remainder of a loop.
LANE = 16


@dataclass(frozen=True)
class Zone:
    """A disc of descriptors in which the final state is rewarded: `1 - distance / radius`.

    Args:
        name: For records.
        center: Two numbers, in the units of the descriptor.
        radius: In the same units.
    """

    name: str
    center: tuple[float, float]
    radius: float


@dataclass(frozen=True)
class Grid:
    """The grid of true descriptors by which coverage is measured.

    Args:
        low: Lower edge of both axes.
        high: Upper edge; a point on it belongs to the last cell.
        cells: Cells per axis.
        reachable: First and last cell of an axis that can be reached, or None for all.
    """

    low: float
    high: float
    cells: int = 50
    reachable: tuple[int, int] | None = None

    def cell_index(self, descriptors: Any) -> np.ndarray:
        """Flat index of the cell of each descriptor `(n, 2)`; -1 outside the grid."""
        found = np.asarray(descriptors, dtype=np.float64).reshape(-1, 2)
        inside = (found >= self.low) & (found <= self.high)
        if not (whole := bool(inside.all())):
            found = np.where(inside, found, self.low)
        # Rounded down; just below the upper edge the quotient may round up to it.
        place = np.minimum((found - self.low) / (self.high - self.low) * self.cells, self.cells - 1).astype(np.int64)
        flat = place[:, 0] * self.cells + place[:, 1]
        return flat if whole else np.where(inside.all(1), flat, -1)

    @property
    def size(self) -> int:
        """Number of cells."""
        return self.cells * self.cells

    @property
    def n_reachable(self) -> int:
        """Number of cells that can be reached."""
        if self.reachable is None:
            return self.size
        return (self.reachable[1] - self.reachable[0] + 1) ** 2


@dataclass(frozen=True)
class Rollout:
    """What came back for some genomes.

    Args:
        reward: `(n,)` summed rewards.
        zone: `(n,)` index of the rewarded zone, -1 for none.
        descriptor: `(n, 2)` true behavior descriptors.
        frames: `(n, frames, channels, 64, 64)` uint8.
        length: `(n,)` steps until the episode ended.
    """

    reward: np.ndarray
    zone: np.ndarray
    descriptor: np.ndarray
    frames: np.ndarray
    length: np.ndarray

    def __len__(self) -> int:
        return len(self.reward)


@dataclass
class Batch:
    """The state of some episodes: named arrays with the episodes in the last axis, and which of them have not ended."""

    arrays: dict[str, np.ndarray]
    alive: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def __setitem__(self, name: str, value: np.ndarray) -> None:
        self.arrays[name] = value

    def take(self, rows: np.ndarray) -> Batch:
        """Some of them, in the order of `rows`."""
        return Batch({k: np.ascontiguousarray(v[..., rows]) for k, v in self.arrays.items()}, self.alive[rows])

    def put(self, rows: np.ndarray, other: Batch, only: np.ndarray) -> None:
        """Write episodes of `other` over those at `rows`, where `only` holds."""
        for name, value in other.arrays.items():
            self.arrays[name][..., rows[only]] = value[..., only]


class Simulator:
    """The rules of one environment, for many episodes at once. Subclasses say what is not said here.

    Attributes:
        shape: Network of the policies.
        steps: Longest episode.
        ends_early: Whether an episode may end before that.
        zones: Where the final state is rewarded; the first that holds it counts.
        units: Units of `outcome` in one unit of the descriptor.
        grid: Grid of true descriptors.
        lane: Genomes of a chunk: `LANE`, or 1 where episodes do not share any arithmetic.
        block: Genomes that run side by side: more would leave the processor's cache.
    """

    shape: PolicyShape
    steps: int
    ends_early = False
    zones: tuple[Zone, ...] = ()
    units = 1.0
    grid: Grid
    lane = LANE
    block = 16 * LANE

    def start(self, n: int) -> Batch:
        """The first state of `n` episodes."""
        raise TypeError(f"{type(self).__name__}: override start")

    def observe(self, state: Batch) -> np.ndarray:
        """Observations `(inputs, n)`, float64."""
        raise TypeError(f"{type(self).__name__}: override observe")

    def step(self, state: Batch, actions: np.ndarray) -> None:
        """Do one step in place; episodes that end here are no longer `alive`, and an episode that has ended does not change."""
        raise TypeError(f"{type(self).__name__}: override step")

    def descriptor(self, state: Batch) -> np.ndarray:
        """True descriptors `(2, n)`."""
        raise TypeError(f"{type(self).__name__}: override descriptor")

    def outcome(self, state: Batch) -> np.ndarray:
        """What zones are compared with, `(2, n)`; the descriptor by default."""
        return self.descriptor(state)

    def draw(self, state: Batch) -> np.ndarray:
        """Pictures `(n, 64, 64, 3)`, uint8."""
        raise TypeError(f"{type(self).__name__}: override draw")

    def rewarded(self, state: Batch, at_limit: np.ndarray) -> np.ndarray:
        """Which episodes get their reward; `at_limit` tells those that the time limit ended."""
        return np.ones(len(at_limit), dtype=bool)


def frame_indices(steps: int, frames: int) -> list[int]:
    """The steps, from 0, after which frames are taken: evenly spread, the last step among them.

    Raises:
        ArgumentError: fewer than one frame, or more than steps.

    Example:
        >>> frame_indices(500, 5)
        [100, 200, 300, 400, 499]
    """
    if isinstance(frames, bool) or not isinstance(frames, int) or not 1 <= frames <= steps:
        raise ArgumentError(f"frames: got {frames!r}; allowed: a whole number from 1 to {steps}, the steps of an episode")
    return [int(i) for i in np.ceil(np.linspace(0, steps - 1, frames + 1)[1:])]


def zone_rewards(zones: Sequence[Zone], points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rewards and zone indices of final points `(2, n)`: `1 - distance / radius` in the first zone that holds them, else 0 and -1."""
    reward, zone = np.zeros(points.shape[1]), np.full(points.shape[1], -1)
    for index, z in enumerate(zones):
        distance = np.sqrt((points[0] - z.center[0]) ** 2 + (points[1] - z.center[1]) ** 2)
        new = (zone < 0) & (distance < z.radius)
        reward[new], zone[new] = 1 - distance[new] / z.radius, index
    return reward, zone


def roll_out(simulator: Simulator, genomes: np.ndarray, frames: int, channels: int) -> Rollout:
    """Run one episode per genome.

    Args:
        simulator: The rules.
        genomes: `(n, length)`, checked.
        frames: Frames per episode; 0 takes none.
        channels: 3, or 1 for gray.
    """

    def side(part: slice, rows: np.ndarray) -> Policies:
        return Policies(simulator.shape, genomes[part][rows])

    return roll_out_with(simulator, side, len(genomes), frames, channels)


def roll_out_with(simulator: Simulator, side: Callable[[slice, np.ndarray], Any], number: int, frames: int, channels: int) -> Rollout:
    """Run one episode per policy, whatever policies are.

    Args:
        simulator: The rules.
        side: `side(part, rows)` -> policies of the slice `part` of all of them, in the order `rows` of that slice, with copies; they
            have `act` and `take` as `Policies` has.
        number: How many there are.
        frames: See `roll_out`.
        channels: See `roll_out`.
    """
    size = simulator.block
    starts = range(0, number, size)
    parts = [_block(simulator, side, slice(i, min(i + size, number)), frames, channels) for i in starts]
    if not parts:
        shape = (0, frames, channels, 64, 64)
        return Rollout(np.zeros(0), np.zeros(0, int), np.zeros((0, 2)), np.zeros(shape, np.uint8), np.zeros(0, int))
    return Rollout(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("reward", "zone", "descriptor", "frames", "length")))


def _block(simulator: Simulator, side: Callable[[slice, np.ndarray], Any], part: slice, frames: int, channels: int) -> Rollout:
    n = part.stop - part.start
    # Padded by copies: whatever they do, the real ones do the same.
    rows = np.arange(-(-n // simulator.lane) * simulator.lane) % n
    policies, whole = side(part, rows), simulator.start(len(rows))
    whole.alive = np.ones(len(rows), dtype=bool)
    state, place = whole, np.arange(len(rows))
    length = np.full(len(rows), simulator.steps)
    at = frame_indices(simulator.steps, frames) if frames else []
    pictures = np.zeros((n, frames, channels, 64, 64), dtype=np.uint8)
    drawn, taken = np.zeros(n, dtype=bool), 0  # whose last frame is there already; frames so far
    for step in range(simulator.steps):
        before = state.alive
        simulator.step(state, policies.act(simulator.observe(state)))
        if simulator.ends_early:
            ended = before & ~state.alive
            if ended.any():
                length[place[ended]] = step + 1
        if taken < frames and step == at[taken]:
            _write(whole, place, state)
            _take_frames(simulator, whole, pictures, taken, drawn)
            taken += 1
        if simulator.ends_early and (keep := _kept(state.alive)) is not None:
            _write(whole, place, state)
            policies, state, place = policies.take(keep), state.take(keep), place[keep]
            if not state.alive.any():
                break
    _write(whole, place, state)
    for slot in range(taken, frames):
        # All episodes had ended before this frame was due.
        _take_frames(simulator, whole, pictures, slot, drawn)
    reward, zone = zone_rewards(simulator.zones, simulator.outcome(whole))
    given = simulator.rewarded(whole, whole.alive)
    reward, zone = np.where(given, reward, 0.0), np.where(given, zone, -1)
    return Rollout(reward[:n], zone[:n], np.ascontiguousarray(simulator.descriptor(whole).T[:n]), pictures, length[:n])


def _write(whole: Batch, place: np.ndarray, state: Batch) -> None:
    """Bring the states that still run, or have just ended, into the block's own."""
    if state is whole:
        return
    changed = whole.alive[place]
    whole.put(place, state, changed)
    whole.alive[place[changed]] = state.alive[changed]


def _kept(alive: np.ndarray) -> np.ndarray | None:
    """Rows to go on with when whole chunks have ended: those alive, and ended ones up to a full chunk. None to go on as it is."""
    wanted = -(-int(alive.sum()) // LANE) * LANE
    if wanted > len(alive) - LANE or (wanted > 0.8 * len(alive) and wanted > 0):
        return None
    order = np.argsort(~alive, kind="stable")
    return np.sort(order[: max(wanted, LANE)])


def _take_frames(simulator: Simulator, whole: Batch, pictures: np.ndarray, slot: int, drawn: np.ndarray) -> None:
    """Draw frame `slot` of every episode; one that has ended keeps its last picture in all later frames."""
    if slot:
        pictures[drawn, slot] = pictures[drawn, slot - 1]
    todo = np.flatnonzero(~drawn)
    if not len(todo):
        return
    made = simulator.draw(whole.take(todo))
    if pictures.shape[2] == 1:
        pictures[todo, slot, 0] = (made.astype(np.uint16) @ np.array([77, 150, 29], dtype=np.uint16)) >> 8
    else:
        pictures[todo, slot] = made.transpose(0, 3, 1, 2)
    drawn |= ~whole.alive[: len(drawn)]
