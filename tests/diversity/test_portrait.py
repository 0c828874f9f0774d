"""Pictures of runs: files that other programs read, family trees, and the report that holds them all."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import oche
from oche.diversity import has_ffmpeg, write_mp4
from oche.diversity._family import family
from oche.diversity._raster import gif_bytes, png_bytes
from oche.errors import ArgumentError
from oche.judge._behavior_plots import films, shares, space
from oche.judge._cell_graph import decision_list
from oche.loop.contracts import Feedback, Proposal
from oche.program import DNA

Image = pytest.importorskip("PIL.Image")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    arrays(
        np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.just(3)), elements=st.sampled_from([0, 7, 255])
    )
)
def test_films_are_read_back_pixel_by_pixel(frames: np.ndarray) -> None:
    read = Image.open(io.BytesIO(gif_bytes(frames)))
    assert read.n_frames == len(frames)
    for i, frame in enumerate(frames):
        read.seek(i)
        assert (np.array(read.convert("RGB")) == frame).all()
    assert (np.array(Image.open(io.BytesIO(png_bytes(frames[0])))) == frames[0]).all()


def test_a_film_longer_than_the_code_table_and_one_with_many_colors() -> None:
    rng = np.random.default_rng(0)
    colors = rng.integers(0, 256, (256, 3)).astype(np.uint8)
    frames = colors[rng.integers(0, 256, (1, 160, 160))]  # 25,600 pixels of noise fill the 4,096 codes several times
    assert (np.array(Image.open(io.BytesIO(gif_bytes(frames))).convert("RGB")) == frames[0]).all()
    many = rng.integers(0, 256, (2, 30, 30, 3)).astype(np.uint8)
    read = np.array(Image.open(io.BytesIO(gif_bytes(many))).convert("RGB")).astype(int)
    assert np.abs(read - many[0]).max() <= 26  # half a level of 51, rounded
    with pytest.raises(ArgumentError, match=r"allowed: \(n, height, width, 3\) uint8"):
        gif_bytes(np.zeros((3, 4, 4)))


def test_an_mp4_is_read_back_or_its_program_is_named(tmp_path: Path) -> None:
    film = np.repeat(np.array([20, 120, 220], np.uint8), 33 * 32 * 3).reshape(3, 33, 32, 3)
    if not has_ffmpeg():
        with pytest.raises(ArgumentError, match=r"film 'a.mp4': got no program 'ffmpeg'; .*apt-get install ffmpeg"):
            write_mp4(tmp_path / "a.mp4", film)
        assert not list(tmp_path.iterdir())
        return
    write_mp4(tmp_path / "a.mp4", film, 0.2)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    words = ["ffmpeg", "-loglevel", "error", "-i", str(tmp_path / "a.mp4"), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    read = np.frombuffer(subprocess.run(words, capture_output=True, check=True).stdout, np.uint8)
    # Three frames of 32 x 32, one line less than given: the encoder wants even sides.
    assert np.abs(read.reshape(3, 32, 32, 3).astype(int) - film[:, :32].astype(int)).max() <= 4


def test_without_ffmpeg_its_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not has_ffmpeg()
    with pytest.raises(ArgumentError, match="got no program 'ffmpeg'; allowed: one on the PATH; install it"):
        write_mp4(tmp_path / "a.mp4", np.zeros((3, 32, 32, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def _trial(number: int, parent: int | None, reward: float = 0.0, phase: str = "explore") -> Any:
    info = {"phase": phase} | ({} if parent is None else {"parent": parent})
    feedback = Feedback(reward=reward, zone="area" if reward else None)
    return SimpleNamespace(proposal=Proposal(number, DNA((0.0,)), 1, info), feedback=feedback)


def test_a_family_tree_keeps_roots_forks_changes_of_phase_and_leaves() -> None:
    # 0 - 1 - 2 - 3 - 4(.5); 2 - 5 - 6(emitter) - 7(emitter, .9); 8 is nobody's ancestor.
    trials = [_trial(0, None), _trial(1, 0), _trial(2, 1), _trial(3, 2), _trial(4, 3, 0.5), _trial(5, 2)]
    trials += [_trial(6, 5, 0.0, "bootstrap"), _trial(7, 6, 0.9, "exploit"), _trial(8, 0)]
    nodes = family(trials, ["area"])
    assert nodes is not None
    assert {(n["number"], n["parent"], n["generations"]) for n in nodes} == {(0, None, 0), (2, 0, 2), (4, 2, 2), (6, 2, 2), (7, 6, 1)}
    assert {n["number"]: n["phase"] for n in nodes} == {0: "explore", 2: "explore", 4: "explore", 6: "emitter", 7: "emitter"}
    assert family(trials[:4], ["area"]) is None
    assert family([_trial(4, None, 0.5)], ["area"]) is None


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "img":
            self.images.append(found)
        self.links += [str(found[k]) for k in ("src", "href") if found.get(k)]


@pytest.fixture(scope="module")
def runs() -> dict[str, Any]:
    env = oche.diversity.environment("point?frames=2")
    texts = {"stax?epochs=1&population=20": [0], "map-elites?population=20": [0, 1], "novelty-search?population=20": [0], "random": [0, 1]}
    return {t: oche.search(env.space, t, env, budget=oche.Budget(trials=500), seeds=s, progress=False) for t, s in texts.items()}


def test_every_algorithm_with_parents_tells_them(runs: dict[str, Any]) -> None:
    for text, found in runs.items():
        if text == "random":
            continue
        parents = [t.proposal.info.get("parent") for t in found[0].trials]
        assert set(parents[:20]) == {None}
        # Nobody descends from a policy that came later, and children are near their parents.
        assert all(p is not None and 0 <= p < i for i, p in enumerate(parents[20:], 20))
        genomes = np.array([t.dna.flat for t in found[0].trials])
        steps = [np.abs(genomes[i] - genomes[p]).max() for i, p in enumerate(parents) if p is not None]
        assert max(steps) < 2.5  # a few times the largest step; two random policies differ by 5 and more somewhere
        assert np.median(np.abs(genomes[:20, None] - genomes[None, :20]).max(2)[~np.eye(20, dtype=bool)]) > 2.5


def test_the_portrait_agrees_with_the_record_and_goes_into_a_report(runs: dict[str, Any], tmp_path: Path) -> None:
    portraits = [oche.diversity.portrait(found[0], found.task, text) for text, found in runs.items()]
    for shown, found in zip(portraits, runs.values(), strict=True):
        record = found.records[0]
        assert shown["map"]["coverage"] == pytest.approx(record.metrics["coverage"])
        explored = record.metrics.get("share_explore", 1.0) * 500
        assert sum(n for _, n in shown["map"]["visits"]) == round(explored)
    learned, given = portraits[0], portraits[2]
    assert learned["space"]["trained"] and given["space"] is None
    assert len(learned["space"]["points"]) <= 300 and all(0 <= p[0] <= 1 and 0 <= p[1] <= 1 for p in learned["space"]["points"])
    facts = runs["stax?epochs=1&population=20"].records[0].settings["autoencoder"]
    assert facts["latent"] == 10 and 0 <= facts["dead_latents"] <= 10 and all("dead_latents" in t for t in facts["trainings"])
    records = [r for found in runs.values() for r in found.records]
    studies = oche.diversity.portrait_studies(portraits, records)
    json.dumps(studies, allow_nan=False)
    report = oche.judge.report(runs["map-elites?population=20"], random_search=runs["random"], studies=studies)
    page = report.save(tmp_path / "report.html").read_text()
    seen = _Page()
    seen.feed(page)
    kinds = [i["src"] or "" for i in seen.images]
    assert sum(k.startswith("data:image/gif;base64,") for k in kinds) >= 3
    assert sum(k.startswith("data:image/png;base64,") for k in kinds) == 1
    assert all(i["alt"] for i in seen.images)
    assert all(link.startswith(("data:", "#")) for link in seen.links)
    assert page.count('class="figure heat"') == 1 and "true and latent distances" in page
    film = Image.open(io.BytesIO(base64.b64decode(next(k for k in kinds if "gif" in k).partition(",")[2])))
    assert film.n_frames > 10


def test_what_is_no_picture_cannot_get_into_a_page() -> None:
    bad = [
        {"kind": "x", "name": "<b>", "media": "text/html", "base64": "AAAA", "alt": "a", "caption": "c"},
        {"kind": "x", "name": "n", "media": "image/gif", "base64": '"><script>', "alt": "a", "caption": "<i>"},
    ]
    shown = str(films({"name": "f", "pictures": bad})["pictures"][0])
    assert "<img" not in shown and "<script" not in shown and "<b>" not in shown and "<i>" not in shown


def test_a_genome_is_listed_by_its_first_genes_only() -> None:
    genes = {f"g{i}": 0.5 for i in sorted(range(228), key=str)}  # as a file puts them: g0, g1, g10, ...
    shown = str(decision_list(genes))
    assert re.findall(r"<dt>(\w+)</dt>", shown) == [f"g{i}" for i in range(12)]
    assert "The first 12 of 228 decisions." in shown
    assert str(decision_list({"width": 8})).count("<dt>") == 1 and "first" not in str(decision_list({"width": 8}))


def test_exploration_is_the_first_part_of_a_bar_wherever_a_file_put_it() -> None:
    drawn = shares({"bars": [{"name": "stax", "parts": {"area 3": 0.2, "explore": 0.8}}]})
    assert drawn["legend"] == [("exploration", "s0"), ("emitters of area 3", "s1")]
    assert str(drawn["pictures"][0]).index("explore") < str(drawn["pictures"][0]).index("area 3")


def test_dead_latents_are_said() -> None:
    study = {
        "name": "s", "seed": 0, "trained": True, "latent": 10, "dead": 4, "policies": 9, "variance": 0.5,
        "points": [[0.1, 0.2, 0.3, 0.4, 1, 0]], "pairs": [], "correlation": None, "error": 0.1, "pictures": [],
    }  # fmt: skip
    assert "4 of 10 latent numbers are the same for all frames" in space(study)["verdict"]
    assert re.search(r"no latent number is dead", space({**study, "dead": 0})["verdict"])
