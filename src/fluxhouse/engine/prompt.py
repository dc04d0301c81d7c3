"""What the transformer sees of a prompt: CLIP's pooled vector and T5's tokens, made as diffusers makes them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch

from fluxhouse.engine.weights import Weights


@dataclass(frozen=True, slots=True)
class Prompt:
    """`tokens` [1, t, joint], `pooled` [1, projection], `ids` [t, 3], which are all zero."""

    tokens: torch.Tensor
    pooled: torch.Tensor
    ids: torch.Tensor


class PromptEncoder:
    """Encodes prompts and remembers the latest: the images of a request share theirs."""

    def __init__(self, remembered: int = 16) -> None:
        self._remembered = remembered
        self._prompts: OrderedDict[tuple[int, str, int], Prompt] = OrderedDict()

    def encode(self, weights: Weights, prompt: str, max_tokens: int) -> Prompt:
        """Padding is not masked, so `max_tokens` is part of what the picture depends on."""
        key = (id(weights), prompt, max_tokens)
        if key not in self._prompts:
            self._prompts[key] = _encode(weights, prompt, max_tokens)
            if len(self._prompts) > self._remembered:
                self._prompts.popitem(last=False)
        self._prompts.move_to_end(key)
        return self._prompts[key]


@torch.no_grad()
def _encode(weights: Weights, prompt: str, max_tokens: int) -> Prompt:
    words = _ids(weights.clip_tokenizer, prompt, int(weights.clip_tokenizer.model_max_length))
    pooled = weights.clip(words.to(weights.device), output_hidden_states=False).pooler_output
    pieces = _ids(weights.t5_tokenizer, prompt, max_tokens)
    tokens = weights.t5(pieces.to(weights.device), output_hidden_states=False)[0]
    ids = torch.zeros(tokens.shape[1], 3, device=weights.device, dtype=weights.dtype)
    return Prompt(tokens.to(weights.dtype), pooled.to(weights.dtype), ids)


def _ids(tokenizer: object, prompt: str, length: int) -> torch.Tensor:
    """Token ids [1, length]; what does not fit is left out, as diffusers does."""
    assert callable(tokenizer)
    found: torch.Tensor = tokenizer(
        [prompt], padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    ).input_ids
    return found
