"""What the transformer sees of a prompt: CLIP's pooled vector and T5's tokens, made as diffusers makes them."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from fluxhouse.engine.weights import Weights

_TRIAL = ("a", "a red fox in the snow", "", "many words of a prompt that goes on for longer than the others do")
_SIZES = (4, 2)
"""Of so many prompts batches are made where they are proven, the largest first."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """`tokens` [1, t, joint], `pooled` [1, projection], `ids` [t, 3], which are all zero."""

    tokens: torch.Tensor
    pooled: torch.Tensor
    ids: torch.Tensor


class PromptEncoder:
    """Encodes prompts and remembers the latest: a prompt of 512 tokens takes 4 MiB in bfloat16."""

    def __init__(self, remembered: int = 64) -> None:
        self._remembered = remembered
        self._prompts: OrderedDict[tuple[object, ...], Prompt] = OrderedDict()
        self._proven: dict[tuple[object, ...], tuple[int, ...]] = {}

    def prove(self, weights: Weights, max_tokens: int) -> tuple[int, ...]:
        """How many prompts at once come out with the bits of each alone: from now on so many go together."""
        alone = [_encode(weights, [prompt], max_tokens)[0] for prompt in _TRIAL]
        proven = tuple(n for n in _SIZES if _equal(_encode(weights, _TRIAL[:n], max_tokens), alone[:n]))
        self._proven[*_encoders(weights), max_tokens] = proven
        return proven

    def encode(self, weights: Weights, prompt: str, max_tokens: int) -> Prompt:
        """Padding is not masked, so `max_tokens` is part of what the picture depends on."""
        return self.encode_all(weights, [prompt], max_tokens)[0]

    def encode_all(self, weights: Weights, prompts: Sequence[str], max_tokens: int) -> list[Prompt]:
        """One for each prompt; those not remembered go through the encoders together where that is proven."""
        keys = {prompt: (*_encoders(weights), prompt, max_tokens) for prompt in prompts}
        missing = [prompt for prompt, key in keys.items() if key not in self._prompts]
        for batch in _batches(missing, self._proven.get((*_encoders(weights), max_tokens), ())):
            for prompt, encoded in zip(batch, _encode(weights, batch, max_tokens), strict=True):
                self._prompts[keys[prompt]] = encoded
        found = [self._prompts[keys[prompt]] for prompt in prompts]
        for key in keys.values():
            self._prompts.move_to_end(key)
        while len(self._prompts) > self._remembered:
            self._prompts.popitem(last=False)
        return found

    def forget(self) -> None:
        """Let go of all that is remembered, to have its memory."""
        self._prompts.clear()


def _batches(prompts: Sequence[str], sizes: Sequence[int]) -> Iterator[Sequence[str]]:
    """The prompts in batches of these sizes, which fall, and what is left one by one."""
    begin = 0
    for size in (*sizes, 1):
        while len(prompts) - begin >= size:
            yield prompts[begin : begin + size]
            begin += size


def _equal(some: Sequence[Prompt], others: Sequence[Prompt]) -> bool:
    pairs = zip(some, others, strict=True)
    return all(torch.equal(a.tokens, b.tokens) and torch.equal(a.pooled, b.pooled) for a, b in pairs)


def _encoders(weights: Weights) -> tuple[object, ...]:
    """Stands for the text encoders without keeping them: models may share them, and may leave."""
    return weakref.ref(weights.clip), weakref.ref(weights.t5)


@torch.no_grad()
def _encode(weights: Weights, prompts: Sequence[str], max_tokens: int) -> list[Prompt]:
    words = _ids(weights.clip_tokenizer, prompts, int(weights.clip_tokenizer.model_max_length))
    pooled = weights.clip(words.to(weights.device), output_hidden_states=False).pooler_output.to(weights.dtype)
    pieces = _ids(weights.t5_tokenizer, prompts, max_tokens)
    tokens = weights.t5(pieces.to(weights.device), output_hidden_states=False)[0].to(weights.dtype)
    ids = torch.zeros(tokens.shape[1], 3, device=weights.device, dtype=weights.dtype)
    return [Prompt(tokens[i : i + 1].clone(), pooled[i : i + 1].clone(), ids) for i in range(len(prompts))]


def _ids(tokenizer: Any, prompts: Sequence[str], length: int) -> torch.Tensor:
    """Token ids [prompts, length]; what does not fit is left out, as diffusers does."""
    found: torch.Tensor = tokenizer(
        list(prompts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    ).input_ids
    return found
