"""What goes wrong, by kind. The module's C++ raises through make_error and make_sql_error."""

from __future__ import annotations

import errno


class Error(Exception):
    """All that actkin raises of its own: one line for people, and `code`, which a program can act on."""

    code = "failed"


class NotFoundError(Error, LookupError):
    """No such site, index, scheme, string, row, position, or no model."""

    code = "not found"


class DirectoryNotFoundError(NotFoundError, FileNotFoundError):
    """No index directory there."""


class InvalidArgumentError(Error, ValueError):
    """What was asked for makes no sense."""

    code = "invalid argument"


class UnsupportedError(Error, NotImplementedError):
    """Written by a newer actkin, or what this index, or this installation, cannot do."""

    code = "unsupported"


class DamagedError(Error, OSError):
    """Not as it was written."""

    code = "damaged"


class BusyError(Error, TimeoutError):
    """Others have it in use; asked later it may be done."""

    code = "busy"


class OutOfSpaceError(Error, OSError):
    """The disk is full."""

    code = "out of space"


class StoppedError(Error):
    """It was told to stop."""

    code = "interrupted"


class FailedError(Error, OSError):
    """Anything else: a permission, a failing disk, a program that failed."""

    code = "failed"


class InterfaceError(Error):
    """PEP 249: a connection or cursor was used as it can't be."""

    code = "invalid argument"


class DatabaseError(Error):
    """PEP 249: what SQLite said."""

    code = "failed"


class DataError(DatabaseError, ValueError):
    """PEP 249: a value that SQLite can't hold."""

    code = "invalid argument"


class OperationalError(DatabaseError):
    """PEP 249: a statement that failed."""


class IntegrityError(DatabaseError):
    """PEP 249: a constraint of a table."""


class InternalError(DatabaseError):
    """PEP 249."""


class ProgrammingError(DatabaseError, ValueError):
    """PEP 249: a closed connection, the wrong number of parameters."""

    code = "invalid argument"


class NotSupportedError(DatabaseError, NotImplementedError):
    """PEP 249."""

    code = "unsupported"


class Warning(Exception):  # noqa: A001  # the name is PEP 249's
    """PEP 249."""


_BY_CODE: dict[str, type[Error]] = {
    kind.code: kind
    for kind in (
        NotFoundError,
        InvalidArgumentError,
        UnsupportedError,
        DamagedError,
        BusyError,
        OutOfSpaceError,
        StoppedError,
        FailedError,
    )
}

# Of SQLite's primary result codes.
_BY_SQLITE: dict[int, type[DatabaseError]] = {
    2: InternalError,
    18: DataError,
    19: IntegrityError,
    20: DataError,
    21: ProgrammingError,
    25: ProgrammingError,
}
_CODES_BY_SQLITE = {
    5: "busy",
    6: "busy",
    9: "interrupted",
    11: "damaged",
    13: "out of space",
    14: "not found",
    26: "damaged",
}


def make_error(code: str, line: str) -> Error:
    error = _BY_CODE[code](line)
    if isinstance(error, OutOfSpaceError):
        error.errno = errno.ENOSPC
    return error


def make_sql_error(code: int, line: str) -> DatabaseError:
    primary = code & 0xFF
    error = _BY_SQLITE.get(primary, OperationalError)(line)
    error.code = _CODES_BY_SQLITE.get(primary, error.code)
    return error
