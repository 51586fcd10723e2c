"""The wheel as users install it: built from the sources, mended as PyPI wants it, installed where nothing else is."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from conftest import MADE

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ["ACTKIN_BUILD_FOLDER"])
MOST_BYTES = 15_000_000


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=580, **options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Of objects that are compiled already, where they are the same."""
    folder = tmp_path_factory.mktemp("wheel")
    # The tools of the environment: nothing is downloaded.
    pip_wheel = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-build-isolation",
        "--no-deps",
        "--disable-pip-version-check",
    ]
    launcher = str(Path(__file__).with_name("reuse_object"))
    run(*pip_wheel, "--config-settings", f"build-dir={BUILD}/wheel", "--wheel-dir", folder / "built", ROOT,
        env={**os.environ, "CMAKE_CXX_COMPILER_LAUNCHER": launcher})  # fmt: skip
    (built,) = (folder / "built").iterdir()
    repair = [sys.executable, "-m", "auditwheel", "repair", "--plat", "manylinux_2_36_x86_64"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    run(*repair, "--wheel-dir", folder / "mended", built, env={**os.environ, "PATH": path})
    (mended,) = (folder / "mended").iterdir()
    return mended


def test_what_is_in_it(wheel):
    assert wheel.stat().st_size < MOST_BYTES
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        "actkin/__init__.py",
        "actkin/py.typed",
        "actkin/_actkin.pyi",
        "actkin/actkin.so",
        "actkin/bin/actkin",
    ):
        assert name in names
    assert not [name for name in names if re.search("torch|faiss|blas|gomp|sqlite3", name)]
    assert "manylinux_2_36_x86_64" in wheel.name
    for folder in (str(ROOT), str(BUILD)):
        for name in names:
            assert folder.encode() not in zipfile.ZipFile(wheel).read(name), f"{name} names {folder}"


def test_it_works_where_nothing_else_is(wheel, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "LD_LIBRARY_PATH")}
    run(sys.executable, "-m", "venv", tmp_path / "fresh", env=environment)
    python = tmp_path / "fresh/bin/python"
    # NumPy is the one that is here: a path in place of a download.
    import numpy

    site_packages = next((tmp_path / "fresh/lib").glob("python*/site-packages"))
    for name in ("numpy", "numpy.libs"):
        (site_packages / name).symlink_to(Path(numpy.__file__).parents[1] / name)
    run(
        python, "-m", "pip", "install", "--no-deps", "--no-index", "--disable-pip-version-check", wheel, env=environment
    )
    script = """
import sys, actkin
index = actkin.open(sys.argv[1])
print(index.neighbors("abba c", k=2)[0].text, index.sql("SELECT count(*) FROM site")[0][0], index.verify().sound)
print(index.search(index.rows()[:2], k=1).rows.tolist(), actkin.__file__)
"""
    printed = run(python, "-c", script, MADE, env=environment, cwd=tmp_path).splitlines()
    with_index = printed[0].split()
    assert with_index[:2] == ["abba", "c"] and int(with_index[2]) > 0 and with_index[3] == "True"
    assert printed[1].startswith("[[0], [1]]") and str(tmp_path) in printed[1]
    assert (
        run(tmp_path / "fresh/bin/actkin", "query", MADE, "abba c", "-k", 2, env=environment)
        .splitlines()[0]
        .startswith('"abba c"')
    )
    extension = next(site_packages.glob("actkin/actkin.so"))
    shell = os.environ["SQLITE3_SHELL"]
    answer = run(
        shell, MADE / "catalog.db", f".load {extension.with_suffix('')}", "SELECT actkin_occurrences('ab') > 0"
    )
    assert answer.strip() == "1"
