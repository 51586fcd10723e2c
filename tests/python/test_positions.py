"""Sites over positions: every token of the corpus is a row."""

import nanoarrow
import numpy as np
import pytest

import actkin
from conftest import ask_command


@pytest.fixture
def index(over_positions):
    with actkin.open(over_positions) as opened:
        yield opened


def rows_of(found):
    return [(row.rank, row.position, row.text, row.distance, row.document) for row in found]


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({}, []),
        ({"stream": "proj", "block": 0, "k": 4}, ["--stream", "proj", "--block", 0, "-k", 4]),
        ({"metric": "cosine", "center": True}, ["--metric", "cosine", "--center"]),
        ({"metric": "dot"}, ["--metric", "dot"]),
        ({"distinct": "token", "k": 3}, ["--distinct", "token", "-k", 3]),
        ({"at": 2}, ["--at", 2]),
        ({"where": "position < 100"}, ["--where", "position < 100"]),
    ],
)
def test_neighbors_are_the_commands(index, over_positions, options, flags):
    answer = ask_command("query", over_positions, "abba c", "--positions", *flags)
    found = index.neighbors("abba c", rows="positions", **options)
    assert rows_of(found) == [
        (row["rank"], row["position"], row["text"], row["distance"], row["document"]) for row in answer["neighbors"]
    ]
    for row, printed in zip(found, answer["neighbors"]):
        assert row.string_id is None and row.document_id == printed["document_id"]
        assert row.context.token == row.text and row.context.position == row.position
        assert row.context.before == printed["context"]["before"] and row.context.after == printed["context"]["after"]
    assert found.t_i is None and len(found) > 0


def test_a_position_is_asked(index):
    found = index.neighbors(position=100, rows="positions", k=5)
    assert (found[0].position, found[0].distance) == (100, 0)
    without = index.neighbors(position=100, rows="positions", k=5, exclude_self=True, exclude_window=3)
    assert all(abs(row.position - 100) > 3 for row in without)
    following = index.context(found[1].position, 0, 1).after
    assert [one.token for one in found[1].next_tokens] == [following]
    assert index.neighbors(position=100, rows="positions", context=(2, 0))[0].context == index.context(100, 2, 0)
    with pytest.raises(actkin.NotFoundError):
        index.neighbors(position=10**7, rows="positions")
    by_position = index.predict(position=100, rows="positions", k=5)
    assert sum(one.probability for one in by_position) == pytest.approx(1)
    assert index.predict("abba c", rows="positions", k=5)[0].probability > 0


def test_they_show_where_they_are(index):
    found = index.neighbors(position=100, rows="positions", k=3)
    assert "over positions" in repr(found).splitlines()[0] and "\u27e8" in repr(found)
    assert "string_id" not in repr(found) and found._repr_html_().count("<mark>") == 3
    dicts = found.to_dicts()
    assert dicts[0]["context"]["token"] == found[0].text
    assert nanoarrow.Array(found).to_pylist() == dicts


def test_rows_and_ids_are_positions(index):
    site = next(site for site in index.sites if site.over == "positions" and site.stream == "ffwd" and site.block == 1)
    assert (site.t_i, site.window, site.stride, site.rows) == (None, 8, 4, index.info.tokens)
    rows = index.rows("ffwd", 1, rows="positions")
    assert rows.shape == (site.rows, site.dimension)
    np.testing.assert_array_equal(index.ids([5, 0, 7], "ffwd", 1, rows="positions"), [5, 0, 7])
    queries = np.asarray(rows)[10:14]
    distances, numbers = index.search(queries, rows="positions", k=6)
    exact = np.linalg.norm(np.asarray(rows, np.float64)[None] - queries[:, None].astype(np.float64), axis=2)
    np.testing.assert_allclose(distances, np.sort(exact, axis=1)[:, :6], atol=1e-9)
    scores, top = index.search(queries[:1], rows="positions", k=3, metric="dot")
    products = np.asarray(rows, np.float64) @ queries[0].astype(np.float64)
    np.testing.assert_allclose(-scores[0], np.sort(products)[::-1][:3])
    np.testing.assert_allclose(products[top[0]], -scores[0])


def test_strings_are_asked_where_both_are_built(index):
    assert index.neighbors("abba c")[0].string_id is not None
    assert index.neighbors("abba c", rows="strings") == index.neighbors("abba c")
    with pytest.raises(actkin.InvalidArgumentError):
        index.neighbors("abba c", rows="tokens")
