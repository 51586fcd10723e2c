"""actkin.build: an installed command with LibTorch, as a child."""

import os
import signal
import stat

import pytest

import actkin
from conftest import BUILD, COMMAND, FOLDER, MADE


@pytest.fixture
def builder(monkeypatch):
    monkeypatch.setenv("ACTKIN", COMMAND)


def test_it_builds_what_the_command_builds(builder, tmp_path, capfd):
    out = tmp_path / "built.actkin"
    model = FOLDER / "model.safetensors"
    with actkin.build(FOLDER / "corpus.txt", model=model, out=out, length=6, t_i=[2, 5]) as index:
        with actkin.open(MADE) as made:
            assert index.sites == made.sites
            assert index.neighbors("abba c") == made.neighbors("abba c")
    assert capfd.readouterr().err  # its progress
    with actkin.build(
        [FOLDER / "corpus.txt"], model=model, out=out, length=6, t_i=range(2, 4), positions=False
    ) as index:
        assert {site.t_i for site in index.sites if site.stream == "ffwd"} == {2, 3, 5}


def test_its_errors_are_the_commands(builder, tmp_path):
    with pytest.raises(actkin.Error, match="missing.txt") as raised:
        actkin.build(tmp_path / "missing.txt", out=tmp_path / "x.actkin")
    assert "\n" not in str(raised.value) and not str(raised.value).startswith("actkin:")
    with pytest.raises(actkin.InvalidArgumentError, match="no-such-flag"):
        actkin.build(FOLDER / "corpus.txt", out=tmp_path / "x.actkin", no_such_flag=1)


def test_without_libtorch_it_says_what_to_do(monkeypatch, tmp_path, copy):
    (tmp_path / "bin").mkdir()
    plain = tmp_path / "bin/actkin"
    plain.write_text("#!/bin/sh\nexit 1\n")
    plain.chmod(plain.stat().st_mode | stat.S_IXUSR)
    monkeypatch.delenv("ACTKIN", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(actkin.UnsupportedError, match="actkin.record") as raised:
        actkin.build(FOLDER / "corpus.txt", model=BUILD[2], out=tmp_path / "x.actkin")
    assert "\n" not in str(raised.value)
    # What follows what is counted without; a model that is there already is asked for again.
    with actkin.build(FOLDER / "corpus.txt", out=tmp_path / "counts.actkin") as index:
        assert index.info.model is None and index.occurrences("ab") > 0
    with pytest.raises(actkin.UnsupportedError):
        actkin.build(FOLDER / "corpus.txt", out=copy, t_i=2)


def test_ctrl_c_leaves_what_a_kill_leaves(builder, tmp_path):
    corpus = tmp_path / "long.txt"
    corpus.write_text((FOLDER / "corpus.txt").read_text() * 300)

    class Alarm(Exception):
        pass

    def ring(number, frame):
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.15)
    out = tmp_path / "long.actkin"
    options = {"model": BUILD[2], "out": out, "length": 8, "t_i": 7}
    try:
        with pytest.raises(Alarm):
            while True:
                actkin.build(corpus, **options).close()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    with actkin.build(corpus, **options) as index:
        assert index.verify().sound and len(index.sites) > 0
    assert os.listdir(out)
