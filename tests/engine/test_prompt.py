"""Prompts are encoded as diffusers encodes them."""

from pathlib import Path

import torch
from diffusers import FluxPipeline

from fluxhouse.engine.prompt import PromptEncoder
from fluxhouse.engine.weights import load


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
