"""What is searched: a matrix of rows that an index directory has, and questions that are rows or are not."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import actkin

QUESTIONS = 100
# Of a plain matrix so many rows at its end are questions and no rows, where the file brings no questions of its own.
HELD_OUT = 200
GENERATED = ("gaussian", "clustered")


@dataclass
class Dataset:
    """One site. questions: by "in" (rows themselves) and "outside", each count x dimension."""

    name: str
    directory: Path
    stream: str
    block: int
    t_i: int | None
    indices: list[str]  # the directory's approximate ones
    shape: tuple[int, int] = (0, 0)
    outside: np.ndarray | None = None
    kept: Path | None = None  # the folder for what is kept of it

    @property
    def file_name(self) -> str:
        """Of what is kept."""
        return self.name.replace("/", "-").replace(" ", "-").replace(",", "")

    def rows(self, index: actkin.Index) -> np.ndarray:
        """All of them, in memory, float32."""
        stored = index.rows(self.stream, self.block, self.t_i)
        return np.ascontiguousarray(stored[:], dtype=np.float32)

    def questions(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        chosen = np.random.default_rng(1).choice(len(rows), min(QUESTIONS, len(rows)), replace=False)
        found = {"in": rows[chosen]}
        if self.outside is not None and len(self.outside) > 0:
            found["outside"] = self.outside[:QUESTIONS]
        return found


def read_matrices(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows of a .npy, .fvecs or .hdf5 file, and its questions where it has some. Of .hdf5 the data sets "train" and
    "test", as ann-benchmarks has them. Beside BASE.fvecs (or NAME_base.fvecs) lies NAME_query.fvecs."""
    if path.suffix == ".npy":
        return _matrix(np.load(path, mmap_mode="r"), path), None
    if path.suffix == ".fvecs":
        query = path.with_name(path.name.replace("_base", "_query"))
        return _read_fvecs(path), _read_fvecs(query) if query != path and query.exists() else None
    if path.suffix in (".hdf5", ".h5"):
        import h5py

        with h5py.File(path) as file:
            if "train" not in file:
                raise ValueError(f'{path}: expected the data sets "train" and "test", found {sorted(file)}')
            questions = _matrix(file["test"][:], path) if "test" in file else None
            return _matrix(file["train"][:], path), questions
    raise ValueError(f"{path}: expected an index directory, or a file .npy, .fvecs or .hdf5")


def _matrix(values: np.ndarray, path: Path) -> np.ndarray:
    if values.ndim != 2 or values.shape[0] < 2 or values.dtype.kind != "f":
        raise ValueError(f"{path}: expected a matrix of floating point numbers, found {values.dtype} {values.shape}")
    return values.astype(np.float32)


def _read_fvecs(path: Path) -> np.ndarray:
    raw = np.fromfile(path, dtype=np.int32)
    dimension = int(raw[0]) if len(raw) else 0
    if dimension < 1 or len(raw) % (dimension + 1) != 0:
        raise ValueError(f"{path}: expected rows of an int32 count and so many float32, all of one length")
    table = raw.reshape(-1, dimension + 1)
    if (table[:, 0] != dimension).any():
        raise ValueError(f"{path}: expected all rows to be of {dimension} numbers")
    return np.ascontiguousarray(table[:, 1:]).view(np.float32)


def generate(kind: str, rows: int, dimension: int) -> np.ndarray:
    """gaussian: no structure at all, which no bound can use. clustered: 1,000 clusters of unequal axes."""
    draw = np.random.default_rng(7)
    noise = draw.standard_normal((rows, dimension), dtype=np.float32)
    if kind == "gaussian":
        return noise
    centers = draw.standard_normal((1000, dimension), dtype=np.float32)
    axes = (1 / (1 + np.arange(dimension))).astype(np.float32) ** 0.5
    return centers[draw.integers(0, len(centers), rows)] + noise * axes


class Imports:
    """Index directories of plain matrices, made once in a folder."""

    def __init__(self, folder: Path, command: Path):
        self.folder = folder
        self.command = command

    def dataset(self, name: str, rows: np.ndarray, questions: np.ndarray | None) -> Dataset:
        if questions is None:
            held = min(HELD_OUT, len(rows) // 2)
            questions = rows[-held:]
            rows = rows[:-held]
        directory = self.folder / f"{name}-{len(rows)}x{rows.shape[1]}.actkin"
        if not (directory / "imported").exists():
            shutil.rmtree(directory, ignore_errors=True)
            self._import(directory, rows)
            (directory / "imported").touch()
        return next(
            sites_of(directory, questions=np.ascontiguousarray(questions, dtype=np.float32), names=[], prefix=name)
        )

    def _import(self, directory: Path, rows: np.ndarray) -> None:
        recorded = directory.with_suffix(".recorded")
        shutil.rmtree(recorded, ignore_errors=True)
        recorded.mkdir(parents=True)
        np.save(recorded / "rows.npy", rows)
        # The rows are nobody's tokens: any will do.
        np.save(recorded / "ids.npy", np.random.default_rng(3).integers(0, 256, len(rows)))
        (recorded / "texts.json").write_text(json.dumps([f"t{i}" for i in range(256)]))
        (recorded / "activations.json").write_text(
            json.dumps(
                {
                    "tokens": "ids.npy",
                    "token_texts": "texts.json",
                    "sites": [{"stream": "ffwd", "block": 0, "files": ["rows.npy"]}],
                }
            )
        )
        run(self.command, "import", directory, "--layout", "activations", recorded, "--length", "1")
        shutil.rmtree(recorded)


def run(command: Path, *arguments: object) -> None:
    done = subprocess.run([command, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command.name} {arguments[0]}: {done.stderr.strip() or done.returncode}")


def sites_of(
    directory: Path,
    *,
    names: list[str],
    outside: Path | None = None,
    questions: np.ndarray | None = None,
    prefix: str = "",
) -> Iterator[Dataset]:
    """The sites of a directory: all that keep rows of their own, or the named ones (STREAM/BLOCK). outside: a directory
    of another text by the same model, whose rows are questions."""
    with actkin.open(directory) as index:
        kept = [site for site in index.sites if site.over == "positions" or site.stream != "embedding"]
        last = max((site.t_i for site in kept if site.t_i is not None), default=None)
        kept = [site for site in kept if site.t_i in (None, last)]
        other = actkin.open(outside) if outside else None
        known = {f"{site.stream}/{site.block}" for site in kept}
        for name in names:
            if name not in known:
                raise ValueError(f"--sites {name}: {directory} has {', '.join(sorted(known))}")
        for site in kept:
            short = f"{site.stream}/{site.block}"
            if names and short not in names:
                continue
            asked = questions
            if other is not None:
                rows = np.asarray(other.rows(site.stream, site.block, site.t_i)[:], dtype=np.float32)
                asked = np.random.default_rng(2).permutation(rows)
            yield Dataset(
                name=prefix or f"{directory.stem} {short}",
                directory=directory,
                stream=site.stream,
                block=site.block,
                t_i=site.t_i,
                indices=list(site.indices),
                shape=(site.rows, site.dimension),
                outside=asked,
            )
