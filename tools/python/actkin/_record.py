"""Records a torch model by forward hooks."""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from . import _arguments, dbapi
from ._errors import InvalidArgumentError, UnsupportedError
from ._index import Index
from ._recorder import Recorder

# Of the models that Hugging Face's transformers has: what attention's projection and the feed-forward network put out,
# and what leaves a block.
_KNOWN = [
    {"proj": "transformer.h.*.attn.c_proj", "ffwd": "transformer.h.*.mlp", "residual": "transformer.h.*"},
    {"proj": "h.*.attn.c_proj", "ffwd": "h.*.mlp", "residual": "h.*"},
    {"proj": "gpt_neox.layers.*.attention.dense", "ffwd": "gpt_neox.layers.*.mlp", "residual": "gpt_neox.layers.*"},
    {"proj": "model.layers.*.self_attn.o_proj", "ffwd": "model.layers.*.mlp", "residual": "model.layers.*"},
    {"proj": "layers.*.self_attn.o_proj", "ffwd": "layers.*.mlp", "residual": "layers.*"},
]


_TABLE = "recorder"  # of the catalog: how it was recorded


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


def find_modules(model: Any, modules: Mapping[str, str]) -> dict[tuple[str, int], Any]:
    """The modules that patterns name, by stream and block, which stands where the pattern has its asterisk."""
    found: dict[tuple[str, int], Any] = {}
    for stream, pattern in modules.items():
        if pattern.count("*") > 1:
            raise InvalidArgumentError(f"modules: {pattern!r}: expected at most one *, where the block's number stands")
        expression = re.compile(re.escape(pattern).replace(r"\*", r"(\d+)"))
        matches = 0
        for name, module in model.named_modules():
            match = expression.fullmatch(name)
            if match:
                found[stream, int(match[1]) if match.groups() else 0] = module
                matches += 1
        if matches == 0:
            raise InvalidArgumentError(f"modules: no module of the model is named {pattern!r}")
    return found


def known_modules(model: Any) -> dict[str, str]:
    names = {re.sub(r"\.\d+(?=\.|$)", ".*", name) for name, _ in model.named_modules()}
    for modules in _KNOWN:
        if names.issuperset(modules.values()):
            return dict(modules)
    raise UnsupportedError(
        f'{type(model).__name__}: not a model whose modules are known: name them, as modules={{"ffwd": "model.layers.*.mlp"}}'
    )


def part_of(shard: str | tuple[int, int] | None) -> tuple[int, int]:
    """(number of this part, number of parts)"""
    if shard is None:
        return 0, 1
    if shard == "auto":
        environment = os.environ
        for number, count in (("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"), ("RANK", "WORLD_SIZE")):
            if number in environment and count in environment:
                shard = (int(environment[number]) - int(environment.get("SLURM_ARRAY_TASK_MIN", 0) if "SLURM" in number else 0),
                         int(environment[count]))  # fmt: skip
                break
        else:
            return 0, 1
    if isinstance(shard, str) or len(shard) != 2 or not 0 <= shard[0] < shard[1]:
        raise InvalidArgumentError(f"shard {shard!r}: expected 'auto', or (number from 0, number of parts)")
    return shard[0], shard[1]


class _Hooks:
    """What the modules put out in the last call of the model."""

    def __init__(self, modules: Mapping[tuple[str, int], Any]) -> None:
        self.outputs: dict[tuple[str, int], Any] = {}
        self._handles = [module.register_forward_hook(self._hook(place)) for place, module in modules.items()]

    def _hook(self, place: tuple[str, int]) -> Any:
        def keep(module: Any, inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, (tuple, list)) else output
            self.outputs[place] = first if hasattr(first, "shape") else getattr(first, "last_hidden_state", first)

        return keep

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()

    def take(self, place: tuple[str, int], batch: int, tokens: int) -> Any:
        stream, block = place
        if place not in self.outputs:
            raise InvalidArgumentError(f"{stream} block {block}: its module was not called")
        output = self.outputs[place]
        if not hasattr(output, "shape") or len(output.shape) not in (2, 3):
            raise InvalidArgumentError(
                f"{stream} block {block}: its module gives no tensor of prompts x tokens x dimension"
            )
        if len(output.shape) == 2 and batch == 1:
            output = output[None]
        elif len(output.shape) == 2:
            output = output.reshape(batch, -1, output.shape[-1])
        if tuple(output.shape[:2]) != (batch, tokens):
            raise InvalidArgumentError(
                f"{stream} block {block}: a tensor of shape {tuple(output.shape)}, expected {batch} prompts x {tokens} tokens"
            )
        return output


class RecordedModel:
    """A torch model that is asked through the hooks that an index directory was recorded with."""

    def __init__(self, directory: bytes, model: Any, tokenizer: Any, modules: Mapping[str, str] | None) -> None:
        described = self._described(directory)
        if modules is None:
            modules = described.get("modules")
        if modules is None:
            raise InvalidArgumentError(
                f"{os.fsdecode(directory)}: does not say how it was recorded: name the modules, as actkin.record has them"
            )
        self.model = model
        self.tokenizer = tokenizer
        self.modules = dict(modules)
        self.places = find_modules(model, modules)
        self._bos_token_id = described.get("bos_token_id")
        self._window = described.get("window")

    @staticmethod
    def _described(directory: bytes) -> dict[str, Any]:
        connection = dbapi.connect(directory)
        try:
            known = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", [_TABLE]).fetchone()
            rows = connection.execute(f"SELECT key, value FROM {_TABLE}").fetchall() if known else []
            return {key: json.loads(value) for key, value in rows}
        finally:
            connection.close()

    def vector(self, prompt: str | list[int], place: tuple[str, int], at: int) -> Any:
        """What the module at a place puts out at one of the prompt's tokens."""
        torch = sys.modules["torch"]
        ids = _ids_of(self.tokenizer, prompt)
        if not ids:
            raise InvalidArgumentError("prompt: it has no token")
        if not -len(ids) <= at < len(ids):
            raise InvalidArgumentError(f"at {at}: the prompt has {len(ids)} tokens")
        ids = ids[: at + 1 if at >= 0 else len(ids) + at + 1]
        if self._window:
            ids = ids[-self._window :]
        before = [] if self._bos_token_id is None else [self._bos_token_id]
        device = next((parameter.device for parameter in self.model.parameters()), "cpu")
        hooks = _Hooks({place: self.places[place]})
        training = self.model.training
        try:
            self.model.eval()
            with torch.no_grad():
                self.model(torch.tensor([before + ids], dtype=torch.long, device=device))
            return hooks.take(place, 1, len(before) + len(ids))[0, -1]
        finally:
            hooks.remove()
            self.model.train(training)


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


def _ids_of(tokenizer: Any, text: Any) -> list[int]:
    if not isinstance(text, str):
        return _arguments.token_ids(text, "texts")
    if hasattr(tokenizer, "backend_tokenizer"):
        return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    if hasattr(tokenizer, "encode") and hasattr(tokenizer, "to_str"):
        return list(tokenizer.encode(text, add_special_tokens=False).ids)
    raise TypeError("texts: a tokenizer that is no Hugging Face's cuts no texts: give lists of token ids")


def record(
    model: Any,
    tokenizer: Any,
    texts: Sequence[Any],
    *,
    out: _arguments.Path,
    modules: Mapping[str, str] | None = None,
    window: int = 256,
    stride: int | None = None,
    batch_size: int = 8,
    bos: str = "auto",
    document_names: Sequence[str] | None = None,
    shard: str | tuple[int, int] | None = None,
    progress: bool = True,
) -> Index | None:
    """Runs texts through a torch model and writes what its modules put out, by forward hooks, into the index directory
    `out`: a site over positions each. Killed and run again, it continues.

        actkin.record(model, tok, texts, out="mine.actkin", modules={"ffwd": "model.layers.*.mlp"})

    texts: a document each, or lists of token ids. modules: a pattern a stream, `*` where the block's number stands;
    without it those of known architectures (proj, ffwd, residual). A module's output is a tensor of prompts x tokens x
    dimension, or a tuple that begins with one. window, stride: as `actkin build --positions` has them. bos: whether a
    token stands before every window: as the tokenizer has it (auto), always or never. shard: this process' part of the
    windows, (number, parts), or "auto" by Slurm's or torchrun's environment; the part that ends last imports.

    Returns the index, or None where parts are missing.
    """
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(model, torch.nn.Module):
        raise TypeError(f"model: expected a torch.nn.Module, not {type(model).__name__}")
    window = _arguments.integer(window, "window", 1, 2**31 - 1)
    stride = max(window // 2, 1) if stride is None else _arguments.integer(stride, "stride", 1, window)
    batch_size = _arguments.integer(batch_size, "batch_size", 1, 2**31 - 1)
    number, parts = part_of(shard)
    named = known_modules(model) if modules is None else modules
    places = find_modules(model, named)
    bos_token_id = _bos_of(tokenizer, bos)
    documents = [_ids_of(tokenizer, text) for text in texts]
    recorder = Recorder(
        out,
        tokenizer=tokenizer,
        documents=documents,
        document_names=document_names,
        bos_token_id=bos_token_id,
        window=window,
        stride=stride,
    )
    windows: list[Window] = []
    first = 0
    for document in documents:
        windows.extend(windows_of(first, len(document), window, stride))
        first += len(document)
    left = _left(recorder, places, windows[number::parts])
    training = model.training
    hooks = _Hooks(places)
    try:
        model.eval()
        done = 0
        for batch in _batches(left, batch_size):
            _run(torch, model, recorder, hooks, places, batch, bos_token_id)
            done += len(batch)
            if progress:
                print(
                    f"\r{done} of {len(left)} windows",
                    end="" if done < len(left) else "\n",
                    file=sys.stderr,
                    flush=True,
                )
    except BaseException:
        recorder.__exit__(*sys.exc_info())
        raise
    finally:
        hooks.remove()
        model.train(training)
    whole = recorder.whole
    recorder.close()
    if not whole:
        return None
    described = {"modules": dict(named), "bos_token_id": bos_token_id, "window": window}
    connection = dbapi.connect(out, write=True)
    connection.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE} (key TEXT PRIMARY KEY, value TEXT)")
    rows = [(key, json.dumps(value)) for key, value in described.items()]
    connection.executemany(f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?)", rows)
    connection.close()
    return Index(out, model=model, tokenizer=tokenizer)


def _left(recorder: Recorder, places: Mapping[tuple[str, int], Any], windows: list[Window]) -> list[Window]:
    """The windows that have rows to give."""
    import numpy as np

    missing = np.zeros(len(recorder.tokens), bool)
    for stream, block in places:
        missing[recorder.missing(stream, block)] = True
    return [one for one in windows if missing[one.keep : one.end].any()]


def _batches(windows: list[Window], size: int) -> Iterator[list[Window]]:
    """Of windows of one length each: nothing is padded."""
    for _, equal in itertools.groupby(
        sorted(windows, key=lambda one: one.begin - one.end), key=lambda one: one.end - one.begin
    ):
        members = list(equal)
        for begin in range(0, len(members), size):
            yield members[begin : begin + size]


def _run(
    torch: Any,
    model: Any,
    recorder: Recorder,
    hooks: _Hooks,
    places: Mapping[tuple[str, int], Any],
    batch: list[Window],
    bos_token_id: int | None,
) -> None:
    before = [] if bos_token_id is None else [bos_token_id]
    rows = [before + recorder.tokens[one.begin : one.end].tolist() for one in batch]
    device = next((parameter.device for parameter in model.parameters()), "cpu")
    hooks.outputs.clear()
    with torch.no_grad():
        model(torch.tensor(rows, dtype=torch.long, device=device))
    for place in places:
        output = hooks.take(place, len(batch), len(rows[0]))
        for one, rows_of_one in zip(batch, output):
            recorder.write(*place, one.keep, rows_of_one[len(before) + one.keep - one.begin :])
