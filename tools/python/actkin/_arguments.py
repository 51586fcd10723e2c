"""What callers hand over, checked: one line says what was expected."""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from ._errors import InvalidArgumentError

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
# A text, or the ids of its tokens.
Prompt = Union[str, Sequence[int], "npt.NDArray[np.integer[Any]]"]


def path_bytes(path: Path) -> bytes:
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"path {ascii(path)}: holds what no name of a file can") from None
    if b"\0" in name:
        raise InvalidArgumentError(f"path {ascii(path)}: holds what no name of a file can")
    return name


def text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected a str, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"{name} {ascii(value)}: holds a surrogate, which is no character") from None
    return value


def integer(value: Any, name: str, least: int, most: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected an int, not {type(value).__name__}") from None
    if not least <= number <= most:
        raise InvalidArgumentError(f"{name} {number}: expected {least} to {most}")
    return number


def small(value: Any, name: str) -> int | None:
    """A block or t_i, which may count from the end."""
    return None if value is None else integer(value, name, -(2**31), 2**31 - 1)


def count(value: Any, name: str) -> int | None:
    return None if value is None else integer(value, name, 1, 2**63 - 1)


def number(value: Any, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, (str, bytes)):
        raise TypeError(f"{name}: expected a float, not {type(value).__name__}")
    return float(value)


def token_ids(value: Iterable[Any], name: str) -> list[int]:
    array = np.asarray(value) if not isinstance(value, (list, tuple)) else value
    if isinstance(array, np.ndarray):
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise TypeError(f"{name}: expected token ids in one dimension, not {array.dtype} in {array.ndim}")
        array = array.tolist()
    return [integer(one, f"{name}: token id", 0, 2**32 - 1) for one in array]


def prompt(value: Any, name: str = "prompt") -> str | list[int]:
    if isinstance(value, str):
        return text(value, name)
    if isinstance(value, (bytes, bytearray)) or not isinstance(value, (Sequence, np.ndarray)):
        raise TypeError(f"{name}: expected a str or token ids, not {type(value).__name__}")
    return token_ids(value, name)


def is_many(value: Any) -> bool:
    """Whether these are prompts, and not one."""
    if isinstance(value, np.ndarray):
        return value.ndim > 1
    if isinstance(value, (str, bytes, bytearray)) or not isinstance(value, Sequence):
        return False
    return any(isinstance(one, (str, Sequence, np.ndarray)) for one in value)


def torch_of(value: Any) -> Any:
    """The torch that a tensor is of; None for anything else."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(value, torch.Tensor) else None


def floats(value: Any, name: str, dimensions: int) -> npt.NDArray[np.float32]:
    """float32 in C order, of whatever strides and kind; copied where they must be."""
    torch = torch_of(value)
    if torch is not None:
        if value.is_complex() or value.dtype == torch.bool:
            raise TypeError(f"{name}: expected real numbers, not {value.dtype}")
        value = value.detach().to("cpu", torch.float32).numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" and array.dtype.name not in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        raise TypeError(f"{name}: expected numbers, not {array.dtype}")
    if array.ndim != dimensions:
        shape = "n x dimension, such as vector[None]" if dimensions == 2 else "one vector"
        raise InvalidArgumentError(f"{name}: expected {shape}, not an array of {array.ndim} dimensions")
    with np.errstate(over="ignore"):  # what becomes infinite is told of as such
        return np.ascontiguousarray(array, dtype=np.float32)


def row_numbers(value: Any, name: str) -> npt.NDArray[np.uint64]:
    torch = torch_of(value)
    array = np.asarray(value.detach().cpu().numpy() if torch is not None else value)
    if array.size == 0:
        return np.zeros(array.shape, np.uint64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers, not {array.dtype}")
    if array.dtype.kind == "i" and array.min() < 0:
        raise InvalidArgumentError(f"{name}: {array.min()} is no number of a row: they count from 0")
    return np.asarray(array, np.uint64, order="C")
