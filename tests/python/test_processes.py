"""Ctrl-C, threads, processes, pickles."""

import concurrent.futures
import copy as copying
import multiprocessing
import os
import pickle
import signal
import threading
import time

import numpy as np
import pytest

import actkin
from conftest import MADE


class Alarm(Exception):
    pass


@pytest.fixture
def alarm():
    """Raises Alarm in the main thread, as Ctrl-C raises KeyboardInterrupt."""

    def ring(number, frame):
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_ctrl_c_ends_a_search(index, alarm):
    queries = np.asarray(index.rows())[:1].repeat(2_000_000, axis=0)
    began = time.monotonic()
    alarm(0.3)
    with pytest.raises(Alarm):
        index.search(queries, k=50)
    assert time.monotonic() - began < 15
    assert index.search(queries[:2], k=1).rows.shape == (2, 1)


def test_other_handlers_run_within_a_search(index):
    searching, seen = False, []

    def ring(number, frame):
        if not searching:
            return
        try:
            index.neighbors("abba c")
        except actkin.Error as error:
            seen.append(error.code)

    before = signal.signal(signal.SIGALRM, ring)
    try:
        # On a machine of many processors a search is soon over.
        for count in (400_000, 1_600_000, 6_400_000):
            queries = np.asarray(index.rows())[:1].repeat(count, axis=0)
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            searching = True
            assert index.search(queries, k=5).rows.shape == (count, 5)
            searching = False
            if seen:
                break
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    # The handler's own question would wait for the one within which it runs.
    assert seen == ["busy"]


def test_ctrl_c_is_keyboard_interrupt(index):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        index.sql(endless)
    assert index.sql("SELECT 1")[0] == (1,)


def test_ctrl_c_ends_verify(index, alarm):
    with pytest.raises(Alarm):
        alarm(0.2)
        while True:
            index.verify()
    assert index.verify().sound


def test_other_threads_run_meanwhile(index):
    counted = 0
    # On a machine of many processors a search is soon over.
    for count in (100_000, 400_000, 1_600_000):
        queries = np.asarray(index.rows())[:1].repeat(count, axis=0)
        counted = 0
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            searching = pool.submit(index.search, queries, k=20)
            while not searching.done():
                counted += 1
                time.sleep(0.001)
            assert searching.result().rows.shape == (count, 20)
        if counted > 20:
            break
    assert counted > 20


def test_threads_share_an_index(index):
    expected = index.neighbors("abba c"), index.predict("cab")

    def ask(_):
        return index.neighbors("abba c"), index.predict("cab"), index.sql("SELECT 1")[0]

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for found in pool.map(ask, range(60)):
            assert found == (*expected, (1,))


def test_closing_waits_for_who_is_asking(index):
    queries = np.asarray(index.rows())[:1].repeat(50_000, axis=0)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        searching = pool.submit(index.search, queries, k=20)
        time.sleep(0.05)
        index.close()
        try:
            assert searching.result().rows.shape == (50_000, 20)
        except actkin.InvalidArgumentError as error:  # closed before it began
            assert "closed" in str(error)


def neighbors_of(index, prompt):
    return list(index.neighbors(prompt, k=3))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_an_index_goes_to_other_processes(index, method):
    expected = [neighbors_of(index, "abba c"), neighbors_of(index, "cab")]
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        assert pool.starmap(neighbors_of, [(index, "abba c"), (index, "cab")]) == expected
    assert neighbors_of(index, "cab") == expected[1]


def test_a_forked_child_asks_what_its_parent_opened(index):
    expected = neighbors_of(index, "abba c")
    context = multiprocessing.get_context("fork")
    found = context.Queue()
    child = context.Process(target=lambda: found.put(neighbors_of(index, "abba c")))
    child.start()
    assert found.get(timeout=60) == expected
    child.join()
    assert child.exitcode == 0
    assert neighbors_of(index, "abba c") == expected


def test_pickles_are_paths(index, monkeypatch, tmp_path):
    pickled = pickle.dumps(index)
    assert len(pickled) < 1000
    monkeypatch.chdir(tmp_path)
    with pickle.loads(pickled) as again:
        assert again.path == index.path
        assert again.neighbors("abba c") == index.neighbors("abba c")
    with copying.copy(index) as again:
        assert again.info == index.info
    monkeypatch.chdir(MADE.parent)
    with actkin.open("made.actkin") as relative:
        pickled = pickle.dumps(relative)
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickled).close()
    assert pickle.loads(pickle.dumps(index.neighbors("abba c")[0])) == index.neighbors("abba c")[0]
