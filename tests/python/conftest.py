"""What the tests of the Python package stand on: the indices that tests/sql/make_indices made, and copies of them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import actkin

FOLDER = Path(os.environ["ACTKIN_SQL_FOLDER"])
COMMAND = os.environ["ACTKIN_COMMAND"]
MADE = FOLDER / "made.actkin"
PIECES = FOLDER / "pieces.actkin"
# What make_indices gave `build`.
BUILD = [FOLDER / "corpus.txt", "--model", FOLDER / "model.safetensors", "--length", "6"]


def run_command(*arguments, **options):
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=300, **options)


def ask_command(*arguments):
    """What the command answers with --json."""
    done = run_command(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run_python(script, *arguments):
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture
def index():
    with actkin.open(MADE) as opened:
        yield opened


@pytest.fixture
def pieces():
    with actkin.open(PIECES) as opened:
        yield opened


@pytest.fixture
def copy(tmp_path):
    """A copy of made.actkin that a test may change."""
    return Path(shutil.copytree(MADE, tmp_path / "copy.actkin"))


@pytest.fixture(scope="session")
def over_positions(tmp_path_factory):
    """The directory of made.actkin's corpus and model with sites over positions."""
    folder = tmp_path_factory.mktemp("positions") / "positions.actkin"
    flags = ["--t-i", "5", "--positions", "--window", "8", "--stride", "4"]
    done = run_command("build", *BUILD, "--out", folder, *flags)
    assert done.returncode == 0, done.stderr
    return folder
