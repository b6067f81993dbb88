"""Two ways to draw the world's objects that the demo models were never shown, and their measure.

A *striped* object has dark bands across it, an *outlined* one a white rim. Neither word is in the
vocabulary, and neither look is in the training pictures: they come from the two small LoRA files
beside the weights (``training/lora.py``), so that what a LoRA did, and where, can be counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .detector import nearest_palette
from .world import (
    BACKGROUND_NAMES,
    BACKGROUND_RGB,
    COLOR_NAMES,
    COLOR_RGB,
    STYLES,
    Scene,
    SceneObject,
    signed_distance,
)

STRIPE_PX = 2
"""Height of one stripe in latent pixels; the bands between them are as high."""
RIM_PX = 2.0
"""Width of the white rim in latent pixels, inside the object's outline."""
LEAST_SHARE = 0.12
"""Share of an object's pixels from which on its bands or its rim count as drawn; a plain object has
next to none, a styled one a third or more."""
_DARK, _WHITE = BACKGROUND_RGB[0], COLOR_RGB[COLOR_NAMES.index("white")]


def render_styled(scene: Scene, style: str) -> np.ndarray:
    """The scene at latent resolution with all its objects in one style.

    Returns:
        float32 [height, width, 3] in [-1, 1].

    Raises:
        ValueError: an unknown style.
    """
    if style not in STYLES:
        raise ValueError(f"Unknown style {style!r}. There are {', '.join(STYLES)}.")
    image = np.empty((scene.height, scene.width, 3), np.float32)
    for area in scene.areas:
        color = BACKGROUND_RGB[BACKGROUND_NAMES.index(area.background)]
        image[area.y0 : area.y1, area.x0 : area.x1] = color
    for item in scene.objects:
        _draw(image, item, style)
    return image


def _draw(image: np.ndarray, item: SceneObject, style: str) -> None:
    height, width = image.shape[:2]
    y = (np.arange(height, dtype=np.float32) + 0.5 - item.y)[:, None]
    x = (np.arange(width, dtype=np.float32) + 0.5 - item.x)[None]
    distance = signed_distance(item.shape, x, y, item.r)
    own = COLOR_RGB[COLOR_NAMES.index(item.color)]
    if style == "striped":
        rows = np.arange(height)[:, None]  # bands of the canvas, so that their edges stay sharp
        share = (rows // STRIPE_PX % 2).astype(np.float32)
        other = _DARK
    else:
        share = np.clip(distance + RIM_PX + 0.5, 0, 1)
        other = _WHITE
    share = np.broadcast_to(share, distance.shape)[..., None]
    body = own + share * (other - own)
    inside = np.clip(0.5 - distance, 0, 1)[..., None]
    image += inside * (body - image)


@dataclass(frozen=True, slots=True)
class StyleShares:
    """How much of what is drawn in a region is bands and rims.

    Attributes:
        dark, white: shares 0..1 of the pixels that are not background.
    """

    dark: float
    white: float

    def shows(self, style: str) -> bool:
        """Whether the style was drawn."""
        return (self.dark if style == "striped" else self.white) >= LEAST_SHARE


def style_shares(picture: np.ndarray, background: str) -> StyleShares:
    """Count dark bands and white rims in a region without black background or white objects.

    Args:
        picture: float [H, W, 3] in 0..1, the region alone.
        background: its name, any but black.

    Raises:
        ValueError: a black background, on which bands cannot be told from it.
    """
    if background == "black":
        raise ValueError("Dark bands cannot be told from a black background; choose another.")
    index = nearest_palette(picture.astype(np.float32))
    n_colors = len(COLOR_NAMES)
    drawn = index != n_colors + BACKGROUND_NAMES.index(background)
    total = max(1, int(np.count_nonzero(drawn)))
    dark = np.count_nonzero(index == n_colors)
    white = np.count_nonzero(index == COLOR_NAMES.index("white"))
    return StyleShares(dark / total, white / total)
