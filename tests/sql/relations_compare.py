"""What a statement answers over the functions against what it answers over the oracle's tables."""

import collections
import dataclasses
import math
import re
import sqlite3

import made_index
import relations_tables
from relations_grammar import statement as statement_of
from relations_oracle import Oracle, Wrong

# Where SQLite does not show the function what a statement fixes, these are its answers.
NOT_SEEN = re.compile(r"is read, but not fixed in this call of|its value is not known where this join calls|^no [a-z_]+: write")
# What a call may say of its arguments, where a statement may have made another call than it seems to.
OF_ARGUMENTS = re.compile(r"^(prompt|prompt set|stream|block|t_i|no site|no index|index_name|the index)\b")
# Steps of SQLite's machine that no statement of the grammar needs.
MOST_STEPS = 300_000_000


@dataclasses.dataclass
class Outcome:
    seed: int
    error: str = ""          # its kind, where the answer is an error that the statement may have
    difference: str = ""
    kinds: frozenset = frozenset()


class Comparison:
    """REQUIRES: relations_index.make(folder) was called."""

    def __init__(self, folder):
        self.connection = made_index.connect(f"{folder}/main.actkin")
        self.connection.execute("ATTACH ? AS other", [f"{folder}/other.actkin/catalog.db"])
        relations_tables.create(self.connection)
        self.oracle = Oracle(self.connection)
        self.steps = 0
        self.connection.set_progress_handler(self.step, 1_000_000)

    def step(self):
        self.steps += 1_000_000
        return self.steps > MOST_STEPS

    def check(self, seed):
        """The outcome of the statement of a seed."""
        try:
            made = statement_of(seed, self.oracle)
        except Wrong as wrong:
            return Outcome(seed, difference=str(wrong))
        return self.compare(made)

    def compare(self, made):
        outcome = Outcome(made.seed, kinds=frozenset(made.kinds))
        try:
            possible_errors = self.oracle.hold(made.calls)
        except Wrong as wrong:
            outcome.difference = str(wrong)
            return outcome
        expected = self.answer(made, made.oracle, 2)
        whole = self.answer(made, made.whole, 2) if made.limited else expected
        if isinstance(expected, str) or isinstance(whole, str):
            outcome.difference = self.report(made, expected, "the oracle's statement fails")
            return outcome
        answer = self.answer(made, made.actkin, 1)
        if isinstance(answer, str):
            if NOT_SEEN.search(answer) and made.risks:
                outcome.error = f"not seen: {', '.join(sorted(made.risks))}"
            elif answer in possible_errors or made.risks and OF_ARGUMENTS.search(answer):
                outcome.error = re.sub(r'"[^"]*"|[0-9]+', "..", answer)[:60]
            else:
                outcome.difference = self.report(made, expected, answer)
        elif not same(answer, expected, whole, made):
            outcome.difference = self.report(made, expected, answer)
        return outcome

    def answer(self, made, text, side):
        """Rows, or an error's line."""
        self.steps = 0
        try:
            for view in made.views:
                self.connection.execute(f"CREATE TEMP VIEW {view[0]} AS {view[side]}")
            return self.connection.execute(text, made.values).fetchall()
        except sqlite3.Error as error:
            return "does not end" if "interrupted" in str(error) else str(error)
        finally:
            for view in made.views:
                self.connection.execute(f"DROP VIEW IF EXISTS {view[0]}")

    def report(self, made, expected, answer):
        lines = [f"CREATE TEMP VIEW {name} AS {text};" for name, text, _ in made.views]
        lines.append(f"{made.actkin};")
        lines += [f"  :{name} = {value!r}" for name, value in made.values.items() if f":{name}" in made.actkin]
        lines += [f"the oracle's: {view[0]} AS {view[2]}" for view in made.views]
        lines.append(f"the oracle's: {made.oracle}")
        lines.append(f"expected: {shown(expected)}")
        lines.append(f"answer:   {shown(answer)}")
        if not isinstance(expected, str) and not isinstance(answer, str):
            less = collections.Counter(map(rounded, expected)) - collections.Counter(map(rounded, answer))
            more = collections.Counter(map(rounded, answer)) - collections.Counter(map(rounded, expected))
            lines.append(f"of {len(expected)} rows {sum(less.values())} are missing, {sum(more.values())} too many")
        try:
            for view in made.views:
                self.connection.execute(f"CREATE TEMP VIEW {view[0]} AS {view[1]}")
            plan = self.connection.execute(f"EXPLAIN QUERY PLAN {made.actkin}", made.values).fetchall()
            lines += [f"plan: {row[3]}" for row in plan]
        except sqlite3.Error as error:
            lines.append(f"plan: {error}")
        finally:
            for view in made.views:
                self.connection.execute(f"DROP VIEW IF EXISTS {view[0]}")
        lines.append(f"alone: tests/sql/relations --statements 1 --seed {made.seed}")
        return "\n".join(lines)


def shown(answer):
    if isinstance(answer, str):
        return answer
    return f"{len(answer)} rows {answer[:12]}{' ..' if len(answer) > 12 else ''}"


def rounded(row):
    """Sums of the same numbers in another order differ in their last bits."""
    return tuple(float(f"{value:.9g}") if isinstance(value, float) else value for value in row)


def close(a, b):
    return len(a) == len(b) and all(
        math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-12) if isinstance(x, float) and isinstance(y, float) else
        type(x) is type(y) and x == y for x, y in zip(a, b))


def sort_key(row):
    return [(0, 0) if value is None else (1, value) if isinstance(value, (int, float)) else
            (2, value) if isinstance(value, str) else (3, value) for value in row]


def same(answer, expected, whole, made):
    """True where the rows are those expected, in an order that the statement allows."""
    if len(answer) != len(expected):
        return False
    keys = [[tuple(row[place] for place in made.sort_keys) for row in rows] for rows in (answer, expected)]
    if not all(map(close, *keys)):
        return False
    if not made.limited:
        return all(map(close, sorted(answer, key=sort_key), sorted(expected, key=sort_key)))
    # Which of equal rows come is open.
    return not collections.Counter(map(rounded, answer)) - collections.Counter(map(rounded, whole))
