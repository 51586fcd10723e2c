"""Positions of the golden corpora: neighbors of positions and of prompts, what came next, and what follows prefixes of
any length, by command and in SQL."""

import json
import os
import tempfile
import unittest

from made_index import connect, run_command

GOLDEN = os.path.join(os.environ["ACTKIN_SHARED_DATA"], "golden")
POSITIONS = os.path.join(GOLDEN, "positions")


def near(found, expected):
    return abs(found - expected) <= 1e-4 + 1e-4 * abs(expected)


@unittest.skipUnless(os.path.isdir(POSITIONS), f"golden data is absent: {POSITIONS} does not exist")
class GoldenPositionsTest(unittest.TestCase):
    def check(self, name, out):
        with open(os.path.join(POSITIONS, name, "answers.json"), encoding="utf-8") as file:
            answers = json.load(file)
        built = run_command("build", os.path.join(POSITIONS, name, "documents.jsonl"), "--model",
                            os.path.join(GOLDEN, "families", answers["model"]), "--length", "2", "--positions",
                            "--window", str(answers["window"]), "--stride", str(answers["stride"]), "--streams",
                            "proj,ffwd,residual", "--out", out)
        self.assertEqual(built.returncode, 0, built.stderr)
        connection = connect(out)
        lengths = connection.execute("SELECT token_count FROM document ORDER BY document_id").fetchall()
        self.assertEqual([length for length, in lengths], answers["document_lengths"])
        for number, asked in enumerate(answers["neighbors"]):
            _, block, stream = asked["site"].split(".")
            where = (name, asked.get("position", asked.get("prompt")), asked["site"], asked["metric"])
            rows = self.in_sql(connection, asked, stream, int(block))
            self.check_neighbors(rows, asked, where)
            if number % 5 == 0:
                self.check_neighbors(self.by_command(out, asked, stream, block), asked, where)
        self.check_prefixes(connection, answers["next_tokens"])
        # What a position is left out of, and what stands around it.
        position = answers["neighbors"][0]["position"]
        for window in (None, 0, 30):
            rows = connection.execute(
                "SELECT position FROM actkin_neighbors_of(actkin_vector_at(?1, 'ffwd', 1), 'ffwd', 1, NULL) "
                "WHERE k = 5" + ("" if window is None else " AND exclude_position = ?1 AND exclude_window = ?2"),
                [position, window][:2 - (window is None)]).fetchall()
            self.assertEqual(len(rows), 5)
            self.assertEqual(rows[0][0] == position, window is None)
            self.assertTrue(all(abs(row[0] - position) > (window or -1) for row in rows))

    @staticmethod
    def in_sql(connection, asked, stream, block):
        """[(position, similarity or distance, next token)]"""
        columns = "b.position, coalesce(b.similarity, b.distance), t.next_token_id"
        if "position" in asked:
            source, first = "actkin_neighbors_of(actkin_vector_at(?, ?2, ?3), ?2, ?3, NULL)", asked["position"]
        else:
            source, first = "actkin_neighbors(actkin_ids(?), ?2, ?3, NULL)", json.dumps(asked["prompt_ids"])
        return connection.execute(
            f"SELECT {columns} FROM {source} AS b JOIN actkin_tokens AS t ON t.position = b.position "
            "WHERE b.k = ?4 AND b.metric = ?5 ORDER BY b.rank",
            [first, stream, block, len(asked["neighbors"]), asked["metric"]]).fetchall()

    def by_command(self, out, asked, stream, block):
        what = ["--position", str(asked["position"])] if "position" in asked else [
            "--ids", ",".join(map(str, asked["prompt_ids"]))]
        answered = run_command("query", out, *what, "--stream", stream, "--block", block, "--metric", asked["metric"],
                               "-k", str(len(asked["neighbors"])), "--json")
        self.assertEqual(answered.returncode, 0, answered.stderr)
        answer = json.loads(answered.stdout)
        connection = connect(out)
        rows = []
        for row in answer["neighbors"]:
            following = connection.execute("SELECT next_token_id FROM actkin_tokens WHERE position = ?",
                                           [row["position"]]).fetchone()[0]
            self.assertEqual(len(row["next_tokens"]), following is not None)
            measure = row["distance"] if row["similarity"] is None else row["similarity"]
            rows.append((row["position"], measure, following))
        return rows

    def check_neighbors(self, rows, asked, where):
        expected = asked["neighbors"]
        self.assertEqual(len(rows), len(expected), where)
        same = 0
        for (position, measure, following), other in zip(rows, expected):
            self.assertTrue(near(measure, other[1]), (where, position, measure, other))
            if position == other[0]:  # else a tie
                same += 1
                self.assertEqual(following, other[2], where)
        self.assertGreaterEqual(same, len(expected) - 2, where)

    def check_prefixes(self, connection, prefixes):
        for prefix in prefixes:
            ids = json.dumps(prefix["prefix_ids"])
            found = connection.execute("SELECT token_id, count FROM actkin_next_tokens(actkin_ids(?)) ORDER BY token_id",
                                       [ids]).fetchall()
            self.assertEqual(found, sorted(map(tuple, prefix["next"])), prefix)
            self.assertEqual(connection.execute("SELECT actkin_occurrences(actkin_ids(?))", [ids]).fetchone()[0],
                             prefix["occurrences"])

    def test_every_corpus(self):
        names = sorted(os.listdir(POSITIONS))
        self.assertEqual(names, ["gpt2", "llama"])
        for name in names:
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                self.check(name, os.path.join(folder, "index.actkin"))


if __name__ == "__main__":
    unittest.main()
