"""The table functions' relations held whole, as ordinary tables: temp.rel_NAME beside actkin_NAME.

A row of rel_NAME has the function's columns, its arguments (defaults filled in) and `defaults`, a bit for each argument
that has its default. A statement over it gives what the same statement gives over the function when each reference also
asks for the defaults of the arguments that it does not fix.

The rows are found by brute force over the stored vectors. The order of equals and the last bits of a distance come from
the function's plain full answer, which must agree with them.
"""

import itertools
import math
import struct

import relations_index as index


class Wrong(Exception):
    """The function's plain answer is not what its vectors say."""


class Given:
    """An argument that is given as NULL; None is one that is not given, where there is no default."""

    def __repr__(self):
        return "NULL"


NULL = Given()
LAST_BLOCK, LAST_T_I = max(index.BLOCKS), max(index.T_IS)


class Table:
    """arguments: {name: (type, default)}, in the function's order; a default may be a function of the arguments before it
    and of those that are given."""

    def __init__(self, name, arguments, order, required):
        self.name, self.arguments, self.order, self.required = name, arguments, order, required
        self.names = list(arguments)
        self.visible = []

    def complete(self, given):
        """The arguments of a call as a tuple, defaults filled in, and the mask of those that have their default."""
        filled, mask = {}, 0
        for place, (name, (_, default)) in enumerate(self.arguments.items()):
            standard = default(filled, given) if callable(default) else default
            filled[name] = given.get(name, standard)
            if type(filled[name]) is type(standard) and filled[name] == standard:
                mask |= 1 << place
        return tuple(filled.values()), mask

    def mask(self, names):
        return sum(1 << self.names.index(name) for name in names)


def embedding(arguments):
    return arguments["stream"] == "embedding"


def default_block(filled, given):
    return 0 if embedding(filled) else LAST_BLOCK


# Of t_i NULL and rows 'positions' one says the other: it has its default where it is not given.
def default_t_i(filled, given):
    if "t_i" not in given and given.get("rows") == "positions":
        return NULL
    if not embedding(filled):
        return LAST_T_I
    if "vector" in filled:
        return len(filled["vector"]) // (4 * index.EMBED) - 1
    return len(filled["prompt"]) - 1 if isinstance(filled["prompt"], str) else LAST_T_I


def default_rows(filled, given):
    return "positions" if given.get("t_i") is NULL else "strings"


def default_predict_t_i(filled, given):
    return NULL if given.get("rows") == "positions" and "t_i" not in given else str(LAST_T_I)


SITE = {"stream": ("TEXT", "ffwd"), "block": ("INTEGER", default_block), "t_i": ("INTEGER", default_t_i)}
SEARCH = SITE | {"k": ("INTEGER", None), "metric": ("TEXT", "l2"), "sort_order": ("TEXT", "nearest"),
                 "index_name": ("TEXT", "exact"), "params": ("TEXT", ""), "low": ("REAL", None),
                 "high": ("REAL", None), "catalog": ("TEXT", "main"), "among": ("TEXT", None), "center": ("INTEGER", 0),
                 "rows": ("TEXT", default_rows), "distinct": ("TEXT", None), "exclude_window": ("INTEGER", 0)}
LAST = {"max_length": ("REAL", None)}
TABLES = {table.name: table for table in (
    Table("neighbors", {"prompt": ("TEXT", None)} | SEARCH | {"exclude_self": ("INTEGER", 0)} | LAST, "rank", ("prompt",)),
    Table("neighbors_of", {"vector": ("BLOB", None)} | SEARCH | {"exclude_position": ("INTEGER", None)} | LAST, "rank",
          ("vector",)),
    Table("model", {"prompt": ("TEXT", None), "catalog": ("TEXT", "main")}, "rank", ("prompt",)),
    Table("predict", {"prompt": ("TEXT", None), "scheme": ("TEXT", "progressive_ffwd_weight"),
                      "t_i": ("TEXT", str(LAST_T_I)), "k": ("INTEGER", 10), "metric": ("TEXT", "l2"),
                      "merge": ("TEXT", "nearest"), "catalog": ("TEXT", "main"), "rows": ("TEXT", default_rows),
                      "exclude_self": ("INTEGER", 0)} | LAST, "rank", ("prompt",)),
    Table("saved_neighbors", {"prompt_set": ("TEXT", None), "stream": ("TEXT", None), "block": ("INTEGER", None),
                              "t_i": ("INTEGER", None), "metric": ("TEXT", "l2"), "k": ("INTEGER", None),
                              "low": ("REAL", None), "high": ("REAL", None), "prompt": ("TEXT", None),
                              "catalog": ("TEXT", "main")}, "prompt_number, rank",
          ("prompt_set", "stream", "block", "t_i")))}


def dot(a, b):
    return math.fsum(x * y for x, y in zip(a, b))


class Oracle:
    """REQUIRES: `connection` has the extension, main.actkin, and other.actkin attached as `other`."""

    def __init__(self, connection):
        self.connection = connection
        self.calls = {}
        self.rankings = {}
        self.vectors = {}
        self.lengths = {}
        self.held = {}
        self.texts = dict(connection.execute("SELECT string_id, text FROM string"))
        tokens = connection.execute("SELECT text FROM actkin_tokens ORDER BY position")
        self.tokens = [text for text, in tokens]  # one document
        for table in TABLES.values():
            columns = connection.execute("SELECT name, type, hidden FROM pragma_table_xinfo(?)",
                                         [f"actkin_{table.name}"]).fetchall()
            table.visible = [name for name, _, hidden in columns if not hidden]
            table.hidden = [name for name, _, hidden in columns if hidden]
            declared = [f"{name} {kind}" for name, kind, hidden in columns if not hidden]
            declared += [f'"{name}" {kind}' for name, (kind, _) in table.arguments.items()]
            connection.execute(f"CREATE TEMP TABLE rel_{table.name}({', '.join(declared)}, defaults INTEGER)")
            self.held[table.name] = None

    def hold(self, wanted):
        """Fills the tables with these calls. wanted: {table's name: [{argument: value}]}. Returns the errors' lines that
        a statement which makes one of the calls may end with."""
        errors = set()
        for name, calls in wanted.items():
            table = TABLES[name]
            completed = dict(table.complete(call) for call in calls)
            for arguments in completed:
                answer = self.call(table, arguments)
                if isinstance(answer, str):
                    errors.add(answer)
            key = frozenset(completed)
            if self.held[name] == key:
                continue
            self.connection.execute(f"DELETE FROM rel_{name}")
            marks = ", ".join("?" * (len(table.visible) + len(table.names) + 1))
            for arguments, mask in completed.items():
                answer = self.call(table, arguments)
                if not isinstance(answer, str):
                    asked = [None if value is NULL else value for value in arguments]
                    self.connection.executemany(f"INSERT INTO rel_{name} VALUES ({marks})",
                                                ((*row, *asked, mask) for row in answer))
            self.held[name] = key
        return errors

    def call(self, table, arguments):
        """All rows of a call, visible columns; or its error's line."""
        key = (table.name, arguments)
        if key not in self.calls:
            if len(self.calls) > 20_000:
                self.calls.clear()
            self.calls[key] = self.checked(table, arguments)
        return self.calls[key]

    def plain(self, table, arguments):
        """The function's own answer, every argument given that has not its default."""
        standard, _ = table.complete({name: value for name, value in zip(table.names, arguments)
                                      if name in table.required or name == "stream"})
        given = {name: value for name, value, default in zip(table.names, arguments, standard)
                 if name in table.required or name == "stream" or value != default}
        named = dict(zip(table.names, arguments))
        if "rows" in named and (named["t_i"] is NULL or named["rows"] == "positions"):
            # Each may be the other's default, or contradict it.
            given |= {"t_i": named["t_i"], "rows": named["rows"]}
        conditions = " AND ".join(f"\"{name}\" {'IS' if value is NULL and name == 't_i' else '='} :{name}"
                                  for name, value in given.items())
        values = {name: None if value is NULL else value for name, value in given.items()}
        try:
            return self.connection.execute(
                f"SELECT {', '.join(table.visible)} FROM actkin_{table.name} WHERE {conditions} "
                f"ORDER BY {table.order} LIMIT -1", values).fetchall()
        except Exception as error:  # pylint: disable=broad-except
            return str(error)

    def checked(self, table, arguments):
        answer = self.plain(table, arguments)
        named = dict(zip(table.names, arguments))
        if named.get("prompt", "") is NULL and isinstance(answer, str):
            raise Wrong(f"actkin_{table.name}{named}: a NULL prompt has no rows, but: {answer}")
        if isinstance(answer, str):
            return answer
        if any(value is NULL for name, value in named.items()
               if name not in ("prompt", "vector", "t_i")):
            raise Wrong(f"actkin_{table.name}{named}: NULL is no argument, but {len(answer)} rows and no error")
        if table.name in ("neighbors", "neighbors_of"):
            self.check_neighbors(table, named, answer)
        elif table.name == "saved_neighbors":
            self.check_saved(table, named, answer)
        else:
            self.check_tokens(table, named, answer)
        return answer

    def vectors_of(self, catalog, stream, block, length):
        """{string_id: vector} of all strings of a length."""
        key = (catalog, stream, block, length)
        if key not in self.vectors:
            rows = self.connection.execute(
                f"SELECT string_id, actkin_vector(string_id, ?, ?, ?) FROM {catalog}.string WHERE length = ?",
                [stream, block, catalog, length])
            self.vectors[key] = {id: struct.unpack(f"<{len(blob) // 4}f", blob) for id, blob in rows}
        return self.vectors[key]

    def vectors_at(self, catalog, stream, block):
        """{position: vector} of all positions."""
        key = (catalog, stream, block)
        if key not in self.vectors:
            rows = self.connection.execute(
                "SELECT position, actkin_vector_at(position, ?, ?, ?) FROM actkin_tokens WHERE catalog = ?",
                [stream, block, catalog, catalog])
            self.vectors[key] = {at: struct.unpack(f"<{len(blob) // 4}f", blob) for at, blob in rows}
        return self.vectors[key]

    def brute_force(self, named):
        """[(string_id or position, distance, similarity)] of all rows, unordered."""
        positions = named["t_i"] is NULL
        block = 0 if named["stream"] == "embedding" else named["block"]
        if "vector" in named:
            asked = struct.unpack(f"<{len(named['vector']) // 4}f", named["vector"])
        else:
            own = self.vectors_of(named["catalog"], named["stream"], block, len(named["prompt"]))
            asked = next(vector for id, vector in own.items() if self.texts[id] == named["prompt"])
            if positions:
                asked = asked[-index.EMBED:]
        if positions:
            rows = self.vectors_at(named["catalog"], named["stream"], block)
        else:
            length = named["t_i"] + 1 if named["t_i"] >= 0 else named["t_i"] + index.LENGTH + 1
            rows = self.vectors_of(named["catalog"], named["stream"], block, length)
        found = []
        for row_id, row in rows.items():
            if named["metric"] == "l2":
                found.append((row_id, math.dist(asked, row), None))
            else:
                similarity = dot(asked, row) / math.sqrt(dot(asked, asked) * dot(row, row))
                found.append((row_id, 1 - similarity, similarity))
        return found

    def ranking(self, table, named):
        """The whole site, ordered as asked: [(string_id or position, distance, similarity)] by brute force, equals by
        that."""
        kept = ("prompt", "vector", "stream", "block", "t_i", "metric", "sort_order", "catalog", "rows")
        plain = {name: value for name, value in named.items() if name in kept}
        key = (table.name, tuple(plain.values()))
        if key not in self.rankings:
            farthest = plain["sort_order"] == "farthest"
            found = {row[0]: row for row in self.brute_force(plain)}
            arguments, _ = table.complete(plain)
            answer = self.plain(table, arguments)
            context = f"actkin_{table.name}{plain}"
            if isinstance(answer, str):
                raise Wrong(f"{context}: {answer}")
            texts = dict(enumerate(self.tokens)) if plain["t_i"] is NULL else self.texts
            columns = [table.visible.index(name) for name in ("rank", self.id_of(plain), "text", "distance")]
            similarity_at = table.visible.index("similarity") if "similarity" in table.visible else None
            if sorted(row[columns[1]] for row in answer) != sorted(found):
                raise Wrong(f"{context}: {len(answer)} rows; the site has {len(found)}")
            # The prompt's own vector comes from another arithmetic than the rows'.
            tolerance = 1e-9 if "vector" in plain else 2e-6
            before = None
            for place, row in enumerate(answer):
                rank, string_id, text, distance = (row[column] for column in columns)
                _, true_distance, true_similarity = found[string_id]
                if rank != place + 1 or text != texts[string_id]:
                    raise Wrong(f"{context}: row {row} at place {place + 1}, text {texts[string_id]!r}")
                if abs(distance - true_distance) > tolerance * max(1, true_distance):
                    raise Wrong(f"{context}: string {string_id} has distance {true_distance}, not {distance}")
                if similarity_at is not None:
                    similarity = row[similarity_at]
                    if (similarity is None) != (true_similarity is None) or (
                            similarity is not None and abs(similarity - true_similarity) > tolerance):
                        raise Wrong(f"{context}: string {string_id}: similarity {true_similarity}, not {similarity}")
                order = (-distance if farthest else distance, string_id)
                if before is not None and order < before:
                    raise Wrong(f"{context}: {row} comes after {before}")
                before = order
            self.rankings[key] = [(row[columns[1]], row[columns[3]],
                                   None if similarity_at is None else row[similarity_at]) for row in answer]
        return self.rankings[key]

    @staticmethod
    def id_of(named):
        return "position" if named["t_i"] is NULL else "string_id"

    def own_rows(self, named):
        """The ids of the rows that are left out."""
        if named["t_i"] is not NULL:
            # The prompts of other texts' lengths have no row at the site.
            return {row for row, text in self.texts.items() if named.get("exclude_self") and text == named["prompt"]}
        window = named["exclude_window"]
        own = []
        if named.get("exclude_position") is not None:
            own = [named["exclude_position"]]
        elif "prompt" in named and (named["exclude_self"] or window):
            tokens, prompt = self.tokens, list(named["prompt"])
            own = [at for at in range(len(tokens)) if tokens[max(0, at + 1 - len(prompt)):at + 1] == prompt]
        return {near for at in own for near in range(at - window, at + window + 1)}

    def length(self, named, row_id):
        """How long a row is."""
        if named["t_i"] is NULL:
            sql = "SELECT actkin_vector_at(?, ?, ?, ?)"
        else:
            sql = "SELECT actkin_vector(?, ?, ?, ?)"
        block = 0 if named["stream"] == "embedding" else named["block"]
        key = (sql, row_id, named["stream"], block, named["catalog"])
        if key not in self.lengths:
            (stored,), = self.connection.execute(sql, key[1:]).fetchall()
            numbers = struct.unpack(f"<{len(stored) // 4}f", stored)
            self.lengths[key] = math.sqrt(dot(numbers, numbers))
        return self.lengths[key]

    def group(self, named, row_id):
        """What a row is told apart by."""
        if named["t_i"] is NULL:
            return {"text": self.tokens[row_id], "token": self.tokens[row_id], "document": 0}[named["distinct"]]
        return {"text": self.texts[row_id], "token": self.texts[row_id][-1]}[named["distinct"]]

    def among(self, catalog, text):
        """The string_ids that an argument `among` yields, by the same text in this connection's words."""
        if text.startswith("["):
            return {row[0] for row in self.connection.execute("SELECT value FROM json_each(?)", [text])}
        return {row[0] for row in self.connection.execute(text.replace(" string ", f" {catalog}.string "))}

    def check_neighbors(self, table, named, answer):
        context = f"actkin_{table.name}{named}"
        if named.get("prompt", "") is NULL or named.get("vector", "") is NULL:
            if answer:
                raise Wrong(f"{context}: rows of NULL")
            return
        full = self.ranking(table, named)
        if named["among"] is not None:
            chosen = self.among(named["catalog"], named["among"])
            full = [row for row in full if row[0] in chosen]
        own = self.own_rows(named)
        full = [row for row in full if row[0] not in own]
        if named["max_length"] is not None:
            full = [row for row in full if self.length(named, row[0]) <= named["max_length"]]
        low = -math.inf if named["low"] is None else named["low"]
        high = math.inf if named["high"] is None else named["high"]
        measured = [row for row in full
                    if low <= (row[1] if named["metric"] == "l2" else row[2] or 1 - row[1]) <= high]
        if named["distinct"] is not None:
            best = {}
            for row in measured:
                best.setdefault(self.group(named, row[0]), row)
            measured = list(best.values())
        wanted = measured if named["k"] is None else measured[:named["k"]]
        columns = [table.visible.index(name) for name in ("rank", self.id_of(named), "distance")]
        got = [tuple(row[column] for column in columns) for row in answer]
        if named["index_name"] == "exact":
            if got != [(place + 1, row[0], row[1]) for place, row in enumerate(wanted)]:
                raise Wrong(f"{context}: {got}, expected {wanted}")
            return
        true = {row[0]: row[1] for row in full}
        if len(got) != len(wanted):
            raise Wrong(f"{context}: {len(got)} rows, expected {len(wanted)}")
        for place, (rank, string_id, distance) in enumerate(got):
            if rank != place + 1 or abs(distance - true[string_id]) > 1e-5 * max(1, true[string_id]):
                raise Wrong(f"{context}: {(rank, string_id, distance)}, expected distance {true[string_id]}")

    def check_tokens(self, table, named, answer):
        context = f"actkin_{table.name}{named}"
        if named["prompt"] is NULL:
            if answer:
                raise Wrong(f"{context}: rows of NULL")
            return
        rank, token, probability = (table.visible.index(name) for name in ("rank", "token", "probability"))
        if [row[rank] for row in answer] != list(range(1, len(answer) + 1)):
            raise Wrong(f"{context}: ranks {answer}")
        tokens = {row[token] for row in answer}
        if len(tokens) != len(answer) or not tokens <= set(index.VOCABULARY) or (
                table.name == "model" and len(tokens) != len(index.VOCABULARY)):
            raise Wrong(f"{context}: not each token once: {answer}")
        chances = [row[probability] for row in answer]
        if chances != sorted(chances, reverse=True) or abs(sum(chances) - 1) > 1e-6:
            raise Wrong(f"{context}: probabilities {chances}")

    def check_saved(self, table, named, answer):
        context = f"actkin_saved_neighbors{named}"
        number, rank, string_id, distance = (
            table.visible.index(name) for name in ("prompt_number", "rank", "string_id", "distance"))
        prompts = self.connection.execute(
            "SELECT number, text FROM prompt JOIN prompt_set USING (prompt_set_id) WHERE name = ? ORDER BY number",
            [named["prompt_set"]]).fetchall()
        if named["prompt"] is not None:
            prompts = [(n, text) for n, text in prompts if text == named["prompt"]]
        k = named["k"] or self.connection.execute(
            "SELECT max(k) FROM saved_neighbors JOIN prompt_set USING (prompt_set_id) WHERE name = ? AND metric = ?",
            [named["prompt_set"], named["metric"]]).fetchone()[0]
        expected = []
        for n, text in prompts:
            site = {name: named[name] for name in ("stream", "block", "t_i", "metric", "catalog")}
            if site["stream"] == "embedding":
                site["block"] = 0
            ranking = self.ranking(TABLES["neighbors"], {"prompt": text} | site | {"sort_order": "nearest"})
            expected += [(n, place + 1, row[0], row[1]) for place, row in enumerate(ranking[:k])]
        got = [(row[number], row[rank], row[string_id], row[distance]) for row in answer]
        if len(got) != len(expected) or any(
                a[:2] != b[:2] or abs(a[3] - b[3]) > 2e-6 * max(1, b[3]) for a, b in zip(got, expected)):
            raise Wrong(f"{context}: {got}, expected {expected}")


def products(choices):
    """All calls with one value for each argument. choices: {argument: [values]}; None stands for not given."""
    for values in itertools.product(*choices.values()):
        yield {name: value for name, value in zip(choices, values) if value is not None}
