"""What goes wrong is one line, with a code, and an exception that Python's users expect."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import actkin
from conftest import MADE


def test_kinds():
    assert issubclass(actkin.InvalidArgumentError, ValueError)
    assert issubclass(actkin.NotFoundError, LookupError)
    assert issubclass(actkin.DirectoryNotFoundError, FileNotFoundError)
    assert issubclass(actkin.DamagedError, OSError) and issubclass(actkin.BusyError, TimeoutError)
    for name in actkin.__all__:
        kind = getattr(actkin, name)
        if isinstance(kind, type) and issubclass(kind, Exception):
            assert issubclass(kind, actkin.Error)
            assert str(kind("a line")) == "a line"


@pytest.mark.parametrize("path", ["missing.actkin", "", ".", "/", b"missing\xff.actkin", Path("missing.actkin")])
def test_no_directory(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as raised:
        actkin.open(path)
    assert raised.value.code == "not found" and "\n" not in str(raised.value)
    with pytest.raises(actkin.NotFoundError):
        actkin.dbapi.connect(path)


@pytest.mark.parametrize("path", ["a\0b", "a\ud800b"])
def test_what_is_no_path(path):
    with pytest.raises(actkin.InvalidArgumentError):
        actkin.open(path)
    for other in (None, 5, ["a"]):
        with pytest.raises(TypeError):
            actkin.open(other)


def test_paths_of_any_kind(tmp_path):
    name = os.fsencode(tmp_path) + b"/na\xefve file:x.actkin"
    shutil.copytree(MADE, os.fsdecode(name))
    for path in (name, os.fsdecode(name), Path(os.fsdecode(name))):
        with actkin.open(path) as index:
            assert index.neighbors("abba c", k=1)[0].text == "abba c"
            assert index.sql("SELECT actkin_occurrences('ab')")[0][0] > 0
            assert index.rows().shape[0] > 0
            assert index.verify().sound


def test_a_closed_index(index):
    connection = index.connect()
    rows = index.rows("embedding")
    index.close()
    index.close()
    assert index.closed and "closed" in repr(index)
    for ask in (
        lambda: index.neighbors("ab"),
        lambda: index.search([[0.0] * 12]),
        lambda: index.info,
        lambda: index.sql("SELECT 1"),
        lambda: index.connect(),
        lambda: index.verify(),
        lambda: rows[0],
    ):
        with pytest.raises(actkin.InvalidArgumentError, match="closed"):
            ask()
    assert connection.execute("SELECT 1").fetchone() == (1,)
    connection.close()
    with pytest.raises(actkin.InvalidArgumentError), index:
        index.neighbors("ab")


def test_prompts_that_are_none(index):
    for prompt in ("", "x", "abba" * 10, "\ud800", [], [99], [-1], [2**40], [2, 99]):
        for ask in (index.neighbors, index.model, index.predict):
            with pytest.raises(actkin.InvalidArgumentError) as raised:
                ask(prompt)
            assert "\n" not in str(raised.value)
    for prompt in (b"abba", 5, 1.5, {"a"}, [1.5], [None]):
        with pytest.raises(TypeError):
            index.model(prompt)
    for options in ({"prompt": "ab", "string_id": 1}, {}, {"string_id": 1, "vector": [0.0] * 12}):
        with pytest.raises(actkin.InvalidArgumentError, match="one of"):
            index.neighbors(**options)
    with pytest.raises(TypeError):
        index.neighbors("ab", strem="ffwd")
    with pytest.raises(TypeError):
        index.neighbors("ab", stream=5)
    with pytest.raises(TypeError):
        index.neighbors("ab", k="5")


def test_what_is_not_built(index):
    for ask in (
        lambda: index.neighbors("abba c", block=7),
        lambda: index.neighbors("abba c", t_i=0),
        lambda: index.neighbors("abba c", index="HNSW4"),
        lambda: index.neighbors(string_id=10**9),
        lambda: index.rows("ffwd", 7),
        lambda: index.ids([0], "ffwd", 0, 1),
        lambda: index.predict("abba c", "no_such_scheme"),
        lambda: index.context(10**9),
        lambda: index.next_tokens(string_id=0),
    ):
        with pytest.raises(actkin.NotFoundError) as raised:
            ask()
        assert raised.value.code == "not found" and "--" not in str(raised.value).split("actkin build")[0]


def test_damage(copy):
    file = copy / "sites/ffwd-b1-t5.vectors"
    content = bytearray(file.read_bytes())
    content[70] ^= 1
    file.write_bytes(content)
    with actkin.open(copy) as index:
        with pytest.raises(actkin.DamagedError) as raised:
            index.neighbors("abba c")
        assert raised.value.code == "damaged" and isinstance(raised.value, OSError)
        assert len(index.neighbors("abba c", block=0)) == 10


def test_a_directory_that_is_deleted_while_open(copy):
    with actkin.open(copy) as index:
        expected = index.neighbors("abba c")
        rows = index.rows()
        first = rows[0].copy()
        shutil.rmtree(copy)
        assert index.neighbors("abba c") == expected
        assert (rows[0] == first).all()
        with pytest.raises(actkin.Error):
            index.connect()
        with pytest.raises(actkin.Error):
            index.neighbors("abba c", block=0)
    with pytest.raises(FileNotFoundError):
        actkin.open(copy)


def test_a_newer_catalog(copy):
    import sqlite3

    connection = sqlite3.connect(copy / "catalog.db")
    connection.execute("PRAGMA user_version = 1000")
    connection.close()
    with pytest.raises(actkin.Error) as raised:
        actkin.open(copy)
    assert raised.value.code in ("unsupported", "damaged")


def test_the_command_is_the_wheels():
    script = "import sys; from actkin._command import main; sys.argv = ['actkin', '--version']; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["actkin", actkin.__version__]
