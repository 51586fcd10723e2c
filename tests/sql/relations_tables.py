"""The ordinary tables that statements join the functions with, and the values that they are made of."""

from relations_index import APPROXIMATE, SAVED_KS, SET, SMALL_SET
from relations_oracle import NULL

LONG = ["abba", "bba ", "cab ", " cab"]
SHORT = ["ab", "ba", "cab"]
UNKNOWN = "xyz"
STREAMS = ["proj", "ffwd", "embedding"]
KS = [1, 2, 3, 5, 7, 12, 31]
LENGTHS = [1.4, 0.9, 2.2, 3.0]
BANDS = {"l2": (0.35, 0.75, 1.3, 2.1), "cosine": (-0.3, 0.15, 0.5, 0.85)}

# {name: (columns, rows)}. n and x are for comparisons with rank, k and distance.
ROWS = {
    "t": ("id INTEGER PRIMARY KEY, p TEXT, n INTEGER, x REAL",
          [(1, "abba", 2, 0.4), (2, "cab ", 3, 0.9), (3, "ab", 1, 1.5), (4, "cab ", 5, 0.2)]),
    "asked": ("prompt TEXT, note TEXT", [("abba", "first"), ("bba ", "second")]),
    "holes": ("id INTEGER PRIMARY KEY, p TEXT, n INTEGER, x REAL",
              [(1, "abba", 3, 0.5), (2, None, 1, 0.7), (3, " cab", 2, None)]),
    "pick": ("stream TEXT, block INTEGER", [("proj", 1), ("ffwd", 0)]),
}
TYPES = {"id": "int", "p": "text", "n": "int", "x": "real", "prompt": "text", "note": "text", "stream": "text",
         "block": "int"}

# What columns that give arguments are compared with: SQLite knows that they are equal, and may ask with these.
ASKED = {"p": LONG + SHORT, "prompt": LONG + SHORT, "stream": ["proj", "ffwd"], "block": [0, 1], "t_i": [1, 3]}

# What an argument is asked with, the usual values first.
VALUES = {
    "stream": STREAMS, "block": [1, 0], "t_i": [3, 1, -1, -3], "k": KS, "metric": ["cosine", "l2"],
    "sort_order": ["farthest", "nearest"], "catalog": ["main", "other"], "prompt_set": [SET, SMALL_SET],
    "scheme": ["inverse_distance", "last_ffwd_only", "prompt_only", "progressive_ffwd_weight"],
    "merge": ["farthest", "nearest"], "index_name": [APPROXIMATE], "exclude_self": [1, 0],
    "rows": ["positions", "strings"], "distinct": ["text", "token", "document"], "exclude_window": [2, 9, 0],
    "exclude_position": [40, 5], "max_length": LENGTHS,
    "among": ["SELECT string_id FROM string WHERE occurrences > 1", "[102, 110, 111, 120, 131, 150, 171, 8, 9, 12, 900]",
              "SELECT string_id FROM string WHERE string_id % 3 = 0", "[]", "SELECT 103 UNION ALL SELECT -7"],
}
SAVED_VALUES = VALUES | {"stream": ["ffwd", "proj", "embedding"], "t_i": [3, 3, 1, -1], "k": list(SAVED_KS)}
PREDICT_VALUES = VALUES | {"t_i": ["3", "1,3"], "k": [2, 5, 10]}


def create(connection):
    for name, (columns, rows) in ROWS.items():
        connection.execute(f"CREATE TEMP TABLE {name}({columns})")
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO temp.{name} VALUES ({marks})", rows)


def column(name, place):
    """The values of a column of one of these tables, as arguments."""
    columns, rows = ROWS[name]
    at = [part.split()[0] for part in columns.split(", ")].index(place)
    found = []
    for row in rows:
        value = NULL if row[at] is None else row[at]
        if value not in found:
            found.append(value)
    return found
