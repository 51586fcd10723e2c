"""tools/bench: what it writes and what it refuses, not how fast anything is. The peers need not be installed."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import numpy as np
import pytest

from conftest import COMMAND, MADE

BENCHMARKS = Path(__file__).parents[2] / "tools" / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from bench import data, measure, plot, table  # noqa: E402
from bench.peers import Method  # noqa: E402


def run_bench(kept, *arguments):
    path = f"{os.environ['PYTHONPATH']}:{BENCHMARKS}"
    command = [sys.executable, "-m", "bench", *map(str, arguments), "--kept", kept, "--command", COMMAND]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)


def brute_force(rows, wrong=None):
    """An exact peer; of question `wrong` it leaves the nearest row out."""

    def ask(questions, k, threads):
        found = []
        for question in questions:
            order = np.argsort(((rows.astype(np.float64) - question) ** 2).sum(axis=1), kind="stable")
            skip = wrong is not None and np.array_equal(question, rows[wrong])
            found.append(order[1 : k + 1] if skip else order[:k])
        return np.array(found)

    return ask


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)


def ask(methods, rows, questions, k=5):
    return measure.ask_by_turns("made", "in", methods, rows, questions, k, lambda _: None, rounds=2)


def test_a_file_of_rows_is_measured_and_kept(tmp_path, rows):
    np.save(tmp_path / "made.npy", rows)
    arguments = [
        tmp_path / "made.npy",
        "--peers",
        "pdx",
        "--json",
        tmp_path / "out.json",
        "--plot",
        tmp_path / "out.svg",
    ]
    done = run_bench(tmp_path / "kept", *arguments)
    assert done.returncode == 0, done.stderr
    assert "pdx skipped at made: has no package on PyPI" in done.stderr
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["machine"]["cores"] >= 1
    assert "actkin" in written["versions"]
    (site,) = written["sites"]
    assert (site["rows"], site["dimension"]) == (150, 8)
    exact = [(record["asked"], record["error"]) for record in site["records"] if record["exact"]]
    assert exact == [("in", ""), ("outside", "")]
    assert xml.etree.ElementTree.parse(tmp_path / "out.svg").getroot().tag.endswith("svg")
    again = run_bench(tmp_path / "kept", *arguments)
    assert again.returncode == 0
    assert "made: measured before" in again.stderr
    assert json.loads((tmp_path / "out.json").read_text())["sites"] == written["sites"]


def test_a_directory_is_measured_site_by_site(tmp_path):
    done = run_bench(tmp_path, MADE, "--sites", "proj/0,ffwd/1", "--peers", "pdx", "--questions", MADE)
    assert done.returncode == 0, done.stderr
    assert "| made proj/0, in, k 10 | actkin exact |" in done.stdout
    assert "| made ffwd/1, outside, k 10 | actkin exact |" in done.stdout
    assert {file.name for file in tmp_path.iterdir()} == {"made-proj-0.json", "made-ffwd-1.json"}


def test_what_it_cannot_measure_is_one_line(tmp_path, rows):
    done = run_bench(tmp_path, MADE, "--sites", "proj/7")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("tools/bench: --sites proj/7: ") and done.stderr.count("\n") == 1
    np.save(tmp_path / "line.npy", rows[0])
    done = run_bench(tmp_path, tmp_path / "line.npy")
    assert done.returncode == 1
    assert "line.npy: expected a matrix of floating point numbers, found float32 (8,)" in done.stderr
    assert run_bench(tmp_path, MADE, "--peers", "nobody").returncode == 2
    assert run_bench(tmp_path).returncode == 2


def least_bytes(directory, *arguments):
    build = Path(os.environ["PYTHONPATH"].split(":")[0]).parent
    command = [sys.executable, BENCHMARKS / "least_bytes", build, directory, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_least_bytes_fall_as_axes_are_known(tmp_path):
    rows = data.generate("clustered", 1500, 48)
    made = data.Imports(tmp_path, Path(COMMAND)).dataset("made", rows, rows[:9])
    done = least_bytes(made.directory, "ffwd/0", "--positions", "--questions", made.directory)
    assert done.returncode == 0, done.stderr
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()]
    assert [line[1] for line in lines[2:]] == ["in", "outside"]
    for line in lines[2:]:
        shares = [float(cell.removesuffix(" %")) for cell in line[2:-2] if cell]
        assert len(shares) == 2 and 100 * 10 / 1500 < shares[1] < shares[0] <= 100
        assert 16 < float(line[-2]) < 48 * 4 and line[-1].startswith("16+")
    refused = least_bytes(made.directory, "ffwd/7", "--positions")
    assert refused.returncode == 1 and refused.stderr.startswith("least_bytes: ") and refused.stderr.count("\n") == 1


def test_exact_answers_that_differ_are_an_error(rows):
    methods = [
        Method("actkin", "exact", True, "", brute_force(rows)),
        Method("peer", "wrong", True, "", brute_force(rows, wrong=3)),
    ]
    ours, peer = ask(methods, rows, rows[:5])
    assert ours.error == ""
    assert peer.error.startswith("question 3, rank 1: ")
    ours, peer = ask(methods[::-1], rows, rows[:5])[::-1]
    assert ours.error == "" and peer.error != ""


def test_equal_rows_stand_for_each_other():
    rows = np.repeat(np.eye(6, dtype=np.float32), 4, axis=0)

    def last_first(questions, k, threads):
        return np.array([[row + 3 - row % 4 - i for i in range(k)] for row in (0, 4)])[: len(questions)]

    exact = Method("actkin", "exact", True, "", brute_force(rows))
    found = ask([exact, Method("peer", "graph", False, "ef=1", last_first)], rows, rows[:1], k=2)
    assert [record.recall for record in found] == [1, 1]


def test_recall_is_the_share_that_was_found(rows):
    def half(questions, k, threads):
        found = brute_force(rows)(questions, k, threads)
        found[:, k // 2 :] = -1
        return found

    exact = Method("actkin", "exact", True, "", brute_force(rows))
    records = ask([exact, Method("peer", "graph", False, "ef=1", half)], rows, rows[:5], k=4)
    assert records[1].recall == 0.5


def test_many_questions_at_once_are_of_the_batch(rows):
    exact = Method("actkin", "exact", True, "", brute_force(rows))
    (record,) = measure.ask_at_once("made", [exact], rows, rows, 3, 2, 0.0)
    assert (record.asked, record.questions, record.error) == ("batch", 64, "")


def record(library, method, setting, ms, recall, exact=False):
    return {
        "site": "made",
        "library": library,
        "method": method,
        "setting": setting,
        "exact": exact,
        "asked": "in",
        "k": 10,
        "ms": ms,
        "recall": recall,
        "error": "",
    }


def test_the_table_has_the_fastest_that_finds_enough():
    records = [
        record("actkin", "exact", "", 1.0, 1.0, exact=True),
        record("peer", "graph", "ef=10", 0.1, 0.90),
        record("peer", "graph", "ef=20", 0.2, 0.96),
        record("peer", "graph", "ef=40", 0.4, 0.98),
        record("peer", "graph", "ef=80", 0.8, 0.995),
    ]
    shown = table.table(records)
    assert "ef=10" not in shown and "ef=40" not in shown
    assert "| made, in, k 10 | peer graph ef=20 | 0.200 | 0.960 | 0.20 |" in shown
    assert "| made, in, k 10 | peer graph ef=80 | 0.800 | 0.995 | 0.80 |" in shown
    assert "| peer graph ef=80 | 0.800 | 0.995 | exact  | 1.00 | 1.25 |" in table.losses(records)
    records.append(record("actkin", "exact, stopped early", "rows=10", 0.05, 0.999))
    assert table.losses(records) == "no peer is faster at the same recall"
    assert plot.plot(records, "a machine").count("<polyline") == 1


def test_files_of_rows(tmp_path, rows):
    raw = np.concatenate([np.full((300, 1), 8, np.int32).view(np.float32), rows], axis=1)
    raw.tofile(tmp_path / "made_base.fvecs")
    raw[:7].tofile(tmp_path / "made_query.fvecs")
    found, questions = data.read_matrices(tmp_path / "made_base.fvecs")
    assert np.array_equal(found, rows) and np.array_equal(questions, rows[:7])
    raw[:, :5].tofile(tmp_path / "cut.fvecs")
    with pytest.raises(ValueError, match="cut.fvecs: expected rows of an int32 count"):
        data.read_matrices(tmp_path / "cut.fvecs")
    with pytest.raises(ValueError, match="expected an index directory, or a file .npy, .fvecs or .hdf5"):
        data.read_matrices(tmp_path / "rows.txt")
