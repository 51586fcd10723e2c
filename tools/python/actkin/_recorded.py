"""A torch model that is asked through the hooks that an index directory was recorded with."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from . import _arguments, dbapi
from ._errors import InvalidArgumentError
from ._hooks import HookedModel, Place, find_modules

_TABLE = "recorder"  # of the catalog: how it was recorded, JSON by key


def read_settings(directory: _arguments.Path) -> dict[str, Any]:
    """How the directory was recorded: modules, bos_token_id, window; of which recordings. Empty where it was not."""
    connection = dbapi.connect(directory)
    try:
        known = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", [_TABLE]).fetchone()
        rows = connection.execute(f"SELECT key, value FROM {_TABLE}").fetchall() if known else []
        return {key: json.loads(value) for key, value in rows}
    finally:
        connection.close()


def write_settings(directory: _arguments.Path, settings: Mapping[str, Any], recording: str) -> None:
    """Adds a recording's to what stands there. Modules of recordings that saw tokens alike stay side by side."""
    before = read_settings(directory)
    after = {**settings, "recordings": [*before.get("recordings", []), recording]}
    alike = all(before.get(key) == after.get(key) for key in ("bos_token_id", "window"))
    if "modules" in after and alike:
        after["modules"] = {**before.get("modules", {}), **after["modules"]}
    connection = dbapi.connect(directory, write=True)
    try:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE} (key TEXT PRIMARY KEY, value TEXT)")
        rows = [(key, json.dumps(value)) for key, value in after.items()]
        connection.executemany(f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?)", rows)
    finally:
        connection.close()


def ids_of(tokenizer: Any, text: Any) -> list[int]:
    """The tokens of a text, without those that stand for no piece of it; ids as they are."""
    if not isinstance(text, str):
        return _arguments.token_ids(text, "texts")
    if hasattr(tokenizer, "backend_tokenizer"):
        return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    if hasattr(tokenizer, "encode") and hasattr(tokenizer, "to_str"):
        return list(tokenizer.encode(text, add_special_tokens=False).ids)
    raise TypeError("texts: a tokenizer that is no Hugging Face's cuts no texts: give lists of token ids")


class RecordedModel:
    """Gives the vectors of prompts."""

    def __init__(self, directory: bytes, model: Any, tokenizer: Any, modules: Mapping[str, str] | None) -> None:
        settings = read_settings(directory)
        if modules is None:
            modules = settings.get("modules")
        if modules is None:
            raise InvalidArgumentError(
                f"{os.fsdecode(directory)}: does not say how it was recorded: "
                "name the modules, as actkin.record has them"
            )
        self.model = model
        self.tokenizer = tokenizer
        self.modules = dict(modules)
        self.places = find_modules(model, modules)
        self._bos_token_id = settings.get("bos_token_id")
        self._window = settings.get("window")

    def vector(self, prompt: str | list[int], place: Place, at: int) -> Any:
        """What the module at a place puts out at one of the prompt's tokens."""
        ids = ids_of(self.tokenizer, prompt)
        if not ids:
            raise InvalidArgumentError("prompt: it has no token")
        if not -len(ids) <= at < len(ids):
            raise InvalidArgumentError(f"at {at}: the prompt has {len(ids)} tokens")
        ids = ids[: at + 1 if at >= 0 else len(ids) + at + 1]
        if self._window:
            ids = ids[-self._window :]
        before = [] if self._bos_token_id is None else [self._bos_token_id]
        with HookedModel(sys.modules["torch"], self.model, {place: self.places[place]}) as hooked:
            return hooked.run([before + ids])[place][0, -1]
