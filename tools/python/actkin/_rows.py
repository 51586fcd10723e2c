"""A site's stored rows, to be read and not to be written."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _actkin
from ._records import Site

_DTYPES: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2")}
_CHUNK = 4096  # rows that are read at once


class Rows:
    """Rows that stand in several files, or otherwise than as numbers in a file: what is indexed is read. Acts as a
    read-only array of rows x dimension."""

    ndim = 2

    def __init__(self, native: Callable[[], _actkin.Index], site: Site) -> None:
        self._native = native
        self._site = site
        self.shape = (site.rows, site.dimension)
        self.dtype = np.dtype(np.float16 if site.element == "float16" else np.float32)

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<rows of {self._site.stream} block {self._site.block}: {self.shape[0]} x {self.shape[1]} {self.dtype}>"

    def _read(self, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[Any]:
        site = self._site
        flat = self._native().rows_by_number(site_name(site), numbers.reshape(-1))
        return flat.astype(self.dtype, copy=False).reshape(*numbers.shape, self.shape[1])

    def _numbers(self, rows: Any) -> npt.NDArray[np.uint64]:
        if isinstance(rows, slice):
            return np.arange(*rows.indices(self.shape[0]), dtype=np.int64).astype(np.uint64)
        chosen = np.asarray(rows)
        if chosen.dtype == bool:
            if chosen.shape != self.shape[:1]:
                raise IndexError(f"a mask of shape {chosen.shape}: there are {self.shape[0]} rows")
            return np.flatnonzero(chosen).astype(np.uint64)
        if chosen.size == 0:
            return np.zeros(chosen.shape, np.uint64)
        if chosen.dtype.kind not in "iu":
            raise IndexError(f"rows are chosen by integers, slices or a mask, not by {chosen.dtype}")
        signed = chosen.astype(np.int64)
        signed = np.where(signed < 0, signed + self.shape[0], signed)
        if signed.min() < 0 or signed.max() >= self.shape[0]:
            raise IndexError(
                f"row {chosen.flat[0] if chosen.size == 1 else ''}: out of bounds, there are {self.shape[0]} rows"
            )
        return signed.astype(np.uint64)

    def __getitem__(self, at: Any) -> Any:
        if at is Ellipsis:
            at = slice(None)
        rows, columns = at if isinstance(at, tuple) and len(at) == 2 else (at, slice(None))
        if isinstance(rows, tuple) or rows is None:
            raise IndexError("rows x dimension: at most two indices")
        if not isinstance(rows, (slice, np.ndarray, list)):
            number = operator.index(rows)
            return self._read(self._numbers(number).reshape(1))[0][columns]
        return self._read(self._numbers(rows))[..., columns]

    def __setitem__(self, at: Any, value: Any) -> None:
        raise ValueError("the rows of an index are read-only")

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        for first in range(0, self.shape[0], _CHUNK):
            yield from self[first : first + _CHUNK]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("these rows are read when they are asked for: they can't be had without a copy")
        array: npt.NDArray[Any] = self[:]
        return array if dtype is None else array.astype(dtype, copy=False)


def site_name(site: Site) -> _actkin.SiteName:
    return _actkin.SiteName(site.stream, site.block, site.t_i, site.over)


def open_rows(native: Callable[[], _actkin.Index], site: Site) -> npt.NDArray[Any] | Rows:
    """A memmap where all rows stand in one file."""
    if site.element in _DTYPES:
        files = native().row_files(site_name(site))
        if len(files) == 1 and files[0][3] == site.rows:
            path, offset, _, rows = files[0]
            return np.memmap(os.fsdecode(path), _DTYPES[site.element], "r", offset, (rows, site.dimension))
    return Rows(native, site)
