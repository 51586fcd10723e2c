"""Writes activations of any model into an index directory: into a folder of files first, which is imported when it is
whole. A folder that a killed process left is continued.

NAME.actkin.recording/ has activations.json as `actkin import --layout activations` reads it, ids.npy, a .safetensors
file a site, and beside it a byte a row that says whether the row is written. Processes that do parts of one recording
share it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import struct
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _arguments
from ._build import run
from ._command import COMMAND
from ._errors import InvalidArgumentError, NotFoundError
from ._index import Index
from ._recorded import read_settings, write_settings
from ._shards import part_of

_TENSOR = "rows"
_FLUSH_SECONDS = 5.0  # what a power cut, or a kill, may cost
_NUMPY: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2"), "bfloat16": np.dtype("<u2")}
_SAFETENSORS = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}


def _dtype_of(value: Any) -> str:
    """What a tensor's numbers are kept as."""
    name = str(value.dtype).removeprefix("torch.")
    return name if name in _NUMPY else "float32"


def _numbers(value: Any, dtype: str, place: str) -> npt.NDArray[Any]:
    """n x dimension, as they are written."""
    torch = _arguments.torch_of(value)
    if torch is not None:
        value = value.detach()
        if not value.is_floating_point():
            raise TypeError(f"{place}: expected a tensor of floats, not {value.dtype}")
        if dtype == "bfloat16":
            array = value.to("cpu", torch.bfloat16).contiguous().view(torch.int16).numpy().view(np.uint16)
        else:
            array = value.to("cpu", getattr(torch, dtype)).numpy()
    else:
        array = np.asarray(value)
        if array.dtype.kind != "f":
            raise TypeError(f"{place}: expected an array of floats, not {array.dtype}")
        if dtype == "bfloat16":
            raise InvalidArgumentError(
                f"{place}: NumPy has no bfloat16: hand over tensors of torch's, or choose float32"
            )
    if array.ndim != 2:
        raise InvalidArgumentError(f"{place}: expected rows x dimension, not a tensor of {array.ndim} dimensions")
    return np.ascontiguousarray(array, _NUMPY[dtype])


def _is_finite(numbers: npt.NDArray[Any]) -> bool:
    if numbers.dtype == _NUMPY["bfloat16"]:  # whose exponent is then all ones
        return bool(((numbers & 0x7F80) != 0x7F80).all())
    return bool(np.isfinite(numbers).all())


class _SiteFile:
    """The rows of one site, written in any order."""

    def __init__(self, folder: FilePath, name: str, rows: int, dimension: int, dtype: str) -> None:
        self.dimension = dimension
        self.dtype = dtype
        self.file = name + ".safetensors"
        shape = {"dtype": _SAFETENSORS[dtype], "shape": [rows, dimension]}
        row_bytes = dimension * _NUMPY[dtype].itemsize
        header = json.dumps({_TENSOR: {**shape, "data_offsets": [0, rows * row_bytes]}}, separators=(",", ":")).encode()
        header += b" " * (-len(header) % 8)
        self._offset = 8 + len(header)
        self._row_bytes = row_bytes
        self._pending: list[tuple[int, int]] = []  # rows that are written, but not flushed
        self._flushed = time.monotonic()
        path, done = folder / self.file, folder / (name + ".done")
        self._rows = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._done = os.open(done, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        before = os.pread(self._rows, self._offset, 0)
        head = struct.pack("<Q", len(header)) + header
        if before != head:
            if before:
                raise InvalidArgumentError(
                    f"{path}: begun with another dimension or type: remove the folder to begin anew"
                )
            os.ftruncate(self._rows, self._offset + rows * row_bytes)
            os.ftruncate(self._done, rows)
            os.pwrite(self._rows, head, 0)

    def write(self, first: int, numbers: npt.NDArray[Any]) -> None:
        _write_all(self._rows, numbers.tobytes(), self._offset + first * self._row_bytes)
        self._pending.append((first, len(numbers)))
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """What is done is on the disk."""
        os.fdatasync(self._rows)
        for first, count in self._pending:
            _write_all(self._done, b"\1" * count, first)
        self._pending = []
        self._flushed = time.monotonic()

    def done(self) -> npt.NDArray[np.bool_]:
        self.flush()
        size = os.fstat(self._done).st_size
        return np.frombuffer(os.pread(self._done, size, 0), np.uint8).astype(bool)

    def close(self) -> None:
        self.flush()
        os.close(self._rows)
        os.close(self._done)


def _write_all(handle: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written


def _tokenizer_files(tokenizer: Any) -> tuple[str, str, bytes]:
    """The key of activations.json, the file's name and its bytes."""
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)  # of Hugging Face's fast ones
    if hasattr(backend, "to_str"):
        return "tokenizer", "tokenizer.json", backend.to_str().encode()
    if isinstance(tokenizer, (str, bytes, os.PathLike)):
        return "tokenizer", "tokenizer.json", FilePath(os.fsdecode(tokenizer)).read_bytes()
    if isinstance(tokenizer, Sequence) and all(isinstance(text, str) for text in tokenizer):
        texts = [_arguments.text(text, "tokenizer") for text in tokenizer]
        return "token_texts", "texts.json", json.dumps(texts).encode()
    raise TypeError(
        "tokenizer: expected a fast tokenizer of Hugging Face's, the path of a tokenizer.json, or a list of the "
        f"tokens' texts, not {type(tokenizer).__name__}"
    )


class Recorder:
    """Writes rows of activations as they come, a batch in memory at a time, in any order:

        with actkin.Recorder("mine.actkin", tokenizer=tok, documents=ids) as r:
            r.write("resid_post", 5, first_position, tensor)

    documents: a list of token ids each. positions: which positions of the corpus get rows, rising; without it all.
    tensor: rows x dimension, of torch (on any device) or NumPy; float16 and bfloat16 are kept as such. bos_token_id: of
    a token that the model saw before every window, which has no row. window, stride: in which windows the model saw the
    documents, both where that is known; they are kept with the sites. Leaving the block, or close(), imports what is
    recorded once every row is written; until then, the same call after a kill continues, and `missing` says where.

    sites: which streams and blocks are recorded; without it, those that are written to. shard: which part of the work
    is this process', (number, parts), or "auto" by Slurm's or torchrun's environment; `part` says it. All parts write
    into one folder, and the one that ends last imports. settings: how it is recorded, plain numbers and texts: a
    recording that was begun with others is not continued, and one that was imported is not begun anew (`imported`).
    `modules`, `bos_token_id` and `window` among them are what actkin.open(model=) asks the model by.
    """

    def __init__(
        self,
        out: _arguments.Path,
        *,
        tokenizer: Any,
        documents: Sequence[Sequence[int]],
        document_names: Sequence[str] | None = None,
        positions: Sequence[int] | npt.NDArray[np.integer[Any]] | None = None,
        bos_token_id: int | None = None,
        window: int | None = None,
        stride: int | None = None,
        sites: Collection[tuple[str, int]] | None = None,
        shard: str | tuple[int, int] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.part = part_of(shard)
        self.out = os.fsdecode(_arguments.path_bytes(out))
        self.folder = FilePath(self.out.rstrip("/") + ".recording")
        lists = [np.asarray(_arguments.token_ids(document, "documents"), np.uint32) for document in documents]
        self.tokens: npt.NDArray[np.uint32] = np.concatenate(lists) if lists else np.zeros(0, np.uint32)
        if len(self.tokens) == 0:
            raise InvalidArgumentError("documents: there is no token in them")
        self.document_lengths = [len(one) for one in lists]
        self._positions: npt.NDArray[np.int64] | None = None
        if positions is not None:
            self._positions = np.asarray(positions, np.int64)
            rising = self._positions.ndim == 1 and np.all(np.diff(self._positions) > 0) and len(self._positions) > 0
            if not rising or self._positions[0] < 0 or self._positions[-1] >= len(self.tokens):
                raise InvalidArgumentError(f"positions: expected rising numbers from 0 to {len(self.tokens) - 1}")
        self._expected = None if sites is None else set(sites)
        self._settings = None if settings is None else dict(settings)
        self._sites: dict[tuple[str, int], _SiteFile] = {}
        self._rows = len(self.tokens) if self._positions is None else len(self._positions)
        self._windows: dict[str, int] = {}
        if (window is None) != (stride is None):
            raise InvalidArgumentError("window and stride: give both, or neither")
        if window is not None and stride is not None:
            self._windows["window"] = _arguments.integer(window, "window", 1, 2**31 - 1)
            self._windows["stride"] = _arguments.integer(stride, "stride", 1, window)
        self._closed = False
        key, file, content = _tokenizer_files(tokenizer)
        self._describe(key, file, document_names, bos_token_id)
        self._fingerprint = self._hash(content)
        self._begun = self.folder / "recording.sha256"
        self._imported = self._find_imported()
        if not self._imported:
            with self._locked():
                self._begin(file, content)

    def _describe(self, key: str, file: str, names: Sequence[str] | None, bos_token_id: int | None) -> None:
        self._manifest: dict[str, Any] = {"tokens": "ids.npy", "document_lengths": self.document_lengths, key: file}
        if names is not None:
            self._manifest["document_names"] = [_arguments.text(name, "document_names") for name in names]
        if bos_token_id is not None:
            self._manifest["bos_token_id"] = _arguments.integer(bos_token_id, "bos_token_id", 0, 2**32 - 1)

    def _hash(self, tokenizer: bytes) -> str:
        """Of all that two recordings must have alike to be one."""
        hashed = hashlib.sha256(json.dumps([self._manifest, self._settings, self._windows]).encode() + tokenizer)
        hashed.update(self.tokens.tobytes())
        if self._positions is not None:
            hashed.update(self._positions.tobytes())
        return hashed.hexdigest()

    def _find_imported(self) -> bool:
        """Whether `out` has this recording already. An error where it has another corpus: now, and not hours later."""
        try:
            settings = read_settings(self.out)
        except NotFoundError:
            return False
        with Index(self.out) as index:
            tokens = index.info.tokens
        if tokens not in (0, len(self.tokens)):
            raise InvalidArgumentError(f"{self.out}: holds another corpus, of {tokens} tokens, not {len(self.tokens)}")
        return self._settings is not None and self._fingerprint in settings.get("recordings", [])

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time; the folder is there."""
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except FileNotFoundError:  # another removed the folder meanwhile
                continue
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                if os.fstat(handle).st_nlink > 0:
                    yield
                    return
            finally:
                os.close(handle)

    def _begin(self, file: str, content: bytes) -> None:
        if self._begun.exists():
            if self._begun.read_text() != self._fingerprint:
                raise InvalidArgumentError(
                    f"{self.folder}: begun with other tokens or settings: remove it to begin anew"
                )
            for description in sorted(self.folder.glob("*.site.json")):
                self._open_site(**json.loads(description.read_text()))
            return
        (self.folder / file).write_bytes(content)
        np.save(self.folder / "ids.npy", self.tokens)
        if self._positions is not None:
            np.save(self.folder / "positions.npy", self._positions.astype(np.uint64))
        _replace(self._begun, self._fingerprint.encode())

    def _open_site(self, stream: str, block: int, dimension: int, dtype: str) -> _SiteFile:
        """While the folder is locked."""
        name = f"{re.sub('[^A-Za-z0-9_.-]', '_', stream)}-{hashlib.sha256(stream.encode()).hexdigest()[:6]}-b{block}"
        site = _SiteFile(self.folder, name, self._rows, dimension, dtype)
        described = {"stream": stream, "block": block, "dimension": dimension, "dtype": dtype}
        _replace(self.folder / (name + ".site.json"), json.dumps(described).encode())
        self._sites[stream, block] = site
        return site

    def write(self, stream: str, block: int, first_position: int, tensor: Any) -> None:
        """The rows of the positions from first_position on."""
        if self._closed:
            raise InvalidArgumentError("this recorder is closed")
        if self._imported:
            raise InvalidArgumentError(f"{self.out}: has this recording already")
        place = f"{_arguments.text(stream, 'stream')} block {_arguments.integer(block, 'block', 0, 2**31 - 1)}"
        first = _arguments.integer(first_position, "first_position", 0, len(self.tokens))
        known = self._sites.get((stream, block))
        dtype = known.dtype if known else _dtype_of(tensor)
        numbers = _numbers(tensor, dtype, place)
        if first + len(numbers) > len(self.tokens):
            raise InvalidArgumentError(
                f"{place}: rows of the positions {first} to {first + len(numbers) - 1}: "
                f"the corpus has {len(self.tokens)}"
            )
        if known and known.dimension != numbers.shape[1]:
            raise InvalidArgumentError(f"{place}: rows of {numbers.shape[1]} numbers, after rows of {known.dimension}")
        if not _is_finite(numbers):
            raise InvalidArgumentError(f"{place}: NaN or infinity among the rows from position {first} on")
        if self._expected is not None and (stream, block) not in self._expected:
            raise InvalidArgumentError(f"{place}: not among the sites that are recorded")
        if known is None:
            with self._locked():
                known = self._open_site(stream, block, numbers.shape[1], dtype)
        if self._positions is None:
            known.write(first, numbers)
            return
        begin, end = np.searchsorted(self._positions, [first, first + len(numbers)])
        if begin < end:
            known.write(int(begin), np.ascontiguousarray(numbers[self._positions[begin:end] - first]))

    def missing(self, stream: str, block: int) -> npt.NDArray[np.int64]:
        """The positions whose rows are not written yet; all where nothing is."""
        positions = np.arange(len(self.tokens), dtype=np.int64) if self._positions is None else self._positions
        if self._imported:
            return positions[:0]
        site = self._sites.get((stream, block))
        return positions if site is None else positions[~site.done()]

    @property
    def whole(self) -> bool:
        """Whether every row of every site is written, by this process and the others."""
        if self._imported:
            return True
        if not self._sites or not (self._expected or set()).issubset(self._sites):
            return False
        return all(site.done().all() for site in self._sites.values())

    @property
    def imported(self) -> bool:
        """Whether the index directory has it."""
        return self._imported

    def close(self) -> None:
        """Imports what is recorded where it is whole, and removes the folder; else leaves it to be continued."""
        if self._closed:
            return
        whole = self.whole
        self._leave()
        if not whole or self._imported:
            return
        with self._locked():
            if self._begun.exists():  # else a part that ended at the same time has done it
                self._import()
            shutil.rmtree(self.folder)
        self._imported = True

    def _leave(self) -> None:
        self._closed = True
        for site in self._sites.values():
            site.close()

    def _import(self) -> None:
        sites = []
        for (stream, block), site in sorted(self._sites.items()):
            described: dict[str, Any] = {"stream": stream, "block": block, "files": [site.file], "tensor": _TENSOR}
            if self._positions is not None:
                described["positions"] = "positions.npy"
            described.update(self._windows)
            sites.append(described)
        _replace(self.folder / "activations.json", json.dumps({**self._manifest, "sites": sites}).encode())
        run(COMMAND, ["import", self.out, "--layout", "activations", str(self.folder)])
        if self._settings is not None:
            write_settings(self.out, self._settings, self._fingerprint)

    def open(self) -> Index:
        """The index directory, once it is imported."""
        return Index(self.out)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        self._leave()  # what is written stays, to be continued


def _replace(path: FilePath, content: bytes) -> None:
    """What stands there is whole, whenever this ends."""
    partial = path.with_name(f"{path.name}.partial{os.getpid()}")
    with open(partial, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
