"""Records a torch model by forward hooks."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _arguments
from ._errors import InvalidArgumentError
from ._hooks import HookedModel, Place, find_modules, known_modules
from ._index import Index
from ._recorded import ids_of
from ._recorder import Recorder

_WINDOW = 256


class Window(NamedTuple):
    """A piece of a document that the model sees at once."""

    begin: int  # position of its first token
    end: int
    keep: int  # the first position whose row is taken from it


def windows_of(first: int, length: int, window: int, stride: int) -> Iterator[Window]:
    """Windows that advance by `stride`: a position's row is of the first one that sees it with at least window - stride
    tokens before it, or all there are."""
    begin, keep = 0, 0
    while keep < length:
        end = min(begin + window, length)
        yield Window(first + begin, first + end, first + keep)
        begin, keep = begin + stride, end


def _bos_of(tokenizer: Any, bos: str) -> int | None:
    if bos not in ("auto", "always", "never"):
        raise InvalidArgumentError(f"bos {bos!r}: expected auto, always or never")
    if bos == "never":
        return None
    token: Any = getattr(tokenizer, "bos_token_id", None)
    if bos == "always" and token is None:
        raise InvalidArgumentError("bos 'always': the tokenizer names no bos_token_id")
    if bos == "always":
        return int(token)
    # Where the tokenizer's own post-processor, or its configuration, adds one.
    adds = token is not None and callable(tokenizer) and list(tokenizer("a")["input_ids"])[:1] == [token]
    return int(token) if adds else None


def _documents_of(tokenizer: Any, texts: Any, bos_token_id: int | None) -> list[list[int]]:
    """The token ids of each document: of a tokenizer's answer without what its attention mask leaves out, and without
    the beginning token that every window gets anyway."""
    if isinstance(texts, (str, bytes)):
        raise TypeError(f"texts: expected a sequence of documents, not {type(texts).__name__}")
    if not hasattr(texts, "keys"):
        return [ids_of(tokenizer, text) for text in texts]
    documents = [_arguments.token_ids(_plain(ids), "texts") for ids in texts["input_ids"]]
    masks = [_plain(mask) for mask in texts["attention_mask"]] if "attention_mask" in texts else None
    if masks is not None:
        if [len(mask) for mask in masks] != [len(document) for document in documents]:
            raise InvalidArgumentError("texts: the attention mask has another shape than the token ids")
        documents = [list(itertools.compress(*pair)) for pair in zip(documents, masks)]
    if bos_token_id is not None:
        documents = [one[1:] if one[:1] == [bos_token_id] else one for one in documents]
    return documents


def _default_window(model: Any, bos_token_id: int | None) -> int:
    """As `build` has it: 256, or what the model takes where that is less."""
    config = getattr(model, "config", None)
    for name in ("max_position_embeddings", "n_positions", "n_ctx"):
        most = getattr(config, name, None)
        if isinstance(most, int) and most > 0:
            return max(min(_WINDOW, most - (bos_token_id is not None)), 1)
    return _WINDOW


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else list(value)


def record(
    model: Any,
    tokenizer: Any,
    texts: Sequence[Any] | Mapping[str, Any],
    *,
    out: _arguments.Path,
    modules: Mapping[str, str] | None = None,
    window: int | None = None,
    stride: int | None = None,
    batch_size: int = 8,
    bos: str = "auto",
    document_names: Sequence[str] | None = None,
    shard: str | tuple[int, int] | None = None,
    progress: bool = True,
) -> Index | None:
    """Runs texts through a torch model and writes what its modules put out, by forward hooks, into the index directory
    `out`: a site over positions each. Killed and run again, it continues; run once more, it opens what is there.

        actkin.record(model, tok, texts, out="mine.actkin", modules={"ffwd": "model.layers.*.mlp"})

    texts: a document each, or lists of token ids, or what a tokenizer of Hugging Face's answers: what its attention
    mask leaves out is no token. modules: a pattern a stream, `*` where the block's number stands; without it those of
    known architectures (proj, ffwd, residual). A module's output is a tensor of prompts x tokens x dimension, or a
    tuple that begins with one. window, stride: as `actkin build --positions` has them. bos: whether a token stands
    before every window: as the tokenizer has it (auto), always or never. shard: this process' part of the windows,
    (number, parts), or "auto" by Slurm's or torchrun's environment; the part that ends last imports.

    Returns the index, or None where parts are missing.
    """
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(model, torch.nn.Module):
        raise TypeError(f"model: expected a torch.nn.Module, not {type(model).__name__}")
    bos_token_id = _bos_of(tokenizer, bos)
    window = _default_window(model, bos_token_id) if window is None else window
    window = _arguments.integer(window, "window", 1, 2**31 - 1)
    stride = max(window // 2, 1) if stride is None else _arguments.integer(stride, "stride", 1, window)
    batch_size = _arguments.integer(batch_size, "batch_size", 1, 2**31 - 1)
    named = dict(known_modules(model) if modules is None else modules)
    places = find_modules(model, named)
    documents = _documents_of(tokenizer, texts, bos_token_id)
    recorder = Recorder(
        out,
        tokenizer=tokenizer,
        documents=documents,
        document_names=document_names,
        bos_token_id=bos_token_id,
        window=window,
        stride=stride,
        sites=places,
        shard=shard,
        settings={"modules": named, "bos_token_id": bos_token_id, "window": window, "stride": stride},
    )
    number, parts = recorder.part
    if not recorder.imported:
        windows: list[Window] = []
        first = 0
        for document in documents:
            windows.extend(windows_of(first, len(document), window, stride))
            first += len(document)
        before = [] if bos_token_id is None else [bos_token_id]
        with recorder, HookedModel(torch, model, places) as hooked:
            left = _left(recorder, places, windows[number::parts])
            done = 0
            for batch in _batches(left, batch_size):
                _record_batch(recorder, hooked, batch, before)
                done += len(batch)
                if progress:
                    end = "" if done < len(left) else "\n"
                    print(f"\r{done} of {len(left)} windows", end=end, file=sys.stderr, flush=True)
    return Index(out, model=model, tokenizer=tokenizer) if recorder.imported else None


def _left(recorder: Recorder, places: Mapping[Place, Any], windows: list[Window]) -> list[Window]:
    """The windows that have rows to give."""
    missing = np.zeros(len(recorder.tokens), bool)
    for stream, block in places:
        missing[recorder.missing(stream, block)] = True
    return [one for one in windows if missing[one.keep : one.end].any()]


def _batches(windows: list[Window], size: int) -> Iterator[list[Window]]:
    """Of windows of one length each: nothing is padded."""
    by_length = sorted(windows, key=lambda one: one.begin - one.end)
    for _, equal in itertools.groupby(by_length, key=lambda one: one.end - one.begin):
        members = list(equal)
        for begin in range(0, len(members), size):
            yield members[begin : begin + size]


def _record_batch(recorder: Recorder, hooked: HookedModel, batch: list[Window], before: list[int]) -> None:
    found = hooked.run([before + recorder.tokens[one.begin : one.end].tolist() for one in batch])
    for place, output in found.items():
        for one, rows_of_one in zip(batch, output):
            recorder.write(*place, one.keep, rows_of_one[len(before) + one.keep - one.begin :])
