"""Many statements, by several processes."""

import collections
import multiprocessing
import queue
import sys
import time

from relations_compare import Comparison

# Of all statements; the grammar writes some that must fail.
MOST_ERRORS = 0.12


class Counts:
    def __init__(self):
        self.statements = 0
        self.right = 0
        self.errors = collections.Counter()
        self.kinds = collections.Counter()
        self.differences = []

    def add(self, outcome):
        self.statements += 1
        self.kinds.update(outcome.kinds)
        if outcome.difference:
            self.differences.append(outcome)
        elif outcome.error:
            self.errors[outcome.error] += 1
        else:
            self.right += 1

    def error_share(self):
        return sum(self.errors.values()) / max(1, self.statements)

    def errors_are_many(self):
        return self.error_share() > MOST_ERRORS

    def __str__(self):
        lines = [f"{self.statements} statements: {self.right} right, {sum(self.errors.values())} errors "
                 f"({100 * self.error_share():.1f} %, at most {100 * MOST_ERRORS:.0f}), "
                 f"{len(self.differences)} differences"]
        lines += [f"{count:8} {error}" for error, count in self.errors.most_common()]
        return "\n".join(lines)


def work(folder, seeds, current, answers):
    comparison = Comparison(folder)
    for seed in seeds:
        current.value = seed
        answers.put(comparison.check(seed))
    answers.put(None)


def run(folder, seed, statements, processes, go_on=False, progress=False):
    """Statements of the seeds from `seed` on. Shows differences; without go_on ends at the first."""
    counts = Counts()
    began = time.monotonic()
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue(maxsize=1000)
    workers = []
    for place in range(processes):
        current = spawn.Value("q", -1)
        worker = spawn.Process(target=work, daemon=True, args=(
            folder, range(seed + place, seed + statements, processes), current, answers))
        worker.start()
        workers.append((worker, current))
    left = processes
    try:
        while left and (go_on or not counts.differences):
            try:
                outcome = answers.get(timeout=5)
            except queue.Empty:
                for worker, current in workers:
                    if worker.exitcode not in (None, 0):
                        raise RuntimeError(f"a process ended with {worker.exitcode} at --seed {current.value} "
                                           "--statements 1") from None
                continue
            if outcome is None:
                left -= 1
                continue
            counts.add(outcome)
            if outcome.difference:
                print(f"difference, seed {outcome.seed}:\n{outcome.difference}\n", flush=True)
            if progress and (counts.statements % 100 == 0 or counts.statements == statements):
                passed = time.monotonic() - began
                remaining = passed / counts.statements * (statements - counts.statements)
                sys.stderr.write(f"\r{counts.statements} of {statements}, {counts.right} right, "
                                 f"{int(remaining) // 60}:{int(remaining) % 60:02} left  ")
    finally:
        for worker, _ in workers:
            worker.terminate()
        if progress:
            sys.stderr.write("\n")
    return counts
