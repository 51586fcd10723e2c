"""The extension works in a process that has imported torch (Debian: python3-torch) and FAISS before it."""

import importlib
import sys
import unittest

from made_index import MADE, IndexTest, connect, run_command

for module in ["torch", "faiss"]:
    try:
        importlib.import_module(module)
    except ImportError:
        print(f"python3 has no {module}")
        if module == "torch":
            sys.exit(77)

import torch


class TorchTest(unittest.TestCase):
    QUERY = "SELECT text, distance FROM actkin_neighbors(?, 'ffwd', 1, 5, 10)"

    def test_answers_beside_torch(self):
        product = torch.ones(64, 64) @ torch.ones(64, 64)
        self.assertEqual(float(product.sum()), 64.0**3)
        with connect(MADE) as connection:
            self.assertEqual(connection.execute(self.QUERY, ["abba c"]).fetchone(), ("abba c", 0.0))
            self.assertEqual(len(connection.execute(self.QUERY, ["dddddd"]).fetchall()), 10)

    def test_vectors_are_what_torch_reads(self):
        with connect(MADE) as connection:
            a, b = (
                torch.frombuffer(bytearray(connection.execute("SELECT actkin_vector(?, 'ffwd', 1)", [i]).fetchone()[0]),
                                 dtype=torch.float32)
                for i in (458, 459)
            )
            blobs = [a.numpy().tobytes(), b.numpy().tobytes()]
            distance = connection.execute("SELECT actkin_distance(?, ?, 'l2')", blobs).fetchone()[0]
        self.assertAlmostEqual(distance, float(torch.dist(a, b)), places=5)


class FaissTest(IndexTest):
    def test_two_faiss_in_one_process(self):
        faiss = sys.modules.get("faiss")
        if faiss is None:
            self.skipTest("python3 has no faiss")
        index = self.copy()
        for name in ["HNSW8", "IVF4,Flat"]:
            # On one thread a graph is the same each time.
            added = run_command("index", index, "--add", name, "--stream", "ffwd", "--block", "1", "--t-i", "5",
                                "--threads", "1")
            self.assertEqual(added.returncode, 0, added.stderr)
        vectors = torch.randn(500, 16, generator=torch.Generator().manual_seed(1)).numpy()
        theirs = faiss.index_factory(16, "IVF8,Flat")
        theirs.train(vectors)
        theirs.add(vectors)
        theirs.nprobe = 8
        connection = self.open(index)
        exact = connection.execute(self.QUERY).fetchall()
        for _ in range(3):
            self.assertEqual(theirs.search(vectors[:50], 1)[1][:, 0].tolist(), list(range(50)))
            for name, parameters in [("HNSW8", "efSearch=100"), ("IVF4,Flat", "nprobe=4")]:
                query = self.QUERY + f" WHERE index_name = '{name}' AND params = '{parameters}'"
                self.assertEqual(connection.execute(query).fetchall(), exact)
            self.assertEqual(float((torch.ones(64, 64) @ torch.ones(64, 64)).sum()), 64.0**3)


if __name__ == "__main__":
    unittest.main()
