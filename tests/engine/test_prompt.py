"""Prompts are encoded as diffusers encodes them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import FluxPipeline

from fluxhouse.engine import prompt
from fluxhouse.engine.prompt import PromptEncoder
from fluxhouse.engine.weights import Weights, load


def test_prompts_are_encoded_as_diffusers_does(checkpoint: Path) -> None:
    """Tokens, pooled vector and ids are equal, the padding's part included."""
    weights = load(checkpoint, torch.device("cpu"), torch.float32)
    ours = PromptEncoder().encode(weights, "A Red fox, and more", 24)
    pipeline = FluxPipeline.from_pretrained(checkpoint)
    with torch.no_grad():
        theirs = pipeline.encode_prompt("A Red fox, and more", None, max_sequence_length=24)
    assert all(torch.equal(a, b) for a, b in zip((ours.tokens, ours.pooled, ours.ids), theirs, strict=True))


def test_the_latest_prompts_are_remembered(checkpoint: Path) -> None:
    """The same prompt is encoded once; another length is another prompt."""
    weights, encoder = load(checkpoint, torch.device("cpu"), torch.float32), PromptEncoder(remembered=2)
    first = encoder.encode(weights, "a fox", 24)
    assert encoder.encode(weights, "a fox", 24) is first
    assert encoder.encode(weights, "a fox", 12).tokens.shape[1] == 12
    encoder.encode(weights, "a dog", 24)
    assert encoder.encode(weights, "a fox", 24) is not first


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_prompts_that_share_a_batch_come_out_as_alone(checkpoint: Path, dtype: torch.dtype) -> None:
    """Batched where that was proven, one by one where it was not: the bits are those of each prompt alone."""
    weights = load(checkpoint, torch.device("cpu"), dtype)
    alone, together = PromptEncoder(), PromptEncoder()
    together.prove(weights, 24)
    prompts = ["a fox", "", "the sea at night", "a fox"]
    batch = together.encode_all(weights, prompts, 24)
    for one, found in zip(prompts, batch, strict=True):
        single = alone.encode(weights, one, 24)
        assert torch.equal(found.tokens, single.tokens)
        assert torch.equal(found.pooled, single.pooled)
    assert batch[0] is batch[3]


def test_prompts_share_a_batch_only_as_was_proven(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In no number that was not compared, nor at another length than it was compared at."""
    weights, encoder = load(checkpoint, torch.device("cpu"), torch.float32), PromptEncoder()
    sizes: list[int] = []
    whole = prompt._encode

    def counted(given: Weights, prompts: Sequence[str], max_tokens: int) -> list[prompt.Prompt]:
        sizes.append(len(prompts))
        return [whole(given, [one], max_tokens)[0] for one in prompts]

    monkeypatch.setattr(prompt, "_encode", counted)
    assert encoder.prove(weights, 24) == (4, 2)
    sizes.clear()
    encoder.encode_all(weights, [str(number) for number in range(7)], 24)
    assert sizes == [4, 2, 1]
    sizes.clear()
    encoder.encode_all(weights, ["a", "b"], 12)
    assert sizes == [1, 1]


def test_sizes_that_differ_by_a_bit_are_not_batched(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each number of prompts is proven by itself."""
    weights, encoder = load(checkpoint, torch.device("cpu"), torch.float32), PromptEncoder()
    whole = prompt._encode

    def rounded(given: Weights, prompts: Sequence[str], max_tokens: int) -> list[prompt.Prompt]:
        made = [whole(given, [one], max_tokens)[0] for one in prompts]
        return [replace(one, pooled=one.pooled + 1.0) for one in made] if len(prompts) == 4 else made

    monkeypatch.setattr(prompt, "_encode", rounded)
    assert encoder.prove(weights, 24) == (2,)


def test_what_is_forgotten_is_encoded_again(checkpoint: Path) -> None:
    """To have its memory, when the device has too little."""
    weights, encoder = load(checkpoint, torch.device("cpu"), torch.float32), PromptEncoder()
    first = encoder.encode(weights, "a fox", 24)
    encoder.forget()
    again = encoder.encode(weights, "a fox", 24)
    assert again is not first
    assert torch.equal(again.tokens, first.tokens)
