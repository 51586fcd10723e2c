"""What is wrong on disk becomes one line of SQL error, and the connection stays usable."""

import os
import shutil
import sqlite3
import unittest

from made_index import OTHER, IndexTest


class DamageTest(IndexTest):
    OUTSIDE = "SELECT text FROM actkin_neighbors('dddddd', 'ffwd', 1, 5)"

    def setUp(self):
        super().setUp()
        self.index = self.copy()

    def path(self, name):
        return os.path.join(self.index, name)

    def change_catalog(self, *statements):
        with sqlite3.connect(self.path("catalog.db")) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    def expect(self, *parts, query=IndexTest.QUERY):
        connection = self.open(self.index)
        for _ in range(2):
            line = self.error_of(connection, query)
            for part in parts:
                self.assertIn(part, line)
        self.assertEqual(connection.execute("SELECT 1").fetchone(), (1,))

    def test_a_missing_vector_file(self):
        os.remove(self.path("sites/ffwd-b1-t5.vectors"))
        self.expect("ffwd-b1-t5.vectors")

    def test_a_missing_row_order(self):
        os.remove(self.path("sites/t5.rows"))
        self.expect("t5.rows")

    def test_a_missing_model(self):
        os.remove(self.path("model.safetensors"))
        self.expect("model.safetensors", query=self.OUTSIDE)
        self.expect("model.safetensors", query="SELECT * FROM actkin_model('abba c')")

    def test_a_catalog_without_its_files(self):
        shutil.rmtree(self.path("sites"))
        os.remove(self.path("model.safetensors"))
        self.expect("sites/ffwd-b1-t5.vectors")

    def test_an_empty_vector_file(self):
        open(self.path("sites/ffwd-b1-t5.vectors"), "w").close()
        self.expect("ffwd-b1-t5.vectors")

    def test_a_truncated_vector_file(self):
        path = self.path("sites/ffwd-b1-t5.vectors")
        os.truncate(path, os.path.getsize(path) - 4)
        self.expect("ffwd-b1-t5.vectors")

    def test_a_vector_file_of_another_site(self):
        shutil.copy(self.path("sites/ffwd-b0-t5.vectors"), self.path("sites/ffwd-b1-t5.vectors"))
        self.expect("ffwd-b1-t5.vectors", "another build")

    def test_a_vector_file_of_another_index(self):
        shutil.copy(os.path.join(OTHER, "sites/ffwd-b1-t5.vectors"), self.path("sites/ffwd-b1-t5.vectors"))
        self.expect("ffwd-b1-t5.vectors", "another build")

    def test_every_byte_of_a_header_counts(self):
        path = self.path("sites/ffwd-b1-t5.vectors")
        with open(path, "rb") as file:
            whole = file.read()
        for at in range(0, 64, 7):
            with open(path, "wb") as file:
                file.write(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
            self.expect("ffwd-b1-t5.vectors")

    def test_a_file_swapped_while_it_is_open(self):
        connection = self.open(self.index)
        before = connection.execute(self.QUERY).fetchall()
        shutil.copy(self.path("sites/ffwd-b0-t5.vectors"), self.path("swapped"))
        os.rename(self.path("swapped"), self.path("sites/ffwd-b1-t5.vectors"))
        # What is open stays whole; who opens it now is told.
        self.assertEqual(connection.execute(self.QUERY).fetchall(), before)
        self.expect("ffwd-b1-t5.vectors")

    def test_a_model_of_another_shape(self):
        self.change_catalog("UPDATE model SET embed = 13")
        self.expect("model.safetensors", query=self.OUTSIDE)

    def test_a_catalog_from_a_newer_version(self):
        self.change_catalog("PRAGMA user_version = 99")
        self.expect("version 99", "newer actkin")

    def test_a_path_that_leaves_the_index(self):
        for path in ["../copy.actkin/sites/ffwd-b1-t5.vectors", "/etc/passwd", "sites/../../x", ""]:
            self.change_catalog(f"UPDATE vector_file SET file = '{path}'", f"UPDATE model SET file = '{path}'")
            self.expect("outside the directory")
            self.expect("outside the directory", query="SELECT * FROM actkin_model('abba c')")

    def test_impossible_numbers_in_the_catalog(self):
        self.change_catalog("UPDATE site SET row_count = -1")
        self.expect("damaged")
        self.change_catalog("UPDATE site SET row_count = 9000000000000000000, dimension = 9000000000000000000")
        self.expect("ffwd-b1-t5.vectors")

    def test_missing_rows_of_the_catalog(self):
        self.change_catalog("DELETE FROM string WHERE length = 6 AND text <> 'abba c'")
        self.expect("no string")
        self.change_catalog("DELETE FROM row_order")
        self.expect("no row order")
        self.change_catalog("DELETE FROM corpus")
        self.expect("corpus")

    def test_missing_tables(self):
        for table in ["site", "vector_file", "string_length", "token", "corpus"]:
            self.change_catalog(f"ALTER TABLE {table} RENAME TO gone")
            self.expect(table)
            self.change_catalog(f"ALTER TABLE gone RENAME TO {table}")

    def test_no_lengths_and_no_tokens(self):
        self.change_catalog("DELETE FROM token")
        self.expect("token")
        self.change_catalog("DELETE FROM string_length")
        self.expect("string_length")
        self.expect("string_length", query="SELECT actkin_vector(1, 'ffwd', 1)")

    def test_a_damaged_catalog(self):
        size = os.path.getsize(self.path("catalog.db"))
        with open(self.path("catalog.db"), "r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * (size - 4096))
        self.expect("")

    def test_a_catalog_that_is_no_database(self):
        with open(self.path("catalog.db"), "wb") as file:
            file.write(b"no database at all, but long enough to be looked at" * 100)
        self.expect("not a database")

    def test_an_empty_catalog(self):
        open(self.path("catalog.db"), "w").close()
        self.expect("no actkin catalog")

    def test_a_folder_where_a_file_should_be(self):
        os.remove(self.path("sites/ffwd-b1-t5.vectors"))
        os.mkdir(self.path("sites/ffwd-b1-t5.vectors"))
        self.expect("ffwd-b1-t5.vectors")


if __name__ == "__main__":
    unittest.main()
