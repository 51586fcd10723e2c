"""What is answered: plain named records, and tables of them."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, overload

from . import _actkin, _arrow, _show

if typing.TYPE_CHECKING:
    import pandas

Record = TypeVar("Record", bound="tuple[Any, ...]", covariant=True)


class NextToken(NamedTuple):
    """What followed a string or a prefix in the corpus."""

    token: str  # for people: bytes that are not UTF-8 are \\xNN; two tokens may have the same text
    token_id: int
    count: int  # type: ignore[assignment]  # tuple's own count() is not for these
    probability: float  # of all that followed


class Context(NamedTuple):
    """A token of the corpus among those around it in its document. Prints as the text, the token marked."""

    position: int
    document_id: int
    before: str
    token: str
    after: str

    @property
    def text(self) -> str:
        return self.before + self.token + self.after

    def __str__(self) -> str:
        return f"{_show.visible(self.before)}\u27e8{_show.visible(self.token)}\u27e9{_show.visible(self.after)}"

    def _repr_html_(self) -> str:
        return _show.context_html(self.before, self.token, self.after)


class Neighbor(NamedTuple):
    """A row of a site, with its distance to what was asked."""

    rank: int  # from 1
    string_id: int | None  # None over positions
    position: int | None  # in the corpus, from 0; None over strings, as the next two
    document_id: int | None
    document: str | None  # its name
    text: str  # of the string, or of the token
    context: Context | None  # of the position
    distance: float  # smaller where closer
    similarity: float | None  # larger where closer; none for l2
    next_tokens: list[NextToken]


class TokenProbability(NamedTuple):
    """One token of a prediction."""

    token: str
    token_id: int
    probability: float


class DistanceQuantile(NamedTuple):
    """A quantile of Euclidean distances between rows of a site."""

    pairs: str  # random ones; nearest, tenth: from a row to its nearest, and its tenth nearest, other row
    quantile: float  # 0 to 1
    distance: float


class Site(NamedTuple):
    """A matrix of rows x dimension numbers, and what its rows are like (None until a build has measured them)."""

    stream: str
    block: int
    t_i: int | None  # None over positions
    rows: int
    dimension: int
    element: str
    indices: list[str]
    over: str  # strings or positions
    window: int | None  # over positions: how many tokens the model saw at once; None where that is not known
    stride: int | None
    mean_length: float | None  # Euclidean, as are the others, of all rows
    median_length: float | None
    longest: float | None
    long_share: float | None  # 0 to 1: of the rows that are longer than ten times the median
    cosine: float | None  # the mean over all pairs of a sample of rows
    centered_cosine: float | None  # the same of rows less the mean of all
    worth_centering: bool | None  # whether center=True is worth asking with cosine
    distances: list[DistanceQuantile]
    sketch_levels: list[int]  # codes of a byte a row at each level; none: every row is read
    sketch_bytes: float  # a row


class Document(NamedTuple):
    """A document of the corpus."""

    document_id: int
    name: str
    first_position: int
    tokens: int


class Finding(NamedTuple):
    """What verify found of a file, or of a part of the catalog."""

    path: str
    state: str  # sound, damaged, leftover or added
    message: str


class ModelShape(NamedTuple):
    """The model of an index directory."""

    vocabulary_size: int
    blocks: int
    heads: int
    embed: int
    context: int


class Info(NamedTuple):
    """What an index directory holds."""

    corpus: str
    tokens: int
    strings: int
    string_length: int
    vocabulary_size: int
    model: ModelShape | None


class Table(Sequence[Record], Generic[Record]):
    """Records of one kind: a sequence that prints as a table, shows as HTML in a notebook, and turns into pandas, Arrow
    and dicts."""

    def __init__(
        self,
        record: type[Record],
        rows: Sequence[Record],
        *,
        columns: Sequence[str] | None = None,
        title: str = "",
        notes: Sequence[str] = (),
    ) -> None:
        self.record = record
        self.columns = list(record._fields if columns is None else columns)  # type: ignore[attr-defined]
        self.title = title
        self.notes = list(notes)
        self._rows = rows if isinstance(rows, list) else list(rows)

    @overload
    def __getitem__(self, at: int) -> Record: ...
    @overload
    def __getitem__(self, at: slice) -> Table[Record]: ...
    def __getitem__(self, at: int | slice) -> Record | Table[Record]:
        if isinstance(at, slice):
            return Table(self.record, self._rows[at], columns=self.columns, title=self.title, notes=self.notes)
        return self._rows[at]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Table):
            return self.columns == other.columns and self._rows == other._rows
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return _show.as_text(self.columns, self._rows, self.title, self.notes)

    def _repr_html_(self) -> str:
        return _show.as_html(self.columns, self._rows, self.title, self.notes)

    def column(self, name: str) -> list[Any]:
        """The values of one column."""
        at = self.columns.index(name)
        return [row[at] for row in self._rows]

    def to_dicts(self) -> list[dict[str, Any]]:
        """A dict a row; records within it are dicts, too."""
        return [dict(zip(self.columns, map(_plain, row))) for row in self._rows]

    def to_pandas(self) -> pandas.DataFrame:
        """A pandas.DataFrame with these columns."""
        import pandas

        return pandas.DataFrame({name: [_plain(row[at]) for row in self._rows] for at, name in enumerate(self.columns)})

    def to_arrow(self) -> Any:
        """A pyarrow.Table. Other libraries take this object as it is (polars.from_arrow, duckdb)."""
        import pyarrow

        return pyarrow.table(self)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return _actkin.arrow_stream(_arrow.describe(self.columns, self._kinds(), self._rows))

    def _kinds(self) -> list[Any]:
        """The types of the columns; object where a statement decides."""
        if self.record is tuple:
            return [object] * len(self.columns)
        return [_without_none(kind) for kind in typing.get_type_hints(self.record).values()]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value._asdict() if isinstance(value, tuple) and hasattr(value, "_asdict") else value


def _without_none(kind: Any) -> Any:
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return next(one for one in typing.get_args(kind) if one is not type(None))
    return kind


class Neighbors(Table[Neighbor]):
    """The neighbors of one prompt by rank, and the site that was asked."""

    def __init__(
        self,
        rows: Sequence[Neighbor],
        *,
        asked: str,
        stream: str,
        block: int,
        t_i: int | None,
        metric: str,
        filled_up: int,
    ) -> None:
        place = stream if stream == "embedding" and t_i is not None else f"{stream} block {block}"
        place += " over positions" if t_i is None else f" t_i {t_i}"
        notes = [f"{filled_up} of them were filled up by exact search"] if filled_up else []
        super().__init__(Neighbor, rows, title=f"{asked}  {place}  {metric}", notes=notes)
        self.asked = asked
        self.stream = stream
        self.block = block
        self.t_i = t_i
        self.metric = metric
        self.filled_up = filled_up


class Findings(Table[Finding]):
    """What verify found."""

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged."""
        return all(finding.state != "damaged" for finding in self)

    @property
    def damaged(self) -> list[Finding]:
        return [finding for finding in self if finding.state == "damaged"]
