"""The module's SQLite and Python's own on one catalog, in one process: neither breaks the other's locks. A writer in
another process tells whether there are any."""

import gc
import os
import shutil
import sqlite3
import subprocess
import sys

import pytest

import actkin

WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    for statement in sys.argv[2:]:
        print(connection.execute(statement).fetchall())
except sqlite3.OperationalError as error:
    print(error)
"""
SCHEMA = "SELECT count(*) FROM sqlite_schema"
# As long as a row is to come, the statement is a reader's.
READ = "SELECT string_id FROM string ORDER BY string_id"


def write(directory, *statements):
    """What a writer in another process is told."""
    command = [sys.executable, "-c", WRITER, str(directory / "catalog.db"), *statements]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


def is_locked(directory):
    return write(directory, "BEGIN EXCLUSIVE", "ROLLBACK") == ["database is locked"]


def pythons(directory):
    return sqlite3.connect(directory / "catalog.db", isolation_level=None)


def handles(directory):
    """How many files of the directory this process has open; those that were deleted have ' (deleted)' behind."""
    found = []
    for handle in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{handle}"))
        except OSError:
            continue
    return [path for path in found if path.startswith(str(directory))]


def test_this_test_sees_locks_that_are_dropped(copy):
    connection = pythons(copy)
    cursor = connection.execute(READ)
    cursor.fetchone()
    assert is_locked(copy)
    os.close(os.open(copy / "catalog.db", os.O_RDONLY))  # what a library that knows of no other does
    assert not is_locked(copy)
    connection.close()


def test_pythons_locks_outlive_our_connections(copy):
    connection = pythons(copy)
    cursor = connection.execute(READ)
    cursor.fetchone()
    with actkin.open(copy) as index:
        index.neighbors("abba c")
        index.sql(SCHEMA)
        own = index.connect()
        reading = own.execute(READ)
        reading.fetchone()
        assert is_locked(copy)
        own.close()
        assert index.verify().sound
        assert is_locked(copy)
    gc.collect()
    assert is_locked(copy)
    cursor.close()
    assert not is_locked(copy)
    connection.close()


def test_our_locks_outlive_pythons_connections(copy):
    with actkin.open(copy) as index:
        own = index.connect()
        first, second = own.execute(READ), index.connect().execute(READ)
        first.fetchone()
        second.fetchone()
        for _ in range(3):
            other = pythons(copy)
            other.execute(SCHEMA).fetchall()
            other.close()
        assert is_locked(copy)
        first.close()
        assert is_locked(copy)
        second.close()
        assert not is_locked(copy)


def test_each_keeps_the_other_out(copy):
    with actkin.open(copy) as index:
        other = pythons(copy)
        other.execute("PRAGMA busy_timeout = 0")
        own = index.connect(write=True)
        own.execute("PRAGMA busy_timeout = 0")
        own.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute(READ).fetchone()
        assert is_locked(copy)
        own.execute("COMMIT")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(actkin.dbapi.OperationalError, match="locked") as raised:
            own.execute(READ)
        assert raised.value.code == "busy"
        other.execute("COMMIT")
        assert own.execute(READ).fetchone() == (1,)
        other.close()


def test_write_ahead_logs(copy):
    assert write(copy, "PRAGMA journal_mode = WAL") == ["[('wal',)]"]
    checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)"
    insert = ["CREATE TABLE IF NOT EXISTS mine (a)", "INSERT INTO mine VALUES (1)"]
    keeper = pythons(copy)  # who closes last removes the log
    keeper.execute(SCHEMA).fetchall()
    with actkin.open(copy) as index:
        own = index.connect()
        cursor = own.execute(READ)
        cursor.fetchone()
        other = pythons(copy)
        other.execute(SCHEMA).fetchall()
        write(copy, *insert)
        other.execute(SCHEMA).fetchall()
        other.close()
        assert write(copy, checkpoint)[0].startswith("[(1,")  # busy: a reader needs the log
        assert own.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'mine'").fetchone() == (0,)
        cursor.close()
        assert own.execute("SELECT count(*) FROM mine").fetchone() == (1,)
        assert write(copy, checkpoint)[0].startswith("[(0,")
        # The other way round.
        reading = keeper.execute(READ)
        reading.fetchone()
        write(copy, *insert)
        assert own.execute("SELECT count(*) FROM mine").fetchone() == (2,)
        own.close()
        index.close()
        gc.collect()
        assert write(copy, checkpoint)[0].startswith("[(1,")
        reading.close()
    keeper.close()


def test_handles_are_used_again(copy, tmp_path):
    with actkin.open(copy) as index:
        index.sql(SCHEMA)
        before = len(handles(copy / "catalog.db"))
        for _ in range(30):
            index.sql(SCHEMA)
            actkin.open(copy).close()
        assert len(handles(copy / "catalog.db")) == before
    shutil.rmtree(copy)
    other = tmp_path / "other.actkin"
    from conftest import MADE

    shutil.copytree(MADE, other)
    actkin.open(other).close()
    assert handles(copy / "catalog.db") == []


def test_a_child_leaves_its_parents_locks_alone(copy):
    with actkin.open(copy) as index:
        own = index.connect()
        cursor = own.execute(READ)
        cursor.fetchone()
        index.neighbors("abba c")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with pytest.raises(actkin.dbapi.ProgrammingError, match="fork"):
                    own.execute(READ)
                assert index.sql(SCHEMA)[0][0] > 0
                index.neighbors("cab")
                reading = index.connect().execute(READ)
                reading.fetchone()
                reading.close()
                index.close()
                cursor.close()
                own.close()
                del cursor, own, reading
                gc.collect()
                status = 0 if is_locked(copy) else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert is_locked(copy)
        assert cursor.fetchone() == (2,)
        cursor.close()
        assert not is_locked(copy)


def test_a_childs_locks_are_its_own(copy):
    with actkin.open(copy) as index:
        cursor = index.connect().execute(READ)
        cursor.fetchone()
        ready, told = os.pipe()
        go_on, tell = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(tell)
                reading = index.connect().execute(READ)
                reading.fetchone()
                os.write(told, b"x")
                os.read(go_on, 1)  # or the parent's end
                status = 0
            finally:
                os._exit(status)
        try:
            os.close(told)
            assert os.read(ready, 1) == b"x"
            cursor.close()
            assert is_locked(copy)  # by the child
        finally:
            os.close(tell)
            status = os.waitpid(child, 0)[1]
        assert status == 0
        assert not is_locked(copy)
