"""Building, by an installed command that has LibTorch: two LibTorches in one process don't go together."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

from . import _arguments
from ._command import COMMAND
from ._errors import FailedError, InvalidArgumentError, NotFoundError, UnsupportedError
from ._index import Index

_LIBRARY = "libactkin_torch.so"


def _has_torch(command: str) -> bool:
    folder = FilePath(command).resolve().parent
    return any((folder / near / _LIBRARY).is_file() for near in (".", "../lib", "../lib/actkin", "../../lib"))


def find_builder() -> str:
    """An actkin on the PATH, or the one that ACTKIN names, that has the LibTorch backend."""
    named = os.environ.get("ACTKIN")
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    candidates = [named] if named else [os.path.join(folder, "actkin") for folder in folders if folder]
    for candidate in candidates:
        found = shutil.which(candidate)
        if found and _has_torch(found):
            return found
    raise UnsupportedError(
        "no actkin with LibTorch on the PATH, which building needs: install it from its sources (cmake --install), "
        "name it in the environment variable ACTKIN, or record a model of torch's with actkin.record"
    )


def arguments_of(options: dict[str, Any]) -> list[str]:
    """Flags of the command: t_i=[7, 9] is --t-i 7,9, positions=True is --positions."""
    arguments = []
    for name, value in options.items():
        flag = "--" + name.rstrip("_").replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            arguments.append(flag)
            continue
        if isinstance(value, (list, tuple, range)):
            value = ",".join(map(str, value))
        arguments += [flag, os.fsdecode(value) if isinstance(value, (bytes, os.PathLike)) else str(value)]
    return arguments


def run(command: str, arguments: Sequence[str | bytes]) -> None:
    """Runs the command to its end, its progress on this process' standard error; its last line is what is raised."""
    with subprocess.Popen([command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        last = b""
        try:
            # Progress is rewritten in its line: a line ends at either end.
            for line in iter(lambda: child.stderr.readline(), b""):  # type: ignore[union-attr]
                last = line.strip() or last
                os.write(2, line)
            status = child.wait()
        except BaseException:
            # Ctrl-C reaches the child too; it leaves what a kill leaves, and says nothing more.
            child.terminate()
            child.wait()
            raise
    if status != 0:
        text = last.decode(errors="backslashreplace").removeprefix("actkin: ")
        kind = InvalidArgumentError if status == 2 else FailedError
        raise kind(text or f"{command}: exit status {status}")


def build(corpus: _arguments.Path | Sequence[_arguments.Path], *, out: _arguments.Path, **options: Any) -> Index:
    """Builds an index directory, or adds to it, as `actkin build CORPUS... --out OUT` does, and opens it. Killed and
    run again, it continues. Without a model it counts what follows what; with one, it needs an installed actkin that
    has LibTorch.

        actkin.build("corpus.txt", model="SmolLM2-135M/", out="smol.actkin", positions=True)

    Further arguments are the command's flags: `actkin build --help`.
    """
    many: Sequence[Any] = [corpus] if isinstance(corpus, (str, bytes, os.PathLike)) else corpus
    texts = [_arguments.path_bytes(text) for text in many]
    path = _arguments.path_bytes(out)
    command = find_builder() if options.get("model") is not None or _has_model(path) else COMMAND
    run(command, ["build", *texts, "--out", path, *arguments_of(options)])
    return Index(path)


def _has_model(path: bytes) -> bool:
    try:
        with Index(path) as index:
            return index.info.model is not None
    except NotFoundError:
        return os.path.exists(path)  # begun, and killed


__all__ = ["COMMAND", "build"]
