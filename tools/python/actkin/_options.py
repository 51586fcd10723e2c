"""What neighbors and search are told beside what is asked: words and numbers of the command and of SQL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypedDict

from . import _actkin, _arguments

MOST_THREADS = 1024
CONTEXT = (12, 4)  # tokens before a position, and after it


class SearchOptions(TypedDict, total=False):
    """What is not given is as said here."""

    stream: str  # ffwd; without a model the only one
    block: int | None  # the last that is built; -1 is the model's last
    t_i: int | None  # the last that is built
    rows: str  # strings or positions; strings where there are any
    k: int | None  # the best 10
    metric: str  # l2; or cosine, dot
    center: bool  # whether the mean of the rows is taken off first
    order: str  # nearest; or farthest
    where: str  # a condition of SQL
    max_length: float | None  # only rows at most so long
    index: str  # exact; or an index that was added
    params: str  # of that index, such as efSearch=200
    threads: int  # as many as the machine has


class NeighborOptions(SearchOptions, total=False):
    """Those, and what single answers have beside."""

    at: int  # which of the prompt's tokens is asked: the last, -1
    low: float | None  # distances from here on; of cosine and dot, similarities
    high: float | None  # to here
    exclude_self: bool  # without the prompt's own row
    exclude_window: int  # nor so many tokens around it
    distinct: str  # the best row of each text, token or document
    next_tokens: bool  # with what came next: yes
    context: tuple[int, int]  # how many tokens before a position and after it are shown: 12, 4


SEARCH_OPTIONS = frozenset(SearchOptions.__optional_keys__)
NEIGHBOR_OPTIONS = frozenset(NeighborOptions.__optional_keys__) - {"context"}


def _int32(value: Any, name: str) -> int:
    return _arguments.integer(value, name, -(2**31), 2**31 - 1)


def _size(value: Any, name: str) -> int:
    return _arguments.integer(value, name, 0, 2**63 - 1)


def _threads(value: Any, name: str) -> int:
    return _arguments.integer(value, name, 0, MOST_THREADS)


def _truth(value: Any, name: str) -> bool:
    return bool(value)


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "stream": _arguments.text,
    "block": _arguments.small,
    "t_i": _arguments.small,
    "rows": _arguments.text,
    "k": _arguments.count,
    "metric": _arguments.text,
    "center": _truth,
    "order": _arguments.text,
    "where": _arguments.text,
    "index": _arguments.text,
    "params": _arguments.text,
    "threads": _threads,
    "at": _int32,
    "low": _arguments.number,
    "high": _arguments.number,
    "exclude_self": _truth,
    "exclude_window": _size,
    "max_length": _arguments.number,
    "distinct": _arguments.text,
    "next_tokens": _truth,
    "merge": _arguments.text,
    "scheme": _arguments.text,
}
_ATTRIBUTES = {"params": "parameters"}  # where the module in C++ calls it otherwise


def fill(query: Any, options: Mapping[str, Any]) -> None:
    """Sets what options say, checked, in a Query or PredictionQuery of the module's."""
    for name, value in options.items():
        setattr(query, _ATTRIBUTES.get(name, name), _READERS[name](value, name))


def make_query(caller: str, known: Collection[str], options: Mapping[str, Any]) -> _actkin.Query:
    unknown = next((name for name in options if name not in known), None)
    if unknown is not None:
        raise TypeError(f"{caller}() got an unexpected keyword argument {unknown!r}")
    query = _actkin.Query()
    fill(query, options)
    return query


def width_of(context: tuple[int, int]) -> tuple[int, int]:
    before, after = context
    return (
        _arguments.integer(before, "context", 0, 2**31 - 1),
        _arguments.integer(after, "context", 0, 2**31 - 1),
    )
