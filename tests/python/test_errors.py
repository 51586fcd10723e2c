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


def test_surrogates(index):
    """What no UTF-8 holds is said to be such, wherever a text is taken."""
    for ask in (
        lambda text: index.neighbors(text),
        lambda text: index.neighbors([text, "ab"]),
        lambda text: index.neighbors("ab", where=text),
        lambda text: index.neighbors("ab", stream=text),
        lambda text: index.search([[0.0] * 12], metric=text),
        lambda text: index.search([[0.0] * 12], index=text),
        lambda text: index.rows(text),
        lambda text: index.ids([0], rows=text),
        lambda text: index.next_tokens(text),
        lambda text: index.occurrences(text),
        lambda text: index.predict("ab", text),
        lambda text: index.model(text),
        lambda text: index.encode(text),
    ):
        with pytest.raises(actkin.InvalidArgumentError, match="surrogate") as raised:
            ask("a\ud800b")
        assert raised.value.code == "invalid argument" and "\ud800" not in str(raised.value)
    for ask in (
        lambda text: index.sql(text),
        lambda text: index.sql("SELECT ?", [text]),
        lambda text: index.sql("SELECT :name", {"name": text}),
    ):
        with pytest.raises((actkin.Error, UnicodeEncodeError)) as raised:
            ask("SELECT 'a\ud800b'")
        assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize(
    ("vector", "kind"),
    [
        ([0.0] * 11, ValueError),
        ([0.0] * 13, ValueError),
        ([], ValueError),
        ([[0.0] * 12], ValueError),
        ([float("nan")] * 12, ValueError),
        ([float("-inf")] * 12, ValueError),
        ([1e39] * 12, ValueError),
        ([1j] * 12, TypeError),
        (["0"] * 12, TypeError),
        ([None] * 12, TypeError),
        ([[0.0], [0.0, 1.0]], (TypeError, ValueError)),
        (b"0" * 48, TypeError),
        ("abba c", TypeError),
        (0.5, ValueError),
        (object(), TypeError),
    ],
)
def test_one_vector(index, vector, kind):
    with pytest.raises(kind) as raised:
        index.neighbors(vector=vector)
    assert "\n" not in str(raised.value)


def test_numbers_that_make_no_sense(index):
    for ask in (
        lambda: index.context(-1),
        lambda: index.context(0, -1),
        lambda: index.context(0, 0, 2**40),
        lambda: index.decode([-1]),
        lambda: index.decode([2**32]),
        lambda: index.neighbors("ab", k=-1),
        lambda: index.neighbors("ab", at=5),
        lambda: index.neighbors("ab", context=(-1, 0)),
        lambda: index.neighbors("ab", exclude_window=-1),
        lambda: index.neighbors(string_id=-1),
        lambda: index.neighbors(position=-1),
        lambda: index.neighbors("ab", metric="cosine", low=float("nan")),
        lambda: index.predict("ab", k=-2),
        lambda: index.predict("ab", t_i=2**40),
        lambda: index.search([[0.0] * 12], k=-1),
    ):
        with pytest.raises(actkin.InvalidArgumentError) as raised:
            ask()
        assert raised.value.code == "invalid argument" and isinstance(raised.value, ValueError)
    for ask in (
        lambda: index.context("5"),
        lambda: index.context(1.5),
        lambda: index.neighbors("ab", k=2.0),
        lambda: index.neighbors("ab", context=5),
        lambda: index.neighbors("ab", low="0"),
        lambda: index.ids(["0"]),
        lambda: index.decode("ab"),
        lambda: index.predict("ab", t_i="5"),
        lambda: index.search([[0.0] * 12], center=1, k=None, block="1"),
        lambda: index.search([[0.0] * 12], at=1),
        lambda: index.search([[0.0] * 12], context=(1, 1)),
    ):
        with pytest.raises(TypeError):
            ask()


def test_an_empty_prompt_of_many(index):
    for prompts in (["ab", ""], ["ab", []], [[0], [99]]):
        with pytest.raises(actkin.InvalidArgumentError):
            index.neighbors(prompts)
    for prompts in (["ab", 5], ["ab", b"ab"], ["ab", None]):
        with pytest.raises(TypeError):
            index.neighbors(prompts)
