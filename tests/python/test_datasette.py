"""Datasette and sqlite-utils with the extension, as their users run them."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

import actkin
from conftest import MADE

EXTENSION = os.environ["ACTKIN_EXTENSION"]
PROGRAMS = Path(sys.executable).parent


def serve(log):
    """A server of the made index and its address; one that has ended where it could not begin."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [PROGRAMS / "datasette", MADE / "catalog.db", "--load-extension", EXTENSION, "--port", str(port), "--setting",
         "sql_time_limit_ms", "20000"],
        stdout=log, stderr=subprocess.STDOUT,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    for _ in range(1200):
        if server.poll() is not None:
            return server, address
        try:
            urllib.request.urlopen(address, timeout=10).read()
            return server, address
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    server.kill()
    server.wait()
    return server, address


@pytest.fixture
def datasette(tmp_path):
    """Its address, with the made index served."""
    with open(tmp_path / "log", "w+") as log:
        for _ in range(3):  # between two looks somebody else may take the port that was free
            server, address = serve(log)
            if server.poll() is None:
                break
        else:
            log.seek(0)
            pytest.fail(log.read())
        yield address
        server.terminate()
        server.wait()


def test_datasette_serves_neighbors(datasette, index):
    query = "SELECT rank, text, distance FROM actkin_neighbors('abba c', 'ffwd', 1, 5) LIMIT 5"
    expected = [(row.rank, row.text, row.distance) for row in index.neighbors("abba c", k=5)]
    for path in ("catalog/-/query.json", "catalog.json"):  # of this and of former versions
        try:
            address = f"{datasette}/{path}?{urllib.parse.urlencode({'sql': query, '_shape': 'array'})}"
            rows = json.load(urllib.request.urlopen(address, timeout=60))
            break
        except urllib.error.HTTPError:
            continue
    assert [(row["rank"], row["text"], row["distance"]) for row in rows] == expected
    page = urllib.request.urlopen(address.replace(".json", ""), timeout=60).read().decode()
    assert "abba c" in page and "distance" in page
    # Its pages of tables and of a wrong statement.
    assert "site" in urllib.request.urlopen(f"{datasette}/catalog", timeout=60).read().decode()
    wrong = urllib.parse.urlencode({"sql": "SELECT * FROM actkin_neighbors('xyz', 'ffwd', 1, 5)"})
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(f"{address.split('?')[0]}?{wrong}", timeout=60)
    assert raised.value.code == 400


def test_sqlite_utils(index):
    query = "SELECT rank, text, distance FROM actkin_neighbors('abba c', 'ffwd', 1, 5) LIMIT 5"
    done = subprocess.run(
        [PROGRAMS / "sqlite-utils", "query", MADE / "catalog.db", query, "--load-extension", EXTENSION],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    expected = [
        {"rank": row.rank, "text": row.text, "distance": row.distance} for row in index.neighbors("abba c", k=5)
    ]
    assert json.loads(done.stdout) == expected


def test_the_packages_extension_in_pythons_sqlite3(index):
    connection = sqlite3.connect(f"file:{MADE}/catalog.db?mode=ro", uri=True)
    connection.enable_load_extension(True)
    connection.load_extension(str(Path(actkin.__file__).parent / "actkin.so"))
    found = connection.execute("SELECT text FROM actkin_neighbors('abba c', 'ffwd', 1, 5) LIMIT 3").fetchall()
    assert [text for (text,) in found] == index.neighbors("abba c", k=3).column("text")
    # Both have a copy of their own.
    assert index.sql("SELECT text FROM actkin_neighbors('abba c', 'ffwd', 1, 5) LIMIT 3").column("text")[0] == "abba c"
    assert connection.execute("SELECT count(*) FROM actkin_neighbors('cab', 'ffwd', 1, 5)").fetchone()[0] > 3
    assert index.connect().execute("SELECT count(*) FROM actkin_neighbors('cab', 'ffwd', 1, 5)").fetchone()[0] > 3
    connection.close()
