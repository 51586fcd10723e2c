"""actkin_predict answers as the command does, to the last bit."""

import json
import unittest

from made_index import MADE, IndexTest, run_command

SCHEMES = ["progressive_ffwd_weight", "inverse_distance", "last_ffwd_only", "last_ffwd_only_inverse_distance",
           "prompt_only"]


class PredictTest(IndexTest):
    def test_equals_the_command(self):
        connection = self.open(MADE)
        compared = 0
        for prompt in ["abba c", "cab", "d\u00e4 \u00e4", "dddddd", "abbaabba"]:
            for metric in ["l2", "cosine"]:
                for t_i in ["5", "2,5"]:
                    for merge in ["nearest", "farthest"]:
                        ran = run_command("predict", MADE, prompt, "--json", "--scheme", "all", "--metric", metric,
                                          "--t-i", t_i, "--merge", merge, "-k", "7")
                        self.assertEqual(ran.returncode, 0, ran.stderr)
                        for answer in json.loads(ran.stdout):
                            query = """SELECT token, probability FROM actkin_predict(?, ?, ?)
                                       WHERE k = 7 AND metric = ? AND merge = ?"""
                            rows = connection.execute(query, [prompt, answer["scheme"], t_i, metric, merge]).fetchall()
                            expected = [(token["token"], token["probability"]) for token in answer["tokens"]]
                            self.assertEqual(rows[:10], expected)
                            compared += len(expected)
        self.assertGreater(compared, 500)

    def test_a_saved_scheme_is_found(self):
        index = self.copy()
        with open(f"{self.folder}/mine.json", "w") as file:
            json.dump({"ffwd": {"0": 2, "1": -0.5}, "kernel": "inverse_distance"}, file)
        connection = self.open(index)
        self.assertIn("mine", self.error_of(connection, "SELECT * FROM actkin_predict('abba c', 'mine', 5)"))
        ran = run_command("predict", index, "abba c", "--scheme", f"{self.folder}/mine.json", "--json")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        rows = connection.execute("SELECT token, probability FROM actkin_predict('abba c', 'mine', 5)").fetchall()
        self.assertEqual(rows[:10], [(t["token"], t["probability"]) for t in json.loads(ran.stdout)["tokens"]])
        self.assertAlmostEqual(sum(probability for _, probability in rows), 1)


if __name__ == "__main__":
    unittest.main()
