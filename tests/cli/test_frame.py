"""Help pages, exit codes and the shape of messages, whatever the command."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest

from oche.cli._app import COMMANDS
from tests.cli.conftest import environment


def test_the_help_page_takes_less_than_half_a_second():
    def processor_seconds():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    times = []
    for _ in range(3):
        start = processor_seconds()
        subprocess.run([sys.executable, "-m", "oche", "--help"], capture_output=True, check=True, env=environment())
        times.append(processor_seconds() - start)
    # Processor time: other tests may hold the cores meanwhile. The first run may have compiled the files.
    assert min(times) < 0.5, times


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_page_with_an_example_and_common_options(oche, name):
    done = oche(name, "--help")
    assert done.returncode == 0
    assert f"oche {name}" in done.stdout
    assert "Example" in done.stdout or "Commands" in done.stdout


def test_no_command_is_missing():
    assert {"demo", "init", "search", "space", "child", "baseline", "judge", "runs", "list", "data", "doctor"} <= set(COMMANDS)


def test_an_unknown_command_is_bad_usage_and_suggests_the_nearest(oche):
    done = oche("serach")
    assert done.returncode == 2
    assert "search" in done.stderr


def test_the_version_is_printed(oche):
    import oche as library

    assert oche("--version").stdout == f"oche {library.__version__}\n"


def test_init_writes_a_file_that_imports_and_refuses_to_replace_it(oche, tmp_path):
    done = oche("init", "mine.py", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["program"] == "mine.py:Net"
    before = (tmp_path / "mine.py").read_text()
    assert before.count("oche search mine.py:Net") == 2
    again = oche("init", "mine.py")
    assert again.returncode == 2
    assert "'mine.py', which exists" in again.stderr
    assert "Traceback" not in again.stderr
    assert (tmp_path / "mine.py").read_text() == before
    assert oche("init", "mine.py", "--force").returncode == 0


def test_init_refuses_a_name_that_no_command_could_read(oche, tmp_path):
    done = oche("init", "net.txt")
    assert done.returncode == 2
    assert "ends in .py" in done.stderr
    assert not (tmp_path / "net.txt").exists()


def test_doctor_finds_what_is_there_and_says_what_to_do(oche, tmp_path):
    data = tmp_path / "sets"
    (data / "cifar10").mkdir(parents=True)
    done = oche("doctor", "--json", env={"OCHE_DATA": str(data), "OCHE_CACHE": str(tmp_path / "cache")})
    assert done.returncode == 0, done.stdout
    findings = {f["check"]: f for f in json.loads(done.stdout)["findings"]}
    assert findings["OCHE_DATA"]["found"].endswith("sets: cifar10")
    assert findings["cache"]["found"] == str(tmp_path / "cache")
    assert findings["store"]["status"] == "ok"
    assert findings["python"]["found"] == ".".join(map(str, sys.version_info[:3]))


def test_doctor_says_that_a_data_folder_does_not_exist(oche, tmp_path):
    done = oche("doctor", "--json", env={"OCHE_DATA": str(tmp_path / "gone")})
    finding = next(f for f in json.loads(done.stdout)["findings"] if f["check"] == "OCHE_DATA")
    assert finding["status"] == "note"
    assert "no such folder" in finding["found"]


def test_doctor_fails_where_a_store_cannot_be_written(oche, tmp_path):
    done = oche("doctor", "--store", str(tmp_path / "not" / "there" / "runs.db"))
    assert done.returncode == 1
    assert "1 broken: store" in done.stdout
