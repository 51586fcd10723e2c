"""Connections of every kind: URIs, read-only folders, several connections, threads, attached catalogs."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import unittest

from made_index import FOLDER, MADE, OTHER, IndexTest, connect, run_command


class ConnectionTest(IndexTest):
    def answer(self, connection, catalog="main"):
        return connection.execute(self.QUERY + " WHERE catalog = ?", [catalog]).fetchall()

    def setUp(self):
        super().setUp()
        self.made = self.answer(self.open(MADE))
        self.other = self.answer(self.open(OTHER))
        self.assertEqual(len(self.made), 10)
        self.assertNotEqual(self.made, self.other)

    def test_uris(self):
        for options in ["mode=ro", "immutable=1", "mode=ro&immutable=1"]:
            connection = self.open(f"file:{MADE}/catalog.db?{options}")
            self.assertEqual(self.answer(connection), self.made, options)

    def test_a_folder_with_spaces_and_other_letters(self):
        copy = self.copy(name="with space \u00e4 100%.actkin")
        self.assertEqual(self.answer(self.open(copy)), self.made)

    def test_a_relative_path(self):
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(MADE)
        connection = self.open("catalog.db")
        os.chdir(self.folder)
        self.assertEqual(self.answer(connection), self.made)

    def test_a_link_to_the_catalog(self):
        link = os.path.join(self.folder, "linked.db")
        os.symlink(os.path.join(MADE, "catalog.db"), link)
        self.assertEqual(self.answer(self.open(link)), self.made)

    def test_a_read_only_folder(self):
        copy = self.copy()
        subprocess.run(["chmod", "-R", "a-w,a+rX", self.folder], check=True)
        self.addCleanup(subprocess.run, ["chmod", "-R", "u+w", self.folder], check=True)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                if os.getuid() == 0:
                    os.setuid(65534)
                # The user cannot write there.
                try:
                    open(os.path.join(copy, "new"), "w").close()
                    status = 2
                except PermissionError:
                    status = 0 if self.answer(connect(copy)) == self.made else 3
            finally:
                os._exit(status)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)

    def test_two_connections_at_once(self):
        one, two = self.open(MADE), self.open(OTHER)
        rows = zip(one.execute(self.QUERY), two.execute(self.QUERY), strict=True)
        for (a, b), made, other in zip(rows, self.made, self.other, strict=True):
            self.assertEqual((a, b), (made, other))
        one.close()
        self.assertEqual(self.answer(two), self.other)

    def test_two_statements_of_one_connection(self):
        connection = self.open(MADE)
        rows = zip(connection.execute(self.QUERY), connection.execute(self.QUERY), strict=True)
        self.assertEqual([a for a, b in rows if a == b], self.made)

    def test_threads_with_a_connection_each(self):
        wrong = []

        def ask(index, expected):
            try:
                connection = connect(index)
                for _ in range(50):
                    if self.answer(connection) != expected:
                        wrong.append(index)
                connection.close()
            except sqlite3.Error as error:
                wrong.append(error)

        threads = [threading.Thread(target=ask, args=a) for a in [(MADE, self.made), (OTHER, self.other)] * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_attached_catalogs(self):
        connection = self.open(":memory:")
        connection.execute("ATTACH ? AS a", [MADE + "/catalog.db"])
        connection.execute('ATTACH ? AS "the other"', [OTHER + "/catalog.db"])
        for _ in range(2):
            self.assertEqual(self.answer(connection, "a"), self.made)
            self.assertEqual(self.answer(connection, "the other"), self.other)
        self.assertIn("main", self.error_of(connection))

    def test_another_catalog_attached_under_the_same_name(self):
        connection = self.open(":memory:")
        for index, expected in [(MADE, self.made), (OTHER, self.other), (MADE, self.made)]:
            connection.execute("ATTACH ? AS a", [index + "/catalog.db"])
            self.assertEqual(self.answer(connection, "a"), expected)
            connection.execute("DETACH a")
            self.assertIn("ATTACH", self.error_of(connection, self.QUERY + " WHERE catalog = 'a'"))

    def test_another_catalog_moved_to_the_same_place(self):
        copy = self.copy()
        connection = self.open(":memory:")
        connection.execute("ATTACH ? AS a", [copy + "/catalog.db"])
        self.assertEqual(self.answer(connection, "a"), self.made)
        connection.execute("DETACH a")
        os.rename(copy, copy + ".old")
        self.copy(OTHER)
        connection.execute("ATTACH ? AS a", [copy + "/catalog.db"])
        self.assertEqual(self.answer(connection, "a"), self.other)

    def test_a_database_in_no_file(self):
        line = self.error_of(self.open(":memory:"))
        self.assertIn("in no file", line)
        self.assertIn("ATTACH", line)

    def test_a_database_that_is_no_catalog(self):
        path = os.path.join(self.folder, "mine.db")
        sqlite3.connect(path).execute("CREATE TABLE t(x)").connection.close()
        self.assertIn("no actkin catalog", self.error_of(self.open(path)))

    def test_inside_a_transaction_and_after_a_rollback(self):
        connection = self.open(self.copy(), isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE notes AS SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5, 10)")
        self.assertEqual(connection.execute("SELECT count(*) FROM notes").fetchone(), (10,))
        connection.execute("ROLLBACK")
        self.assertEqual(self.answer(connection), self.made)

    def test_a_view_over_neighbors(self):
        connection = self.open(self.copy())
        connection.execute("CREATE VIEW kin AS " + self.QUERY)
        self.assertEqual(connection.execute("SELECT * FROM kin").fetchall(), self.made)

    def test_a_site_that_another_process_adds_is_seen(self):
        copy = self.copy(OTHER)
        connection = self.open(copy)
        query = "SELECT rank, text, distance FROM actkin_neighbors('abb', 'proj', 0, 2)"
        self.assertIn("no site proj block 0 t_i 2", self.error_of(connection, query))
        built = run_command("build", os.path.join(FOLDER, "corpus.txt"), "--model",
                            os.path.join(FOLDER, "other.safetensors"), "--out", copy, "--length", "6", "--t-i", "2")
        self.assertEqual(built.returncode, 0, built.stderr)
        self.assertEqual(connection.execute(query).fetchone(), (1, "abb", 0.0))

    def test_the_module_is_loaded_twice(self):
        connection = self.open(MADE)
        self.assertEqual(self.answer(connection), self.made)
        connection.load_extension(os.environ["ACTKIN_EXTENSION"])
        self.assertEqual(self.answer(connection), self.made)

    def test_bound_values(self):
        connection = self.open(MADE)
        rows = connection.execute(
            "SELECT rank, string_id, text, distance FROM actkin_neighbors(?, ?, ?, ?) ORDER BY rank LIMIT ? OFFSET ?",
            ["abba c", "ffwd", 1, 5, 4, 3],
        )
        self.assertEqual(rows.fetchall(), self.made[3:7])


if __name__ == "__main__":
    unittest.main()
