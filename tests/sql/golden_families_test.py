"""Strings of the golden families: neighbors, what came next, and the model's own tokens, by command and in SQL."""

import json
import os
import tempfile
import unittest

from made_index import connect, run_command

FAMILIES = os.path.join(os.environ["ACTKIN_SHARED_DATA"], "golden", "families")


def near(found, expected):
    return abs(found - expected) <= 1e-4 + 1e-4 * abs(expected)


@unittest.skipUnless(os.path.isdir(FAMILIES), f"golden data is absent: {FAMILIES} does not exist")
class GoldenFamiliesTest(unittest.TestCase):
    def check_family(self, name, out):
        folder = os.path.join(FAMILIES, name)
        model = os.path.join(folder, "ckpt.pt") if name.startswith("nanogpt") else folder
        built = run_command("build", os.path.join(folder, "strings", "corpus.txt"), "--model", model, "--length", "4",
                            "--streams", "embedding,attn_out,mlp_out,resid_post", "--out", out)
        self.assertEqual(built.returncode, 0, built.stderr)
        with open(os.path.join(folder, "strings", "answers.json"), encoding="utf-8") as file:
            answers = json.load(file)
        connection = connect(out)
        counts = dict(connection.execute("SELECT length, string_count FROM string_length"))
        self.assertEqual(counts, {int(length): count for length, count in answers["string_counts"].items()})
        self.assertEqual(connection.execute("SELECT token_count FROM corpus").fetchone()[0], answers["token_count"])
        for prompt in answers["prompts"]:
            self.check_prompt(connection, out, answers, prompt)

    def check_prompt(self, connection, out, answers, prompt):
        ids = json.dumps(prompt["ids"])
        model = connection.execute(
            "SELECT token_id, probability FROM actkin_model(actkin_ids(?)) ORDER BY probability DESC LIMIT 5", [ids])
        for found, expected in zip(model.fetchall(), prompt["model_top5"], strict=True):
            self.assertEqual(found[0], expected[0])
            self.assertTrue(near(found[1], expected[1]), (found, expected))
        for site in prompt["sites"]:
            expected = site["neighbors"]
            stream, block = site["stream"], site.get("block", 0)
            rows = connection.execute(
                "SELECT string_id, distance FROM actkin_neighbors(actkin_ids(?), ?, ?, ?, ?)",
                [ids, stream, block, answers["t_i"], len(expected)]).fetchall()
            self.check_neighbors(connection, rows, expected, (prompt["prompt"], stream, block))
        site = prompt["sites"][-1]
        command = run_command("query", out, "--ids", ",".join(map(str, prompt["ids"])), "--stream", site["stream"],
                              "--block", str(site.get("block", 0)), "-k", str(len(site["neighbors"])), "--json")
        self.assertEqual(command.returncode, 0, command.stderr)
        answer = json.loads(command.stdout)
        neighbors = answer["neighbors"] if "neighbors" in answer else answer[0]["neighbors"]
        self.check_neighbors(connection, [(n["string_id"], n["distance"]) for n in neighbors], site["neighbors"],
                             prompt["prompt"])

    def check_neighbors(self, connection, rows, expected, where):
        self.assertEqual(len(rows), len(expected), where)
        for (string_id, distance), other in zip(rows, expected):
            self.assertTrue(near(distance, other["distance"]), (where, distance, other))
            if string_id != other["string_id"]:  # a tie
                continue
            nexts = connection.execute("SELECT token_id, count FROM next_token WHERE string_id = ? "
                                       "ORDER BY token_id", [string_id]).fetchall()
            self.assertEqual(nexts, sorted(map(tuple, other["next"])), where)
            tokens = connection.execute("SELECT tokens FROM string WHERE string_id = ?", [string_id]).fetchone()[0]
            self.assertEqual(tokens, connection.execute("SELECT actkin_ids(?)",
                                                        [json.dumps(other["ids"])]).fetchone()[0], where)
        same = sum(row[0] == other["string_id"] for row, other in zip(rows, expected))
        self.assertGreaterEqual(same, len(expected) - 2, where)

    def test_every_family(self):
        names = sorted(name for name in os.listdir(FAMILIES) if os.path.isdir(os.path.join(FAMILIES, name, "strings")))
        self.assertEqual(len(names), 12)
        for name in names:
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                self.check_family(name, os.path.join(folder, "index.actkin"))


if __name__ == "__main__":
    unittest.main()
