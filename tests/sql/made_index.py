"""What the Python tests stand on: connections with the extension, and copies of the indices that make_indices made."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

COMMAND = os.environ["ACTKIN_COMMAND"]
EXTENSION = os.environ["ACTKIN_EXTENSION"]
FOLDER = os.environ["ACTKIN_SQL_FOLDER"]
MADE = os.path.join(FOLDER, "made.actkin")
OTHER = os.path.join(FOLDER, "other.actkin")

# What make_indices gave `build`.
BUILD = [os.path.join(FOLDER, "corpus.txt"), "--model", os.path.join(FOLDER, "model.safetensors"), "--length", "6"]


def connect(database, **options):
    """A connection with the extension; `database` is an index directory, a file or a URI."""
    if os.path.isdir(database):
        database = os.path.join(database, "catalog.db")
    connection = sqlite3.connect(database, uri=database.startswith("file:"), **options)
    connection.enable_load_extension(True)
    connection.load_extension(EXTENSION)
    return connection


def run_command(*arguments, **options):
    # The sanitizer's library is for Python: the command brings its own.
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    orders = options.pop("environment", {})
    environment.update(orders)
    command = os.environ["ACTKIN_WITH_FAULTS"] if "ACTKIN_STOP_BEFORE" in orders else COMMAND
    return subprocess.run([command, *arguments], capture_output=True, text=True, env=environment, **options)


class IndexTest(unittest.TestCase):
    """A test with a folder of its own."""

    QUERY = "SELECT rank, string_id, text, distance FROM actkin_neighbors('abba c', 'ffwd', 1, 5, 10)"

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="actkin-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def copy(self, directory=MADE, name="copy.actkin"):
        return shutil.copytree(directory, os.path.join(self.folder, name))

    def open(self, database, **options):
        connection = connect(database, **options)
        self.addCleanup(connection.close)
        return connection

    def error_of(self, connection, query=QUERY):
        with self.assertRaises(sqlite3.Error) as raised:
            connection.execute(query).fetchall()
        message = str(raised.exception)
        self.assertNotIn("\n", message)
        return message
