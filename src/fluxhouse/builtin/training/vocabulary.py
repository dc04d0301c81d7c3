"""The two tokenizers, made from the words of captions: what a caption says is one piece, anything else is spelled."""

from __future__ import annotations

import json
import string
from collections import Counter
from collections.abc import Iterable

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer, T5Tokenizer

T5_LENGTH = 48
CLIP_LENGTH = 77
_SPECIAL = ("<pad>", "</s>", "<unk>")
_CLIP_SPECIAL = ("<|startoftext|>", "<|endoftext|>")
_RAREST = 2
_SPACE = "▁"


def t5_tokenizer(captions: Iterable[str]) -> T5Tokenizer:
    """Unigram over the captions' words, then letter pairs, then single characters; capitals have pieces of their own.

    A tokenizer that is loaded again forgets its normaliser, so that "Red" and "red" are two pieces: `twins` makes one
    of them.
    """
    counts = Counter(word.strip(string.punctuation).lower() for caption in captions for word in caption.split())
    words = sorted(word for word, count in counts.items() if count >= _RAREST and word.isascii() and word)
    scores = dict.fromkeys(_SPECIAL, 0.0)
    for word in words:
        for spelled in (word, word.capitalize(), word.upper()):
            scores.setdefault(_SPACE + spelled, -4.0)
    letters = string.ascii_lowercase
    for piece in (mark + one + other for mark in (_SPACE, "") for one in letters for other in letters):
        scores.setdefault(piece, -9.0)
    for piece in _SPACE + string.ascii_letters + string.digits + string.punctuation:
        scores.setdefault(piece, -8.0)
    return T5Tokenizer(vocab=list(scores.items()), extra_ids=0, model_max_length=T5_LENGTH)


def twins(tokenizer: T5Tokenizer) -> torch.Tensor:
    """For each piece the id of the same piece in small letters, or its own: int64 [vocabulary]."""
    ids = tokenizer.get_vocab()
    found = torch.arange(len(tokenizer))
    for piece, number in ids.items():
        if piece not in _SPECIAL:
            found[number] = ids.get(piece.lower(), number)
    return found


def clip_tokenizer(captions: Iterable[str], pieces: int = 2048) -> CLIPTokenizer:
    """Byte pairs learnt from the captions, over all bytes."""
    reader = CLIPTokenizer()
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer = normalizers.Lowercase()
    learner.pre_tokenizer = reader.backend_tokenizer.pre_tokenizer
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner.train_from_iterator(
        captions,
        trainers.BpeTrainer(
            vocab_size=pieces, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
        ),
    )
    merges = [(one, other) for one, other in json.loads(learner.to_str())["model"]["merges"]]
    spelled = dict.fromkeys([*alphabet, *(f"{letter}</w>" for letter in alphabet)])
    spelled |= dict.fromkeys(one + other for one, other in merges)
    vocabulary = {piece: number for number, piece in enumerate([*spelled, *_CLIP_SPECIAL])}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=CLIP_LENGTH)
