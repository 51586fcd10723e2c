"""An index directory, open for asking."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from . import _actkin, _arguments, _show, dbapi
from ._arguments import Path, Prompt
from ._errors import DirectoryNotFoundError, InvalidArgumentError, NotFoundError
from ._options import CONTEXT, NEIGHBOR_OPTIONS, SEARCH_OPTIONS, fill, make_query, width_of
from ._records import (
    Context,
    DistanceQuantile,
    Document,
    Finding,
    Findings,
    Info,
    ModelShape,
    Neighbor,
    Neighbors,
    NextToken,
    Site,
    Table,
    TokenProbability,
)
from ._rows import Rows, open_rows, site_name

if TYPE_CHECKING:
    from typing_extensions import Unpack  # the checker has it

    from ._options import NeighborOptions, SearchOptions
    from ._recorded import RecordedModel


class SearchResult(NamedTuple):
    """As FAISS gives it: n x k distances (l2 not squared), and the numbers of the rows. NumPy's; torch's for a
    tensor."""

    distances: Any
    rows: Any


def _next_tokens(tokens: Sequence[tuple[str, int, int]]) -> list[NextToken]:
    total = sum(count for _, _, count in tokens)
    return [NextToken(token, token_id, count, count / total) for token, token_id, count in tokens]


def _site(fields: tuple[Any, ...]) -> Site:
    stream, block, t_i, rows, dimension, _, element, indices, over_positions, window, stride = fields[:11]
    statistics, sketch_levels, sketch_bytes = fields[11:]
    *measured, distances = statistics or (*(None,) * 7, [])
    t_i, over = (None, "positions") if over_positions else (t_i, "strings")
    place = (stream, block, t_i, rows, dimension, element, indices, over, window, stride)
    quantiles = [DistanceQuantile(*one) for one in distances]
    return Site._make((*place, *measured, quantiles, sketch_levels, sketch_bytes))


class Index:
    """An index directory, open for asking: `actkin.open(DIRECTORY)`. Words and numbers are those of the command and of
    SQL. What is not given has its default: the last block that is built, the longest strings, l2, the nearest 10.

    Threads may share one; they wait for each other, and each search uses all cores. It can be pickled (its path is),
    and used in a child after fork(), which opens it anew. Ctrl-C ends what runs.
    """

    def __init__(
        self, directory: Path, model: Any = None, tokenizer: Any = None, modules: Mapping[str, str] | None = None
    ) -> None:
        self._opened: _actkin.Index | None = None
        self._path = os.path.abspath(_arguments.path_bytes(directory))
        self._process = os.getpid()
        self._opened = self._open()
        self._recorded: RecordedModel | None = None
        if model is not None:
            from ._recorded import RecordedModel

            self._recorded = RecordedModel(self._path, model, tokenizer, modules)

    def _open(self) -> _actkin.Index:
        try:
            return _actkin.Index(self._path)
        except NotFoundError as error:
            raise DirectoryNotFoundError(str(error)) from None

    def _native(self) -> _actkin.Index:
        if self._opened is None:
            raise InvalidArgumentError("this index is closed")
        if self._process != os.getpid():
            _of_parents.append(self._opened)  # it is the parent's: never closed here
            self._opened = self._open()
            self._process = os.getpid()
        return self._opened

    @property
    def path(self) -> str:
        """Of the directory."""
        return os.fsdecode(self._path)

    @property
    def closed(self) -> bool:
        return self._opened is None

    def close(self) -> None:
        """Afterwards every question is an error. Rows that were mapped stay."""
        opened, self._opened = self._opened, None
        if opened is None:
            return
        if self._process == os.getpid():
            opened.close()
        else:
            _of_parents.append(opened)

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        recorded = self._recorded
        if recorded is None:
            return (type(self), (self._path,))
        return (type(self), (self._path, recorded.model, recorded.tokenizer, recorded.modules))

    def __repr__(self) -> str:
        if self.closed:
            return f"<actkin index {self.path}, closed>"
        info = self.info
        return f"<actkin index {self.path}: {info.tokens:,} tokens of {info.corpus}, {len(self.sites)} sites>"

    # What there is.

    @property
    def info(self) -> Info:
        corpus, tokens, strings, string_length, vocabulary_size, model, _ = self._native().info()
        return Info(corpus, tokens, strings, string_length, vocabulary_size, ModelShape(*model) if model else None)

    @property
    def sites(self) -> Table[Site]:
        """The sites that are built, by stream, block, t_i."""
        return Table(Site, [_site(site) for site in self._native().info()[6]])

    @property
    def documents(self) -> Table[Document]:
        """The documents of the corpus."""
        return Table(Document, [Document(*document) for document in self._native().documents()])

    # Neighbors.

    @overload
    def neighbors(  # type: ignore[overload-overlap]  # a str is a sequence of str, and one prompt
        self,
        prompt: Prompt | None = None,
        *,
        string_id: int | None = None,
        position: int | None = None,
        vector: Any = None,
        **options: Unpack[NeighborOptions],
    ) -> Neighbors: ...
    @overload
    def neighbors(self, prompt: Sequence[Prompt], **options: Unpack[NeighborOptions]) -> list[Neighbors]: ...
    def neighbors(
        self,
        prompt: Any = None,
        *,
        string_id: int | None = None,
        position: int | None = None,
        vector: Any = None,
        **options: Any,
    ) -> Neighbors | list[Neighbors]:
        """The rows whose activations are next to a prompt's, by rank, each with what came next in the corpus.

        prompt: a text, or the ids of its tokens; of several prompts each gets its answer. Instead of it, string_id (of
        a string of the corpus), position (of the corpus) or vector (of the site's dimension).

        options, as the command and SQL have them:
        stream, block, t_i: which site: ffwd (without a model: the only stream), the last block, the longest strings
        where nothing is said. rows: strings or positions. at: which of the prompt's tokens is asked (the last, -1). k:
        how many (10). metric: l2, cosine or dot; center: without the rows' mean. order: nearest or farthest. low, high:
        only distances between the two (of cosine and dot: similarities). where: a condition of SQL over string_id,
        length, text, occurrences and last_token_id; over positions over position, document_id, token_id, text and
        next_token_id. exclude_self: without the prompt's own row; exclude_window: nor so many tokens around it.
        max_length: only rows at most so long. distinct: the best row of each text, token or document. index, params: an
        index that was added, and its parameters. threads: as many as there are cores. next_tokens: with what came next
        (yes). context: how many tokens before and after a position are shown, (12, 4).
        """
        if sum(given is not None for given in (prompt, string_id, position, vector)) != 1:
            raise InvalidArgumentError("give one of prompt, string_id, position and vector")
        width = width_of(options.pop("context", CONTEXT))
        query = make_query("neighbors", NEIGHBOR_OPTIONS, {"next_tokens": True, **options})
        if string_id is not None:
            found = self._native().neighbors_of_string(
                _arguments.integer(string_id, "string_id", 0, 2**63 - 1), query, width
            )
            return self._neighbors(found, f"string {string_id}", query.metric)
        if position is not None:
            found = self._native().neighbors_of_position(
                _arguments.integer(position, "position", 0, 2**63 - 1), query, width
            )
            return self._neighbors(found, f"position {position}", query.metric)
        if vector is not None:
            numbers = _arguments.floats(vector, "vector", 1).reshape(1, -1)
            return self._neighbors(self._native().neighbors_of_vector(numbers, query, width), "a vector", query.metric)
        if self._recorded is not None:
            if _arguments.is_many(prompt):
                return [self._ask_recorded(self._recorded, one, query, width) for one in prompt]
            return self._ask_recorded(self._recorded, prompt, query, width)
        if _arguments.is_many(prompt):
            prompts = [_arguments.prompt(one) for one in prompt]
            answers = self._native().neighbors(prompts, query, width)
            return [self._neighbors(found, _asked(one), query.metric) for one, found in zip(prompts, answers)]
        one = _arguments.prompt(prompt)
        return self._neighbors(self._native().neighbors([one], query, width)[0], _asked(one), query.metric)

    def _ask_recorded(
        self, recorded: RecordedModel, prompt: Any, query: _actkin.Query, width: tuple[int, int]
    ) -> Neighbors:
        """A prompt's neighbors by the torch model that the directory was recorded of."""
        one = _arguments.prompt(prompt)
        site = self._find_site(query.stream, query.block, None, "positions")
        for place in recorded.places:
            if place[1] == site.block and self._find_site(*place, None, "positions").stream == site.stream:
                break
        else:
            raise NotFoundError(f"{site.stream} block {site.block}: no module of the model is known for it")
        vector = _arguments.floats(recorded.vector(one, place, query.at), "vector", 1).reshape(1, -1)
        query.stream, query.block, query.rows, query.at = site.stream, site.block, "positions", -1
        return self._neighbors(self._native().neighbors_of_vector(vector, query, width), _asked(one), query.metric)

    @staticmethod
    def _neighbors(found: tuple[Any, ...], asked: str, metric: str) -> Neighbors:
        stream, block, t_i, over_positions, rows, filled_up = found
        records = [
            Neighbor(
                rank,
                None if over_positions else string_id,
                position,
                document_id,
                document if over_positions else None,
                text,
                Context(*context) if context else None,
                distance,
                similarity,
                _next_tokens(next_tokens),
            )
            for (
                rank,
                string_id,
                position,
                document_id,
                document,
                text,
                context,
                distance,
                similarity,
                next_tokens,
            ) in rows
        ]
        return Neighbors(
            records,
            asked=asked,
            stream=stream,
            block=block,
            t_i=None if over_positions else t_i,
            metric=metric,
            filled_up=filled_up,
        )

    def search(self, vectors: Any, **options: Unpack[SearchOptions]) -> SearchResult:
        """The best rows of each of n vectors, in one search on all cores: (distances, rows), both n x k.

        vectors: n x dimension, of NumPy, torch or nested lists. rows are numbers of the site's rows: `rows(...)[r]` are
        their vectors, `ids(r, ...)` the string_ids or positions that they are of. options: stream, block, t_i, rows, k,
        metric, center, order, where, index, params and threads, as neighbors has them.
        """
        query = make_query("search", SEARCH_OPTIONS, options)
        distances, numbers = self._native().search(_arguments.floats(vectors, "vectors", 2), query)
        torch = _arguments.torch_of(vectors)
        if torch is None:
            return SearchResult(distances, numbers)
        return SearchResult(torch.from_numpy(distances), torch.from_numpy(numbers))

    def _find_site(self, stream: str, block: int | None, t_i: int | None, rows: str) -> Site:
        name = _actkin.SiteName(
            _arguments.text(stream, "stream"),
            _arguments.small(block, "block"),
            _arguments.small(t_i, "t_i"),
            _arguments.text(rows, "rows"),
        )
        return _site(self._native().find_site(name))

    def rows(
        self, stream: str = "", block: int | None = None, t_i: int | None = None, *, rows: str = ""
    ) -> npt.NDArray[Any] | Rows:
        """The stored rows of a site, rows x dimension, read-only: a memmap where they stand in one file, else what acts
        as one. rows: strings or positions."""
        return open_rows(self._native, self._find_site(stream, block, t_i, rows))

    def ids(
        self, numbers: Any, stream: str = "", block: int | None = None, t_i: int | None = None, *, rows: str = ""
    ) -> npt.NDArray[np.int64]:
        """What rows stand for, by their numbers: the string_id of each, or its position, in the shape of `numbers`."""
        site = self._find_site(stream, block, t_i, rows)
        chosen = _arguments.row_numbers(numbers, "rows")
        return self._native().ids_of_rows(site_name(site), chosen.reshape(-1)).reshape(chosen.shape)

    # What comes next.

    def next_tokens(self, prefix: Prompt | None = None, *, string_id: int | None = None) -> Table[NextToken]:
        """What follows a prefix of any length in the corpus (or a string of it): the most frequent first."""
        if (prefix is None) == (string_id is None):
            raise InvalidArgumentError("give one of prefix and string_id")
        if string_id is not None:
            found = self._native().next_tokens_of_string(_arguments.integer(string_id, "string_id", 0, 2**63 - 1))
        else:
            found = self._native().next_tokens(_arguments.prompt(prefix, "prefix"))
        return Table(NextToken, _next_tokens(found))

    def occurrences(self, prefix: Prompt) -> int:
        """How often a prefix of any length occurs in the corpus."""
        return self._native().occurrences(_arguments.prompt(prefix, "prefix"))

    def predict(
        self,
        prompt: Prompt | None = None,
        scheme: str = "progressive_ffwd_weight",
        *,
        position: int | None = None,
        t_i: int | Sequence[int] | None = None,
        rows: str = "",
        at: int = -1,
        k: int | None = None,
        metric: str = "",
        center: bool = False,
        merge: str = "nearest",
        where: str = "",
        exclude_self: bool | None = None,
        exclude_window: int = 0,
        max_length: float | None = None,
        threads: int = 0,
    ) -> Table[TokenProbability]:
        """The next token, by what followed the neighbors of a prompt (or of a position): the most probable first."""
        if (prompt is None) == (position is None):
            raise InvalidArgumentError("give one of prompt and position")
        query = _actkin.PredictionQuery()
        t_is = [] if t_i is None else list(t_i) if isinstance(t_i, Sequence) else [t_i]
        query.t_is = [_arguments.integer(one, "t_i", -(2**31), 2**31 - 1) for one in t_is]
        query.exclude_self = None if exclude_self is None else bool(exclude_self)
        fill(
            query,
            {
                "scheme": scheme, "rows": rows, "at": at, "k": k, "metric": metric, "center": center, "merge": merge,
                "where": where, "exclude_window": exclude_window, "max_length": max_length, "threads": threads,
            },
        )  # fmt: skip
        if position is not None:
            place = _arguments.integer(position, "position", 0, 2**63 - 1)
            asked, (tokens, notes) = f"position {place}", self._native().predict_at_position(place, query)
        else:
            one = _arguments.prompt(prompt)
            asked, (tokens, notes) = _asked(one), self._native().predict(one, query)
        records = [TokenProbability(*token) for token in tokens]
        return Table(TokenProbability, records, title=f"{asked}  {scheme}", notes=notes)

    def model(self, prompt: Prompt) -> Table[TokenProbability]:
        """The next token, by the model itself: the most probable first."""
        one = _arguments.prompt(prompt)
        tokens, notes = self._native().model(one)
        return Table(
            TokenProbability, [TokenProbability(*token) for token in tokens], title=f"{_asked(one)}  model", notes=notes
        )

    # The corpus.

    def context(self, position: int, before: int = CONTEXT[0], after: int = CONTEXT[1]) -> Context:
        """The token at a position of the corpus, so many tokens before it and so many after it in its document."""
        return Context(
            *self._native().context(
                _arguments.integer(position, "position", 0, 2**63 - 1),
                _arguments.integer(before, "before", 0, 2**31 - 1),
                _arguments.integer(after, "after", 0, 2**31 - 1),
            )
        )

    def encode(self, text: str) -> list[int]:
        """The ids of a text's tokens."""
        return self._native().encode(_arguments.text(text, "text"))

    def decode(self, token_ids: Sequence[int] | npt.NDArray[np.integer[Any]]) -> str:
        """The text that ids stand for: bytes that are not UTF-8 are \\xNN."""
        return self._native().decode(_arguments.token_ids(token_ids, "token_ids"))

    # SQL, and the files.

    def connect(self, *, write: bool = False) -> dbapi.Connection:
        """A connection as Python's sqlite3 has them, with actkin's functions: actkin.dbapi.

        Without write nothing is written through it, temporary tables neither; what others write is seen.
        """
        self._native()
        return dbapi.Connection(self._path, write=write)

    def sql(self, statement: str, parameters: dbapi.Parameters = ()) -> Table[Any]:
        """The rows of one statement."""
        connection = self.connect()
        try:
            cursor = connection.execute(statement, parameters)
            columns = [column[0] for column in cursor.description or ()]
            return Table(tuple, cursor.fetchall(), columns=columns)
        finally:
            connection.close()

    def verify(self) -> Findings:
        """Reads every byte of the directory and checks all checksums and invariants."""
        return Findings(Finding, [Finding(*finding) for finding in self._native().verify()])


_of_parents: list[_actkin.Index] = []


def _asked(prompt: str | list[int]) -> str:
    return _show.quoted(prompt) if isinstance(prompt, str) else "tokens " + " ".join(map(str, prompt))


def open(
    directory: Path, *, model: Any = None, tokenizer: Any = None, modules: Mapping[str, str] | None = None
) -> Index:
    """Opens an index directory, NAME.actkin, which `actkin build` made, or actkin.record.

    model: the torch model that it was recorded of: prompts are run through it, by the hooks that it was recorded with
    (or by `modules`, as actkin.record has them), and cut by `tokenizer`.
    """
    return Index(directory, model, tokenizer, modules)
