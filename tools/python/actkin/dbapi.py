"""SQL over an index directory's catalog, with actkin's functions, from the wheel's own SQLite: PEP 249, and as Python's
sqlite3 where that goes further. Python's sqlite3 may have the same catalog open in the same process.

    connection = index.connect()
    connection.execute("SELECT text, distance FROM actkin_neighbors(?, 'ffwd', 5, 9)", ["my most gr"]).fetchall()

Statements are transactions by themselves unless BEGIN is executed. A connection is a reader; write=True lets it keep
tables of one's own in the catalog. Threads: any; they wait for each other. A child after fork() opens its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Union

import numpy as np

from . import _actkin, _arguments
from ._errors import (
    DatabaseError,
    DataError,
    DirectoryNotFoundError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    InvalidArgumentError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,
)

apilevel = "2.0"
threadsafety = 2
paramstyle = "qmark"

Parameters = Union[Sequence[Any], Mapping[str, Any]]
Row = tuple[Any, ...]
_MOST_AT_ONCE = 256  # rows that are read ahead of who fetches one by one


def _adapt(value: Any, name: str) -> Any:
    if value is None or isinstance(value, (float, bytes)):
        return value
    if isinstance(value, str):
        return _arguments.text(value, name)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if _arguments.torch_of(value) is not None or (isinstance(value, np.ndarray) and value.ndim > 0):
        return _arguments.floats(value, name, 1).astype("<f4").tobytes()
    if isinstance(value, (int, np.integer, np.bool_)):
        if not -(2**63) <= int(value) < 2**63:
            raise DataError(f"{name} {value}: an INTEGER of SQLite has 64 bits")
        return int(value)
    if isinstance(value, np.floating):
        return float(value)
    raise InterfaceError(f"{name}: SQLite has no type for {type(value).__name__}")


def _values(wanted: Sequence[str | None], parameters: Parameters) -> list[Any]:
    if isinstance(parameters, Mapping):
        values = []
        for at, parameter in enumerate(wanted, 1):
            if parameter is None or parameter[1:] not in parameters:
                raise ProgrammingError(f"parameter {parameter or at}: not among the values given")
            values.append(_adapt(parameters[parameter[1:]], f"parameter {parameter}"))
        return values
    if isinstance(parameters, (str, bytes)) or not isinstance(parameters, (Sequence, np.ndarray)):
        raise ProgrammingError(f"parameters: expected a sequence or a mapping, not {type(parameters).__name__}")
    if len(parameters) != len(wanted):
        raise ProgrammingError(f"the statement has {len(wanted)} parameters, {len(parameters)} values are given")
    return [_adapt(value, f"parameter {at}") for at, value in enumerate(parameters, 1)]


class Cursor:
    """One statement after the other, and the rows of the last."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.arraysize = 1
        self.row_factory = connection.row_factory
        self.description: tuple[tuple[str, None, None, None, None, None, None], ...] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self._statement: _actkin.SqlStatement | None = None
        self._read: list[Row] = []  # the next one last
        self._at_once = 1
        self._closed = False

    def _native(self) -> _actkin.SqlConnection:
        if self._closed:
            raise ProgrammingError("this cursor is closed")
        return self.connection._native()

    def _finish(self) -> None:
        if self._statement is not None:
            self._statement.finish()
        self._statement = None
        self._read = []

    def _prepare(self, sql: str) -> _actkin.SqlStatement:
        native = self._native()
        self._finish()
        statement, rest = native.prepare(_arguments.text(sql, "statement"))
        if rest.strip() and not native.prepare(rest)[0].empty:
            raise ProgrammingError("one statement at a time: executescript runs several")
        return statement

    def execute(self, sql: str, parameters: Parameters = (), /) -> Cursor:
        statement = self._prepare(sql)
        self.description, self.rowcount = None, -1
        if statement.empty:
            return self
        self._run(statement, parameters)
        return self

    def _run(self, statement: _actkin.SqlStatement, parameters: Parameters) -> int:
        native = self._native()
        statement.bind(_values(statement.parameters, parameters))
        before = native.total_changes
        self._statement = statement
        columns = statement.columns
        self.description = tuple((name, None, None, None, None, None, None) for name in columns) or None
        self._at_once = 1
        self._read = statement.step(1)  # errors of the first row are the statement's
        if statement.reads_only:
            return 0
        # What changes the database is done when execute returns.
        while not statement.ended:
            self._read[:0] = reversed(statement.step(_MOST_AT_ONCE))
        changed = native.total_changes - before
        self.rowcount = changed
        self.lastrowid = native.last_insert_rowid
        return changed

    def executemany(self, sql: str, rows: Iterable[Parameters], /) -> Cursor:
        statement = self._prepare(sql)
        if statement.empty:
            return self
        if statement.columns:
            raise ProgrammingError("executemany is for statements that give no rows")
        changed = 0
        for parameters in rows:
            changed += self._run(statement, parameters)
        self.rowcount = changed
        return self

    def executescript(self, sql: str, /) -> Cursor:
        """Statements without parameters, one after the other; their rows are passed over."""
        self._finish()
        rest = _arguments.text(sql, "script")
        while rest.strip():
            statement, rest = self._native().prepare(rest)
            while not statement.empty and not statement.ended:
                statement.step(_MOST_AT_ONCE)
        self.description, self.rowcount = None, -1
        return self

    def _fill(self) -> bool:
        """Whether there is a row to fetch."""
        self._native()
        if self._read:
            return True
        if self._statement is None or self._statement.ended:
            return False
        self._at_once = min(self._at_once * 2, _MOST_AT_ONCE)
        self._read = self._statement.step(self._at_once)
        self._read.reverse()
        return bool(self._read)

    def _made(self, row: Row) -> Any:
        return row if self.row_factory is None else self.row_factory(self, row)

    def fetchone(self) -> Any:
        return self._made(self._read.pop()) if self._fill() else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        wanted = self.arraysize if size is None else size
        rows: list[Any] = []
        while len(rows) < wanted and self._fill():
            rows.append(self._made(self._read.pop()))
        return rows

    def fetchall(self) -> list[Any]:
        return list(self)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self._fill():
            raise StopIteration
        return self._made(self._read.pop())

    def setinputsizes(self, sizes: Any, /) -> None:
        """PEP 249: nothing to be done."""

    def setoutputsize(self, size: Any, column: Any = None, /) -> None:
        """PEP 249: nothing to be done."""

    def close(self) -> None:
        self._finish()
        self._closed = True

    def __enter__(self) -> Cursor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Connection:
    """A connection to an index directory's catalog."""

    Error = Error
    Warning = Warning
    InterfaceError = InterfaceError
    DatabaseError = DatabaseError
    DataError = DataError
    OperationalError = OperationalError
    IntegrityError = IntegrityError
    InternalError = InternalError
    ProgrammingError = ProgrammingError
    NotSupportedError = NotSupportedError

    def __init__(self, directory: _arguments.Path, *, write: bool = False) -> None:
        path = _arguments.path_bytes(directory)
        catalog = os.path.join(path, b"catalog.db")
        if not os.path.exists(catalog):
            raise DirectoryNotFoundError(f"{os.fsdecode(path)}: no such index directory")
        self.row_factory: Callable[[Cursor, Row], Any] | None = None
        self._process = os.getpid()
        self._opened: _actkin.SqlConnection | None = _actkin.open_sql(catalog, write)

    def _native(self) -> _actkin.SqlConnection:
        if self._opened is None:
            raise ProgrammingError("this connection is closed")
        if self._process != os.getpid():
            raise ProgrammingError("this connection was opened by another process: open one after fork()")
        return self._opened

    def cursor(self) -> Cursor:
        self._native()
        return Cursor(self)

    def execute(self, sql: str, parameters: Parameters = (), /) -> Cursor:
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Parameters], /) -> Cursor:
        return self.cursor().executemany(sql, rows)

    def executescript(self, sql: str, /) -> Cursor:
        return self.cursor().executescript(sql)

    @property
    def in_transaction(self) -> bool:
        return self._native().in_transaction

    @property
    def total_changes(self) -> int:
        return self._native().total_changes

    def commit(self) -> None:
        if self.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        if self.in_transaction:
            self.execute("ROLLBACK")

    def interrupt(self) -> None:
        """Ends what runs, from another thread."""
        self._native().interrupt()

    def close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None and self._process == os.getpid():
            opened.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As sqlite3: commits, or rolls back after an exception; does not close."""
        if kind is None:
            self.commit()
        else:
            self.rollback()


def connect(directory: _arguments.Path, *, write: bool = False) -> Connection:
    """A connection to an index directory's catalog. write: whether it may change tables of its user's own."""
    return Connection(directory, write=write)


__all__ = [
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "InvalidArgumentError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Warning",
    "apilevel",
    "connect",
    "paramstyle",
    "threadsafety",
]
