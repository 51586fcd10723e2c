"""The extension works in a process that has imported torch (Debian: python3-torch) and FAISS before it."""

import importlib
import sys
import unittest

from made_index import MADE, connect

for module in ["torch", "faiss"]:
    try:
        importlib.import_module(module)
    except ImportError:
        print(f"python3 has no {module}")
        if module == "torch":
            sys.exit(77)

import torch


class TorchTest(unittest.TestCase):
    QUERY = "SELECT text, distance FROM actkin_neighbors(?, 'ffwd', 1, 5)"

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


if __name__ == "__main__":
    unittest.main()
