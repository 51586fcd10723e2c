"""search, rows and ids: arrays in, arrays out."""

import numpy as np
import pytest

import actkin
from conftest import MADE, run_command


@pytest.mark.parametrize("site", [("ffwd", 1, 5), ("proj", 0, 2), ("embedding", 0, 5)])
def test_search_gives_the_brute_force_answer(index, site):
    stream, block, t_i = site
    rows = np.asarray(index.rows(stream, block, t_i))
    chosen = np.random.default_rng(1).choice(len(rows), 20)
    queries = rows[chosen] + np.float32(0.01)
    distances, numbers = index.search(queries, stream=stream, block=block, t_i=t_i, k=7)
    assert distances.shape == numbers.shape == (20, 7)
    assert distances.dtype == np.float64 and numbers.dtype == np.int64
    exact = np.linalg.norm(rows[None].astype(np.float64) - queries[:, None].astype(np.float64), axis=2)
    np.testing.assert_allclose(distances, np.sort(exact, axis=1)[:, :7], rtol=1e-9)
    np.testing.assert_allclose(np.take_along_axis(exact, numbers, 1), distances, rtol=1e-9)


def test_search_is_the_neighbors_of_each(index):
    queries = np.asarray(index.rows())[5:9]
    for options in ({"metric": "cosine"}, {"order": "farthest", "k": 3}, {"where": "occurrences > 1", "k": 2}):
        distances, numbers = index.search(queries, **options)
        ids = index.ids(numbers)
        for query, distance, string_ids in zip(queries, distances, ids):
            found = index.neighbors(vector=query, **options)
            assert [row.distance for row in found] == distance.tolist()
            assert [row.string_id for row in found] == string_ids.tolist()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", np.longdouble])
def test_vectors_of_any_float_kind(index, dtype):
    queries = np.asarray(index.rows())[:4].astype(np.float16)
    expected = index.search(queries.astype(np.float32))
    found = index.search(queries.astype(dtype))
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.distances, expected.distances)


def test_vectors_of_any_strides(index):
    queries = np.ascontiguousarray(np.asarray(index.rows())[:6])
    expected = index.search(queries)
    wide = np.zeros((12, 3 * queries.shape[1]), np.float32)
    wide[::2, ::3] = queries
    for same in (np.asfortranarray(queries), wide[::2, ::3], queries[::-1][::-1], queries.tolist()):
        np.testing.assert_array_equal(index.search(same).rows, expected.rows)
    read_only = queries.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(index.search(read_only).rows, expected.rows)


def test_no_vectors_and_all_rows(index):
    rows = index.rows()
    none = index.search(np.zeros((0, rows.shape[1])), k=3)
    assert none.distances.shape == (0, 3) and none.rows.shape == (0, 3)
    everything = index.search(np.asarray(rows)[:1], k=len(rows))
    assert sorted(everything.rows[0]) == list(range(len(rows)))
    few = index.search(np.asarray(rows)[:2], where="string_id = " + str(index.ids(0)))
    assert few.rows.shape == (2, 1)


def test_rows_are_a_read_only_memmap(index):
    rows = index.rows("proj", 1)
    assert isinstance(rows, np.memmap)
    assert rows.shape == next((s.rows, s.dimension) for s in index.sites if s[:3] == ("proj", 1, 5))
    with pytest.raises(ValueError):
        rows[0, 0] = 1
    index.close()
    assert np.isfinite(rows).all()


def test_rows_of_half_precision(tmp_path):
    folder = tmp_path / "half.actkin"
    from conftest import BUILD

    done = run_command("build", *BUILD, "--out", folder, "--t-i", "5", "--rows", "float16")
    assert done.returncode == 0, done.stderr
    with actkin.open(folder) as index, actkin.open(MADE) as whole:
        rows = index.rows("ffwd", 1)
        assert rows.dtype == np.float16
        np.testing.assert_array_equal(rows, whole.rows("ffwd", 1).astype(np.float16))
        np.testing.assert_array_equal(index.search(rows[:3]).rows[:, 0], [0, 1, 2])


def test_rows_of_int8_come_out_as_float32(tmp_path):
    folder = tmp_path / "int8.actkin"
    from conftest import BUILD

    done = run_command("build", *BUILD, "--out", folder, "--t-i", "5", "--rows", "int8")
    assert done.returncode == 0, done.stderr
    with actkin.open(folder) as index, actkin.open(MADE) as whole:
        rows = index.rows("ffwd", 1)
        assert isinstance(rows, actkin.Rows) and rows.dtype == np.float32
        exact = np.asarray(whole.rows("ffwd", 1))
        assert np.abs(np.asarray(rows) - exact).max() <= np.abs(exact).max() / 127
        np.testing.assert_array_equal(index.search(rows[:3]).rows[:, 0], [0, 1, 2])


def test_rows_that_are_no_file_act_as_an_array(index):
    rows = index.rows("embedding")
    assert isinstance(rows, actkin.Rows)
    whole = np.asarray(rows)
    assert whole.shape == rows.shape == (len(rows), rows.shape[1])
    assert rows.dtype == whole.dtype == np.float32 and rows.ndim == 2 and rows.nbytes == whole.nbytes
    mask = np.arange(len(rows)) % 7 == 0
    for at in (
        0,
        -1,
        np.int64(3),
        slice(2, 9, 3),
        slice(None, None, -1),
        [3, 1, -2],
        np.array([[1, 2], [3, 4]]),
        mask,
        ...,
    ):
        np.testing.assert_array_equal(rows[at], whole[at])
    for at in ((2, 3), (slice(4), slice(0, 2)), (slice(None), 1), ([1, 2], slice(None, None, 2))):
        np.testing.assert_array_equal(rows[at], whole[at])
    np.testing.assert_array_equal(np.stack(list(rows)), whole)
    assert rows[[]].shape == (0, rows.shape[1])
    for at in (len(rows), -len(rows) - 1, [0, len(rows)], 1.5, (0, 0, 0), np.zeros(3, bool)):
        with pytest.raises((IndexError, TypeError)):
            rows[at]
    with pytest.raises(ValueError):
        rows[0] = 1
    with pytest.raises(ValueError):
        np.asarray(rows, copy=False)


def test_ids_keep_the_shape_of_rows(index):
    site = index.sites[-1]
    rows = np.arange(6).reshape(2, 3)
    ids = index.ids(rows, site.stream, site.block, site.t_i)
    assert ids.shape == (2, 3)
    texts = dict(index.sql("SELECT string_id, text FROM string WHERE length = ?", [site.t_i + 1]))
    assert all(int(string_id) in texts for string_id in ids.flat)
    assert index.ids(rows.tolist()).shape == (2, 3)
    assert index.ids([]).shape == (0,)
    everything = index.ids(np.arange(site.rows))
    assert len(set(everything.tolist())) == site.rows


@pytest.mark.parametrize(
    ("vectors", "error"),
    [
        (np.zeros((2, 5)), actkin.InvalidArgumentError),
        (np.zeros(12), actkin.InvalidArgumentError),
        (np.zeros((1, 1, 12)), actkin.InvalidArgumentError),
        (np.full((1, 12), np.nan), actkin.InvalidArgumentError),
        (np.full((1, 12), np.inf), actkin.InvalidArgumentError),
        (np.full((1, 12), 1e300), actkin.InvalidArgumentError),
        (np.zeros((12, 13)), actkin.InvalidArgumentError),
        (np.zeros((1, 12), complex), TypeError),
        (np.zeros((1, 12), bool), TypeError),
        (np.array([["a"] * 12]), TypeError),
        (np.zeros((1, 12), object), TypeError),
        ("abba c", TypeError),
        (None, TypeError),
    ],
)
def test_what_is_no_vector(index, vectors, error):
    with pytest.raises(error) as raised:
        index.search(vectors)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "options",
    [{"k": 0}, {"k": -3}, {"k": 10**6}, {"k": 2**70}, {"threads": -1}, {"threads": 10**6}, {"metric": "l3"},
     {"order": "x"}, {"params": "efSearch=3"}, {"block": 2**40}, {"where": "nothing = 1"},
     {"where": "1; DROP TABLE string"}],
)  # fmt: skip
def test_what_cannot_be_asked(index, options):
    with pytest.raises(actkin.InvalidArgumentError) as raised:
        index.search(np.zeros((1, 12)), **options)
    assert isinstance(raised.value, ValueError) and "\n" not in str(raised.value)
    with pytest.raises(actkin.InvalidArgumentError):
        index.neighbors("abba c", **options)


@pytest.mark.parametrize("rows", [[-1], [10**9], [2**62]])
def test_rows_that_are_not_there(index, rows):
    with pytest.raises((actkin.NotFoundError, actkin.InvalidArgumentError)):
        index.ids(rows)
    with pytest.raises(TypeError):
        index.ids([0.5])
