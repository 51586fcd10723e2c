"""The golden data through Python: what the study's own code and others' libraries answer, asked of the package."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import actkin
from conftest import run_command

GOLDEN = Path(os.environ["ACTKIN_SHARED_DATA"]) / "golden"
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"golden data is absent: {GOLDEN} does not exist")
FAMILIES = sorted(folder.name for folder in (GOLDEN / "families").glob("*") if (folder / "strings").is_dir())


def read(relative):
    return json.loads((GOLDEN / relative).read_text())


def build(out, corpus, model, *flags):
    done = run_command("build", GOLDEN / corpus, "--model", GOLDEN / model, "--out", out, *flags)
    assert done.returncode == 0, done.stderr
    return actkin.open(out)


def near(found, expected, tolerance):
    return abs(found - expected) <= tolerance + 1e-4 * abs(expected)


def measures(neighbors):
    return [row.distance if row.similarity is None else row.similarity for row in neighbors]


@pytest.fixture(scope="module")
def small():
    """Made by CTest's fixture golden_index, for others too: it is not to be changed."""
    with actkin.open(os.environ["ACTKIN_GOLDEN_INDEX"]) as index:
        yield index


def check_ranks(neighbors, texts, distances, where):
    """Distances agree; texts up to ties, and what ties with the last, beyond which the golden list ends."""
    found = measures(neighbors)
    assert len(found) == len(texts), where
    for rank, (row, measure) in enumerate(zip(neighbors, found)):
        assert near(measure, distances[rank], 1e-5), (where, rank, measure, distances[rank])
        if row.text != texts[rank]:
            ties = [text for text, distance in zip(texts, distances) if near(measure, distance, 1e-5)]
            assert row.text in ties or near(measure, distances[-1], 1e-5), (where, rank, row.text, texts[rank])


@pytest.mark.parametrize(("metric", "name"), [("l2", "euclidean"), ("cosine", "cosine")])
def test_similar_strings(small, metric, name):
    folder = f"small/similar_strings_{name}"
    sites = [("embedding", 0, 9, "embs_sim_strings-000.json")]
    for stream in ("proj", "ffwd"):
        for block in range(3):
            sites += [
                (stream, block, t_i, f"{stream}_out_sim_strings-000-{block:02}-{t_i:03}.json") for t_i in range(3, 10)
            ]
    assert len(sites) == 43
    for stream, block, t_i, file in sites:
        golden = read(f"{folder}/{file}")
        prompts = list(golden["strings"])
        answers = small.neighbors(prompts, stream=stream, block=block, t_i=t_i, metric=metric)
        for prompt, found in zip(prompts, answers):
            column = golden["strings"][prompt]
            distances = [ranked[column] for ranked in golden["distances"]]
            check_ranks(found, golden["sim_strings"][column], distances, (file, prompt))


def test_the_models_own_tokens(small):
    for prompt, tokens in read("small/model_top10.json").items():
        found = small.model(prompt)
        for row, (token, probability) in zip(found, tokens):
            assert row.token == token and near(row.probability, probability, 1e-5), prompt
        assert sum(row.probability for row in found) == pytest.approx(1)


@pytest.mark.parametrize(("metric", "name"), [("l2", "euclidean"), ("cosine", "cosine")])
def test_predictions(small, metric, name):
    checked = 0
    for key, prompts in read(f"small/aggregates_{name}.json").items():
        t_is, largest = (part.split("=")[1] for part in key.split(";"))
        # The largest are the farthest under l2, the nearest under cosine.
        merge = "farthest" if (largest == "true") == (metric == "l2") else "nearest"
        for prompt, golden in prompts.items():
            for scheme, tokens in golden["next_token"].items():
                options = {"t_i": [int(t_i) for t_i in t_is.split(",")], "metric": metric, "merge": merge, "k": 10}
                found = {row.token: row.probability for row in small.predict(prompt, scheme, **options)}
                for token, probability in tokens:
                    # Neighbors at equal distance may differ, and with them what came next.
                    assert abs(found.get(token, 0) - probability) < 0.02, (key, prompt, scheme, token)
                checked += 1
    assert checked == 6 * 4 * 4


@pytest.mark.parametrize("family", FAMILIES)
def test_families(family, tmp_path):
    answers = read(f"families/{family}/strings/answers.json")
    model = f"families/{family}" + ("/ckpt.pt" if family.startswith("nanogpt") else "")
    flags = ["--length", answers["length"], "--streams", "embedding,proj,ffwd,residual"]
    with build(tmp_path / "family.actkin", f"families/{family}/strings/corpus.txt", model, *flags) as index:
        counts = {str(length): count for length, count in index.sql("SELECT length, string_count FROM string_length")}
        assert counts == answers["string_counts"] and index.info.tokens == answers["token_count"]
        for prompt in answers["prompts"]:
            check_family_prompt(index, prompt, answers["t_i"])


def check_family_prompt(index, prompt, t_i):
    for row, (token_id, probability) in zip(index.model(prompt["ids"]), prompt["model_top5"]):
        assert row.token_id == token_id and near(row.probability, probability, 1e-4)
    for site in prompt["sites"]:
        place = {"stream": site["stream"], "block": site.get("block", 0), "t_i": t_i}
        found = index.neighbors(prompt["ids"], k=len(site["neighbors"]), **place)
        same = 0
        for row, golden in zip(found, site["neighbors"]):
            assert near(row.distance, golden["distance"], 1e-4), (prompt["prompt"], place)
            if row.string_id == golden["string_id"]:  # else a tie
                same += 1
                assert sorted((one.token_id, one.count) for one in row.next_tokens) == sorted(
                    map(tuple, golden["next"])
                )
        assert len(found) == len(site["neighbors"]) and same >= len(found) - 2


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def positions(request, tmp_path_factory):
    answers = read(f"positions/{request.param}/answers.json")
    flags = ["--length", "2", "--positions", "--window", answers["window"], "--stride", answers["stride"]]
    out = tmp_path_factory.mktemp(request.param) / "positions.actkin"
    corpus, model = f"positions/{request.param}/documents.jsonl", f"families/{answers['model']}"
    with build(out, corpus, model, *flags, "--streams", "proj,ffwd,residual") as index:
        yield index, answers, GOLDEN / "positions" / request.param / "rows.safetensors"


def read_safetensors(path):
    content = path.read_bytes()
    header_bytes = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + header_bytes])
    header.pop("__metadata__", None)
    kinds = {"F32": np.float32, "I32": np.int32, "I64": np.int64}
    return {
        name: np.frombuffer(
            content[8 + header_bytes + one["data_offsets"][0] : 8 + header_bytes + one["data_offsets"][1]],
            kinds[one["dtype"]],
        ).reshape(one["shape"])
        for name, one in header.items()
    }


def test_rows_of_positions(positions):
    index, answers, file = positions
    assert [document.tokens for document in index.documents] == answers["document_lengths"]
    golden = read_safetensors(file)
    blocks = [name for name in golden if name.startswith("block.")]
    assert len(blocks) >= 9
    for name in blocks:
        _, block, stream = name.split(".")
        rows = index.rows(stream, int(block), rows="positions")
        np.testing.assert_allclose(rows, golden[name], rtol=1e-4, atol=1e-4)
    ids = [token for (token,) in index.sql("SELECT token_id FROM actkin_tokens ORDER BY position")]
    np.testing.assert_array_equal(ids, golden["tokens"])


def test_neighbors_of_positions(positions):
    index, answers, _ = positions
    following = dict(index.sql("SELECT position, next_token_id FROM actkin_tokens"))
    kinds = set()
    for asked in answers["neighbors"]:
        _, block, stream = asked["site"].split(".")
        options = {"stream": stream, "block": int(block), "metric": asked["metric"], "rows": "positions"}
        options["k"] = len(asked["neighbors"])
        if "position" in asked:
            found = index.neighbors(position=asked["position"], **options)
        else:
            found = index.neighbors(asked["prompt_ids"], **options)
        kinds.add(("position" in asked, asked["metric"]))
        same = 0
        for row, measure, golden in zip(found, measures(found), asked["neighbors"]):
            assert near(measure, golden[1], 1e-4), (asked["site"], row)
            if row.position == golden[0]:  # else a tie
                same += 1
                assert following[row.position] == golden[2]
                assert [one.token_id for one in row.next_tokens] == ([] if golden[2] is None else [golden[2]])
        assert len(found) == len(asked["neighbors"]) and same >= len(found) - 2
        # The same rows by vectors, all in one search.
        vector = index.rows(stream, int(block), rows="positions")[found[0].position]
        distances, rows = index.search(np.asarray(vector)[None], **options)
        assert rows.shape == (1, len(found)) and np.all(np.diff(distances[0]) >= 0)
    assert {(True, "l2"), (True, "cosine"), (False, "l2")} <= kinds


def test_what_follows_prefixes(positions):
    index, answers, _ = positions
    for prefix in answers["next_tokens"]:
        assert index.occurrences(prefix["prefix_ids"]) == prefix["occurrences"]
        found = [(row.token_id, row.count) for row in index.next_tokens(prefix["prefix_ids"])]
        assert sorted(found) == sorted(map(tuple, prefix["next"]))
        assert sum(row.probability for row in index.next_tokens(prefix["prefix_ids"])) == pytest.approx(
            1 if found else 0
        )
