"""The sources in Python are as pyproject.toml has them: `ruff format` and `ruff check --fix` put them right."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [ROOT / "tools/python", ROOT / "tools/benchmarks", ROOT / "tests/python"]


@pytest.mark.parametrize("command", [["format", "--diff"], ["check"]])
def test_format(command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--no-cache", "--quiet", *FOLDERS],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
