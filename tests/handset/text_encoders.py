"""The hand-set tokenizers and text encoders: byte-level CLIP, and a small T5 whose words carry colours."""

from __future__ import annotations

import torch
from tests.handset.palette import SPECIAL, colour_of, is_small, pieces
from tokenizers import pre_tokenizers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5Tokenizer

_LENGTH = 48  # tokens of a prompt
TEXT_WIDTH = 64
COLOUR_AT = slice(0, 3)
"""Where a T5 token's colour stands among its features (red, green, blue, each from -1 to 1)."""

VOICE_AT = 4
"""Where a T5 token says how loudly it speaks."""

KEYS_AT = slice(8, TEXT_WIDTH)
"""Where a T5 token's random features stand: they decide which part of the picture it paints."""


def clip_tokenizer() -> CLIPTokenizer:
    """CLIP's tokenizer over single bytes: it knows every text and needs no merges."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    spelled = [*alphabet, *(f"{letter}</w>" for letter in alphabet), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={piece: i for i, piece in enumerate(spelled)}, merges=[], model_max_length=77)


def clip_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """One layer, 64 wide: its pooled output tints the whole picture."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=128,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=77,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            initializer_factor=8.0,
        )
    )


def t5_tokenizer() -> T5Tokenizer:
    """Unigram over the palette's words, letter pairs and letters."""
    return T5Tokenizer(vocab=pieces(), extra_ids=0, model_max_length=_LENGTH)


def t5_encoder(tokenizer: T5Tokenizer, generator: torch.Generator) -> T5EncoderModel:
    """One light layer over embeddings that hold each piece's colour and random features."""
    encoder = T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=TEXT_WIDTH,
            d_kv=32,
            d_ff=128,
            num_layers=1,
            num_heads=2,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
            pad_token_id=0,
            eos_token_id=1,
        )
    )
    layer = encoder.encoder.block[0].layer
    with torch.no_grad():
        encoder.shared.weight.copy_(_embeddings(generator))
        encoder.encoder.embed_tokens.weight.copy_(encoder.shared.weight)
        layer[0].SelfAttention.o.weight.mul_(0.1)
        layer[1].DenseReluDense.wo.weight.mul_(0.1)
    return encoder


def _embeddings(generator: torch.Generator) -> torch.Tensor:
    """One row per piece: its colour (a random one for letters), then its random features."""
    spelled = [piece for piece, _ in pieces()]
    table = torch.zeros(len(spelled), TEXT_WIDTH)
    table[:, KEYS_AT] = torch.randn(len(spelled), KEYS_AT.stop - KEYS_AT.start, generator=generator)
    random_colours = torch.rand(len(spelled), 3, generator=generator) * 1.9 - 1.0
    for row, piece in enumerate(spelled):
        colour = colour_of(piece)
        table[row, COLOUR_AT] = random_colours[row] if colour is None else torch.tensor(colour)
        if colour is not None:
            table[row, VOICE_AT] = 0.8  # A known word speaks louder than letters.
        elif is_small(piece):
            table[row, VOICE_AT] = -1.5
    for row, piece in enumerate(spelled[: len(SPECIAL)]):
        table[row, COLOUR_AT] = 0.75 if piece == "<pad>" else 0.6
        table[row, VOICE_AT] = -2.0  # Padding and ends are paper: they hardly speak.
    return table
