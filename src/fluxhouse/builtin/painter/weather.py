"""Paints what hangs in the air before everything else: banks of fog and streaks of rain."""

from __future__ import annotations

import numpy as np

from fluxhouse.builtin.painter.canvas import Canvas, mix, paint_of, smooth
from fluxhouse.builtin.painter.light import Light
from fluxhouse.builtin.painter.noise import field, generator


def paint_fog(canvas: Canvas, light: Light, horizon: float, seed: int) -> None:
    """Banks of fog, thickest a little below the horizon."""
    bank = field(generator(seed, "fog"), canvas, 1.2, 4.5, 3, 0.5)
    away = (canvas.y - np.float32(horizon * 1.12)) / np.float32(0.27 * canvas.height)
    thick = np.exp(-(away**2)) * (0.35 + 1.05 * smooth(bank, 0.25, 0.75))
    canvas.lay(np.clip(thick, 0, 0.74), mix(light.haze, light.horizon, 0.6))


def paint_rain(canvas: Canvas, light: Light, seed: int) -> None:
    """Slanting streaks over a grey veil."""
    canvas.lay(np.full((canvas.height, 1), 0.16, np.float32), light.haze)
    rng = generator(seed, "rain")
    slant = (canvas.x + np.float32(0.22) * canvas.y) / np.float32(canvas.unit) * 34
    cell = np.floor(slant).astype(np.int32)
    shifts, bright = rng.random(256, dtype=np.float32), rng.random(256, dtype=np.float32)
    fall = canvas.y / np.float32(canvas.unit) * 2.2 + shifts[cell % 256] * 9
    part = fall - np.floor(fall)
    across = np.abs(slant - cell - 0.5) * 2
    streak = smooth(part, 0.0, 0.5) * (part < 0.6) * np.clip(1.15 - across * 1.9, 0, 1)
    strength = 0.5 * streak * bright[(cell * 7 + np.floor(fall).astype(np.int32)) % 256]
    canvas.lay(strength, mix(light.horizon, paint_of(236, 240, 250), 0.7))
