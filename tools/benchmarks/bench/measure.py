"""Questions asked of all methods by turns, and what their answers are worth."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from bench.peers import Method

ROUNDS = 10
TURN = 10  # questions that a method is asked in one turn, after one that is not counted
SLOW_TURN = 2  # all of them counted, of a method that takes longer than
SLOW_MS = 20.0


@dataclass
class Record:
    """One method asked one kind of question. Medians, in milliseconds a question."""

    site: str
    library: str
    method: str
    setting: str
    exact: bool
    asked: str  # in, outside; or batch: many rows at once, by all threads
    k: int
    ms: float  # of the processor: what a busy machine changes least. Of batch: by the number of threads
    wall_ms: float
    recall: float
    questions: int
    build_seconds: float | None
    error: str = ""


class Truth:
    """The true distances of some questions, as ours and every exact peer have them."""

    def __init__(self, rows: np.ndarray, questions: np.ndarray, k: int):
        self.rows = rows
        self.questions = questions.astype(np.float64)
        self.k = k
        self.best = np.full((len(questions), k), math.inf)

    def distances(self, question: int, numbers: np.ndarray) -> np.ndarray:
        """Ascending, in double precision; infinite where nothing was found."""
        found = np.full(self.k, math.inf)
        valid = np.unique(numbers[numbers >= 0])
        differences = self.rows[valid].astype(np.float64) - self.questions[question]
        found[: len(valid)] = np.sort(np.sqrt((differences**2).sum(axis=1)))
        return found

    def room(self, question: int) -> np.ndarray:
        """How far the square of a distance may lie from the true one: what float32 loses."""
        best = self.best[question]
        norm = np.linalg.norm(self.questions[question])
        return 1e-5 * best**2 + 1e-6 * (norm + best) ** 2

    def difference(self, question: int, distances: np.ndarray) -> str:
        """What is wrong with an exact answer; empty where nothing is."""
        off = np.abs(distances**2 - self.best[question] ** 2) > self.room(question)
        if not off.any():
            return ""
        rank = int(np.argmax(off))
        return f"question {question}, rank {rank + 1}: {distances[rank]:.6g} instead of {self.best[question][rank]:.6g}"

    def recall(self, question: int, distances: np.ndarray) -> float:
        """The share of the k that are as near as the true k-th: equal rows stand for each other."""
        reach = self.best[question][-1]
        return float((distances <= reach * (1 + 1e-9)).sum()) / self.k


def ask_by_turns(
    site: str,
    asked: str,
    methods: list[Method],
    rows: np.ndarray,
    questions: np.ndarray,
    k: int,
    progress: Callable[[str], None],
    rounds: int = ROUNDS,
) -> list[Record]:
    """Single questions, one thread. Every method meets the caches as its neighbor left them, then its own: the first
    question of a turn is not counted."""
    clock: list[list[float]] = [[] for _ in methods]
    processor: list[list[float]] = [[] for _ in methods]
    answers: list[dict[int, np.ndarray]] = [{} for _ in methods]
    slow = [False] * len(methods)
    for turn in range(rounds):
        progress(f"{asked} k {k}: turn {turn + 1} of {rounds}")
        for number, method in enumerate(methods):
            i = -1
            while i < (SLOW_TURN if slow[number] else TURN):
                question = (turn * TURN + i) % len(questions)
                one = questions[question : question + 1]
                begin, began = time.perf_counter(), time.process_time()
                found = method.ask(one, k, 1)
                spent, worked = time.perf_counter() - begin, time.process_time() - began
                slow[number] = 1000 * worked > SLOW_MS
                if i >= 0 or slow[number]:
                    i = max(i, 0)
                    clock[number].append(1000 * spent)
                    processor[number].append(1000 * worked)
                    answers[number][question] = found[0]
                i += 1
    truth = Truth(rows, questions, k)
    exact_distances = _meet(truth, methods, answers)
    records = []
    for number, method in enumerate(methods):
        errors, recalls = [], []
        for question, numbers in answers[number].items():
            distances = exact_distances.get((number, question))
            if distances is None:
                distances = truth.distances(question, numbers)
            recalls.append(truth.recall(question, distances))
            if method.exact:
                errors.append(truth.difference(question, distances))
        records.append(
            Record(
                site=site,
                library=method.library,
                method=method.name,
                setting=method.setting,
                exact=method.exact,
                asked=asked,
                k=k,
                ms=float(np.median(processor[number])),
                wall_ms=float(np.median(clock[number])),
                recall=1.0 if method.exact else float(np.mean(recalls)),
                questions=len(clock[number]),
                build_seconds=method.build_seconds,
                error=next((error for error in errors if error), ""),
            )
        )
    return records


def _meet(
    truth: Truth, methods: list[Method], answers: list[dict[int, np.ndarray]]
) -> dict[tuple[int, int], np.ndarray]:
    """Makes the best of all exact answers the truth: an error of ours is found by any peer, and the other way round."""
    found = {}
    for number, method in enumerate(methods):
        if method.exact:
            for question, numbers in answers[number].items():
                found[number, question] = truth.distances(question, numbers)
                truth.best[question] = np.minimum(truth.best[question], found[number, question])
    return found


def ask_at_once(
    site: str, methods: list[Method], rows: np.ndarray, questions: np.ndarray, k: int, threads: int, seconds: float
) -> list[Record]:
    """Many questions in one call, all threads: time of the processor, by the number of threads. A method that takes
    longer than `seconds` is asked fewer, and its time is taken for proportional to their number."""
    counts, answers = [], []
    for method in methods:
        began = time.process_time()
        method.ask(questions[:64], k, threads)
        each = (time.process_time() - began) / 64 / threads
        counts.append(int(min(len(questions), max(64, seconds / max(each, 1e-9)))))
    clock: list[list[float]] = [[] for _ in methods]
    processor: list[list[float]] = [[] for _ in methods]
    for _ in range(2):
        answers = []
        for number, method in enumerate(methods):
            begin, began = time.perf_counter(), time.process_time()
            answers.append(method.ask(questions[: counts[number]], k, threads))
            clock[number].append(1000 * (time.perf_counter() - begin) / counts[number])
            processor[number].append(1000 * (time.process_time() - began) / counts[number] / threads)
    truth = Truth(rows, questions[:64], k)
    first = [dict(enumerate(found[:64])) for found in answers]
    exact_distances = _meet(truth, methods, first)
    return [
        Record(
            site=site,
            library=method.library,
            method=method.name,
            setting=method.setting,
            exact=method.exact,
            asked="batch",
            k=k,
            ms=float(np.median(processor[number])),
            wall_ms=float(np.median(clock[number])),
            recall=1.0,
            questions=counts[number],
            build_seconds=method.build_seconds,
            error=next((e for q in range(64) if (e := truth.difference(q, exact_distances[number, q]))), ""),
        )
        for number, method in enumerate(methods)
    ]


def time_to_read(rows: np.ndarray) -> float:
    """Milliseconds that one thread takes to read all floats once: the median of five sums."""
    times = []
    for _ in range(5):
        began = time.process_time()
        rows.sum()
        times.append(1000 * (time.process_time() - began))
    return float(np.median(times))


def as_json(records: list[Record]) -> list[dict[str, object]]:
    return [asdict(record) for record in records]
