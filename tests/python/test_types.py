"""mypy --strict on the package, its stubs, and how it is used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actkin import _actkin

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("arguments", [["-p", "actkin"], [Path(__file__).with_name("example.py")]])
def test_types(arguments, tmp_path):
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file", ROOT / "pyproject.toml", "--cache-dir", tmp_path]
    environment = {**os.environ, "MYPYPATH": str(ROOT / "tools/python")}
    done = subprocess.run([*mypy, *arguments], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stubs_name_what_the_module_has():
    stubs = (ROOT / "tools/python/actkin/_actkin.pyi").read_text()
    for name in vars(_actkin):
        if not name.startswith("__") or name == "__version__":
            assert name in stubs, name
    for kind in (_actkin.Index, _actkin.Query, _actkin.PredictionQuery, _actkin.SqlConnection, _actkin.SqlStatement):
        block = stubs.split(f"class {kind.__name__}:")[1].split("\nclass ")[0].split("\ndef ")[0]
        for name in vars(kind):
            if not name.startswith("_"):
                assert f"    def {name}(" in block or f"    {name}: " in block, f"{kind.__name__}.{name}"
