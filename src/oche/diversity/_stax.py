"""STAX and its family: exploration by novelty and surprise in a learned space, exploitation by emitters, in turns.

One implementation with switches: without emitters and with given descriptors it is novelty search, with learned ones TAXONS; with
emitters and given descriptors SERENE. What emitters do is in `_exploitation.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oche.diversity._emitters import Emitter, check_kinds
from oche.diversity._exploitation import Exploitation
from oche.diversity._generational import Batch, Boundary, Search, population_for
from oche.diversity._members import Members
from oche.diversity._novelty import local_competition, novelty
from oche.diversity._results import Results
from oche.diversity._schedulers import scheduler as make_scheduler
from oche.diversity._selection import SELECTIONS, best_by, best_by_fronts, selection_rule
from oche.errors import ArgumentError, unknown
from oche.loop.contracts import Budget

# So many phases in a row may cost nothing before exploration is forced.
_EMPTY = 20
_WORDS = {"descriptor": ("learned", "given"), "archive": ("random", "best"), "describe_by": ("all", "last")}


class Stax(Exploitation):
    """Discovers sparse rewards by searching a behavior space that is learned on the way, and exploits each one.

    Defaults are the authors'; sizes that are None follow the budget: a population of a twentieth of it, at most 100, and chunks of ten
    populations.

    Args:
        population: Policies that explore.
        offspring: Mutants of each per generation.
        chunk: Evaluations of a phase.
        neighbors: Neighbors that novelty is measured by.
        additions: Offspring of a generation that go to the archive.
        archive: `random` offspring, or the `best` by novelty.
        sigma: Standard deviation of mutations, in units of a tenth of a gene's range.
        descriptor: `learned` from frames, or `given` with the feedback.
        emitters: Whether rewards are exploited.
        emitter: `elitist`, `novelty` or `cma-es`.
        emitter_population: Members of an emitter.
        max_emitters: Most live emitters at once; None: no limit.
        emitter_steps: Most steps of an emitter; None: no limit.
        stagnation: `custom`, `original` or `never`.
        local_improvement: Measure an emitter's improvement from its last visit instead of its first steps.
        scheduler: `alternating`, `fixed-sampling`, `time-sampling` or `mab`.
        selection: `pareto` of novelty and surprise, `coin`, `novelty`, `surprise`, `novelty-reward` or `novelty-local`; None: `pareto` with
            learned descriptors, else `novelty`.
        train: Whether the autoencoder is trained.
        reset_ae: New weights before each training.
        describe_by: Frames in descriptor and surprise: `all`, or the `last` one (training uses all).
        ae: Size of the autoencoder: `small` (the default, for CPUs) or `paper`.
        latent: Numbers per frame.
        epochs: Most epochs of a training; None: 100 with `paper` as the authors have it, 25 with `small`.
        output: Last function of the decoder, `relu` or `sigmoid`; None: the size's own.
        reference_quirks: Leave out the nearest neighbor of policies that are not in the reference set, as the authors' code does.

    Raises:
        ArgumentError: a setting out of its range.
        UnknownNameError: a name that does not exist.

    Source: Paolo et al. 2024 (STAX), its repository; Paolo et al. 2021 (SERENE) and 2020 (TAXONS); Lehman and Stanley 2011.
    """

    name = "stax"

    def __init__(
        self,
        population: int | None = None,
        offspring: int = 2,
        chunk: int | None = None,
        neighbors: int = 15,
        additions: int = 5,
        archive: str = "random",
        sigma: float = 0.05,
        descriptor: str = "learned",
        emitters: bool = True,
        emitter: str = "elitist",
        emitter_population: int = 6,
        max_emitters: int | None = None,
        emitter_steps: int | None = None,
        stagnation: str = "custom",
        local_improvement: bool = False,
        scheduler: str = "alternating",
        selection: str | None = None,
        train: bool = True,
        reset_ae: bool = False,
        describe_by: str = "all",
        ae: str = "small",
        latent: int = 10,
        epochs: int | None = None,
        output: str | None = None,
        reference_quirks: bool = False,
    ) -> None:
        given = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        for key, allowed in _WORDS.items():
            if given[key] not in allowed:
                raise unknown(key.replace("_", " "), str(given[key]), allowed)
        given["emitter"], given["stagnation"] = check_kinds(emitter, stagnation)
        make_scheduler(scheduler)
        given["selection"] = selection_rule(selection or ("pareto" if descriptor == "learned" else "novelty"))
        if descriptor == "given" and "surprise" in SELECTIONS[given["selection"]]:
            raise ArgumentError(
                f"selection: got {given['selection']!r} with given descriptors; allowed: 'novelty', 'novelty-reward', 'novelty-local'; "
                "surprise is the error of an autoencoder, use descriptor='learned'"
            )
        given["epochs"] = epochs if epochs is not None else 100 if ae == "paper" else 25
        if ae not in ("small", "paper"):
            raise unknown("size of the autoencoder", ae, ("small", "paper"))
        _check_numbers(given)
        self._given = given
        self.uses_observations = descriptor == "learned"

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        return dict(self._given)

    def _begin(self, budget: Budget | None) -> None:
        s = self._given
        self.size = population_for(budget, s["population"], self.name)
        self.chunk = s["chunk"] or 10 * self.size
        self.members = Members()
        self.population: list[int] = []
        self.offspring: list[int] = []
        self.archive_ids: list[int] = []
        self.rewarding_ids: list[int] = []
        self.candidates: list[Emitter] = []
        self.live: list[Emitter] = []
        self._seeded: set[int] = set()
        self._made = 0
        self._phase, self._chunks = "explore", 0
        self._since, self._interval, self._due, self._empty = 0, 1, False, 0
        self.scheduler = make_scheduler(s["scheduler"])
        self.coder: Any = None
        #: What each training ended with: `epochs`, `validation`, `training`, the `chunk` after which it came, and `dead_latents`.
        self.trainings: list[dict[str, float]] = []

    # -- the loop ---------------------------------------------------------------------------------------------------------------

    def _search(self) -> Search:
        while True:
            if self._due:
                self._train()
            phase, before = self._phase, len(self.live)
            nothing = phase == "exploit" and not (self.candidates or self.live)
            found = len(self.candidates)
            if phase == "explore":
                yield from self._explore()
            elif not nothing:
                yield from self._exploit()
            self._conclude(phase, len(self.candidates) - found, len(self.live) - before, nothing)
            yield Boundary(f"{phase}-{self._chunks}")

    def _conclude(self, phase: str, new: int, change: int, nothing: bool) -> None:
        """Note what a phase brought and choose the next one."""
        self._chunks += 1
        if phase == "explore":
            self._since += 1
            if self._since == self._interval:
                # After exploration 1, 3, 6, 10, ...
                self._due, self._since, self._interval = True, 0, self._interval + 1
        self._empty = self._empty + 1 if nothing else 0
        if self._given["emitters"]:
            self.scheduler.learn(phase, new, change, nothing)
            limit = self._budget.trials if self._budget is not None else None
            share = min(1.0, self._asked / limit) if limit else 0.0
            self._phase = self.scheduler.next(phase, share, self._generator("scheduler"))
            if self._empty >= _EMPTY:
                self._phase = "explore"
        emitters = [i for e in (*self.candidates, *self.live) for i in e.ids()]
        self.members.keep([*self.population, *self.offspring, *self.archive_ids, *self.rewarding_ids, *emitters])
        self._seeded &= set(self.members.ids.tolist())

    def _explore(self) -> Search:
        s, info, left = self._given, {"phase": "explore"}, self.chunk
        while not self.population:
            genomes = self._generator("initial").standard_normal((self.size, self.dimension))
            left -= self.size
            self.population = self._take((yield Batch(genomes, info)))
        while left > 0:
            chosen = np.repeat(self.population, s["offspring"])
            parents = self.members.of("genome", chosen)
            genomes = parents + s["sigma"] * self._generator("mutation").standard_normal(parents.shape)
            left -= len(genomes)
            self.offspring = self._take((yield Batch(genomes, info, self.members.of("number", chosen))))
            if s["emitters"]:
                self._seed([*self.population, *self.offspring])
            self._select()

    def _seed(self, ids: list[int]) -> None:
        """Make a candidate around every rewarding policy that has none yet."""
        rewards = self.members.of("reward", ids)
        genomes = self.members.of("genome", ids)
        for i in np.flatnonzero(rewards > 0):
            if ids[i] in self._seeded:
                continue
            self._seeded.add(ids[i])
            self.rewarding_ids.append(ids[i])
            distance = np.sqrt(((genomes - genomes[i]) ** 2).sum(1))
            near = float(np.delete(distance, i).min(initial=np.inf))
            sigma = self._given["sigma"]
            # The reference's third of the nearest distance; between near-duplicates it would not move at all.
            step = max(near / 3, sigma / 3) if 0 < near < np.inf else sigma
            self.candidates.append(Emitter(self._made, ids[i], self.members.zone(ids[i]), step))
            self._made += 1

    def _select(self) -> None:
        """Add to the archive, and choose the next population."""
        s, ids = self._given, [*self.population, *self.offspring]
        reference = self._reference_rows(ids)
        own = np.searchsorted(reference, self.members.rows(ids))
        known = self.members["descriptor"][reference]
        value = {"novelty": novelty(known[own], known, s["neighbors"], own)}
        start = len(self.population)
        self._add_to_archive(value["novelty"][start:])
        value["surprise"] = self.members.of("surprise", ids)
        value["reward"] = self.members.of("reward", ids)
        rule = s["selection"]
        if rule == "novelty-local":
            rewards = self.members["reward"][reference]
            value["local"] = local_competition(known[own], rewards[own], known, rewards, s["neighbors"], own)
        chosen = [value[name] for name in SELECTIONS[rule]]
        if rule == "coin":
            best = best_by(chosen[int(self._generator("coin").integers(2))], self.size)
        elif len(chosen) == 1:
            best = best_by(chosen[0], self.size)
        else:
            best = best_by_fronts(np.stack(chosen, 1), self.size)
        self.population = [ids[i] for i in best]

    def _add_to_archive(self, values: np.ndarray) -> None:
        n = min(self._given["additions"], len(self.offspring))
        if self._given["archive"] == "best":
            rows = best_by(values, n)
        else:
            rows = self._generator("archive").choice(len(self.offspring), n, replace=False).tolist() if n else []
        self.archive_ids += [self.offspring[i] for i in rows]

    def _reference_rows(self, ids: Sequence[int]) -> np.ndarray:
        """The reference set: some policies and both archives, each once, in the order of ids."""
        return self.members.distinct(ids, self.archive_ids, self.rewarding_ids)

    # -- descriptors ------------------------------------------------------------------------------------------------------------

    def _take(self, results: Results) -> list[int]:
        """Put evaluated policies into the table, described; failed ones are left out."""
        rows = np.flatnonzero(results.ok)
        if not len(rows):
            return []
        columns = {
            "genome": results.genomes[rows],
            "reward": results.rewards[rows],
            "number": results.numbers[rows],
            "given": _descriptors(results.descriptors(rows), len(rows), needed=self._given["descriptor"] == "given"),
        }
        if self._given["descriptor"] == "learned":
            columns["frames"] = self._frames(results.observations(rows))
            columns["descriptor"], columns["surprise"] = self._encode(columns["frames"])
        else:
            columns["descriptor"], columns["surprise"] = columns["given"], np.zeros(len(rows))
        return self.members.add(columns, results.zones(rows))

    def _frames(self, seen: Sequence[Any]) -> np.ndarray:
        if self.coder is None:
            self.coder = self._new_coder(int(self._generator("autoencoder").integers(2**62)))
        if any(frames is None for frames in seen):
            raise ArgumentError(
                f"algorithm {self.name!r}: got feedback without frames; allowed: observations (frames, channels, height, width); "
                "use an environment with frames, or descriptor='given'"
            )
        fitted = []
        for row, frames in enumerate(seen):
            try:
                fitted.append(self.coder.fit_frames(frames))
            except ArgumentError as error:
                raise ArgumentError(f"{error} (policy {row} of a batch)") from None
        return np.stack(fitted)

    def _new_coder(self, seed: int) -> Any:
        from oche.diversity._autoencoder import Autoencoder

        s = self._given
        return Autoencoder(s["ae"], s["latent"], s["output"], epochs=s["epochs"], seed=seed)

    def _encode(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Descriptors `(n, numbers)` and surprises `(n,)` in the current space."""
        latents, errors = self.coder.encode(frames if self._given["describe_by"] == "all" else frames[:, -1:])
        return latents.reshape(len(frames), -1), errors.sum(1)

    def _train(self) -> None:
        """Train the autoencoder on what is kept, and describe everything anew."""
        self._due = False
        s = self._given
        if s["descriptor"] != "learned" or not (s["train"] or s["reset_ae"]) or not len(self.members):
            return
        seed = int(self._generator("training").integers(2**62))
        if s["reset_ae"]:
            self.coder.reset(seed)
        if s["train"]:
            frames = self.members["frames"][self._reference_rows([*self.population, *self.offspring])]
            found = self.coder.train(frames.reshape(-1, *frames.shape[2:]), seed)
            self.trainings.append({**found, "chunk": float(self._chunks)})
        descriptors, surprises = self._encode(self.members["frames"])
        self.members.replace("descriptor", descriptors)
        self.members.replace("surprise", surprises)
        dead = self.coder.check(descriptors)
        if s["train"]:
            self.trainings[-1]["dead_latents"] = float(dead)

    # -- state ------------------------------------------------------------------------------------------------------------------

    def _pack(self) -> dict[str, Any]:
        return {
            "members": self.members.state(),
            "ids": {k: list(getattr(self, k)) for k in ("population", "offspring", "archive_ids", "rewarding_ids")},
            "emitters": [[e.state() for e in part] for part in (self.candidates, self.live)],
            "seeded": sorted(self._seeded),
            "counts": [self._made, self._chunks, self._since, self._interval, int(self._due), self._empty],
            "phase": self._phase,
            "sizes": [self.size, self.chunk],
            "scheduler": self.scheduler.state(),
            "coder": self.coder.state() if self.coder is not None else None,
            "trainings": [dict(t) for t in self.trainings],
        }

    def _unpack(self, state: Mapping[str, Any]) -> None:
        self.members.load(state["members"])
        for key, ids in state["ids"].items():
            setattr(self, key, [int(i) for i in ids])
        self.candidates, self.live = ([Emitter.from_state(e) for e in part] for part in state["emitters"])
        self._seeded = {int(i) for i in state["seeded"]}
        self._made, self._chunks, self._since, self._interval, due, self._empty = state["counts"]
        self._due, self._phase = bool(due), state["phase"]
        self.size, self.chunk = state["sizes"]
        self.scheduler.load(state["scheduler"])
        self.trainings = [dict(t) for t in state["trainings"]]
        if state["coder"] is not None:
            self.coder = self._new_coder(0)
            self.coder.load(state["coder"])

    def facts(self) -> dict[str, Any]:
        """For the record: the trainings of the autoencoder, and how many of its numbers tell no frames apart at the end."""
        if self.coder is None or not len(self.members):
            return {}
        dead = self.coder.dead_latents(self.members["descriptor"])
        return {"autoencoder": {"latent": self.coder.latent, "dead_latents": dead, "trainings": [dict(t) for t in self.trainings]}}

    def note(self) -> str:
        """How the search stands."""
        archives = f"{len(self.archive_ids)} novel, {len(self.rewarding_ids)} rewarding"
        return f"{self._phase} · {archives} · {len(self.live)} emitters" if self._given["emitters"] else archives


def _descriptors(found: Sequence[Any], n: int, needed: bool) -> np.ndarray:
    """Descriptors from outside, `(n, numbers)`; without numbers if there are none and none are needed."""
    if any(d is None for d in found):
        if needed:
            raise ArgumentError(
                "descriptor: got feedback without one; allowed: a task that gives descriptors; use descriptor='learned' for frames"
            )
        return np.zeros((n, 0))
    values = np.array(found, dtype=np.float64)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(1))[0])
        raise ArgumentError(f"descriptor: got {values[row].tolist()} of policy {row} of a batch; allowed: finite numbers")
    return values


def _check_numbers(given: Mapping[str, Any]) -> None:
    least = {"population": 2, "offspring": 1, "chunk": 1, "neighbors": 1, "additions": 0, "emitter_population": 2, "latent": 1}
    least |= {"max_emitters": 1, "emitter_steps": 1, "epochs": 1}
    optional = ("population", "chunk", "max_emitters", "emitter_steps")
    for key, low in least.items():
        value = given[key]
        if value is None and key in optional:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise ArgumentError(f"{key}: got {value!r}; allowed: a whole number from {low}{', or None' if key in optional else ''}")
    if not 0 < given["sigma"] <= 5:
        raise ArgumentError(f"sigma: got {given['sigma']!r}; allowed: a number in (0, 5]")
