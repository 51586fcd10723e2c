"""Children of multiprocessing's 'fork', which is also DataLoader's way, ask what their parent asked before."""

import multiprocessing
import unittest

from made_index import IndexTest, connect, run_command

NAMES = ["exact", "HNSW8", "IVF4,Flat", "SQ8", "PQ4np", "LSH", "HNSW8,SQ8", "IVF4,SQ8", "PQ4x4fs"]

# A child that hangs is killed: it fails the test by its exit code.
LONGEST_SECONDS = 120


def ask(index, name):
    connection = connect(index)
    rows = connection.execute(
        "SELECT string_id, distance FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE index_name = ? AND k = 8",
        [name]).fetchall()
    connection.close()
    return rows


def answer(index, name, answers):
    answers.put(ask(index, name))


class ForkTest(IndexTest):
    def test_children_answer_as_their_parent(self):
        index = self.copy()
        for name in NAMES[1:]:
            added = run_command("index", index, "--add", name, "--stream", "ffwd", "--block", "1", "--t-i", "5")
            self.assertEqual(added.returncode, 0, added.stderr)
        expected = {name: ask(index, name) for name in NAMES}
        fork = multiprocessing.get_context("fork")
        for name in NAMES:
            self.assertEqual(len(expected[name]), 8, name)
            answers = fork.SimpleQueue()
            child = fork.Process(target=answer, args=(index, name, answers))
            child.start()
            child.join(LONGEST_SECONDS)
            if child.exitcode is None:
                child.kill()
                child.join()
            self.assertEqual(child.exitcode, 0, name)
            self.assertEqual(answers.get(), expected[name], name)

    def test_a_pool_asks_every_index(self):
        index = self.copy()
        names = ["SQ8", "PQ4np", "HNSW8"]
        for name in names:
            added = run_command("index", index, "--add", name, "--stream", "ffwd", "--block", "1", "--t-i", "5")
            self.assertEqual(added.returncode, 0, added.stderr)
        expected = [ask(index, name) for name in names]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            answers = pool.starmap_async(ask, [(index, name) for name in names] * 4).get(LONGEST_SECONDS)
        self.assertEqual(answers, expected * 4)


if __name__ == "__main__":
    unittest.main()
