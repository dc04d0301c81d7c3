"""Write the hand-set checkpoint into a folder as `FluxPipeline` loads it."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline
from tests.handset.autoencoder import autoencoder
from tests.handset.text_encoders import clip_encoder, clip_tokenizer, t5_encoder, t5_tokenizer
from tests.handset.transformer import transformer

_SEED = 1729


def build() -> FluxPipeline:
    """The whole model, the same on every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        generator = torch.Generator().manual_seed(_SEED)
        tokenizer, tokenizer_2 = clip_tokenizer(), t5_tokenizer()
        return FluxPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
            vae=autoencoder().eval(),
            text_encoder=clip_encoder(tokenizer).eval(),
            tokenizer=tokenizer,
            text_encoder_2=t5_encoder(tokenizer_2, generator).eval(),
            tokenizer_2=tokenizer_2,
            transformer=transformer(generator).eval(),
        )


def make(folder: Path) -> None:
    """Write the model to `folder`."""
    build().save_pretrained(folder, safe_serialization=True)
