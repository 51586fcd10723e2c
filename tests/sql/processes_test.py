"""Processes that read through SQL while another builds: each sees the index as it was or as it is, never half."""

import multiprocessing
import os
import sqlite3
import threading
import unittest

from made_index import BUILD, MADE, IndexTest, connect, run_command

SITES = [(stream, block, t_i) for stream in ("proj", "ffwd") for block in (0, 1) for t_i in (1, 3, 4)]
QUERY = "SELECT rank, string_id, text, distance FROM actkin_neighbors('abba c', ?, ?, ?, 10)"


def read(index, one_connection, passes, stop, results):
    """Asks every site again and again until `stop`, and once more; puts what it saw. Releases `passes` after each."""
    seen = {site: [] for site in SITES}
    asked = 0
    try:
        connection = connect(index, timeout=30)
        while True:
            last = stop.is_set()
            for site in SITES:
                try:
                    rows = connection.execute(QUERY, site).fetchall()
                except sqlite3.Error as error:
                    rows = str(error)
                if not seen[site] or seen[site][-1] != rows:
                    seen[site].append(rows)
                asked += 1
            if not one_connection:
                connection.close()
                connection = connect(index, timeout=30)
            passes.release()
            if last:
                break
        connection.close()
        results.put((asked, seen))
    except Exception as error:
        results.put((asked, repr(error)))


def read_in_threads(index, reading, stop, results):
    """Eight threads without a pause: at any moment one of them reads."""
    answers = set()
    errors = []

    def ask():
        try:
            connection = connect(index)
            while not stop.is_set():
                answers.add(tuple(connection.execute(IndexTest.QUERY).fetchall()))
                reading.release()
            connection.close()
        except Exception as error:
            errors.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put((answers, errors))


class ProcessesTest(IndexTest):
    def build(self, *more, **options):
        return run_command("build", *BUILD, "--out", self.index, *more, **options)

    def setUp(self):
        super().setUp()
        self.index = self.copy()
        self.context = multiprocessing.get_context("fork")

    def start_readers(self):
        self.stop = self.context.Event()
        self.results = self.context.Queue()
        self.passes = [self.context.Semaphore(0) for _ in range(3)]
        self.readers = [
            self.context.Process(target=read, args=(self.index, one_connection, passes, self.stop, self.results))
            for one_connection, passes in zip((True, True, False), self.passes)
        ]
        for reader in self.readers:
            reader.start()

    def wait_for_a_pass(self):
        """Until each reader has asked every site once more, from the first to the last."""
        for passes in self.passes:
            while passes.acquire(block=False):
                pass
            for _ in range(2):  # the one that is under way may have begun before
                self.assertTrue(passes.acquire(timeout=120))

    def finish_readers(self):
        self.stop.set()
        results = [self.results.get(timeout=120) for _ in self.readers]
        for reader in self.readers:
            reader.join()
        return results

    def test_readers_see_the_old_state_or_the_new(self):
        self.start_readers()
        for t_i in ("1", "3,4"):
            built = self.build("--t-i", t_i)
            self.assertEqual(built.returncode, 0, built.stderr)
            self.wait_for_a_pass()
        results = self.finish_readers()
        connection = self.open(self.index)
        for asked, seen in results:
            self.assertIsInstance(seen, dict, seen)
            self.assertGreater(asked, 3 * len(SITES))
            for site, answers in seen.items():
                new = connection.execute(QUERY, site).fetchall()
                self.assertEqual(len(new), 10)
                self.assertEqual(answers[-1], new)
                for old in answers[:-1]:
                    self.assertIn("no site {} block {} t_i {}".format(*site), old)
                self.assertLessEqual(len({a for a in answers[:-1]}), 3)
        connection.close()
        # A catalog that others have open stays in WAL mode; the next writer finds it alone.
        self.assertEqual(self.build("--t-i", "0").returncode, 0)
        connection = self.open(self.index)
        self.assertEqual(connection.execute("PRAGMA journal_mode").fetchone(), ("delete",))
        self.assertEqual([name for name in os.listdir(self.index) if "-wal" in name or "-shm" in name], [])

    def test_threads_that_read_without_a_pause_let_a_writer_in(self):
        connection = self.open(self.index)
        before = tuple(connection.execute(self.QUERY).fetchall())
        self.assertEqual(connection.execute("PRAGMA journal_mode").fetchone(), ("delete",))
        connection.close()
        reading, stop, results = self.context.Semaphore(0), self.context.Event(), self.context.Queue()
        reader = self.context.Process(target=read_in_threads, args=(self.index, reading, stop, results))
        reader.start()
        for _ in range(8 * 10):
            self.assertTrue(reading.acquire(timeout=120))
        built = self.build("--t-i", "3")
        stop.set()
        answers, errors = results.get(timeout=120)
        reader.join()
        self.assertEqual(built.returncode, 0, built.stderr)
        self.assertEqual((answers, errors), ({before}, []))

    def test_a_killed_writer_leaves_what_readers_have(self):
        before = self.open(MADE).execute(self.QUERY).fetchall()
        self.start_readers()
        killed = 0
        for stop in ("rename:2", "commit:2"):
            built = self.build("--t-i", "3", environment={"ACTKIN_STOP_BEFORE": stop})
            killed += built.returncode < 0
            self.assertEqual(self.open(self.index).execute(self.QUERY).fetchall(), before)
        self.assertGreater(killed, 0)
        built = self.build("--t-i", "3")
        self.assertEqual(built.returncode, 0, built.stderr)
        connection = self.open(self.index)
        for _, seen in self.finish_readers():
            self.assertIsInstance(seen, dict, seen)
            for site, answers in seen.items():
                if site[2] == 3:
                    self.assertEqual(answers[-1], connection.execute(QUERY, site).fetchall())
                else:
                    self.assertIn("no site", answers[-1])
                for old in answers[:-1]:
                    self.assertIn("no site", old)


    def test_the_first_reader_after_a_killed_writer_closes_its_journal(self):
        for command in (["query", self.index, "abba c"], ["info", self.index], ["verify", self.index]):
            killed = self.build("--t-i", "3", environment={"ACTKIN_STOP_BEFORE": "commit:1"})
            self.assertLess(killed.returncode, 0)
            with open(os.path.join(self.index, "catalog.db"), "rb") as file:
                self.assertEqual(file.read(20)[18:], b"\x02\x02")  # WAL, as SQLite writes it into the header
            self.assertEqual(run_command(*command).returncode, 0)
            with open(os.path.join(self.index, "catalog.db"), "rb") as file:
                self.assertEqual(file.read(20)[18:], b"\x01\x01")
            self.assertEqual([name for name in os.listdir(self.index) if "-wal" in name or "-shm" in name], [])


if __name__ == "__main__":
    unittest.main()
