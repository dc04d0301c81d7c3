"""The light of each time of day: the sky's colours, the sun's, the haze's, and what falls on the ground."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fluxhouse.builtin.painter.canvas import Paint, mix, paint_of
from fluxhouse.builtin.painter.scene import Style, Time, Weather


@dataclass(frozen=True, slots=True)
class Light:
    """Colours of sRGB from 0 to 1: the sky from above to the horizon, the body, the haze, and the light on things.

    `glow` is how far the body's light spreads (0 to 1), `lamps` how brightly windows are lit (0 to 1).
    """

    zenith: Paint
    middle: Paint
    horizon: Paint
    body: Paint
    haze: Paint
    cloud: Paint
    falling: Paint
    glow: float
    lamps: float


_LIGHTS: dict[Time, Light] = {
    Time.DAWN: Light(
        zenith=paint_of(124, 148, 204),
        middle=paint_of(226, 180, 206),
        horizon=paint_of(255, 216, 190),
        body=paint_of(255, 240, 214),
        haze=paint_of(232, 188, 200),
        cloud=paint_of(255, 206, 204),
        falling=paint_of(206, 172, 184),
        glow=0.7,
        lamps=0.3,
    ),
    Time.DAY: Light(
        zenith=paint_of(34, 108, 208),
        middle=paint_of(96, 168, 236),
        horizon=paint_of(204, 232, 250),
        body=paint_of(255, 247, 204),
        haze=paint_of(176, 212, 240),
        cloud=paint_of(255, 255, 255),
        falling=paint_of(255, 255, 250),
        glow=0.85,
        lamps=0.0,
    ),
    Time.GOLDEN_HOUR: Light(
        zenith=paint_of(134, 168, 186),
        middle=paint_of(248, 214, 138),
        horizon=paint_of(255, 222, 128),
        body=paint_of(255, 248, 206),
        haze=paint_of(250, 212, 132),
        cloud=paint_of(255, 232, 176),
        falling=paint_of(250, 206, 116),
        glow=0.95,
        lamps=0.2,
    ),
    Time.SUNSET: Light(
        zenith=paint_of(66, 40, 104),
        middle=paint_of(222, 76, 82),
        horizon=paint_of(255, 160, 54),
        body=paint_of(255, 222, 130),
        haze=paint_of(226, 96, 70),
        cloud=paint_of(255, 130, 96),
        falling=paint_of(122, 66, 76),
        glow=0.9,
        lamps=0.6,
    ),
    Time.DUSK: Light(
        zenith=paint_of(24, 34, 98),
        middle=paint_of(68, 82, 166),
        horizon=paint_of(206, 148, 186),
        body=paint_of(248, 244, 232),
        haze=paint_of(122, 116, 184),
        cloud=paint_of(140, 122, 190),
        falling=paint_of(78, 84, 138),
        glow=0.4,
        lamps=1.0,
    ),
    Time.NIGHT: Light(
        zenith=paint_of(5, 9, 32),
        middle=paint_of(13, 25, 66),
        horizon=paint_of(38, 62, 116),
        body=paint_of(244, 244, 228),
        haze=paint_of(32, 54, 104),
        cloud=paint_of(52, 68, 114),
        falling=paint_of(46, 60, 104),
        glow=0.45,
        lamps=1.0,
    ),
}

_SYNTHWAVE = Light(
    zenith=paint_of(16, 4, 52),
    middle=paint_of(104, 16, 128),
    horizon=paint_of(255, 64, 150),
    body=paint_of(255, 226, 92),
    haze=paint_of(150, 24, 150),
    cloud=paint_of(190, 50, 190),
    falling=paint_of(58, 22, 104),
    glow=0.7,
    lamps=1.0,
)

_POSTER: dict[Time, tuple[Paint, Paint, Paint]] = {
    Time.DAWN: (paint_of(244, 190, 190), paint_of(255, 244, 224), paint_of(120, 110, 160)),
    Time.DAY: (paint_of(74, 160, 224), paint_of(255, 214, 60), paint_of(30, 84, 140)),
    Time.GOLDEN_HOUR: (paint_of(248, 196, 70), paint_of(255, 246, 214), paint_of(150, 90, 40)),
    Time.SUNSET: (paint_of(232, 84, 48), paint_of(255, 206, 92), paint_of(92, 26, 60)),
    Time.DUSK: (paint_of(84, 92, 176), paint_of(240, 232, 240), paint_of(34, 36, 92)),
    Time.NIGHT: (paint_of(36, 54, 116), paint_of(244, 236, 200), paint_of(8, 14, 40)),
}
"""A poster's three inks: sky, body and the nearest ground."""


def light_of(time: Time, weather: Weather, style: Style) -> Light:
    """The light of this hour in this weather, as the style paints it."""
    if style is Style.SYNTHWAVE:
        return _SYNTHWAVE
    light = _LIGHTS[time]
    if style is Style.POSTER:
        return _printed(time, light)
    return _under(weather, light)


def _printed(time: Time, light: Light) -> Light:
    sky, body, ground = _POSTER[time]
    flat = replace(light, zenith=sky, middle=sky, horizon=sky, body=body, haze=mix(sky, ground, 0.25), glow=0.0)
    return replace(flat, cloud=mix(sky, paint_of(255, 255, 255), 0.6), falling=ground, lamps=min(light.lamps, 0.9))


def _under(weather: Weather, light: Light) -> Light:
    """Rain and fog take colour and contrast from the sky."""
    if weather not in (Weather.RAIN, Weather.FOG):
        return light
    share, shade = (0.5, 0.74) if weather is Weather.RAIN else (0.35, 0.97)
    dull = {
        name: mix(getattr(light, name), _grey(getattr(light, name)), share) * np.float32(shade)
        for name in ("zenith", "middle", "horizon", "haze", "cloud", "falling")
    }
    return replace(light, **dull, glow=light.glow * 0.3, lamps=max(light.lamps, 0.5))


def _grey(paint: Paint) -> Paint:
    """The paint without its colour, a little bluish as an overcast sky is."""
    lightness = np.float32((0.3, 0.59, 0.11) @ paint[:, 0, 0])
    return lightness * np.array((0.97, 1.0, 1.05), np.float32).reshape(3, 1, 1)
