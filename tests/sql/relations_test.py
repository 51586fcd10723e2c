"""The table functions are relations: random statements give what they give over ordinary tables.

The long run: tests/sql/relations --statements 1000000.
"""

import itertools
import random
import shutil
import tempfile
import unittest

import relations_index
import relations_tables
from relations_compare import Comparison
from relations_oracle import TABLES, products
from relations_run import MOST_ERRORS, Counts

STATEMENTS = 1000
SEED = 1


class RelationsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="actkin-relations-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        relations_index.make(cls.folder)
        cls.comparison = Comparison(cls.folder)
        cls.addClassCleanup(cls.comparison.connection.close)

    def query(self, text, *values):
        return self.comparison.connection.execute(text, values).fetchall()

    def test_random_statements(self):
        counts = Counts()
        for seed in range(SEED, SEED + STATEMENTS):
            outcome = self.comparison.check(seed)
            self.assertEqual(outcome.difference, "", f"seed {seed}")
            counts.add(outcome)
        self.assertLessEqual(counts.error_share(), MOST_ERRORS, counts)
        for kind in ("OR", "IN", "row", "rows", "open branches", "LEFT JOIN", "USING", "MATERIALIZED",
                     "NOT MATERIALIZED", "view", "over positions", "EXISTS or IN", "window", "GROUP BY", "FILTER", "EXCEPT", "INTERSECT"):
            self.assertIn(kind, counts.kinds)

    def test_a_row_that_is_missing_or_another_is_a_difference(self):
        oracle = self.comparison.oracle
        for change in ("DELETE FROM rel_neighbors WHERE rank = 1", "UPDATE rel_neighbors SET distance = distance + 1e-6",
                       "INSERT INTO rel_neighbors SELECT * FROM rel_neighbors WHERE rank = 2"):
            found = 0
            for seed in range(300):
                self.comparison.check(seed)
                if oracle.held["neighbors"]:
                    self.comparison.connection.execute(change)
                    found += self.comparison.check(seed).difference != ""
                    oracle.held["neighbors"] = None
            self.assertGreater(found, 10, change)

    def test_rowids_differ_between_arguments_and_are_a_row_s_own(self):
        """In any one statement, and from one to the next, whatever else is asked."""
        generator = random.Random(SEED)
        choices = {"prompt": relations_tables.LONG[:2] + ["ab"], "stream": ["proj", "ffwd"], "block": [0, 1, None],
                   "t_i": [1, 3, -1, None], "k": [1, 3, None], "metric": ["l2", "cosine"],
                   "sort_order": ["nearest", "farthest", None], "low": [0.2, None], "high": [1.5, None],
                   "catalog": ["main", "other", None], "exclude_self": [1, None]}
        calls = generator.sample(list(products(choices)), 300)
        conditions = ["", " AND distance < 0.8", " AND rank <= 2", " AND rank BETWEEN 2 AND 5",
                      " AND string_id IN (SELECT string_id FROM string WHERE occurrences > 1)", " AND text LIKE 'a%'"]
        row_of, rowid_of = {}, {}
        for some in itertools.batched(calls, 5) if hasattr(itertools, "batched") else zip(*[iter(calls)] * 5):
            parts, values = [], []
            for place, call in enumerate(some):
                asked = " AND ".join(f"{name} = ?" for name in call)
                parts.append(f"SELECT {place}, rowid, string_id FROM actkin_neighbors WHERE {asked}"
                             f"{generator.choice(conditions)}")
                values += call.values()
            for place, rowid, string_id in self.query(" UNION ALL ".join(parts), *values):
                row = (TABLES["neighbors"].complete(some[place])[0], string_id)
                self.assertEqual(row_of.setdefault(rowid, row), row)
                self.assertEqual(rowid_of.setdefault(row, rowid), rowid)
        self.assertGreater(len(row_of), 3000)


if __name__ == "__main__":
    unittest.main()
