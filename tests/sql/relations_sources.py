"""Random statements: what stands in FROM."""

import relations_tables as tables
from relations_arguments import Arguments, Column, Source
from relations_oracle import NULL, TABLES


class Sources(Arguments):
    """FROM clauses of calls, of tables joined with calls, and of statements in statements."""

    def source(self):
        made = self.pick((30, self.alone), (22, self.with_prompts), (5, self.with_k), (8, self.with_sites),
                         (14, self.with_strings), (8, self.two_calls), (5, self.of_texts), (4, self.saved),
                         (8, self.nested), (3, self.asked_outside))()
        return made

    def function(self):
        return self.pick((30, "neighbors"), (4, "neighbors_of"), (3, "model"), (3, "predict"), (2, "saved_neighbors"))

    def alone(self):
        reference = self.reference(self.function())
        where = []
        self.ask(reference, where)
        star = [reference.column(name) for name in reference.table.visible]
        return Source(f"{reference.source} AS {reference.alias}", self.readable(reference), where,
                      self.key_of(reference), star, [reference])

    def table(self, name):
        """An ordinary table: its alias and its columns."""
        alias = self.alias(name[0])
        names = [part.split()[0] for part in tables.ROWS[name][0].split(", ")]
        return alias, names, [Column(f"{alias}.{column}", tables.TYPES[column], None, tables.ASKED.get(column))
                              for column in names]

    def join(self, left, right, conditions, where):
        """left, right: (text, reference or None). Inner joins in all their forms; conditions in ON or WHERE."""
        form = self.pick((8, "JOIN"), (3, "INNER JOIN"), (4, ","), (2, "CROSS JOIN"))
        if form == ",":
            where += conditions
            return f"{left}, {right}"
        if self.chance(0.2):
            where += conditions
            return f"{left} {form} {right}"
        return f"{left} {form} {right}{self.writer.conjunction('ON', conditions)}"

    def with_prompts(self):
        """The prompts come from another table."""
        reference = self.reference(self.pick((30, "neighbors"), (4, "model"), (4, "predict")))
        if self.chance(0.15):
            return self.using_prompts(reference)
        name = self.pick((6, "t"), (1, "asked"), (2, "holes"))
        alias, names, columns = self.table(name)
        column = "prompt" if name == "asked" else "p"
        values = tables.column(name, column)
        on, where = [], []
        form = self.pick((10, "first"), (6, "last"), (4, "left"), (0.5, "right"), (0.4, "full"))
        self.ask(reference, on, (f"{alias}.{column}", values), form != "right")
        mine, other = f"{reference.source} AS {reference.alias}", f"{name} AS {alias}"
        if form == "left":
            self.kinds.add("LEFT JOIN")
            if self.chance(0.3):
                on.append(self.filter(self.random.choice(self.visible(reference)), columns))
            text = f"{other} LEFT JOIN {mine}{self.writer.conjunction('ON', on)}"
            if self.chance(0.2):
                where.append(f"{reference.column('rank')} IS NULL")
        elif form == "right":
            self.kinds.add("RIGHT JOIN")
            self.risks.add("RIGHT JOIN")
            text = f"{mine} RIGHT JOIN {other}{self.writer.conjunction('ON', on)}"
        elif form == "full":
            return self.full_join()
        elif form == "first":
            text = self.join(other, mine, on, where)
        else:
            text = self.join(mine, other, on, where)
            if "CROSS JOIN" in text:
                self.risks.add("CROSS JOIN before its argument")
        if self.chance(0.3):
            where.append(self.filter(self.random.choice(columns)))
        if self.chance(0.1):
            # On the function's own column: SQLite knows that it is the other's.
            prompts = self.random.sample(tables.LONG, 2)
            where.append(self.one_of(reference.column("prompt"), "prompt", prompts))
            reference.add("prompt", prompts)
        key = self.key_of(reference)
        return Source(text, columns + self.readable(reference), where,
                      key and [f"{alias}.id" if "id" in names else f"{alias}.prompt", *key],
                      [c.text for c in columns] + [reference.column(n) for n in reference.table.visible]
                      if text.index(alias) < text.index(reference.source) else None, [reference])

    def full_join(self):
        """What is asked is known by itself: then every row of both sides is there."""
        self.kinds.add("FULL JOIN")
        self.risks.add("FULL JOIN")
        reference = self.references[-1]
        del self.references[-1]
        reference = self.reference(reference.table.name)
        prompt = self.random.choice(tables.LONG)
        first = self.v(prompt)
        reference.fix(reference.table.names[0], [prompt])
        reference.positional.append((reference.table.names[0], first))
        alias, _, columns = self.table("t")
        form = self.pick((1, "FULL JOIN"), (1, "RIGHT JOIN"))
        names = ", ".join(reference.table.visible)
        call = self.writer.either(lambda: f"{reference.source} AS {reference.alias}",
                                  lambda: f"(SELECT {names} FROM {reference.source} AS {reference.alias} WHERE "
                                          f"{reference.asked_of_the_oracle()}) AS {reference.alias}")
        text = f"t AS {alias} {form} {call} ON {alias}.n = {reference.column('rank')}"
        return Source(text, columns + self.visible(reference), [])

    def using_prompts(self, reference):
        self.kinds.add("USING")
        alias, _, columns = self.table("asked")
        where = []
        reference.fix("prompt", tables.column("asked", "prompt"))
        reference.single.discard("prompt")
        chosen = self.other_arguments(reference)
        for argument, values in chosen.items():
            reference.fix(argument, values)
            where.append(self.equal(reference.column(argument), argument, values[0]) if len(values) == 1 else
                         self.one_of(reference.column(argument), argument, values))
        where += reference.oracle_conditions()
        parts = [f"asked AS {alias}", f"{reference.source} AS {reference.alias}"]
        if self.chance(0.4):
            parts.reverse()
        key = self.key_of(reference)
        return Source(f"{parts[0]} JOIN {parts[1]} USING (prompt)",
                      columns[1:] + [Column("prompt", "argument")] + self.visible(reference), where,
                      key and ["prompt", *(name for name in key if name != reference.column("prompt"))], None,
                      [reference])

    def with_k(self):
        """How many, or which block, comes from another table."""
        reference = self.reference("neighbors")
        name = self.pick((3, "t"), (1, "holes"))
        alias, _, columns = self.table(name)
        on, where = [], []
        if self.chance(0.6):
            self.ask_with(reference, on, f"{alias}.p", tables.column(name, "p"), "k", f"{alias}.n",
                          tables.column(name, "n"))
        else:
            self.ask_with(reference, on, None, None, "k", f"{alias}.n", tables.column(name, "n"))
        mine, other = f"{reference.source} AS {reference.alias}", f"{name} AS {alias}"
        text = self.join(other, mine, on, where) if self.chance(0.7) else self.join(mine, other, on, where)
        if "CROSS JOIN" in text and text.index(reference.alias) < text.index(f"{name} AS"):
            self.risks.add("CROSS JOIN before its argument")
        key = self.key_of(reference)
        return Source(text, columns + self.readable(reference), where, key and [f"{alias}.id", *key], None, [reference])

    def ask_with(self, reference, place, prompt, prompts, argument, text, values):
        """Asks with one more argument from another table."""
        reference.fix(argument, values)
        reference.single.discard(argument)
        place.append(f"{reference.column(argument)} = {text}")
        self.ask(reference, place, None if prompt is None else (prompt, prompts))

    def with_sites(self):
        """Several sites in one statement, from the catalog's table or from one of the user's."""
        reference = self.reference("neighbors")
        mine = f"{reference.source} AS {reference.alias}"
        on, where = [], []
        if self.chance(0.3):
            alias, _, columns = self.table("pick")
            other = f"pick AS {alias}"
            given = {"stream": tables.column("pick", "stream"), "block": tables.column("pick", "block")}
            key = [f"{alias}.stream", f"{alias}.block"]
        else:
            alias = self.alias("s")
            other = f"site AS {alias}"
            columns = [Column(f"{alias}.{name}", kind, None, tables.ASKED.get(name)) for name, kind in
                       (("stream", "text"), ("block", "int"), ("t_i", "int"), ("row_count", "int"))]
            given = {"stream": ["proj", "ffwd"], "block": [0, 1], "t_i": [1, 3, NULL]}
            where.append(f"{alias}.stream <> 'embedding'")
            key = [f"{alias}.stream", f"{alias}.block", f"{alias}.t_i"]
            if self.chance(0.5):
                where.append(f"{alias}.t_i = 3")
                given["t_i"] = [1, 3]
                if self.chance(0.5):
                    del given["t_i"]
            elif self.chance(0.5):
                where.append(f"{alias}.t_i IS NOT NULL")
            if self.chance(0.3):
                where.append(f"{alias}.block = {self.v(1)}")
        for argument, values in given.items():
            reference.fix(argument, values)
            reference.single.discard(argument)
        if set(given) == {"stream", "block"} and self.chance(0.2):
            on.append(f"({reference.column('stream')}, {reference.column('block')}) = ({alias}.stream, {alias}.block)")
        else:
            on += [f"{reference.column(argument)} {'IS' if argument == 't_i' else '='} {alias}.{argument}"
                   for argument in given]
        self.ask(reference, on)
        text = self.join(other, mine, on, where) if self.chance(0.7) else self.join(mine, other, on, where)
        if "CROSS JOIN" in text and text.index(reference.source) < text.index(other):
            self.risks.add("CROSS JOIN before its argument")
        mine_key = self.key_of(reference)
        return Source(text, columns + self.readable(reference), where, mine_key and key + mine_key, None, [reference])

    def with_strings(self):
        """What the catalog knows of a neighbor."""
        reference = self.reference(self.pick((10, "neighbors"), (2, "neighbors_of"), (1, "saved_neighbors")))
        where = []
        self.ask(reference, where)
        mine = f"{reference.source} AS {reference.alias}"
        key = self.key_of(reference)
        alias = self.alias("s")
        name = self.pick((6, "string"), (4, "next_token"))
        columns = [Column(f"{alias}.{column}", "int") for column in
                   (("length", "occurrences") if name == "string" else ("token_id", "count"))]
        if name == "next_token":
            key = key and [*key, f"{alias}.token_id"]
        other = f"{name} AS {alias}"
        parts = [mine, other] if self.chance(0.6) else [other, mine]
        form = self.pick((5, "USING"), (2, "NATURAL"), (6, "ON"), (2, "LEFT"))
        visible = [column for column in self.readable(reference) if column.text.split(".")[1].strip('"') not in ("string_id", "text")]
        joined = [Column("string_id", "string_id")]
        self.kinds.add(form)
        if form == "USING":
            text = f"{parts[0]} JOIN {parts[1]} USING (string_id)"
        elif form == "NATURAL":
            common = "string_id, text" if name == "string" and "text" in reference.table.visible else "string_id"
            text = self.writer.either(f"{parts[0]} NATURAL JOIN {parts[1]}",
                                      f"{parts[0]} JOIN {parts[1]} USING ({common})")
        else:
            visible, joined = self.readable(reference), [Column(f"{alias}.string_id", "string_id")]
            condition = f"{reference.column('string_id')} = {alias}.string_id"
            if form == "LEFT":
                text = f"{mine} LEFT JOIN {other} ON {condition}"
                if self.chance(0.4):
                    text += f" AND {self.filter(columns[1])}"
            else:
                text = self.join(*parts, [condition], where)
        if name == "next_token" and self.chance(0.4):
            token = self.alias("k")
            text += f" JOIN token AS {token} ON {token}.token_id = {alias}.token_id"
            columns.append(Column(f"{token}.text", "token"))
        return Source(text, visible + joined + columns, where, key, None, [reference])

    def two_calls(self):
        """Two calls, joined on what they found."""
        self.kinds.add("two calls")
        first, second = self.reference("neighbors"), self.reference(self.pick((4, "neighbors"), (1, "neighbors_of")))
        where, on = [], []
        self.ask(first, where)
        self.ask(second, on)
        keys = [self.key_of(first), self.key_of(second)]
        key = keys[0] + keys[1] if all(keys) else None
        mine, other = (f"{reference.source} AS {reference.alias}" for reference in (first, second))
        form = self.pick((4, "USING"), (5, "ON"), (3, "LEFT"), (1, "rank"), (1, "rowid"))
        columns = self.readable(first) + self.readable(second)
        if form == "USING":
            columns = [column for column in columns if not column.text.endswith(".string_id")]
            columns.append(Column("string_id", "string_id"))
            return Source(f"{mine} JOIN {other} USING (string_id)", columns, where + on, key, None, [first, second])
        same = "rank" if form == "rank" else "rowid" if form == "rowid" and first.table is second.table else "string_id"
        on.append(f"{first.column(same)} = {second.column(same)}")
        if form == "LEFT":
            text = f"{mine} LEFT JOIN {other}{self.writer.conjunction('ON', on)}"
            if self.chance(0.3):
                where.append(f"{second.column('rank')} IS NULL")
        else:
            text = self.join(mine, other, on, where)
        return Source(text, columns, where, key, None, [first, second])

    def of_texts(self):
        """A call for each neighbor that another found."""
        self.kinds.add("a call for each neighbor")
        first = self.reference("neighbors")
        prompt = self.random.choice(tables.LONG)
        k = self.usual([1, 2, 3])
        where, on = [], []
        first.fix("prompt", [prompt])
        first.fix("k", [k])
        where += [f"{first.column('prompt')} = {self.v(prompt)}", self.equal(first.column("k"), "k", k),
                  *first.oracle_conditions()]
        second = self.reference(self.pick((3, "model"), (2, "neighbors"), (1, "predict")))
        texts = [self.oracle.texts[row[0]] for row in self.ranking_of(prompt)[:k]]
        if second.table.name == "model":
            self.ask(second, on, (first.column("text"), texts))
        else:
            second.fix("prompt", texts)
            second.single.discard("prompt")
            on += [f"{second.column('prompt')} = {first.column('text')}", *second.oracle_conditions()]
        text = self.join(f"{first.source} AS {first.alias}", f"{second.source} AS {second.alias}", on, where)
        if self.chance(0.5):
            where.append(f"{second.column('rank')} <= {self.v(self.usual([1, 2, 3]))}")
        keys = [self.key_of(first), self.key_of(second)]
        return Source(text, self.readable(first) + self.visible(second), where,
                      keys[0] + keys[1] if all(keys) else None, None, [first, second])

    def ranking_of(self, prompt):
        table = TABLES["neighbors"]
        full = dict(zip(table.names, table.complete({"prompt": prompt})[0]))
        return self.oracle.ranking(table, full)

    def saved(self):
        """Saved neighbors, with the prompts of their set."""
        reference = self.reference("saved_neighbors")
        where = []
        reference.fix("prompt_set", [tables.SET])
        where.append(f"{reference.column('prompt_set')} = {self.v(tables.SET)}")
        chosen = self.other_arguments(reference)
        for argument, values in chosen.items():
            reference.fix(argument, values)
            where.append(self.equal(reference.column(argument), argument, values[0]) if len(values) == 1 else
                         self.one_of(reference.column(argument), argument, values))
        where += reference.oracle_conditions()
        alias = self.alias("p")
        parts = [f"prompt AS {alias}", f"{reference.source} AS {reference.alias}"]
        if self.chance(0.4):
            parts.reverse()
        text = self.join(*parts, [f"{alias}.number = {reference.column('prompt_number')}"], where)
        where.append(f"{alias}.prompt_set_id = (SELECT prompt_set_id FROM prompt_set WHERE name = {self.v(tables.SET)})")
        key = self.key_of(reference)
        return Source(text, self.readable(reference) + [Column(f"{alias}.text", "text")], where, key, None, [reference])

    def nested(self):
        """A statement in another: a CTE, a view, a subquery in FROM."""
        form = self.pick((4, "CTE"), (3, "MATERIALIZED"), (3, "NOT MATERIALIZED"), (3, "view"), (5, "subquery"))
        self.kinds.add(form)
        bound, self.writer.bind = self.writer.bind, form != "view"
        inner = self.pick((6, self.alone), (4, self.with_prompts), (1, self.with_sites), (2, self.with_strings),
                          (1, self.two_calls))()
        conditions = inner.where + self.filters(inner, 0.4)
        chosen = self.some(inner.columns, 2, 5)
        names = [f"c{number}" for number in range(len(chosen))]
        distinct = "DISTINCT " if self.chance(0.1) else ""
        items = [f"{column.text} AS {name}" for column, name in zip(chosen, names)]
        text = f"SELECT {distinct}{', '.join(items)} FROM {inner.text}{self.writer.conjunction('WHERE', conditions)}"
        if inner.key and not distinct and self.chance(0.25):
            self.kinds.add("LIMIT within")
            order = ", ".join(inner.key)
            text += f" ORDER BY {order} LIMIT {self.v(self.random.randint(1, 30))}"
        self.writer.bind = bound
        alias = self.alias("d")
        columns = [Column(f"{alias}.{name}", column.kind, None, column.values if column.reference is None else None)
                   for column, name in zip(chosen, names)]
        if form == "subquery":
            made = f"({text}) AS {alias}"
        else:
            name = self.alias("w")
            if form == "view":
                self.views.append((name, text))
            else:
                hint = "" if form == "CTE" else f"{form} "
                self.ctes.append(f"{name} AS {hint}({text})")
            made = f"{name} AS {alias}"
            if self.chance(0.15) and columns[0].kind != "argument":
                self.kinds.add("a CTE twice")
                again = self.alias("d")
                made += f" JOIN {name} AS {again} ON {again}.{names[0]} = {alias}.{names[0]}"
                columns += [Column(f"{again}.{name}", column.kind, None, column.values if column.reference is None else None)
                            for column, name in zip(chosen, names)]
        where = []
        for outside, column in zip(columns, chosen):
            # On an argument that the inner statement fixes, from outside.
            if column.kind == "argument" and column.reference is not None and self.chance(0.4):
                argument = column.text.split(".")[1].strip('"')
                values = [value for value in column.reference.values[argument] if value is not NULL]
                if values:
                    where.append(self.one_of(outside.text, argument, self.some(values, 1, 2)))
        return Source(made, columns, where, None, [column.text for column in columns])

    def asked_outside(self):
        """A view or CTE that leaves an argument open, which the statement around it fixes."""
        form = self.pick((4, "CTE"), (1, "MATERIALIZED"), (2, "NOT MATERIALIZED"), (3, "view"), (3, "subquery"))
        self.kinds.update([form, "asked outside"])
        self.risks.add("asked outside")
        reference = self.reference("neighbors")
        bound, self.writer.bind = self.writer.bind, form != "view"
        where = []
        for argument, values in self.other_arguments(reference).items():
            reference.fix(argument, values)
            where.append(self.one_of(reference.column(argument), argument, values))
        joined = self.chance(0.4)
        prompts = tables.column("t", "p") if joined else self.random.sample(tables.LONG, 2)
        reference.fix("prompt", prompts)
        visible = self.visible(reference)
        names = ["prompt", *(column.text.split(".")[1].strip('"') for column in visible)]
        items = ", ".join(f"{reference.column(name)} AS {name}" for name in names)
        source = f"{reference.source} AS {reference.alias}"
        if joined:
            source = f"t JOIN {source} ON {reference.column('prompt')} = t.p"
        text = f"SELECT {items} FROM {source}{self.writer.conjunction('WHERE', where + reference.oracle_conditions())}"
        self.writer.bind = bound
        alias, name = self.alias("d"), self.alias("w")
        if form == "subquery":
            made = f"({text}) AS {alias}"
        else:
            made = f"{name} AS {alias}"
            if form == "view":
                self.views.append((name, text))
            else:
                self.ctes.append(f"{name} AS {'' if form == 'CTE' else form + ' '}({text})")
        columns = [Column(f"{alias}.{column.text.split('.')[1].strip(chr(34))}", column.kind) for column in visible]
        asked = self.one_of(f"{alias}.prompt", "prompt", self.some(prompts, 1, 2))
        return Source(made, columns + [Column(f"{alias}.prompt", "argument")], [asked])
