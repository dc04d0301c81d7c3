"""Forwards over made-up tokens, timed and digested: what a model's profile is measured with."""

from __future__ import annotations

import hashlib
import time
from functools import cache

import torch

from fluxhouse.engine.conditioning import Conditioning, Course
from fluxhouse.engine.profile import Lengths, Measured
from fluxhouse.engine.sampling import positions
from fluxhouse.engine.transformer import PackedTransformer, Segment
from fluxhouse.engine.weights import Weights
from fluxhouse.generation.request import Acceleration


class Rehearsal:
    """One model at one level, called with the picture tokens of each segment."""

    def __init__(self, weights: Weights, packed: PackedTransformer, level: Acceleration, text_tokens: int) -> None:
        self._weights, self._packed, self._level, self._text_tokens = weights, packed, level, text_tokens
        self._segment = cache(self._make)

    @torch.no_grad()
    def __call__(self, lengths: Lengths) -> Measured:
        segments = [self._segment(length) for length in lengths]
        wall, processor = time.perf_counter(), time.process_time()
        made = self._packed.forward(segments, self._level)
        on_host = [velocity.float().cpu() for velocity in made]
        seconds = time.perf_counter() - wall
        if self._weights.device.type == "cpu":
            # Beside busy neighbours the clock tells more of them than of us.
            seconds = min(seconds, time.process_time() - processor)
        return Measured(seconds, tuple(hashlib.sha256(one.numpy().tobytes()).digest() for one in on_host))

    def _make(self, length: int) -> Segment:
        generator = torch.Generator("cpu").manual_seed(length)
        settings, weights = self._weights.transformer.config, self._weights

        def drawn(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=generator).to(weights.device, weights.dtype)

        course = Course(
            torch.full([1], 500.0, device=weights.device),
            1.0 if weights.takes_guidance else None,
            drawn(1, settings.pooled_projection_dim),
        )
        conditioning = Conditioning(
            weights.transformer,
            drawn(self._text_tokens, settings.joint_attention_dim),
            positions(1, length, weights.device, weights.dtype),
            course,
            exact=self._level is Acceleration.NONE,
        )
        return Segment(drawn(length, settings.in_channels), conditioning, 0)
