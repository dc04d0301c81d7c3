"""Write the built-in model into a folder as `FluxPipeline` loads it: `python -m fluxhouse.builtin.make FOLDER`."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline

from fluxhouse.builtin import FINISHED_MARKER, NAME, VERSION
from fluxhouse.builtin.autoencoder import autoencoder
from fluxhouse.builtin.text_encoders import clip_encoder, clip_tokenizer, t5_encoder, t5_tokenizer
from fluxhouse.builtin.transformer import transformer

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
    """Write the model to `folder`, whole or not at all; return at once where it already stands."""
    if (folder / FINISHED_MARKER).exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        build().save_pretrained(unfinished, safe_serialization=True)
        (unfinished / FINISHED_MARKER).write_text(json.dumps({"name": NAME, "version": VERSION}) + "\n")
        unfinished.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        try:
            os.rename(unfinished, folder)
        except OSError:
            # Another process finished first; its model is the same.
            if not (folder / FINISHED_MARKER).exists():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def main() -> int:
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m fluxhouse.builtin.make FOLDER\n")
        return 2
    make(Path(sys.argv[1]).resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
