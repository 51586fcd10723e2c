"""Statements written twice: over the table functions, and over the oracle's tables."""

import re


class Writer:
    """Text with marks, each of which stands for a pair: what it is over the functions, and over the oracle's tables."""

    MARK = re.compile("\x01([0-9]+)\x02")

    def __init__(self, generator):
        self.generator = generator
        self.pairs = []
        self.values = {}
        self.bind = True

    def either(self, actkin, oracle):
        """A mark. Each side is a text, which may have marks, or a function that gives one when all is known."""
        self.pairs.append((actkin, oracle))
        return f"\x01{len(self.pairs) - 1}\x02"

    def text(self, marked, side):
        def replace(match):
            written = self.pairs[int(match[1])][side]
            return self.text(written() if callable(written) else written, side)
        return self.MARK.sub(replace, marked)

    def conjunction(self, keyword, conditions):
        """keyword: WHERE, ON, .. A condition that is only the oracle's is a tuple (text,)."""
        def side(wanted):
            return f" {keyword} " + " AND ".join(wanted) if wanted else ""
        return self.either(lambda: side([c for c in conditions if isinstance(c, str)]),
                           lambda: side([c if isinstance(c, str) else c[0] for c in conditions]))

    def value(self, value):
        """A literal, or a bound value."""
        if self.bind and self.generator.random() < 0.35:
            name = f"v{len(self.values) + 1}"
            self.values[name] = value
            return f":{name}"
        return literal(value)


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, str):
        quoted = value.replace("'", "''")
        return f"'{quoted}'"
    return repr(value)


class Reference:
    """A table function in a FROM clause, and the arguments that the statement fixes for it."""

    def __init__(self, writer, table, alias):
        self.writer, self.table, self.alias = writer, table, alias
        self.positional = []  # (argument, text)
        self.values = {}      # argument: values that some branch gives
        self.fixed = set()    # arguments that every branch gives
        self.single = set()   # of these, those that have one value
        self.source = writer.either(self.call, f"rel_{table.name}")

    def call(self):
        arguments = ", ".join(text for _, text in self.positional)
        return f"actkin_{self.table.name}" + (f"({arguments})" if self.positional else "")

    def column(self, name):
        # A word of SQL's stands in quotes.
        return f'{self.alias}."{name}"' if name == "distinct" else f"{self.alias}.{name}"

    def add(self, argument, values):
        known = self.values.setdefault(argument, [])
        known += [value for value in values if not any(value is old or (type(value) is type(old) and value == old)
                                                       for old in known)]

    def fix(self, argument, values):
        self.add(argument, values)
        self.fixed.add(argument)
        if len(values) == 1:
            self.single.add(argument)

    def oracle_conditions(self):
        """What the function's call asks for and a table must be told: positional arguments, and defaults."""
        return [(self.writer.either("", self.asked_of_the_oracle),)]

    def asked_of_the_oracle(self):
        # NULL is a value of t_i, and rows of a NULL prompt there are none.
        asked = [f"{self.column(argument)} IS {text}" for argument, text in self.positional]
        return " AND ".join([*asked, self.defaults(set(self.table.names) - self.fixed - set(self.values))])

    def defaults(self, names):
        """That these arguments have their default."""
        mask = self.table.mask(names)
        return f"({self.alias}.defaults & {mask}) = {mask}"

    def choices(self):
        """{argument: values}, None among them where a branch leaves it open."""
        return {argument: values + ([] if argument in self.fixed else [None])
                for argument, values in self.values.items()}
