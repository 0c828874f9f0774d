"""What one run looks like: where it went, how its learned space lies, who descends from whom, and films, as plain numbers for a report.

True descriptors are read here for the first time; the search itself never saw them where it learned its own.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from oche import seeds
from oche.diversity._family import family
from oche.diversity._measures import EXPLORE, coverage_percent
from oche.diversity._raster import enlarged, gif_bytes, png_bytes, write_mp4
from oche.loop.workbench import load_state

# More points than this make a picture slow and no clearer.
_POINTS, _PAIRS, _SHOWN = 300, 400, 6
_ARCHIVE_FRAMES, _EPISODE_FRAMES = 24, 40
_CELL = 3
_BLACK, _GRAY, _BLUE, _GOLD, _WHITE = (16, 18, 22), (70, 74, 82), (86, 156, 230), (250, 196, 66), (235, 235, 235)


def portrait(run: Any, task: Any, name: str, films: Path | None = None) -> dict[str, Any]:
    """Everything that pictures of a finished run need.

    Args:
        run: One run of `oche.search` on a policy task.
        task: The task.
        name: What the report calls the run.
        films: Folder in which films are written as MP4 too, which takes `ffmpeg`; None: nowhere.

    Returns:
        JSON values: `name`, `seed`, `evaluations`, `map`, `space` (None where nothing was learned), `family` (None without rewards),
        `pictures`, and `films`, the names of files that were written.

    Raises:
        ArgumentError: films are wanted and there is no `ffmpeg`.

    Example:
        >>> env = environment("point")
        >>> runs = oche.search(env.space, "stax", env, budget=oche.Budget(trials=2000))
        >>> portrait(runs[0], env, "stax")["map"]["coverage"]
    """
    told = [t for t in run.trials if t.feedback is not None and t.feedback.ok]
    label = "".join(c if c.isalnum() else "-" for c in name)
    paths = [None, None] if films is None else [films / f"{label}-{what}.mp4" for what in ("archive", "best")]
    pictures = [] if task.grid is None else _archive_film(told, task, name, paths[0])
    pictures += _episode_film(told, task, name, paths[1])
    space, more = _learned(_last_state(run), task, name)
    return {
        "name": name,
        "seed": run.seed,
        "evaluations": len(run.trials),
        "map": _map(told, task),
        "space": space,
        "family": family(told, task.zones),
        "pictures": more + pictures,
        "films": [path.name for path in paths if path is not None and path.exists()],
    }


def studies(portraits: Sequence[Mapping[str, Any]], records: Sequence[Any]) -> list[dict[str, Any]]:
    """Portraits as studies of a report: the `behavior` kinds of `oche.judge`.

    Args:
        portraits: One per algorithm, from `portrait`.
        records: Records of all runs, for the shares of the budget.
    """
    found: list[dict[str, Any]] = []
    maps = [{"name": p["name"], "seed": p["seed"], **p["map"]} for p in portraits if p["map"] is not None]
    if maps:
        found.append({"kind": "behavior_maps", "panels": maps})
    if bars := _shares(records):
        found.append({"kind": "behavior_shares", "bars": bars})
    for p in portraits:
        if p["space"] is not None:
            strip = [q for q in p["pictures"] if q["kind"] == "reconstructions"]
            found.append({"kind": "behavior_space", "name": p["name"], "seed": p["seed"], **p["space"], "pictures": strip})
        if p["family"] is not None:
            found.append(
                {"kind": "behavior_family", "name": p["name"], "seed": p["seed"], "evaluations": p["evaluations"], "nodes": p["family"]}
            )
    for kind, title in (("archive film", "Films of the archives"), ("episode film", "Films of the best episodes")):
        films = [{**q, "name": p["name"]} for p in portraits for q in p["pictures"] if q["kind"] == kind]
        if films:
            found.append({"kind": "behavior_films", "name": title, "pictures": films})
    return found


def _shares(records: Sequence[Any]) -> list[dict[str, Any]]:
    """Mean shares of the budget by algorithm: exploration, and emitters by the zone of their ancestor."""
    arms: dict[str, list[Mapping[str, float]]] = {}
    for record in records:
        if record.status == "done":
            arms.setdefault(record.algorithm, []).append(record.metrics)
    bars = []
    for name, metrics in arms.items():
        keys = sorted({k for m in metrics for k in m if k.startswith("share_")} - {"share_bootstrap", "share_exploit"})
        keys.sort(key=lambda k: k != f"share_{EXPLORE}")
        mean = {k.removeprefix("share_").replace("_", " "): sum(m.get(k, 0.0) for m in metrics) / len(metrics) for k in keys}
        bars.append({"name": name, "runs": len(metrics), "parts": mean})
    # Where all only explored there is nothing to compare.
    return bars if any(len(b["parts"]) > 1 for b in bars) else []


def _map(told: Sequence[Any], task: Any) -> dict[str, Any] | None:
    """Visits of the grid by the exploration, sparse, and where its rewards are."""
    if task.grid is None:
        return None
    explored = [t for t in told if t.proposal.info.get("phase", EXPLORE) == EXPLORE and t.feedback.descriptor is not None]
    cells = task.grid.cell_index([t.feedback.descriptor for t in explored]) if explored else np.zeros(0, np.int64)
    found, counts = np.unique(cells[cells >= 0], return_counts=True)
    return {
        "low": task.grid.low,
        "high": task.grid.high,
        "cells": task.grid.cells,
        "visits": [[int(c), int(n)] for c, n in zip(found, counts, strict=True)],
        "coverage": coverage_percent(len(found), task.grid),
        "zones": [{"name": z.name, "center": list(z.center), "radius": z.radius} for z in getattr(task, "reward_zones", ())],
    }


def _last_state(run: Any) -> Any:
    """The algorithm as it was at its last boundary: of a run that ended long ago from its file, and for all runs alike."""
    algorithm = run.algorithm
    if not getattr(algorithm, "uses_observations", False) or not hasattr(algorithm, "load_checkpoint"):
        return algorithm
    rows = run.log.saved.checkpoints
    if run.finished_before and run.directory is not None and rows:
        algorithm.load_checkpoint(load_state(str(run.directory / Path(rows[-1].path).name)))
    elif not run.finished_before:
        algorithm.load_checkpoint(algorithm.checkpoint())
    return algorithm


def _learned(algorithm: Any, task: Any, name: str) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The learned space and pictures of what its autoencoder makes of frames."""
    coder, members = getattr(algorithm, "coder", None), getattr(algorithm, "members", None)
    if coder is None or members is None or not len(members):
        return None, []
    rng = seeds.generator(0, "portrait")
    latents = members["descriptor"]
    true = members["given"]
    rows = np.sort(rng.permutation(len(latents))[:_POINTS])
    centered = latents - latents.mean(0)
    _, sizes, axes = np.linalg.svd(centered[rows], full_matrices=False)
    flat = centered[rows] @ axes[:2].T
    flat = np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))
    variance = float((sizes[:2] ** 2).sum() / max(1e-12, (sizes**2).sum()))
    per = coder.latent
    grid = task.grid if true.shape[1] == 2 else None
    known = grid is not None
    place = np.full((len(rows), 2), 0.5) if grid is None else (true[rows] - grid.low) / (grid.high - grid.low)
    first, second = rng.integers(len(latents), size=(2, _PAIRS))
    first, second = first[first != second], second[first != second]
    far = np.sqrt(((latents[first] - latents[second]) ** 2).sum(1))
    near = np.sqrt(((true[first] - true[second]) ** 2).sum(1)) if known else np.zeros(len(first))
    related = known and len(far) > 2 and far.std() > 0 and near.std() > 0
    archived = set(algorithm.archive_ids) | set(algorithm.rewarding_ids)
    chosen = np.sort(rng.permutation(len(latents))[:_SHOWN])
    frames = members["frames"][chosen][:, -1:]
    made = coder.reconstruct(frames)
    _, errors = coder.encode(frames)
    space = {
        "trained": coder.version > 0,
        "latent": per,
        "dead": coder.dead_latents(latents),
        "policies": len(latents),
        "variance": variance,
        "points": [
            [*(round(float(v), 4) for v in (*place[i], *flat[i])), int(members.ids[r] in archived), int(members["reward"][r] > 0)]
            for i, r in enumerate(rows)
        ],
        "pairs": [[round(float(a), 4), round(float(b), 4)] for a, b in zip(near, far, strict=True)] if known else [],
        "correlation": float(np.corrcoef(near, far)[0, 1]) if related else None,
        "error": float(errors.mean()),
    }
    return space, [_strip(frames[:, 0], made[:, 0], f"{name}: last frames, and what the autoencoder makes of them", space)]


def _strip(frames: np.ndarray, made: np.ndarray, caption: str, space: Mapping[str, Any]) -> dict[str, Any]:
    """Originals above, reconstructions below."""
    # A gray line between neighbors: most frames are as dark at their edges as the next ones.
    framed = [np.pad(part, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=90) for part in (frames, made)]
    rows = [np.concatenate(list(part.transpose(0, 2, 3, 1)), 1) for part in framed]
    picture = np.concatenate(rows, 0)
    picture = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    said = f"{len(frames)} frames in the upper row, their reconstructions below; mean squared error {space['error']:.4f}"
    return _picture("reconstructions", "image/png", png_bytes(enlarged(picture, 2)), f"{caption}: {said}", f"{caption}. {said}.")


def _picture(kind: str, media: str, data: bytes, alt: str, caption: str) -> dict[str, Any]:
    return {"kind": kind, "media": media, "base64": base64.b64encode(data).decode(), "alt": alt, "caption": caption}


def _archive_film(told: Sequence[Any], task: Any, name: str, mp4: Path | None) -> list[dict[str, Any]]:
    """Cells as they are filled: blue by exploration, gold where a reward was found; the bar below is the budget."""
    known = [t for t in told if t.feedback.descriptor is not None]
    if not known:
        return []
    grid = task.grid
    cells = grid.cell_index([t.feedback.descriptor for t in known])
    gold = np.array([t.feedback.scalar > 0 for t in known], dtype=bool)
    base = np.full((grid.cells, grid.cells, 3), _BLACK, np.uint8)
    middle = grid.low + (np.arange(grid.cells) + 0.5) * (grid.high - grid.low) / grid.cells
    for zone in getattr(task, "reward_zones", ()):
        inside = (middle[:, None] - zone.center[0]) ** 2 + (middle[None] - zone.center[1]) ** 2 <= zone.radius**2
        base[inside] = _GRAY
    ends = np.unique(np.linspace(0, len(known), _ARCHIVE_FRAMES + 1).round().astype(int))[1:]
    frames, flat, start = [], base.reshape(-1, 3), 0
    rewarding = np.zeros(grid.size, dtype=bool)
    for end in ends:
        part = slice(start, end)
        inside = cells[part] >= 0
        flat[cells[part][inside]] = _BLUE
        rewarding[cells[part][inside & gold[part]]] = True
        flat[rewarding] = _GOLD
        # x to the right, y upward.
        picture = enlarged(base.transpose(1, 0, 2)[::-1], _CELL)
        bar = np.full((6, picture.shape[1], 3), _BLACK, np.uint8)
        bar[2:, : round(picture.shape[1] * end / len(known))] = _WHITE
        frames.append(np.concatenate([picture, bar], 0))
        start = end
    film = np.stack(frames)
    if mp4 is not None:
        write_mp4(mp4, film, 0.2)
    filled = len(np.unique(cells[cells >= 0]))
    said = f"{filled} cells filled by all {len(known):,} policies; {int(rewarding.sum())} of these cells hold a reward"
    alt = f"Film of the true grid of {name} being filled: {said}"
    return [_picture("archive film", "image/gif", gif_bytes(film, 0.2), alt, f"{name}: the true grid over the budget; {said}.")]


def _episode_film(told: Sequence[Any], task: Any, name: str, mp4: Path | None) -> list[dict[str, Any]]:
    """The best episode of each zone side by side."""
    best: dict[str, Any] = {}
    for t in told:
        zone = t.feedback.zone
        if zone is not None and (zone not in best or t.feedback.scalar > best[zone].feedback.scalar):
            best[zone] = t
    chosen = [best[zone] for zone in task.zones if zone in best][:_SHOWN]
    if not chosen:
        return []
    n = min(_EPISODE_FRAMES, task.steps)
    frames = task.rollout(np.array([t.dna.flat for t in chosen], dtype=np.float64), n).frames
    film = np.concatenate(list(frames.transpose(0, 1, 3, 4, 2)), 2)
    film = np.repeat(film, 3, axis=3) if film.shape[3] == 1 else film
    if mp4 is not None:
        write_mp4(mp4, enlarged(film, 4))
    said = ", ".join(f"{t.feedback.zone} reward {t.feedback.scalar:.3f}" for t in chosen)
    alt = f"Film of the best episode of {name} in each zone, from left to right: {said}"
    return [_picture("episode film", "image/gif", gif_bytes(film), alt, f"{name}: the best episodes, from left to right {said}.")]
