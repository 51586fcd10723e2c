"""The shared object brings nothing into a process but its entry point, and takes nothing of SQLite, FAISS or LibTorch."""

import subprocess
import unittest

from made_index import EXTENSION


def symbols(*options):
    lines = subprocess.run(["nm", "-D", *options, EXTENSION], capture_output=True, text=True, check=True).stdout
    return [line.split()[-1] for line in lines.splitlines()]


class SymbolsTest(unittest.TestCase):
    def test_exports_the_entry_point_alone(self):
        self.assertEqual(symbols("--defined-only"), ["sqlite3_actkin_init"])

    def test_imports_no_sqlite(self):
        self.assertEqual([name for name in symbols("--undefined-only") if "sqlite" in name.lower()], [])

    def test_needs_no_sqlite_torch_faiss_or_blas(self):
        output = subprocess.run(["ldd", EXTENSION], capture_output=True, text=True, check=True).stdout
        for library in ["sqlite", "torch", "faiss", "blas", "gomp"]:
            self.assertNotIn(library, output)


if __name__ == "__main__":
    unittest.main()
