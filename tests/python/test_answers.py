"""It answers as the command does, and gives what the catalog holds."""

import numpy as np
import pytest

import actkin
from conftest import MADE, ask_command, run_command


def rows_of(found):
    """As the command prints them."""
    return [
        {
            "rank": row.rank,
            "string_id": row.string_id,
            "text": row.text,
            "distance": row.distance,
            "similarity": row.similarity,
            "next_tokens": {next_token.token: next_token.count for next_token in row.next_tokens},
        }
        for row in found
    ]


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({}, []),
        (
            {"stream": "proj", "block": 0, "t_i": 2, "k": 4},
            ["--stream", "proj", "--block", "0", "--t-i", "2", "-k", "4"],
        ),
        ({"stream": "attn_out", "block": -1}, ["--stream", "proj", "--block", "-1"]),
        ({"stream": "embedding"}, ["--stream", "embedding"]),
        ({"metric": "cosine", "order": "farthest", "threads": 2}, ["--metric", "cosine", "--order", "farthest"]),
        ({"metric": "cosine", "low": 0.2, "high": 0.9}, ["--metric", "cosine", "--within", "0.2:0.9"]),
        ({"where": "occurrences > 1", "k": 3}, ["--where", "occurrences > 1", "-k", "3"]),
        ({"exclude_self": True}, ["--exclude-self"]),
    ],
)
def test_neighbors_are_the_commands(index, options, flags):
    answer = ask_command("query", MADE, "abba c", *flags)
    found = index.neighbors("abba c", **options)
    assert rows_of(found) == answer["neighbors"]
    assert (found.stream, found.block, found.t_i) == (answer["stream"], answer["block"], answer["t_i"])
    assert len(found) > 0


def test_a_prompt_is_a_text_or_ids_of_tokens(index):
    ids = index.encode("abba c")
    assert index.decode(ids) == "abba c"
    expected = index.neighbors("abba c")
    for prompt in (ids, tuple(ids), np.array(ids), np.array(ids, np.uint8)):
        assert index.neighbors(prompt) == expected
    several = index.neighbors(["abba c", ids, "cab"])
    assert several[0] == expected and several[1] == expected
    assert several[2] == index.neighbors("cab")
    assert index.neighbors([ids, ids])[1] == expected
    assert index.model(ids) == index.model("abba c")
    assert index.next_tokens(ids) == index.next_tokens("abba c")


def test_a_string_and_its_row_have_the_neighbors_of_the_prompt(index):
    expected = index.neighbors("abba c", k=5)
    string_id = expected[0].string_id
    assert index.neighbors(string_id=string_id, k=5) == expected
    rows = index.rows()
    at = int(np.flatnonzero(index.ids(np.arange(len(rows))) == string_id)[0])
    assert index.neighbors(vector=rows[at], k=5) == expected


def test_next_tokens_are_those_of_the_corpus(index):
    found = index.next_tokens("ab")
    catalog = index.sql("SELECT token, count FROM next_token_map WHERE prefix = 'ab' ORDER BY count DESC, token_id")
    assert [(one.token, one.count) for one in found] == list(catalog)
    assert sum(one.probability for one in found) == pytest.approx(1)
    string_id = index.sql("SELECT string_id FROM string WHERE text = 'ab'")[0][0]
    assert index.next_tokens(string_id=string_id) == found
    assert sum(one.count for one in found) == index.occurrences("ab")
    assert 0 < len(index.next_tokens("abba cab d\u00e4 ")) < len(index.next_tokens(""))  # longer than any string
    with pytest.raises(actkin.InvalidArgumentError, match="one of"):
        index.next_tokens()


def test_predictions_are_the_commands(index):
    answer = ask_command("predict", MADE, "abba c", "--scheme", "inverse_distance", "--t-i", "2,5", "-k", "4")
    found = index.predict("abba c", "inverse_distance", t_i=[2, 5], k=4)
    assert [{"token": one.token, "probability": one.probability} for one in found] == answer["tokens"]
    assert [{"token": one.token, "probability": one.probability} for one in index.model("abba c")] == answer["model"]
    assert index.predict("abba c", t_i=5) == index.predict("abba c")
    nothing = index.predict("dddddd", "prompt_only")
    assert len(nothing) == 0 and "is not in the corpus" in nothing.notes[0]
    assert "is not in the corpus" in str(nothing)


def test_info_and_sites_are_the_commands(index):
    answer = ask_command("info", MADE)
    info = index.info
    assert info.corpus == answer["corpus"]["name"]
    assert info.string_length == answer["corpus"]["string_length"] == 6
    assert info.model.blocks == answer["model"]["blocks"]
    assert [(site.stream, site.block, site.t_i, site.rows) for site in index.sites] == [
        (site["stream"], site["block"], site["t_i"], site["rows"]) for site in answer["sites"]
    ]
    assert index.sites[0].indices == ["exact"]
    assert [document.name for document in index.documents] == ["corpus.txt"]
    assert index.documents[0].tokens == info.tokens
    assert index.path == str(MADE)


def test_the_context_of_a_position(index):
    text = index.decode(index.encode((MADE.parent / "corpus.txt").read_text()))
    context = index.context(100, before=7, after=3)
    assert (context.before, context.token, context.after) == (text[93:100], text[100], text[101:104])
    assert context.text == text[93:104]
    assert index.context(0, 5, 0).text == text[0]
    assert index.sql("SELECT actkin_context(100, 7, 3)")[0][0] == context.text


def test_tokens_of_several_bytes(pieces):
    text = (MADE.parent / "pieces.txt").read_text()[:50]
    assert pieces.decode(pieces.encode(text)) == text
    found = pieces.neighbors(pieces.encode(text)[:4], k=3)
    assert (
        rows_of(found)
        == ask_command("query", pieces.path, "--ids", ",".join(map(str, pieces.encode(text)[:4])), "-k", 3)["neighbors"]
    )


def test_an_approximate_index_is_asked_by_its_name(copy):
    assert run_command("index", copy, "--add", "HNSW4").returncode == 0
    with actkin.open(copy) as index:
        found = index.neighbors("abba c", k=5, index="HNSW4", params="efSearch=8")
        flags = ["-k", 5, "--index", "HNSW4", "--param", "efSearch=8"]
        assert rows_of(found) == ask_command("query", copy, "abba c", *flags)["neighbors"]
        assert index.search(index.rows()[:3], k=2, index="HNSW4").rows.shape == (3, 2)


def test_verify_finds_what_was_changed(copy):
    with actkin.open(copy) as index:
        assert index.verify().sound
        file = copy / "sites/ffwd-b1-t5.vectors"
        content = bytearray(file.read_bytes())
        content[5000] ^= 1
        file.write_bytes(content)
        (copy / "mine.txt").write_text("mine")
        findings = index.verify()
        assert not findings.sound
        assert [finding.path for finding in findings.damaged] == ["sites/ffwd-b1-t5.vectors"]
        assert {finding.path: finding.state for finding in findings}["mine.txt"] == "leftover"


def test_sites_say_what_their_rows_are_like(index):
    told = ask_command("info", MADE)["sites"]
    assert len(told) == len(index.sites)
    for site, other in zip(index.sites, told):
        statistics = other["statistics"]
        assert (site.mean_length, site.longest) == (statistics["mean_length"], statistics["longest"])
        assert (site.cosine, site.worth_centering) == (statistics["cosine"], statistics["worth_centering"])
        assert {one.pairs for one in site.distances} == set(statistics["distances"])
        assert site.sketch_levels == (other["sketches"] or {"levels": []})["levels"]
    assert "median_length" in repr(index.sites)


def test_rows_that_are_too_long_are_left_out(index):
    assert index.neighbors("abba c", k=5, max_length=1e9) == index.neighbors("abba c", k=5)
    assert len(index.neighbors("abba c", max_length=0)) == 0
    site = next(site for site in index.sites if (site.stream, site.block, site.t_i) == ("ffwd", 1, 5))
    limit = site.median_length * 1.00001
    numbers = np.arange(site.rows)
    lengths = np.linalg.norm(np.asarray(index.rows("ffwd", 1, 5)[:], np.float64), axis=1)
    short = set(index.ids(numbers, "ffwd", 1, 5)[lengths <= limit].tolist())
    expected = [row.string_id for row in index.neighbors("abba c", k=site.rows) if row.string_id in short]
    found = index.neighbors("abba c", k=9, max_length=limit)
    assert [row.string_id for row in found] == expected[:9]
    with pytest.raises(actkin.InvalidArgumentError, match="max_length"):
        index.neighbors("abba c", max_length=-1)
