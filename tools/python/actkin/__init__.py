"""actkin, kin by activation: which pieces of a transformer's training corpus look like this prompt from inside the
network, and what came next after them.

    import actkin
    ix = actkin.open("shakespeare.actkin")
    ix.neighbors("my most gr", stream="ffwd", block=5, k=10)
"""

from . import dbapi
from ._actkin import __version__
from ._build import build
from ._errors import (
    BusyError,
    DamagedError,
    DatabaseError,
    DirectoryNotFoundError,
    Error,
    FailedError,
    InvalidArgumentError,
    NotFoundError,
    OutOfSpaceError,
    StoppedError,
    UnsupportedError,
)
from ._index import Index, SearchResult, open
from ._record import record
from ._recorder import Recorder
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
from ._rows import Rows

__all__ = [
    "BusyError",
    "Context",
    "DamagedError",
    "DatabaseError",
    "DirectoryNotFoundError",
    "DistanceQuantile",
    "Document",
    "Error",
    "FailedError",
    "Finding",
    "Findings",
    "Index",
    "Info",
    "InvalidArgumentError",
    "ModelShape",
    "Neighbor",
    "Neighbors",
    "NextToken",
    "NotFoundError",
    "OutOfSpaceError",
    "Recorder",
    "Rows",
    "SearchResult",
    "Site",
    "StoppedError",
    "Table",
    "TokenProbability",
    "UnsupportedError",
    "__version__",
    "build",
    "dbapi",
    "open",
    "record",
]
