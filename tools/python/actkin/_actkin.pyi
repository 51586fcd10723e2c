"""The module in C++: the public face of the library, its own SQLite, Arrow's stream. Tuples are the fields of the
records of _records.py, in their order, but that next tokens lack their probability."""

from typing import Any

import numpy as np
import numpy.typing as npt

__version__: str

_NextToken = tuple[str, int, int]
_Context = tuple[int, int, str, str, str]
_Neighbor = tuple[int, int, int | None, int | None, str, str, _Context | None, float, float | None, list[_NextToken]]
_Neighbors = tuple[str, int, int, bool, list[_Neighbor], int]
_Distribution = tuple[list[tuple[str, int, float]], list[str]]
_Statistics = tuple[
    float, float, float, float, float | None, float | None, bool, list[tuple[str, float, float]]
]
_Site = tuple[
    str, int, int, int, int, int, str, list[str], bool, int | None, int | None, _Statistics | None, list[int], float
]
_Prompt = str | list[int]

class Query:
    stream: str
    block: int | None
    t_i: int | None
    rows: str
    at: int
    metric: str
    center: bool
    order: str
    k: int | None
    low: float | None
    high: float | None
    where: str
    exclude_self: bool
    exclude_window: int
    max_length: float | None
    distinct: str
    index: str
    parameters: str
    threads: int
    next_tokens: bool
    def __init__(self) -> None: ...

class SiteName:
    def __init__(self, stream: str, block: int | None, t_i: int | None, rows: str) -> None: ...

class PredictionQuery:
    scheme: str
    t_is: list[int]
    k: int | None
    metric: str
    center: bool
    merge: str
    where: str
    exclude_self: bool | None
    exclude_window: int
    max_length: float | None
    rows: str
    at: int
    threads: int
    def __init__(self) -> None: ...

class Index:
    def __init__(self, directory: bytes) -> None: ...
    def close(self) -> None: ...
    def info(self) -> tuple[str, int, int, int, int, tuple[int, int, int, int, int] | None, list[_Site]]: ...
    def neighbors(self, prompts: list[_Prompt], query: Query, context: tuple[int, int]) -> list[_Neighbors]: ...
    def neighbors_of_string(self, string_id: int, query: Query, context: tuple[int, int]) -> _Neighbors: ...
    def neighbors_of_position(self, position: int, query: Query, context: tuple[int, int]) -> _Neighbors: ...
    def neighbors_of_vector(
        self, vector: npt.NDArray[np.float32], query: Query, context: tuple[int, int]
    ) -> _Neighbors: ...
    def search(
        self, vectors: npt.NDArray[np.float32], query: Query
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]: ...
    def find_site(self, site: SiteName) -> _Site: ...
    def rows_by_number(self, site: SiteName, rows: npt.NDArray[np.uint64]) -> npt.NDArray[np.float32]: ...
    def ids_of_rows(self, site: SiteName, rows: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]: ...
    def row_files(self, site: SiteName) -> list[tuple[bytes, int, int, int]]: ...
    def next_tokens(self, prefix: _Prompt) -> list[_NextToken]: ...
    def next_tokens_of_string(self, string_id: int) -> list[_NextToken]: ...
    def occurrences(self, prefix: _Prompt) -> int: ...
    def predict(self, prompt: _Prompt, query: PredictionQuery) -> _Distribution: ...
    def predict_at_position(self, position: int, query: PredictionQuery) -> _Distribution: ...
    def model(self, prompt: _Prompt) -> _Distribution: ...
    def documents(self) -> list[tuple[int, str, int, int]]: ...
    def context(self, position: int, before: int, after: int) -> _Context: ...
    def encode(self, text: str) -> list[int]: ...
    def decode(self, token_ids: list[int]) -> str: ...
    def verify(self) -> list[tuple[str, str, str]]: ...

class SqlConnection:
    closed: bool
    in_transaction: bool
    total_changes: int
    last_insert_rowid: int
    def close(self) -> None: ...
    def interrupt(self) -> None: ...
    def prepare(self, sql: str) -> tuple[SqlStatement, str]: ...

class SqlStatement:
    empty: bool
    ended: bool
    reads_only: bool
    parameters: list[str | None]
    columns: list[str]
    def bind(self, values: list[Any]) -> None: ...
    def step(self, most: int) -> list[tuple[Any, ...]]: ...
    def finish(self) -> None: ...

def open_sql(catalog: bytes, write: bool) -> SqlConnection: ...
def arrow_stream(table: tuple[Any, ...]) -> object: ...
