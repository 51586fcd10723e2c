"""Columns as Arrow's buffers: (format, name, length, null_count, buffers, children), which the module hands on by the
Arrow C data interface."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._errors import InvalidArgumentError

Column = tuple[str, str, int, int, "list[bytes | None]", "list[Any]"]


def describe(names: Sequence[str], kinds: Sequence[Any], rows: Sequence[Sequence[Any]]) -> Column:
    """A table as a structure of columns. kinds: of each column int, float, bool, str, bytes, list[...], a record, or
    object where the values say it."""
    columns = [_column(name, kind, [row[at] for row in rows]) for at, (name, kind) in enumerate(zip(names, kinds))]
    return ("+s", "", len(rows), 0, [None], columns)


def _column(name: str, kind: Any, values: list[Any]) -> Column:
    if kind is object:
        kind = _kind_of(name, values)
    count = len(values)
    nulls = sum(value is None for value in values)
    validity = _bits([value is not None for value in values]) if nulls else None
    if kind is None:
        return ("n", name, count, count, [], [])
    if kind is bool:
        return ("b", name, count, nulls, [validity, _bits([bool(value) for value in values])], [])
    if kind in (int, float):
        dtype, format_ = (np.int64, "l") if kind is int else (np.float64, "g")
        numbers = np.array([0 if value is None else value for value in values], dtype)
        return (format_, name, count, nulls, [validity, numbers.tobytes()], [])
    if kind in (str, bytes):
        parts = [b"" if value is None else value.encode() if kind is str else value for value in values]
        total = sum(map(len, parts))
        large = total > np.iinfo(np.int32).max
        format_ = {(str, False): "u", (str, True): "U", (bytes, False): "z", (bytes, True): "Z"}[kind, large]
        return (format_, name, count, nulls, [validity, _offsets(parts, large), b"".join(parts)], [])
    if typing.get_origin(kind) is list:
        lists = [[] if value is None else value for value in values]
        flat = [one for value in lists for one in value]
        child = _column("item", typing.get_args(kind)[0], flat)
        return ("+L", name, count, nulls, [validity, _offsets(lists, True)], [child])
    hints = typing.get_type_hints(kind)
    fields = [
        _column(field, hints[field], [None if value is None else value[at] for value in values])
        for at, field in enumerate(kind._fields)
    ]
    return ("+s", name, count, nulls, [validity], fields)


def _kind_of(name: str, values: list[Any]) -> type | None:
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return None
    if kinds == {int, float}:
        return float
    if len(kinds) > 1 or not kinds <= {int, float, str, bytes, bool}:
        found = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise InvalidArgumentError(
            f"column {name!r} holds {found}: Arrow wants one type a column; CAST it in the statement"
        )
    return kinds.pop()


def _bits(values: list[bool]) -> bytes:
    return np.packbits(np.array(values, bool), bitorder="little").tobytes()


def _offsets(parts: Sequence[Any], large: bool) -> bytes:
    ends = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=ends[1:])
    return ends.astype(np.int64 if large else np.int32).tobytes()
