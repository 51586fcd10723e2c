"""An answer in SQL is the command's answer, row by row, to the last bit."""

import json
import os
import shutil
import tempfile
import unittest

from made_index import MADE, OTHER, connect, run_command

GOLDEN = os.path.join(os.environ["ACTKIN_SHARED_DATA"], "golden", "small")


class CommandEqualityTest(unittest.TestCase):
    def compare(self, index, prompts, sites, metric="l2", order="nearest", k=10, within=None):
        """Returns how many rows were compared."""
        count = 0
        low, high = within or (None, None)
        with connect(index) as connection:
            for stream, block, t_i, row_count in sites:
                asked = [p for p in prompts if stream != "embedding" or len(p) == t_i + 1]
                if not asked:
                    continue
                arguments = ["query", index, "--json", "--stream", stream, "--t-i", str(t_i)]
                count_wanted = min(k, row_count)
                arguments += ["-k", str(count_wanted), "--metric", metric, "--order", order]
                if stream != "embedding":
                    arguments += ["--block", str(block)]
                if within:
                    arguments += ["--within", f"{low!r}:{high!r}"]
                ran = run_command(*arguments, "--", *asked)
                self.assertEqual(ran.returncode, 0, ran.stderr)
                answers = json.loads(ran.stdout)
                for answer in answers if isinstance(answers, list) else [answers]:
                    query = """SELECT rank, string_id, text, distance FROM actkin_neighbors(?, ?, ?, ?)
                               WHERE k = ? AND metric = ? AND sort_order = ?"""
                    values = [answer["prompt"], stream, block, t_i, count_wanted, metric, order]
                    if within:
                        query += " AND low = ? AND high = ?"
                        values += [low, high]
                    rows = connection.execute(query, values).fetchall()
                    expected = [(n["rank"], n["string_id"], n["text"], n["distance"]) for n in answer["neighbors"]]
                    self.assertEqual(rows, expected, values)
                    count += len(rows)
                    for neighbor in answer["neighbors"][:2]:
                        tokens = connection.execute(
                            "SELECT text, count FROM next_token JOIN token USING (token_id) WHERE string_id = ?",
                            [neighbor["string_id"]],
                        )
                        self.assertEqual(dict(tokens), neighbor["next_tokens"])
        return count

    def sites(self, index):
        with connect(index) as connection:
            return connection.execute("SELECT stream, block, t_i, row_count FROM site").fetchall()

    def test_made_indices(self):
        prompts = ["abba c", "cab", "d\u00e4 \u00e4", "dddddd", "\n\n", "b", "abbaabba"]
        for index in [MADE, OTHER]:
            for metric in ["l2", "cosine"]:
                for order in ["nearest", "farthest"]:
                    self.assertGreater(self.compare(index, prompts, self.sites(index), metric, order), 200)
        self.assertGreater(self.compare(MADE, prompts, self.sites(MADE), within=(0.25, 1.5), k=50), 200)
        self.assertGreater(self.compare(MADE, prompts, self.sites(MADE), "cosine", within=(-0.5, 0.75), k=50), 200)

    @unittest.skipUnless(os.path.exists(GOLDEN), f"golden data is absent: {GOLDEN} does not exist")
    def test_golden_prompts(self):
        folder = tempfile.mkdtemp(prefix="actkin-test-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        index = os.path.join(folder, "small.actkin")
        model = os.path.join(GOLDEN, "model.safetensors")
        built = run_command("build", os.path.join(GOLDEN, "corpus.txt"), "--model", model, "--out", index,
                            "--t-i", "4,9")
        self.assertEqual(built.returncode, 0, built.stderr)
        prompts = set()
        for metric in ["euclidean", "cosine"]:
            with open(os.path.join(GOLDEN, f"similar_strings_{metric}", "string_to_batch_map.json")) as file:
                prompts.update(json.load(file))
        with open(os.path.join(GOLDEN, "model_top10.json")) as file:
            top_tokens = json.load(file)
        prompts.update(top_tokens)
        self.assertGreaterEqual(len(prompts), 4)
        for metric in ["l2", "cosine"]:
            for order in ["nearest", "farthest"]:
                self.assertGreater(self.compare(index, sorted(prompts), self.sites(index), metric, order), 400)
        with connect(index) as connection:
            for prompt, tokens in top_tokens.items():
                query = "SELECT token, probability FROM actkin_model(?) LIMIT 10"
                rows = connection.execute(query, [prompt]).fetchall()
                for (token, probability), (_, expected) in zip(rows, tokens, strict=True):
                    self.assertAlmostEqual(probability, expected, delta=1e-5)
                    self.assertAlmostEqual(dict(tokens).get(token, tokens[-1][1]), expected, delta=1e-5)


if __name__ == "__main__":
    unittest.main()
