"""Results: named records that print, show, and turn into what others read."""

import nanoarrow
import pytest

import actkin


def test_records_are_named_and_compare(index):
    found = index.neighbors("abba c", k=3)
    assert found[0].rank == 1 and found[-1].rank == 3
    assert [row.rank for row in found] == found.column("rank") == [1, 2, 3]
    assert len(found[1:]) == 2 and found[1:][0] == found[1]
    assert found.columns[:2] == ["rank", "string_id"] and found.columns[-1] == "next_tokens"
    assert found == index.neighbors("abba c", k=3)
    assert found != index.neighbors("abba c", k=2)
    rank, string_id, *_ = found[0]
    assert (rank, string_id) == (1, found[0].string_id)


def test_they_print_as_a_table(index):
    found = index.neighbors("abba c", k=2, next_tokens=False)
    lines = repr(found).splitlines()
    assert lines[0] == '"abba c"  ffwd block 1 t_i 5  l2'
    assert lines[1].split() == ["rank", "string_id", "text", "distance"]
    assert lines[2].split()[0] == "1" and '"abba c"' in lines[2]
    assert len(lines) == 4
    assert "next_tokens" in repr(index.neighbors("abba c", k=2))
    assert "similarity" in repr(index.neighbors("abba c", k=2, metric="cosine"))
    many = repr(index.neighbors("abba c", k=100))
    assert many.splitlines()[-1] == "... 70 more"
    assert "ffwd" in repr(index.sites) and "<actkin index" in repr(index)
    assert repr(index.context(3, 2, 2)).count("Context") == 1 and "\u27e8" in str(index.context(3, 2, 2))


def test_texts_reach_no_terminal_and_no_page_as_they_are():
    evil = '<script>alert(1)</script>\x1b[31m\n\u202e&"'
    token = actkin.NextToken(evil, 3, 1, 0.5)
    context = actkin.Context(0, 0, evil, evil, evil)
    row = actkin.Neighbor(1, 7, None, None, evil, evil, context, 0.5, None, [token])
    table = actkin.Table(actkin.Neighbor, [row], title=evil, notes=[evil])
    shown = repr(table)
    page = table._repr_html_()
    for text in (shown, page):
        assert "\x1b" not in text and "\u202e" not in text
    assert len(shown.splitlines()) == 4
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "<script" not in context._repr_html_() and context._repr_html_().count("<mark>") == 1
    rows = actkin.Table(tuple, [(evil,)], columns=[evil])
    assert "<script" not in rows._repr_html_() and "\x1b" not in repr(rows)


def test_a_notebook_gets_bars_of_next_tokens(index):
    page = index.neighbors("ab", t_i=2, k=3)._repr_html_()
    assert page.count("<tr>") == 4 and "linear-gradient" in page
    assert "linear-gradient" in index.model("abba c")._repr_html_()


def test_dicts_and_pandas(index):
    found = index.neighbors("abba c", k=3)
    dicts = found.to_dicts()
    assert dicts[0]["text"] == "abba c" and dicts[0]["next_tokens"][0].keys() == {
        "token",
        "token_id",
        "count",
        "probability",
    }
    frame = found.to_pandas()
    assert list(frame.columns) == found.columns and frame["distance"].tolist() == found.column("distance")
    assert index.sites.to_pandas()["rows"].sum() == sum(site.rows for site in index.sites)
    assert index.sql("SELECT 1 AS a, 'x' AS b").to_pandas().to_dict("list") == {"a": [1], "b": ["x"]}


def test_arrow_without_pyarrow(index):
    found = index.neighbors("abba c", k=4, metric="cosine")
    array = nanoarrow.Array(found)
    assert array.to_pylist() == [{**row, "next_tokens": row["next_tokens"]} for row in found.to_dicts()]
    plain = index.neighbors("abba c", k=2)
    assert [row["similarity"] for row in nanoarrow.Array(plain).to_pylist()] == [None, None]
    assert nanoarrow.Array(plain).schema.field(plain.columns.index("similarity")).type == nanoarrow.Type.DOUBLE
    assert nanoarrow.Array(index.sites).to_pylist() == index.sites.to_dicts()
    rows = index.sql(
        "SELECT 1 AS a, 2.5 AS b, '\u00e4' AS c, x'00ff' AS d, NULL AS e UNION ALL SELECT NULL, 1, '', x'', NULL"
    )
    assert nanoarrow.Array(rows).to_pylist() == rows.to_dicts()
    empty = index.neighbors("abba c", where="0")
    assert nanoarrow.Array(empty).to_pylist() == []
    # A stream outlives what it was made of, and may be left unread.
    stream = index.neighbors("abba c", k=4).__arrow_c_stream__()
    assert stream is not None
    with pytest.raises(actkin.InvalidArgumentError, match="one type"):
        index.sql("SELECT 1 AS a UNION ALL SELECT 'x'").__arrow_c_stream__()
