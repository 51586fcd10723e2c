"""What modules of a torch model put out, by forward hooks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from ._errors import InvalidArgumentError, UnsupportedError

Place = tuple[str, int]  # stream, block

# Of the models that Hugging Face's transformers has: what attention's projection and the feed-forward network put out,
# and what leaves a block.
_KNOWN = [
    {"proj": "transformer.h.*.attn.c_proj", "ffwd": "transformer.h.*.mlp", "residual": "transformer.h.*"},
    {"proj": "h.*.attn.c_proj", "ffwd": "h.*.mlp", "residual": "h.*"},
    {"proj": "gpt_neox.layers.*.attention.dense", "ffwd": "gpt_neox.layers.*.mlp", "residual": "gpt_neox.layers.*"},
    {"proj": "model.layers.*.self_attn.o_proj", "ffwd": "model.layers.*.mlp", "residual": "model.layers.*"},
    {"proj": "layers.*.self_attn.o_proj", "ffwd": "layers.*.mlp", "residual": "layers.*"},
    {"proj": "layers.*.attention.dense", "ffwd": "layers.*.mlp", "residual": "layers.*"},
]


def find_modules(model: Any, modules: Mapping[str, str]) -> dict[Place, Any]:
    """The modules that patterns name, by stream and block, which stands where the pattern has its asterisk."""
    found: dict[Place, Any] = {}
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
    if not found:
        raise InvalidArgumentError("modules: none is named")
    return found


def known_modules(model: Any) -> dict[str, str]:
    names = {re.sub(r"\.\d+(?=\.|$)", ".*", "." + name)[1:] for name, _ in model.named_modules()}
    for modules in _KNOWN:
        if names.issuperset(modules.values()):
            return dict(modules)
    raise UnsupportedError(
        f"{type(model).__name__}: not a model whose modules are known: name them, "
        'as modules={"ffwd": "model.layers.*.mlp"}'
    )


def _without_head(model: Any, modules: Sequence[Any]) -> Any:
    """Of a model of transformers' that has a head, what is below it, where no module above is asked: the head's
    numbers, of each token as many as the vocabulary has, are not needed."""
    prefix = getattr(model, "base_model_prefix", "")
    below = getattr(model, prefix, None) if isinstance(prefix, str) and prefix else None
    if below is None or not hasattr(below, "modules"):
        return model
    inside = set(map(id, below.modules()))
    return below if all(id(module) in inside for module in modules) else model


class HookedModel:
    """Runs a model without gradients, in evaluation mode, and gives what modules put out. A context manager: it leaves
    the model as it was."""

    def __init__(self, torch: Any, model: Any, places: Mapping[Place, Any]) -> None:
        self._torch = torch
        self._model = model
        self._called = _without_head(model, list(places.values()))
        self._places = dict(places)
        self._outputs: dict[Place, Any] = {}
        self._handles: list[Any] = []

    def __enter__(self) -> HookedModel:
        self._trained = [module for module in self._model.modules() if module.training]
        self._model.eval()
        self._handles = [module.register_forward_hook(self._hook(place)) for place, module in self._places.items()]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        for module in self._trained:
            module.training = True
        self._outputs.clear()

    def _hook(self, place: Place) -> Any:
        def keep(module: Any, inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, (tuple, list)) else output
            self._outputs[place] = first if hasattr(first, "shape") else getattr(first, "last_hidden_state", first)

        return keep

    def run(self, prompts: list[list[int]]) -> dict[Place, Any]:
        """Of prompts of one length: prompts x tokens x dimension by place."""
        device = next((parameter.device for parameter in self._model.parameters()), "cpu")
        self._outputs.clear()
        with self._torch.no_grad():
            self._called(self._torch.tensor(prompts, dtype=self._torch.long, device=device))
        return {place: self._take(place, len(prompts), len(prompts[0])) for place in self._places}

    def _take(self, place: Place, batch: int, tokens: int) -> Any:
        name = f"{place[0]} block {place[1]}"
        if place not in self._outputs:
            raise InvalidArgumentError(f"{name}: its module was not called")
        output = self._outputs[place]
        if not hasattr(output, "shape") or len(output.shape) not in (2, 3):
            raise InvalidArgumentError(f"{name}: its module gives no tensor of prompts x tokens x dimension")
        if len(output.shape) == 2 and output.shape[0] == batch * tokens:
            output = output.reshape(batch, tokens, output.shape[-1])
        if tuple(output.shape[:2]) != (batch, tokens):
            raise InvalidArgumentError(
                f"{name}: a tensor of shape {tuple(output.shape)}, expected {batch} prompts x {tokens} tokens"
            )
        return output
