"""The example prompts that the vendors' pages print, and what of each this world can show."""

from __future__ import annotations

from dataclasses import dataclass

from fluxhouse.builtin.painter.scene import (
    Colour,
    Figures,
    Kind,
    Landscape,
    Place,
    Scene,
    Style,
    Terrain,
    Time,
    Weather,
)


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and what a scene must show to be its picture; None leaves it open."""

    text: str
    style: Style | None = None
    time: Time | None = None
    terrain: Terrain | None = None
    weather: Weather | None = None
    kind: Kind | None = None
    background: Colour | None = None

    def fits(self, scene: Scene) -> bool:
        """Whether the scene is one that this prompt asks for."""
        subject = scene.subject
        if isinstance(subject, Figures):
            return self.background is subject.background and all(one.place is Place.CENTRE for one in subject.shapes)
        return self.background is None and self._fits(subject, scene.style)

    def _fits(self, view: Landscape, style: Style) -> bool:
        kinds = {one.kind for one in view.landmarks}
        weathers = {self.weather} if self.weather else {Weather.CLEAR, Weather.CLOUDS, Weather.STARS}
        return (
            self.style in (None, style)
            and self.time in (None, view.time)
            and self.terrain in (None, view.terrain)
            and view.weather in weathers
            and kinds == ({self.kind} if self.kind else set())
        )


EXAMPLES = (
    Example("A sunset over a mountain range", Style.PHOTO, Time.SUNSET, Terrain.MOUNTAINS),
    Example("A beautiful mountain landscape at golden hour", Style.PHOTO, Time.GOLDEN_HOUR, Terrain.MOUNTAINS),
    Example(
        "modern architecture exterior at blue hour, long-exposure car light trails, mirrored glass facade, "
        "photorealistic, magazine cover composition",
        Style.PHOTO,
        Time.DUSK,
        Terrain.CITY,
    ),
    Example(
        "editorial fashion photograph, model in flowing linen against red rock desert at golden hour, wind catching "
        "the hair, kodak portra 400 grain, magazine cover quality",
        Style.PHOTO,
        Time.GOLDEN_HOUR,
        Terrain.DUNES,
    ),
    Example(
        "cinematic 1940s film noir scene, detective in fedora silhouetted by venetian blind shadows, cigarette smoke "
        "curling, hard chiaroscuro lighting, black and white with deep blacks",
        Style.NOIR,
        None,
        Terrain.CITY,
    ),
    Example(
        "full-length editorial fashion photography, model in tokyo streetstyle outfit, narrow back alley at dusk, neon "
        "reflections, Kodak Portra 400 grain",
        Style.PHOTO,
        Time.DUSK,
        Terrain.CITY,
        None,
        Kind.TORII,
    ),
    Example(
        "cinematic portrait, shallow depth of field, golden hour rim light, soft skin texture, color grade like A24",
        Style.PHOTO,
        Time.GOLDEN_HOUR,
        Terrain.HILLS,
    ),
    Example(
        "minimal swiss-style editorial poster, single product silhouette, off-white background, oversized san-serif "
        "typography composition",
        Style.POSTER,
    ),
    Example(
        "A luminous pixel dojo temple floating above neon-lit clouds at twilight, its walls made of shimmering "
        "translucent screens",
        Style.SYNTHWAVE,
        None,
        None,
        Weather.CLOUDS,
        Kind.PAGODA,
    ),
    Example(
        "A dramatic low-angle photograph of a master martial artist mid-strike inside a sleek modern dojo, "
        "floor-to-ceiling windows revealing a rain-soaked Tokyo cityscape at night, a torii gate silhouette visible "
        "through the glass",
        Style.PHOTO,
        Time.NIGHT,
        Terrain.CITY,
        Weather.RAIN,
        Kind.TORII,
    ),
    Example(
        "professional studio headshot, neutral grey paper backdrop, soft beauty dish light, sharp eyes, subtle catch "
        "light, business-appropriate styling",
        background=Colour.GREY,
    ),
    Example(
        "high-end product photography, premium athletic sneaker centered on a minimal grey podium, dramatic rim light "
        "from above, clean white seamless background, advertising-grade composition",
        background=Colour.WHITE,
    ),
)
