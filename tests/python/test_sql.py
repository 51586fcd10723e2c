"""connect(): PEP 249, with actkin's functions, from the module's own SQLite."""

import sqlite3
import threading

import numpy as np
import pandas
import pytest

import actkin
from actkin import dbapi
from conftest import MADE

QUERY = "SELECT rank, string_id, text, distance FROM actkin_neighbors(?, 'ffwd', 1, 5) LIMIT ?"


@pytest.fixture
def connection(index):
    opened = index.connect()
    yield opened
    opened.close()


def test_actkins_functions_are_there(index, connection):
    rows = connection.execute(QUERY, ["abba c", 5]).fetchall()
    assert rows == [(row.rank, row.string_id, row.text, row.distance) for row in index.neighbors("abba c", k=5)]
    assert connection.execute("SELECT actkin_version()").fetchone() == (actkin.__version__,)
    assert list(index.sql(QUERY, ["abba c", 5])) == rows
    assert index.sql(QUERY, ["abba c", 1]).columns == ["rank", "string_id", "text", "distance"]
    vector = index.rows()[3]
    found = connection.execute(
        "SELECT string_id FROM actkin_neighbors_of(?, 'ffwd', 1, 5) LIMIT 1", [vector]
    ).fetchone()
    assert found == (int(index.ids(3)),)


def test_cursors_are_those_of_pep_249(connection):
    assert (dbapi.apilevel, dbapi.paramstyle, dbapi.threadsafety) == ("2.0", "qmark", 2)
    cursor = connection.cursor()
    assert cursor.description is None and cursor.rowcount == -1
    numbers = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i, i * 2 AS twice FROM n"
    )
    assert cursor.execute(numbers) is cursor
    assert [column[0] for column in cursor.description] == ["i", "twice"] and len(cursor.description[0]) == 7
    assert cursor.fetchone() == (1, 2)
    assert cursor.fetchmany(2) == [(2, 4), (3, 6)]
    assert cursor.fetchmany() == [(4, 8)]
    assert next(cursor) == (5, 10)
    assert cursor.fetchall() == [(i, 2 * i) for i in range(6, 1001)]
    assert cursor.fetchone() is None and cursor.fetchall() == []
    assert [row[0] for row in connection.execute(numbers)] == list(range(1, 1001))
    cursor.close()
    with pytest.raises(dbapi.ProgrammingError, match="closed"):
        cursor.fetchone()


def test_parameters(connection):
    def echo(value):
        return connection.execute("SELECT ?", [value]).fetchone()[0]

    for value in (None, 0, -(2**63), 2**63 - 1, 1.5, float("inf"), "", "\u00e4\0b", b"", b"\0\xff", "\U0001f600"):
        assert echo(value) == value and type(echo(value)) is type(value)
    assert echo(True) == 1 and echo(np.int64(7)) == 7 and echo(np.float32(0.5)) == 0.5
    assert echo(bytearray(b"ab")) == b"ab" and echo(memoryview(b"ab")) == b"ab"
    assert echo(np.array([1.0, 2.0])) == np.array([1, 2], "<f4").tobytes()
    assert connection.execute("SELECT :a, $b, :a", {"a": 1, "b": 2}).fetchone() == (1, 2, 1)
    for value in (2**63, object(), "\ud800", 1j):
        with pytest.raises(actkin.Error):
            echo(value)
    for parameters in ([], [1, 2], "x", 5):
        with pytest.raises(dbapi.ProgrammingError):
            connection.execute("SELECT ?", parameters)
    with pytest.raises(dbapi.ProgrammingError, match=":b"):
        connection.execute("SELECT :a, :b", {"a": 1})


def test_what_goes_wrong(connection):
    with pytest.raises(dbapi.OperationalError, match="nothing"):
        connection.execute("SELECT nothing")
    with pytest.raises(connection.DatabaseError, match="vocabulary|no token"):
        connection.execute(QUERY, ["xyz", 5])
    with pytest.raises(dbapi.OperationalError, match="readonly|query_only|read-only|attempt to write"):
        connection.execute("CREATE TABLE mine (a)")
    with pytest.raises(dbapi.ProgrammingError, match="one statement"):
        connection.execute("SELECT 1; SELECT 2")
    assert connection.execute("SELECT 1; -- that was all").fetchall() == [(1,)]
    assert connection.execute("  -- nothing").fetchall() == []
    assert issubclass(dbapi.DatabaseError, actkin.Error) and issubclass(dbapi.Error, Exception)
    connection.close()
    connection.close()
    with pytest.raises(dbapi.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_closing_ends_what_is_being_read(index):
    connection = index.connect()
    cursor = connection.execute(QUERY, ["abba c", 100])
    assert cursor.fetchone()[0] == 1
    connection.close()
    with pytest.raises(dbapi.ProgrammingError):
        cursor.fetchall()
    del cursor


def test_tables_of_ones_own(copy):
    with actkin.open(copy) as index:
        writer = index.connect(write=True)
        writer.execute("CREATE TABLE mine (string_id INTEGER PRIMARY KEY, note TEXT UNIQUE)")
        cursor = writer.execute("INSERT INTO mine VALUES (?, ?)", [3, "three"])
        assert (cursor.rowcount, cursor.lastrowid, cursor.description) == (1, 3, None)
        assert writer.executemany("INSERT INTO mine VALUES (?, ?)", [[4, "four"], [5, "five"]]).rowcount == 2
        with pytest.raises(dbapi.IntegrityError):
            writer.execute("INSERT INTO mine VALUES (6, 'five')")
        assert writer.execute("INSERT INTO mine VALUES (7, 'seven') RETURNING note").fetchall() == [("seven",)]
        with pytest.raises(ZeroDivisionError), writer:
            writer.execute("BEGIN")
            writer.execute("DELETE FROM mine")
            assert writer.in_transaction
            raise ZeroDivisionError
        assert not writer.in_transaction
        with writer:
            writer.executescript("BEGIN; DELETE FROM mine WHERE string_id > 5; SELECT 1; -- and that was it")
        assert index.sql("SELECT count(*) FROM mine")[0] == (3,)
        assert index.verify().sound
        writer.close()


def test_others_read_a_connection(connection):
    frame = pandas.read_sql_query("SELECT length, count(*) AS n FROM string GROUP BY length", connection)
    assert frame["length"].tolist() == [1, 2, 3, 4, 5, 6]
    connection.row_factory = lambda cursor, row: dict(zip((column[0] for column in cursor.description), row))
    assert connection.execute("SELECT 1 AS a").fetchall() == [{"a": 1}]


def test_threads_share_a_connection(connection):
    found = []

    def ask():
        for _ in range(20):
            found.append(connection.execute(QUERY, ["abba c", 3]).fetchall())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80 and all(rows == found[0] for rows in found)


def test_another_thread_interrupts(connection):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    timer = threading.Timer(0.2, connection.interrupt)
    timer.start()
    with pytest.raises(dbapi.OperationalError, match="interrupt") as raised:
        connection.execute(endless)
    assert raised.value.code == "interrupted"
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_pythons_sqlite3_is_another_library(connection):
    own = connection.execute("SELECT sqlite_source_id()").fetchone()[0]
    assert own
    # Its functions are not registered there.
    other = sqlite3.connect(f"file:{MADE}/catalog.db?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError):
        other.execute("SELECT actkin_version()")
    other.close()
