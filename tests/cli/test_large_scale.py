"""From a folder of images to a trained network, on two ranks and from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import environment, run_oche
from tests.training.folders import draw_images

pytest.importorskip("PIL")

RECIPE = "epochs=2,batch_size=4,lr=0.05,augment=resized-crop+flip+jitter,label_smoothing=0.1,channels_last=true"


@pytest.mark.slow
def test_two_ranks_search_a_folder_of_images_and_the_result_is_trained(tmp_path: Path):
    draw_images(tmp_path / "set", {"train": 16, "val": 4}, side=40)
    images = "images:set?size=32"
    words = ["search", "darts?stem=imagenet&channels=4&cells=3", "-a", "pc-darts?k=2&warmup=0", "--data", f"{images}[25%]"]
    words += ["--recipe", RECIPE, "--budget", "epochs=1", "--no-baseline", "--no-random-search", "--store", "runs.db", "--out", "out"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "oche"]
    done = subprocess.run([*launcher, *words], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("best: test") == 1  # rank 0 alone speaks
    record = json.loads((tmp_path / "out" / "records.jsonl").read_text())
    assert record["env"]["ranks"] == 2 and record["protocol"]["data"]["name"] == "images:set[25%]"
    assert record["protocol"]["data"]["sizes"] == {"train": 8, "valid": 8, "test": 16}
    build = ["child", "build", "darts?stem=imagenet&channels=4&cells=3", "--best", "out/best.json", "--train", "--data", images]
    build += ["--recipe", RECIPE.replace("batch_size=4", "batch_size=16"), "--checkpoint"]
    whole = run_oche(*build, "whole.ckpt", "--out", "whole.pt", "--json", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    # What is finished is read from its checkpoint.
    again = run_oche(*build, "whole.ckpt", "--out", "again.pt", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["metrics"] == json.loads(whole.stdout)["metrics"]
    said = run_oche("child", "predict", "again.pt", "--data", images, "--json", cwd=tmp_path)
    assert json.loads(said.stdout)["accuracy"] == pytest.approx(json.loads(whole.stdout)["metrics"]["test"])
