"""Random statements: how the arguments of a table function are fixed, and what its columns are compared with."""

import dataclasses
import random

import relations_tables as tables
from relations_oracle import NULL, TABLES
from relations_writer import Reference, Writer


@dataclasses.dataclass
class Column:
    text: str
    kind: str             # int, real, text, rank, string_id, distance, similarity, probability, token, argument
    reference: Reference = None
    values: list = None   # those that it is compared with, where another would be no argument


@dataclasses.dataclass
class Source:
    """A FROM clause: what may be read of it, and which conditions its WHERE must have."""
    text: str
    columns: list
    where: list
    key: list = None      # expressions that tell its rows apart, where there are some
    star: list = None     # what SELECT * gives
    references: list = dataclasses.field(default_factory=list)


KINDS = {"rank": "rank", "string_id": "string_id", "text": "text", "distance": "distance", "similarity": "similarity",
         "position": "position", "document_id": "int", "token": "token", "token_id": "int", "probability": "probability", "prompt_number": "int"}


class Arguments:
    """How arguments are fixed, and what else is asked of a function's columns."""

    def __init__(self, seed, oracle):
        self.seed, self.oracle = seed, oracle
        self.random = random.Random(seed)
        self.writer = Writer(self.random)
        self.references, self.views, self.ctes = [], [], []
        self.risks, self.kinds = set(), set()
        self.aliases = 0

    # --- chance

    def chance(self, share):
        return self.random.random() < share

    def pick(self, *weighted):
        """One of (weight, thing)."""
        return self.random.choices([thing for _, thing in weighted], [weight for weight, _ in weighted])[0]

    def some(self, things, least=1, most=3):
        things = list(things)
        count = min(len(things), self.random.randint(least, most))
        return self.random.sample(things, count)

    def usual(self, values):
        """One value, the first ones more often."""
        return values[min(int(self.random.expovariate(1.1)), len(values) - 1)]

    def alias(self, stem="b"):
        self.aliases += 1
        return f"{stem}{self.aliases}"

    def v(self, value):
        return self.writer.value(None if value is NULL else value)

    # --- references and their arguments

    def reference(self, name, alias=None):
        made = Reference(self.writer, TABLES[name], alias or self.alias())
        self.references.append(made)
        return made

    def equal(self, column, argument, value):
        """`column = value`, in one of the ways that must be seen."""
        written = self.v(value)
        if value is NULL:
            # t_i NULL means over positions, where `=` would hold of nothing.
            return f"{column} {'IS' if argument == 't_i' else '='} {written}"
        if isinstance(value, int) and argument != "k" and self.chance(0.05):
            self.kinds.add("another type")
            written = self.pick((2, self.v(str(value))), (1, self.v(float(value))))
        elif self.chance(0.05):
            written = f"(SELECT {written})"
        return self.pick((12, f"{column} = {written}"), (2, f"{written} = {column}"), (2, f"{column} == {written}"),
                         (3, f"{column} IS {written}"), (1, f"{column} IS NOT DISTINCT FROM {written}"),
                         (2, f"{column} IN ({written})"), (1, f"({column}) = ({written})"))

    def one_of(self, column, argument, values):
        if any(value is NULL for value in values):
            # Of `IS NULL` SQLite makes no IN, and may plan each branch by itself.
            self.kinds.add("OR")
            self.risks.add("branches")
            return f"({' OR '.join(self.equal(column, argument, value) for value in values)})"
        listed = ", ".join(self.v(value) for value in values)
        rows = ", ".join(f"({self.v(value)})" for value in values)
        selects = " UNION ALL ".join(f"SELECT {self.v(value)}" for value in values)
        branches = " OR ".join(f"{column} = {self.v(value)}" for value in values)
        kind, text = self.pick((8, ("IN", f"{column} IN ({listed})")), (2, ("IN VALUES", f"{column} IN (VALUES {rows})")),
                               (2, ("IN SELECT", f"{column} IN ({selects})")), (6, ("OR", f"({branches})")))
        self.kinds.add(kind)
        return text

    def values_of(self, reference, argument):
        if argument == "prompt":
            return tables.LONG
        if argument in ("low", "high"):
            return reference.values[argument]
        pool = {"saved_neighbors": tables.SAVED_VALUES, "predict": tables.PREDICT_VALUES}.get(reference.table.name,
                                                                                            tables.VALUES)
        return pool[argument]

    def value_of(self, reference, argument):
        if argument == "prompt":
            return self.pick((12, self.random.choice(tables.LONG)), (4, self.random.choice(tables.SHORT)),
                             (0.15, tables.UNKNOWN), (0.3, NULL))
        if argument == "vector":
            return self.vector(reference)
        if argument == "t_i" and reference.table.name in ("neighbors", "neighbors_of") and self.chance(0.4):
            self.kinds.add("over positions")
            return NULL
        return self.usual(self.values_of(reference, argument))

    def vector(self, reference):
        """The stored vector of a prompt at the reference's site: REQUIRES its stream, block and t_i fixed."""
        given = {name: reference.values[name][0] for name in ("stream", "block", "t_i", "rows") if name in reference.values}
        filled = dict(zip(reference.table.names, reference.table.complete(given | {"vector": b""})[0]))
        if filled["t_i"] is NULL:
            at = self.random.randrange(len(self.oracle.tokens))
            row = self.oracle.connection.execute("SELECT actkin_vector_at(?, ?, ?)",
                                                 [at, filled["stream"], filled["block"]]).fetchone()
            return row[0]
        length = {-1: 4, -3: 2}.get(filled["t_i"], filled["t_i"] + 1) if filled["stream"] == "embedding" else 4
        if length < 2:
            length = 4
        block = 0 if filled["stream"] == "embedding" else filled["block"]
        prompts = [text for text in tables.LONG + tables.SHORT if len(text) == length]
        row = self.oracle.connection.execute(
            "SELECT actkin_vector(string_id, ?, ?) FROM string WHERE text = ?",
            [filled["stream"], block, self.random.choice(prompts)]).fetchone()
        return row[0]

    def other_arguments(self, reference):
        """{argument: [values]} besides the first: what a statement asks."""
        name = reference.table.name
        chosen = {}

        def maybe(argument, share, many=0.2):
            if argument in reference.values or not self.chance(share):
                return
            values = [self.value_of(reference, argument)]
            if self.chance(many):
                another = self.random.choice(self.values_of(reference, argument))
                values += [another] if another not in values else []
            chosen[argument] = values

        if name in ("neighbors", "neighbors_of"):
            many = 0.2 if name == "neighbors" else 0
            maybe("stream", 0.6, many)
            maybe("block", 0.5, many)
            # The embedding's site is that of the prompt's own length.
            maybe("t_i", 0.05 if "embedding" in chosen.get("stream", []) else 0.4, many)
            maybe("k", 0.45)
            maybe("metric", 0.25, 0.15)
            maybe("sort_order", 0.15)
            maybe("catalog", 0.05, 0.3)
            maybe("among", 0.1)
            if name == "neighbors":
                maybe("exclude_self", 0.1)
            else:
                maybe("exclude_position", 0.1)
            if "t_i" not in chosen:
                maybe("rows", 0.3, many)
            positions = chosen.get("t_i") == [NULL] or chosen.get("rows") == ["positions"]
            maybe("distinct", 0.08)
            if not positions and "document" in chosen.get("distinct", []) and self.chance(0.9):
                chosen["distinct"] = ["token"]
            maybe("exclude_window", 0.1 if positions and name == "neighbors" else 0.005)
            maybe("max_length", 0.1)
            if self.chance(0.12):
                self.band(chosen)
            if self.chance(0.03) and "embedding" not in chosen.get("stream", []):
                chosen["index_name"] = self.values_of(reference, "index_name")
                if self.chance(0.9):
                    chosen.setdefault("k", [self.random.choice(tables.KS)])
        elif name == "predict":
            maybe("scheme", 0.5)
            maybe("t_i", 0.4)
            maybe("k", 0.4)
            maybe("metric", 0.2)
            maybe("merge", 0.2)
        elif name == "saved_neighbors":
            for argument in ("stream", "block", "t_i"):
                maybe(argument, 1, 0.15)
            maybe("metric", 0.2)
            maybe("k", 0.4)
            maybe("prompt", 0.2, 0)
        return chosen

    def band(self, chosen):
        bounds = tables.BANDS[chosen.get("metric", ["l2"])[0]] if len(chosen.get("metric", [""])) == 1 else (0.3, 0.9)
        low, high = sorted(self.random.sample(bounds, 2)) if len(bounds) > 2 else bounds
        which = self.pick((2, "both"), (1, "low"), (2, "high"))
        if which != "high":
            chosen["low"] = [low]
        if which != "low":
            chosen["high"] = [high]

    def ask(self, reference, place, asked=None, positional=True):
        """Fixes the reference's arguments by conditions, which go to `place`. asked: (text, values) of the first argument,
        where another table gives it. positional: some may be written in parentheses."""
        first = reference.table.names[0]
        chosen = self.other_arguments(reference)
        for argument in chosen:
            reference.add(argument, chosen[argument])
        groups = self.group(reference, chosen) if self.chance(0.16) else []
        if first == "vector" and asked is None:
            vector = self.vector(reference)
            reference.fix("vector", [vector])
            asked = (self.v(vector), None)
        elif asked is None:
            values = [self.value_of(reference, first)]
            if self.chance(0.25):
                another = self.random.choice(self.values_of(reference, first))
                values += [another] if another not in values and values[0] is not NULL else []
            reference.fix(first, values)
            if len(values) > 1:
                place.append(self.one_of(reference.column(first), first, values))
            else:
                asked = (self.v(values[0]), None)
        else:
            reference.fix(first, asked[1])
            reference.single.discard(first)
        if asked is not None:
            ordered = [name for name in reference.table.names[1:6]]
            count = 0
            while count < len(ordered) and len(chosen.get(ordered[count], [])) == 1:
                count += 1
            if positional and self.chance(0.4):
                self.kinds.add("function arguments")
                reference.positional.append((first, asked[0]))
                for argument in ordered[:self.random.randint(0, count)]:
                    value = chosen.pop(argument)[0]
                    reference.fix(argument, [value])
                    reference.positional.append((argument, self.v(value)))
            else:
                column = reference.column(first)
                place.append(self.pick((6, f"{column} = {asked[0]}"), (2, f"{asked[0]} = {column}"),
                                       (1, f"{column} IN ({asked[0]})")))
        for argument, values in chosen.items():
            reference.fix(argument, values)
            column = reference.column(argument)
            place.append(self.equal(column, argument, values[0]) if len(values) == 1 else
                         self.one_of(column, argument, values))
        place += groups
        self.random.shuffle(place)
        place += reference.oracle_conditions()

    def group(self, reference, chosen):
        """Arguments fixed together: by a row value, or by the branches of an OR."""
        if reference.table.name not in ("neighbors", "predict", "saved_neighbors"):
            return []
        pair = self.pick((4, ("stream", "block")), (2, ("k", "block")), (1, ("stream", "t_i")), (1, ("k", "metric")))
        if reference.table.name == "predict":
            pair = ("k", "metric")
        if reference.fixed.intersection(pair) or {"index_name", "low", "high"}.intersection(chosen):
            return []
        for argument in pair:
            chosen.pop(argument, None)
            reference.values.pop(argument, None)
        rows = [tuple(self.usual(self.values_of(reference, argument)) for argument in pair) for _ in range(2)]
        columns = [reference.column(argument) for argument in pair]
        form = self.pick((2, "row"), (2, "rows"), (1, "rows of a table"), (6, "branches"), (3, "open branches"),
                         (2, "branches with filters"))
        if form == "rows of a table" and pair != ("stream", "block"):
            form = "rows"
        if form == "open branches" and reference.table.name == "saved_neighbors":
            form = "branches"
        self.kinds.add(form)
        left = f"({columns[0]}, {columns[1]})"
        if form == "row":
            rows = rows[:1]
            text = f"{left} = ({self.v(rows[0][0])}, {self.v(rows[0][1])})"
        elif form == "rows":
            self.risks.add(form)
            listed = [f"{self.v(a)}, {self.v(b)}" for a, b in rows]
            values = "VALUES " + ", ".join(f"({row})" for row in listed)
            text = f"{left} IN ({self.pick((2, values), (1, ' UNION '.join('SELECT ' + row for row in listed)))})"
        elif form == "rows of a table":
            rows = tables.ROWS["pick"][1]
            text = f"{left} IN (SELECT stream, block FROM pick)"
        elif form == "open branches":
            self.risks.add(form)
            return [self.open_branches(reference, pair, rows)]
        else:
            self.risks.add(form)
            branches = [[f"{column} = {self.v(value)}" for column, value in zip(columns, row)] for row in rows]
            if form == "branches with filters":
                for branch in branches:
                    branch.append(self.filter(Column(reference.column("rank"), "rank")))
            text = "(" + " OR ".join(f"({' AND '.join(branch)})" for branch in branches) + ")"
        for at, argument in enumerate(pair):
            reference.fix(argument, list(dict.fromkeys(row[at] for row in rows)))
        return [text]

    def open_branches(self, reference, pair, rows):
        """An OR of which each branch is a call with a default of its own."""
        branches = []
        for number, row in enumerate(rows):
            # One of the branches, or both, leave one argument open.
            left_open = self.random.choice(pair) if number or self.chance(0.5) else None
            conditions = []
            for argument, value in zip(pair, row):
                if argument == left_open:
                    conditions.append((reference.defaults([argument]),))
                else:
                    reference.add(argument, [value])
                    conditions.append(f"{reference.column(argument)} = {self.v(value)}")
            branches.append(f"({self.writer.conjunction('', conditions)})")
        return f"({' OR '.join(branches)})"

    # --- what is read

    def visible(self, reference):
        return [Column(reference.column(name), KINDS.get(name, "text"), reference) for name in reference.table.visible
                if name in KINDS]

    def readable(self, reference):
        """Visible columns, and arguments that the statement fixes."""
        hidden = ["vector", "t_i"] if reference.table.name == "predict" else ["vector"]
        arguments = [Column(reference.column(name), "argument", reference, self.values_of(reference, name))
                     for name in reference.table.names if name in reference.fixed and name not in hidden]
        return self.visible(reference) + arguments

    def key_of(self, reference):
        if set(reference.values) - reference.fixed:
            return None
        named = [name for name in reference.table.names if name in reference.fixed - reference.single]
        if "t_i" in named and reference.table.name == "predict":
            return None
        named += ["prompt_number"] if reference.table.name == "saved_neighbors" else []
        return [reference.column(name) for name in (*named, "rank")]

    def distance(self):
        """A number that distances lie around, sometimes one of theirs to the last bit."""
        named = {"prompt": self.random.choice(tables.LONG), "stream": self.random.choice(["proj", "ffwd"])}
        table = TABLES["neighbors"]
        full = dict(zip(table.names, table.complete(named)[0]))
        exact = self.random.choice(self.oracle.ranking(table, full))[1]
        return exact if self.chance(0.3) else round(self.pick((2, exact), (1, self.random.random() * 2)), 2)

    def string_id(self):
        return self.random.randint(8, 38) if self.chance(0.25) else self.random.randint(102, 195)

    def position(self):
        return self.random.randrange(len(self.oracle.tokens) + 3)

    def filter(self, column, others=()):
        """A condition on a column; others: columns of other tables that it may be compared with."""
        c, kind = column.text, column.kind
        if self.chance(0.04):
            c = f"+{c}"
        if self.chance(0.03):
            return self.pick((1, f"{c} IS NULL"), (2, f"{c} IS NOT NULL"), (1, f"{c} < NULL"), (1, f"{c} NOT NULL"))
        comparison = self.pick((4, "<"), (4, "<="), (4, ">"), (3, ">="), (2, "="), (1, "<>"), (1, "!="))
        if column.values:
            a, b = self.random.choice(column.values), self.random.choice(column.values)
            return self.pick((4, f"{c} = {self.v(a)}"), (2, f"{c} IN ({self.v(a)}, {self.v(b)})"), (1, f"{c} <> {self.v(a)}"),
                             (1, f"{c} {comparison} {self.v(a)}"), (1, f"({c} = {self.v(a)} OR {c} = {self.v(b)})"),
                             (1, f"{c} LIKE {self.v(str(a)[0] + '%')}"), (1, f"{c} BETWEEN {self.v(a)} AND {self.v(b)}"))
        alike = [other.text for other in others if other.kind == {"rank": "int", "distance": "real"}.get(kind)]
        if alike and self.chance(0.5):
            self.kinds.add("compared with another table")
            return self.pick((3, f"{c} {comparison} {self.random.choice(alike)}"),
                             (1, f"{self.random.choice(alike)} {comparison} {c}"))
        if kind in ("rank", "int"):
            n = self.usual([1, 2, 3, 5, 4, 8, 10, 20, 40, 90])
            return self.pick(
                (9, f"{c} {comparison} {self.v(n)}"), (3, f"{c} = {self.v(n)}"), (5, f"{c} <= {self.v(n)}"),
                (3, f"{c} BETWEEN {self.v(n)} AND {self.v(n + self.random.randint(0, 6))}"),
                (2, f"{c} IN ({self.v(n)}, {self.v(n + 2)})"), (1, f"{c} NOT IN ({self.v(n)}, {self.v(n + 1)})"),
                (1, f"{c} % 2 = {self.v(1)}"), (1, f"NOT {c} {comparison} {self.v(n)}"), (1, f"{c} IS {self.v(n)}"),
                (1, f"{c} < {self.v(n + 0.5)}"), (1, f"{c} = {self.v(str(n))}"),
                (1, f"{c} <= (SELECT max(n) FROM t)"), (0.5, f"{c} > {self.v(-n)}"), (0.3, f"{c} < {self.v('z')}"))
        if kind in ("distance", "similarity", "real", "probability"):
            x = self.distance() if kind != "probability" else round(self.random.random() * 0.4, 2)
            return self.pick(
                (9, f"{c} {comparison} {self.v(x)}"), (5, f"{c} < {self.v(x)}"),
                (3, f"{c} BETWEEN {self.v(min(x, 0.6))} AND {self.v(max(x, 0.6))}"), (1, f"NOT {c} > {self.v(x)}"),
                (1, f"{c} <> {self.v(0)}"), (1, f"{c} > {self.v(0)}"), (1, f"{c} > {self.v(-1)}"),
                (1, f"round({c}, 2) {comparison} {self.v(x)}"), (1, f"{c} < (SELECT max(x) FROM t)"),
                (0.5, f"{c} < {self.v('abc')}"), (0.5, f"{c} > {self.v(str(x))}"), (0.5, f"{c} < {self.v(b'x')}"))
        if kind == "string_id":
            s = self.string_id()
            return self.pick(
                (4, f"{c} {comparison} {self.v(s)}"), (4, f"{c} = {self.v(s)}"), (1, f"{c} IS {self.v(s)}"),
                (3, f"{c} IN ({self.v(s)}, {self.v(self.string_id())}, {self.v(self.string_id())})"),
                (2, f"{c} IN (SELECT string_id FROM string WHERE occurrences > {self.v(1)})"),
                (2, f"{c} BETWEEN {self.v(s)} AND {self.v(s + 25)}"), (1, f"{c} = {self.v(str(s))}"),
                (1, f"{c} = {self.v(float(s))}"), (0.5, f"{c} > {self.v(s + 0.5)}"), (1, f"{c} <> {self.v(s)}"))
        if kind == "position":
            s = self.position()
            return self.pick(
                (4, f"{c} {comparison} {self.v(s)}"), (3, f"{c} = {self.v(s)}"), (1, f"{c} IS {self.v(s)}"),
                (3, f"{c} IN ({self.v(s)}, {self.v(self.position())}, {self.v(self.position())})"),
                (2, f"{c} IN (SELECT position FROM actkin_tokens WHERE text = {self.v('a')})"),
                (3, f"{c} BETWEEN {self.v(s)} AND {self.v(s + 40)}"), (1, f"{c} = {self.v(str(s))}"),
                (1, f"{c} IS NULL"), (1, f"{c} IS NOT NULL"), (0.5, f"{c} > {self.v(s + 0.5)}"),
                (1, f"{c} <> {self.v(s)}"))
        if kind == "token":
            return self.pick((3, f"{c} = {self.v(self.random.choice('abc '))}"), (1, f"{c} <> {self.v('b')}"),
                             (1, f"{c} IN ({self.v('a')}, {self.v('b')})"), (1, f"{c} LIKE {self.v('A')}"))
        s = self.random.choice(tables.LONG + ["ba c", "c\u00e4ab", "ab", "a", "b", " ", "\u00e4"])
        return self.pick(
            (4, f"{c} = {self.v(s)}"), (3, f"{c} LIKE {self.v(s[0] + '%')}"), (1, f"{c} LIKE {self.v('%' + s[1:].upper())}"),
            (3, f"{c} GLOB {self.v(s[0] + '*')}"), (1, f"{c} GLOB {self.v('*' + s[-2:])}"), (1, f"{c} IS {self.v(s)}"),
            (2, f"{c} IN ({self.v(s)}, {self.v(self.random.choice(tables.LONG))})"), (2, f"{c} {comparison} {self.v(s)}"),
            (1, f"{c} = {self.v(s.upper())} COLLATE NOCASE"), (1, f"{c} NOT LIKE {self.v('a%')}"),
            (1, f"length({c}) = {self.v(4)}"), (1, f"substr({c}, 1, 1) = {self.v(s[0])}"), (1, f"{c} <> {self.v(s)}"),
            (1, f"{c} BETWEEN {self.v('a')} AND {self.v('b')}"), (0.3, f"{c} = {self.v(5)}"))

    def filters(self, source, share=0.7):
        """Conditions on the visible columns of a source."""
        columns = [column for column in source.columns if column.kind != "argument"]
        made = []
        arguments = [column for column in source.columns if column.kind == "argument" and column.values]
        if arguments and self.chance(0.07):
            made.append(self.another_condition(self.random.choice(arguments)))
        while columns and self.chance(share):
            share *= 0.5
            chosen = self.random.choice(columns)
            others = [column for column in columns if column.reference is None and chosen.reference is not None]
            text = self.filter(chosen, others)
            if self.chance(0.2):
                self.kinds.add("OR of filters")
                # Of the same table often: SQLite then asks it once a branch.
                same = [column for column in columns if column.reference is chosen.reference]
                another = self.filter(self.random.choice(same if self.chance(0.7) else columns))
                if self.chance(0.3):
                    another += f" AND {self.filter(self.random.choice(same))}"
                text = f"({text} OR {another})"
            elif self.chance(0.06):
                text = f"NOT ({text})"
            made.append(text)
        if self.chance(0.01):
            made.append(self.unfixed(source))
        return [text for text in made if text]

    def another_condition(self, column):
        """On an argument that is fixed already."""
        self.kinds.add("an argument twice")
        if column.reference is not None:
            column.reference.add(column.text.split(".")[1].strip('"'), column.values)
        return self.filter(column)

    def unfixed(self, source):
        """A condition on an argument that the statement does not fix."""
        for reference in self.random.sample(source.references, len(source.references)):
            names = [name for name in ("stream", "block", "metric", "k", "t_i") if name in reference.table.arguments
                     and name not in reference.values and reference.table.name in ("neighbors", "neighbors_of")]
            if names and reference.alias in source.text:
                name = self.random.choice(names)
                c = reference.column(name)
                self.risks.add("unfixed")
                self.kinds.add("unfixed")
                if name in ("stream", "metric"):
                    return self.pick((1, f"{c} LIKE '%f%'"), (1, f"{c} <> 'proj'"), (1, f"+{c} = 'ffwd'"))
                return self.pick((1, f"{c} < 2"), (1, f"{c} BETWEEN 0 AND 3"), (1, f"+{c} = 1"), (1, f"{c} <> 0"))
        return ""
