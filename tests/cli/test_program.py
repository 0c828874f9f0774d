"""Programs by file: what is imported, under which name, what workers get, and what is said when it fails."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap

import pytest

from oche.cli._program import import_file, load_program, load_space
from oche.errors import ArgumentError, SpaceError, UnknownNameError
from tests.cli.conftest import environment

PROGRAM = """
import oche

SCALE = 10

class Pair:
    def __init__(self, low=0):
        self.value = oche.oneof([1, 2, 3], name="left") * SCALE + oche.oneof([4, 5], name="right") + low
"""


def write(folder, text, name="mine.py"):
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


def test_a_program_of_a_file_becomes_a_space_with_its_name_and_the_hash_of_its_source(tmp_path):
    path = write(tmp_path, PROGRAM)
    space, source = load_space(f"{path}:Pair")
    assert space.size == 6
    assert space.name == source.text == "mine.py:Pair"
    assert len(source.sha256) == 64
    write(tmp_path, PROGRAM + "# another line\n")
    assert load_space(f"{path}:Pair")[1].sha256 != source.sha256


def test_settings_after_the_name_are_arguments_of_the_program(tmp_path):
    path = write(tmp_path, PROGRAM)
    space, _ = load_space(f"{path}:Pair?low=100")
    assert space.build(space.at(0)).value == 114


def test_a_file_is_imported_once_and_again_only_when_it_changed(tmp_path):
    path = write(tmp_path, PROGRAM)
    first = import_file(path)
    assert import_file(path) is first
    write(tmp_path, PROGRAM.replace("SCALE = 10", "SCALE = 20"))
    second = import_file(path)
    assert (first.SCALE, second.SCALE) == (10, 20)


def test_a_file_named_like_an_installed_module_neither_hides_it_nor_is_hidden(tmp_path):
    import json

    module = import_file(write(tmp_path, "MARK = 1", name="json.py"))
    assert module.MARK == 1
    assert sys.modules["json"] is json
    assert json.loads("[1]") == [1]


def test_a_file_may_import_the_files_beside_it(tmp_path):
    write(tmp_path, "WIDTH = 7", name="beside_it.py")
    module = import_file(write(tmp_path, "import beside_it\nWIDTH = beside_it.WIDTH"))
    assert module.WIDTH == 7


def test_a_fresh_process_gets_the_program_and_its_neighbors_by_value(tmp_path):
    import cloudpickle

    write(tmp_path, "def twice(x):\n    return 2 * x\n", name="neighbor_by_value.py")
    text = PROGRAM.replace("import oche", "import oche\nfrom neighbor_by_value import twice").replace("+ low", "+ twice(low)")
    program, _ = load_program(f"{write(tmp_path, text)}:Pair")
    (tmp_path / "pickled").write_bytes(cloudpickle.dumps(program))
    for source in tmp_path.glob("*.py"):
        source.unlink()
    code = f"""
import pickle, oche
program = pickle.loads(open({str(tmp_path / "pickled")!r}, "rb").read())
space = oche.Space(program, low=50)
print(space.size, space.build(space.at(5)).value)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=120, cwd="/")
    assert done.stdout == "6 135\n", done.stderr


def test_a_plain_pickle_would_not_have_done(tmp_path):
    program, _ = load_program(f"{write(tmp_path, PROGRAM)}:Pair")
    raw = pickle.dumps(program)
    assert b"oche_program_mine" in raw
    assert b"SCALE" not in raw


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import oche\n\nx = undefined\n", r"NameError: name 'undefined' is not defined \(line 3\)"),
        ("def broken(:\n    pass\n", r"SyntaxError: .*\(line 1\)"),
        ("import a_module_that_is_not_there\n", r"No module named 'a_module_that_is_not_there' \(line 1\)"),
    ],
    ids=["a name", "syntax", "an import"],
)
def test_a_file_that_cannot_be_imported_is_the_users_to_mend(tmp_path, text, said):
    path = write(tmp_path, text, name="broken.py")
    with pytest.raises(ArgumentError, match=said):
        load_program(f"{path}:Net")
    assert not [name for name in sys.modules if name.startswith("oche_program_broken")]


def test_a_name_that_is_not_in_the_file_suggests_the_nearest(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean 'Pair'"):
        load_program(f"{write(tmp_path, PROGRAM)}:Pear")


def test_a_file_without_a_name_says_what_it_offers(tmp_path):
    with pytest.raises(ArgumentError, match=r"allowed: mine\.py:Pair"):
        load_program(str(write(tmp_path, PROGRAM)))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ArgumentError, match=r"no file .*gone\.py"):
        load_program(str(tmp_path / "gone.py:Net"))


def test_a_program_without_choices_is_refused(tmp_path):
    path = write(tmp_path, "class Plain:\n    pass\n")
    with pytest.raises(SpaceError, match="choice"):
        load_space(f"{path}:Plain")
