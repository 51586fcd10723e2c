"""Random statements over the table functions, as people write them."""

import dataclasses

import relations_tables as tables
from relations_arguments import Column, Source
from relations_oracle import products
from relations_sources import Sources

MOST_CALLS = 80


@dataclasses.dataclass
class Statement:
    seed: int
    actkin: str
    oracle: str
    whole: str            # the oracle's without its last LIMIT
    views: list           # (name, over the functions, over the oracle's tables)
    values: dict
    calls: dict           # {table: [{argument: value}]}
    sort_keys: list       # columns of the answer
    limited: bool
    risks: set            # why an argument may not be seen to be fixed; empty: the statement must be answered
    kinds: set            # what the statement is made of


class TooLarge(Exception):
    """The statement would make more calls than the oracle should hold."""


class Grammar(Sources):
    """Each statement is of its seed alone."""

    def statement(self):
        body = self.pick((42, self.plain), (9, self.total), (9, self.grouped), (6, self.distinct), (8, self.windowed),
                         (8, self.compound), (6, self.existing), (5, self.scalar))
        marked, order, limit, keys = body()
        with_clause = f"WITH {', '.join(self.ctes)} " if self.ctes else ""
        calls = {}
        for reference in self.references:
            made = calls.setdefault(reference.table.name, [])
            made += products(reference.choices())
        if any(len(made) > MOST_CALLS for made in calls.values()):
            raise TooLarge()

        def written(side, limited):
            return self.writer.text(with_clause + marked + order + (limit if limited else ""), side)
        views = [(name, self.writer.text(text, 0), self.writer.text(text, 1)) for name, text in self.views]
        return Statement(self.seed, written(0, True), written(1, True), written(1, False), views, self.writer.values,
                         calls, keys, bool(limit), self.risks, self.kinds)

    def from_where(self, source, share=0.7):
        conditions = source.where + self.filters(source, share)
        self.random.shuffle(conditions)
        return f" FROM {source.text}{self.writer.conjunction('WHERE', conditions)}"

    def limit(self, most=20):
        count = self.random.randint(0, most) if self.chance(0.95) else -1
        return f" LIMIT {self.v(count)}" + (f" OFFSET {self.v(self.random.randint(0, 6))}" if self.chance(0.3) else "")

    def ordered(self, items, share=0.6):
        """ORDER BY some of the items that are selected, LIMIT, and which columns of the answer these are."""
        if not self.chance(share):
            return "", self.limit() if self.chance(0.12) else "", []
        places = self.some(range(len(items)), 1, 3)
        terms = []
        for place in places:
            direction = self.pick((6, ""), (1, " ASC"), (3, " DESC"))
            terms.append((str(place + 1) if self.chance(0.1) else items[place]) + direction)
        return f" ORDER BY {', '.join(terms)}", self.limit() if self.chance(0.6) else "", places

    def plain(self):
        source = self.source()
        if source.star and self.chance(0.15):
            self.kinds.add("*")
            star = self.writer.either("*", ", ".join(source.star))
            body = f"SELECT {star}{self.from_where(source)}"
            first = self.random.choice(source.columns)
            if first.text in source.star:
                direction = self.pick((1, ""), (1, " DESC"))
                return (body, f" ORDER BY {first.text}{direction}", self.limit() if self.chance(0.6) else "",
                        [source.star.index(first.text)])
            return body, "", "", []
        columns = self.some(source.columns, 1, 5)
        # By rank or distance is what people ask for.
        natural = [column for column in source.columns if column.kind in ("rank", "distance", "probability")]
        items = [column.text for column in columns]
        if natural and self.chance(0.4):
            first = self.random.choice(natural).text
            items = [first] + [item for item in items if item != first]
            body = f"SELECT {', '.join(items)}{self.from_where(source)}"
            more = f", {items[1]}" if len(items) > 1 and self.chance(0.3) else ""
            direction = self.pick((4, ""), (1, " DESC"))
            return (body, f" ORDER BY {first}{direction}{more}", self.limit(30) if self.chance(0.7) else "",
                    [0, 1] if more else [0])
        if self.chance(0.02):
            items += self.unfixed_column(source)
        body = f"SELECT {', '.join(items)}{self.from_where(source)}"
        return body, *self.ordered(items)

    def unfixed_column(self, source):
        for reference in source.references:
            names = [name for name in ("stream", "block", "k") if name in reference.table.arguments
                     and name not in reference.values and reference.table.name in ("neighbors", "neighbors_of")]
            if names and f"{reference.alias}" in source.text:
                self.risks.add("unfixed")
                self.kinds.add("unfixed")
                return [reference.column(self.random.choice(names))]
        return []

    def aggregates(self, source):
        numbers = [c.text for c in source.columns if c.kind in ("rank", "distance", "string_id", "int", "similarity")]
        everything = [c.text for c in source.columns if c.kind != "argument"]
        made = []
        if not everything:
            return ["count(*)"]
        for _ in range(self.random.randint(1, 3)):
            x = self.random.choice(numbers or everything)
            text = self.pick((6, "count(*)"), (2, f"count({x})"), (2, f"count(DISTINCT {self.random.choice(everything)})"),
                             (2, f"sum({x})"), (3, f"min({x})"), (3, f"max({x})"), (2, f"avg({x})"), (1, f"total({x})"))
            if self.chance(0.15):
                self.kinds.add("FILTER")
                column = self.random.choice([c for c in source.columns if c.kind != "argument"])
                text += f" FILTER (WHERE {self.filter(column)})"
            made.append(text)
        return made

    def total(self):
        self.kinds.add("aggregate")
        source = self.source()
        items = self.aggregates(source)
        if self.chance(0.1) and source.references and source.references[0].alias in source.text and source.key:
            items.append(f"count(DISTINCT {source.references[0].alias}.rowid)")
        return f"SELECT {', '.join(items)}{self.from_where(source, 0.8)}", "", "", []

    def grouped(self):
        self.kinds.add("GROUP BY")
        source = self.source()
        groups = [column.text for column in self.some(source.columns, 1, 2)]
        items = groups + self.aggregates(source)
        text = f"SELECT {', '.join(items)}{self.from_where(source)} GROUP BY {', '.join(groups)}"
        if self.chance(0.3):
            text += f" HAVING count(*) {self.pick((1, '>'), (1, '<='), (1, '='))} {self.v(self.random.randint(1, 3))}"
        return text, *self.ordered(items)

    def distinct(self):
        self.kinds.add("DISTINCT")
        source = self.source()
        items = [column.text for column in self.some(source.columns, 1, 3)]
        return f"SELECT DISTINCT {', '.join(items)}{self.from_where(source)}", *self.ordered(items)

    def windowed(self):
        """Peers count as one in each of these windows, so that the order of equals has no part in them."""
        self.kinds.add("window")
        source = self.source()
        columns = [column for column in source.columns if column.kind != "argument"] or source.columns
        items = [column.text for column in self.some(source.columns, 1, 3)]
        for _ in range(self.random.randint(1, 2)):
            partition = f"PARTITION BY {self.random.choice(source.columns).text} " if self.chance(0.5) else ""
            by = self.random.choice(columns).text
            x = self.random.choice(columns).text
            over = f"OVER ({partition}ORDER BY {by}{self.pick((3, ''), (1, ' DESC'))})"
            choices = [(3, f"rank() {over}"), (2, f"dense_rank() {over}"), (2, f"count(*) {over}"), (1, f"max({x}) {over}"),
                       (1, f"count(*) OVER ({partition.strip()})"), (1, f"percent_rank() {over}")]
            if source.key:
                total = f"OVER ({partition}ORDER BY {', '.join(source.key)})"
                choices += [(4, f"row_number() {total}"), (2, f"lag({x}) {total}"), (1, f"first_value({x}) {total}"),
                            (1, f"count(*) OVER ({partition}ORDER BY {', '.join(source.key)} ROWS 2 PRECEDING)")]
            items.append(self.pick(*choices))
        return f"SELECT {', '.join(items)}{self.from_where(source)}", "", "", []

    def compound(self):
        operators = [self.pick((3, "UNION"), (4, "UNION ALL"), (2, "EXCEPT"), (2, "INTERSECT"))]
        if self.chance(0.15):
            operators.append("UNION ALL")
        self.kinds.update(operators)
        sources = [self.pick((5, self.alone), (2, self.with_prompts), (1, self.with_strings))() for _ in operators + [1]]
        kinds = [{column.kind for column in source.columns} - {"argument"} for source in sources]
        common = sorted(set.intersection(*kinds)) or ["rank"]
        wanted = self.some(common, 1, 3)
        parts = []
        for source in sources:
            items = [next((c.text for c in source.columns if c.kind == kind), "NULL") for kind in wanted]
            parts.append(f"SELECT {', '.join(items)}{self.from_where(source, 0.4)}")
        text = parts[0] + "".join(f" {operator} {part}" for operator, part in zip(operators, parts[1:]))
        places = [str(place + 1) for place in range(len(wanted))]
        if self.chance(0.5):
            return text, *self.ordered(places, 1)
        return text, "", "", []

    def existing(self):
        """EXISTS, NOT EXISTS, IN and NOT IN of a call, for each row of another table or call."""
        self.kinds.add("EXISTS or IN")
        outer = self.pick((4, "t"), (2, "string"), (2, "call"))
        if outer == "call":
            source = self.alone()
            texts = None
        elif outer == "t":
            alias, _, columns = self.table("t")
            source = Source(f"t AS {alias}", columns, [])
            texts = (f"{alias}.p", tables.column("t", "p"))
        else:
            alias = self.alias("s")
            source = Source(f"string AS {alias}", [Column(f"{alias}.string_id", "string_id"),
                                                   Column(f"{alias}.occurrences", "int")], [f"{alias}.length = 4"])
            texts = None
        outer_columns = source.columns
        inner = self.reference("neighbors")
        where = []
        self.ask(inner, where, texts if texts and self.chance(0.8) else None)
        form = self.pick((4, "EXISTS"), (2, "NOT EXISTS"), (4, "IN"), (1, "NOT IN"))
        ids = [column.text for column in outer_columns if column.kind == "string_id"]
        mine = [self.filter(self.random.choice(self.visible(inner)), outer_columns)] if self.chance(0.7) else []
        if "EXISTS" in form:
            if ids:
                where.append(f"{inner.column('string_id')} = {ids[0]}")
            select = self.pick((1, "1"), (1, "*"))
        else:
            select = inner.column("string_id") if ids else inner.column("rank")
        text = (f"SELECT {select} FROM {inner.source} AS {inner.alias}"
                f"{self.writer.conjunction('WHERE', where + mine)}")
        if "EXISTS" in form:
            condition = f"{form} ({text})"
        else:
            left = ids[0] if ids else next(c.text for c in outer_columns if c.kind in ("int", "rank"))
            condition = f"{left} {form} ({text})"
        source.where.append(condition)
        items = [column.text for column in self.some(outer_columns, 1, 2)]
        return f"SELECT {', '.join(items)}{self.from_where(source, 0.3)}", *self.ordered(items)

    def scalar(self):
        """A call in a subquery of the select list, of ORDER BY's or of a comparison."""
        self.kinds.add("scalar subquery")
        alias, _, columns = self.table(self.pick((3, "t"), (1, "holes")))
        name = "t" if alias.startswith("t") else "holes"
        inner = self.reference(self.pick((6, "neighbors"), (1, "model"), (1, "predict")))
        where = []
        self.ask(inner, where, (f"{alias}.p", tables.column(name, "p")))
        visible = self.visible(inner)
        if self.chance(0.5):
            where.append(self.filter(self.random.choice(visible), columns))
        what = self.random.choice(visible).text
        form = self.pick((3, "aggregate"), (4, "first"))
        key = self.key_of(inner)
        if form == "first" and key and inner.fixed - inner.single <= {inner.table.names[0]}:
            direction = self.pick((3, ""), (1, " DESC"))
            select, tail = what, f" ORDER BY {inner.column('rank')}{direction} LIMIT 1"
            tail += f" OFFSET {self.v(self.random.randint(0, 3))}" if self.chance(0.3) else ""
        else:
            select, tail = self.pick((2, "count(*)"), (1, f"max({what})"), (1, f"min({what})")), ""
        text = (f"(SELECT {select} FROM {inner.source} AS {inner.alias}"
                f"{self.writer.conjunction('WHERE', where)}{tail})")
        items = [f"{alias}.id", f"{alias}.p", text] if self.chance(0.8) else [f"{alias}.id", f"{text} IS NULL"]
        return f"SELECT {', '.join(items)} FROM {name} AS {alias}", "", "", []


def statement(seed, oracle):
    """The statement of a seed."""
    attempt = 0
    while True:
        try:
            made = Grammar(seed * 1000 + attempt, oracle).statement()
            made.seed = seed
            return made
        except TooLarge:
            attempt += 1
