"""Paints the sky: its gradient, the sun or the moon with their glow, stars and clouds."""

from __future__ import annotations

import numpy as np

from fluxhouse.builtin.painter.canvas import Canvas, Field, Paint, mix, paint_of, smooth
from fluxhouse.builtin.painter.light import Light
from fluxhouse.builtin.painter.noise import field, generator
from fluxhouse.builtin.painter.scene import Body, Landscape, Side, Style, Terrain, Time, Weather

ACROSS = {Side.LEFT: 0.23, Side.MIDDLE: 0.5, Side.RIGHT: 0.77}
"""Where the sides of a landscape lie, as shares of the width."""

_BODY_RADIUS = {
    Time.DAWN: 0.055,
    Time.DAY: 0.05,
    Time.GOLDEN_HOUR: 0.055,
    Time.SUNSET: 0.075,
    Time.DUSK: 0.05,
    Time.NIGHT: 0.055,
}
_WATERS = (Terrain.SEA, Terrain.ISLAND)


def body_at(canvas: Canvas, landscape: Landscape, style: Style, skyline: float) -> tuple[float, float, float]:
    """Middle (x, y) and radius of the body in pixels; `skyline` is the height of the ground under it."""
    x = ACROSS[landscape.side] * canvas.width
    if style is Style.SYNTHWAVE and landscape.body is Body.SUN:
        return x, max(skyline - 0.13 * canvas.unit, 0.3 * canvas.height), 0.19 * canvas.unit
    radius = _BODY_RADIUS[landscape.time] * canvas.unit * (1.9 if style is Style.POSTER else 1.0)
    if landscape.time in (Time.DAWN, Time.SUNSET):
        lift = 0.55 if landscape.terrain in _WATERS else 0.85
        return x, skyline - lift * radius, radius
    if landscape.time is Time.GOLDEN_HOUR:
        return x, max(skyline - 0.17 * canvas.reach, 0.14 * canvas.height), radius
    return x, 0.17 * canvas.height, radius


def paint_sky(
    canvas: Canvas, landscape: Landscape, style: Style, light: Light, horizon: float, skyline: float, seed: int
) -> None:
    """Fill the canvas with sky; `horizon` and `skyline` (under the body) are rows in pixels."""
    canvas.planes[:] = _gradient(canvas, light, horizon)
    if (
        landscape.time is Time.NIGHT
        and landscape.weather in (Weather.CLEAR, Weather.STARS)
        and style is not Style.POSTER
    ):
        _stars(canvas, landscape.weather is Weather.STARS, light, horizon, seed)
    elif landscape.weather is Weather.STARS or (style is Style.SYNTHWAVE and landscape.weather is Weather.CLEAR):
        _star_dots(canvas, 60, light, horizon, seed)
    x, y, radius = body_at(canvas, landscape, style, skyline)
    if style is not Style.POSTER:
        _glow(canvas, light, x, y if landscape.body is not Body.NONE else horizon, landscape.body is not Body.NONE)
    if landscape.body is not Body.NONE:
        _disc(canvas, landscape, style, light, (x, y, radius))
    if landscape.weather is Weather.CLOUDS:
        _clouds(canvas, light, horizon, seed, style)
    elif landscape.weather is Weather.RAIN:
        _overcast(canvas, light, horizon, seed)


def _gradient(canvas: Canvas, light: Light, horizon: float) -> Paint:
    """Zenith to middle to horizon, one colour a row [3, h, 1]."""
    fall = np.clip(canvas.y / np.float32(horizon), 0, 1)
    upper = mix(light.zenith, light.middle, smooth(fall, 0.0, 0.72))
    return mix(upper, light.horizon, smooth(fall, 0.45, 1.02))


def _glow(canvas: Canvas, light: Light, x: float, y: float, shines: bool) -> None:
    """Light spreads from the body, or faintly along the horizon where there is none."""
    strength = light.glow if shines else light.glow * 0.35
    if shines:
        away = np.hypot(canvas.x - np.float32(x), canvas.y - np.float32(y)) / np.float32(canvas.unit)
        spread = 0.55 * np.exp(-away / 0.10) + 0.45 * np.exp(-away / 0.34)
    else:
        across = (canvas.x - np.float32(x)) / np.float32(canvas.unit)
        down = (canvas.y - np.float32(y)) / np.float32(canvas.unit)
        spread = np.exp(-((across / 0.6) ** 2)) * np.exp(-((down / 0.16) ** 2))
    canvas.lay((strength * spread), light.body)


def _disc(canvas: Canvas, landscape: Landscape, style: Style, light: Light, at: tuple[float, float, float]) -> None:
    x, y, radius = at
    top, left = max(int(y - radius - 2), 0), max(int(x - radius - 2), 0)
    rows = canvas.y[top : int(y + radius) + 3] - np.float32(y)
    columns = canvas.x[left : int(x + radius) + 3] - np.float32(x)
    away = np.hypot(columns, rows)
    covered = np.clip(np.float32(radius + 0.5) - away, 0, 1)
    if landscape.body is Body.MOON:
        pale = mix(light.body, paint_of(250, 248, 236), 0.6)
        spots = smooth(np.hypot(columns + 0.25 * radius, rows + 0.1 * radius), 0.75 * radius, 0.1 * radius)
        canvas.lay_at(covered, pale * (1 - np.float32(0.09) * spots), top, left)
    elif style is Style.SYNTHWAVE:
        fall = np.clip((rows / np.float32(radius) + 1) / 2, 0, 1)
        stripe = np.sin(fall * 34) < np.clip(fall * 1.35 - 0.35, 0, 1) * np.float32(2.1) - np.float32(1.2)
        covered = covered * ~((fall > 0.42) & stripe)
        canvas.lay_at(covered, mix(paint_of(255, 232, 90), paint_of(255, 40, 140), fall), top, left)
    else:
        canvas.lay_at(covered, light.body, top, left)


def _stars(canvas: Canvas, rich: bool, light: Light, horizon: float, seed: int) -> None:
    if rich:
        band = canvas.x / canvas.width * 0.9 - canvas.y / horizon + 0.1
        milk = np.exp(-((band / 0.2) ** 2)) * (0.25 + 1.1 * field(generator(seed, "milk"), canvas, 3, 3, 3))
        canvas.lay((0.42 * milk), paint_of(126, 118, 190))
    _star_dots(canvas, 170 if rich else 36, light, horizon, seed)


def _star_dots(canvas: Canvas, count: int, light: Light, horizon: float, seed: int) -> None:
    rng = generator(seed, "stars")
    places, sizes = rng.random((200, 2)), 0.0028 + 0.0052 * rng.random(200) ** 4
    white = mix(light.body, paint_of(255, 255, 255), 0.7)
    for (across, down), size in zip(places[:count], sizes, strict=False):
        x, y, radius = across * canvas.width, down * horizon * 0.94, max(size * canvas.unit, 0.55)
        top, left = max(int(y - 2 * radius), 0), max(int(x - 2 * radius), 0)
        rows = canvas.y[top : int(y + 2 * radius) + 2] - np.float32(y)
        columns = canvas.x[left : int(x + 2 * radius) + 2] - np.float32(x)
        bright = np.exp(-(columns**2 + rows**2) / np.float32(radius**2)) * np.float32(min(1.0, 0.35 + size * 130))
        canvas.lay_at(bright, white, top, left)


def _clouds(canvas: Canvas, light: Light, horizon: float, seed: int, style: Style) -> None:
    rows = int(min(horizon * 1.02, canvas.height))
    thick = field(generator(seed, "clouds"), canvas, 1.5, 4.2, 4, 0.5)[:rows]
    fall = canvas.y[:rows] / np.float32(horizon)
    level = np.float32(np.quantile(thick[::8, ::8], 0.52)) + np.float32(0.1) * np.abs(fall - np.float32(0.4))
    if style is Style.POSTER:
        canvas.lay(smooth(thick, level + 0.06, level + 0.08), light.cloud)
        return
    covered = smooth(thick, level, level + 0.15) * (0.92 - 0.25 * fall)
    dense = smooth(thick, level + 0.08, level + 0.3)
    canvas.lay(covered, mix(light.cloud, mix(light.cloud, light.middle, 0.55) * 0.9, dense))


def _overcast(canvas: Canvas, light: Light, horizon: float, seed: int) -> None:
    rows = int(min(horizon * 1.02, canvas.height))
    thick = field(generator(seed, "clouds"), canvas, 1.4, 3.2, 4, 0.5)[:rows]
    fall = canvas.y[:rows] / np.float32(horizon)
    heavy: Field = smooth(thick, 0.3, 0.7) * (0.8 - 0.7 * fall)
    canvas.lay(np.clip(heavy, 0, 1), (light.zenith * np.float32(0.62)))
