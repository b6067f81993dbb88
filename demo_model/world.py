"""The synthetic world of the demo model: flat coloured shapes on a plain background.

A scene is a list of whole objects plus one background, or two backgrounds that meet at a straight
border. Everything is measured in *latent pixels*: one latent pixel is 8 x 8 picture pixels, and the
canvas of a 256 x 256 picture is 32 x 32 latent pixels. The same scene renders at any resolution.

Captions name what is in the picture and never where. The model is not trained on region masks.
NumPy only, so that the detector and the tests need no torch.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (225, 30, 35),
    "green": (30, 165, 50),
    "blue": (35, 70, 225),
    "yellow": (250, 225, 30),
    "purple": (150, 40, 190),
    "orange": (255, 135, 10),
    "cyan": (30, 210, 225),
    "white": (250, 250, 250),
}
"""Object colours, sRGB 0..255."""

BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "black": (18, 18, 18),
    "gray": (125, 125, 125),
    "brown": (95, 60, 35),
    "pink": (250, 175, 200),
}
"""Background colours, sRGB 0..255."""

SHAPES: tuple[str, ...] = ("circle", "square", "triangle")

COLOR_NAMES: tuple[str, ...] = tuple(COLORS)
BACKGROUND_NAMES: tuple[str, ...] = tuple(BACKGROUNDS)
COLOR_RGB = np.array(list(COLORS.values()), np.float32) / 127.5 - 1
BACKGROUND_RGB = np.array(list(BACKGROUNDS.values()), np.float32) / 127.5 - 1

STYLES: tuple[str, ...] = ("striped", "outlined")
"""Looks that the models learn from LoRA files alone (``styles.py``)."""

MIN_RADIUS = 3.6
"""Smallest object radius in latent pixels; below it a shape cannot be told from another."""
MAX_RADIUS = 7.5
"""Largest object radius in latent pixels: objects are about as large on every canvas."""
GAP = 1.5
"""Least distance in latent pixels between two objects and between an object and the border."""
LATENT_FACTOR = 8
"""Picture pixels per latent pixel along one axis."""

Kind = tuple[str, str]
"""(colour name, shape name)."""


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One object; ``x``, ``y`` (centre) and ``r`` (radius) are in latent pixels."""

    color: str
    shape: str
    x: float
    y: float
    r: float

    @property
    def kind(self) -> Kind:
        return self.color, self.shape


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of plain background, in whole latent pixels; ``x1`` and ``y1`` are exclusive."""

    background: str
    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True, slots=True)
class Scene:
    """A canvas of ``height`` x ``width`` latent pixels, its areas (1 or 2) and its objects."""

    height: int
    width: int
    areas: tuple[Area, ...]
    objects: tuple[SceneObject, ...] = field(default=())


# ------------------------------------------------------------------------------------ rendering


def signed_distance(shape: str, x: np.ndarray, y: np.ndarray, r: float) -> np.ndarray:
    """Signed distance (negative inside) from points to a shape centred on the origin.

    Args:
        shape: one of :data:`SHAPES`.
        x, y: point coordinates, broadcastable; y points down.
        r: radius, in the unit of x and y.
    """
    if shape == "circle":
        return np.hypot(x, y) - r
    if shape == "square":
        return np.maximum(np.abs(x), np.abs(y)) - 0.88 * r
    if shape == "triangle":
        side = 0.8944 * np.abs(x) - 0.4472 * y - 0.45 * r
        return np.maximum(y - 0.62 * r, side)
    raise ValueError(f"Unknown shape {shape!r}. The world knows {', '.join(SHAPES)}.")


def half_extents(shape: str, r: float) -> tuple[float, float, float]:
    """Bounding box of a shape as (half width, extent above the centre, extent below it)."""
    if shape == "square":
        return 0.88 * r, 0.88 * r, 0.88 * r
    if shape == "triangle":
        return 0.82 * r, 1.01 * r, 0.62 * r
    return r, r, r


def render(scene: Scene, scale: int = 1) -> np.ndarray:
    """Render a scene with one-pixel anti-aliasing.

    Args:
        scene: the scene.
        scale: rendered pixels per latent pixel; 1 gives the latent's own picture, 8 the full one.

    Returns:
        float32 [height*scale, width*scale, 3] in [-1, 1].
    """
    h, w = scene.height * scale, scene.width * scale
    image = np.empty((h, w, 3), np.float32)
    for a in scene.areas:
        image[a.y0 * scale : a.y1 * scale, a.x0 * scale : a.x1 * scale] = BACKGROUND_RGB[
            BACKGROUND_NAMES.index(a.background)
        ]
    for o in scene.objects:
        reach = 1.05 * o.r + 1.0
        y0, y1 = max(int((o.y - reach) * scale), 0), min(int((o.y + reach) * scale) + 1, h)
        x0, x1 = max(int((o.x - reach) * scale), 0), min(int((o.x + reach) * scale) + 1, w)
        y = ((np.arange(y0, y1, dtype=np.float32) + 0.5) / scale - o.y)[:, None]
        x = ((np.arange(x0, x1, dtype=np.float32) + 0.5) / scale - o.x)[None]
        inside = np.clip(0.5 - scale * signed_distance(o.shape, x, y, o.r), 0, 1)[..., None]
        color = COLOR_RGB[COLOR_NAMES.index(o.color)]
        image[y0:y1, x0:x1] += inside * (color - image[y0:y1, x0:x1])
    return image


def to_latent(rgb: np.ndarray) -> np.ndarray:
    """[..., H, W, 3] in [-1, 1] at latent resolution -> [..., 4, H, W]: RGB and their mean."""
    planes = np.moveaxis(rgb, -1, -3)
    return np.concatenate([planes, planes.mean(-3, keepdims=True)], -3)


# -------------------------------------------------------------------------------------- scenes


def fits(o: SceneObject, others: list[SceneObject], box: tuple[float, float, float, float]) -> bool:
    """Whether an object lies whole inside ``box`` (x0, y0, x1, y1), clear of the others."""
    hw, up, down = half_extents(o.shape, o.r)
    x0, y0, x1, y1 = box
    if o.x - hw < x0 + GAP or o.x + hw > x1 - GAP or o.y - up < y0 + GAP or o.y + down > y1 - GAP:
        return False
    for p in others:
        phw, pup, pdown = half_extents(p.shape, p.r)
        above, below = o.y - up - p.y - pdown, p.y - pup - o.y - down
        if max(abs(o.x - p.x) - hw - phw, above, below) < GAP:
            return False
    return True


def random_kinds(rng: random.Random, n: int) -> list[Kind]:
    """``n`` different kinds; colours repeat only once all are used."""
    colors = rng.sample(COLOR_NAMES, min(n, len(COLOR_NAMES)))
    colors += [rng.choice(COLOR_NAMES) for _ in range(n - len(colors))]
    kinds: list[Kind] = []
    for color in colors:
        kinds.append((color, rng.choice([s for s in SHAPES if (color, s) not in kinds])))
    return kinds


def place_on_grid(
    rng: random.Random, kinds: list[Kind], box: tuple[int, int, int, int], rows: int, cols: int
) -> list[SceneObject]:
    """Nearly always one whole object per cell of a jittered grid, the kinds dealt at random."""
    x0, y0, x1, y1 = box
    ch, cw = (y1 - y0) / rows, (x1 - x0) / cols
    top = min(0.44 * min(ch, cw), MAX_RADIUS)
    base = rng.uniform(max(MIN_RADIUS, 0.7 * top), max(MIN_RADIUS, top))
    spread = rng.choice((0.35, 0.7, 1.0))
    deal = (kinds * (rows * cols // len(kinds) + 1))[: rows * cols]
    rng.shuffle(deal)
    objects: list[SceneObject] = []
    for i, (color, shape) in enumerate(deal):
        if rng.random() < 0.03 and len(deal) > 1:
            continue
        cy, cx = y0 + (i // cols + 0.5) * ch, x0 + (i % cols + 0.5) * cw
        for shrink in (1.0, 1.0, 0.95, 0.9, 0.85, 0.85):
            r = max(MIN_RADIUS, min(top, base * rng.uniform(0.85, 1.15)) * shrink)
            jx, jy = max(cw / 2 - r - GAP / 2, 0.6), max(ch / 2 - r - GAP / 2, 0.6)
            x, y = cx + rng.uniform(-jx, jx) * spread, cy + rng.uniform(-jy, jy) * spread
            o = SceneObject(color, shape, x, y, r)
            if fits(o, objects, box):
                objects.append(o)
                break
    return objects


def place_freely(
    rng: random.Random, kinds: list[Kind], box: tuple[int, int, int, int], most: int
) -> list[SceneObject]:
    """Whole objects at random places until ``most`` of them stand or no more room is found."""
    x0, y0, x1, y1 = box
    top = min(MAX_RADIUS, min(x1 - x0, y1 - y0) / 2 - GAP)
    base = rng.uniform(MIN_RADIUS, max(MIN_RADIUS, top))
    objects: list[SceneObject] = []
    failures = 0
    while len(objects) < most and failures < 30:
        color, shape = kinds[len(objects) % len(kinds)]
        r = max(MIN_RADIUS, min(top, base * rng.uniform(0.8, 1.25) * (1 - 0.01 * failures)))
        x, y = rng.uniform(x0 + r, x1 - r), rng.uniform(y0 + r, y1 - r)
        o = SceneObject(color, shape, x, y, r)
        if fits(o, objects, box):
            objects.append(o)
        else:
            failures += 1
    return objects


def random_scene(rng: random.Random, height: int, width: int) -> Scene:
    """Draw one training scene.

    Jittered grids 70 %, freely packed objects 14 %, one to three objects 4 %, two areas with
    different backgrounds 8 %, background alone 4 %. Object size does not depend on the canvas and
    the canvas is mostly full. So whether something is drawn at a place depends on what the caption
    says and not on what already stands elsewhere, which is what makes presence local.
    """
    box = (0, 0, width, height)
    background = rng.choice(BACKGROUND_NAMES)
    areas: tuple[Area, ...] = (Area(background, *box),)
    u = rng.random()
    n_kinds = rng.choices((1, 2, 3, 4, 9), (35, 22, 18, 15, 10))[0]
    if u < 0.70:
        cells = rng.choices((10.7, 16.0, 24.0, 32.0), (12, 70, 9, 9), k=2)
        rows, cols = (max(1, round(n / c)) for n, c in zip((height, width), cells, strict=True))
        objects = place_on_grid(rng, random_kinds(rng, min(n_kinds, rows * cols)), box, rows, cols)
    elif u < 0.84:
        objects = place_freely(rng, random_kinds(rng, min(n_kinds, 4)), box, 14)
    elif u < 0.88:
        objects = place_freely(rng, random_kinds(rng, 1), box, rng.randint(1, 3))
    elif u < 0.96:
        other = rng.choice([b for b in BACKGROUND_NAMES if b != background])
        if rng.random() < 0.5:
            cut = round(width * rng.uniform(0.4, 0.6))
            boxes = ((0, 0, cut, height), (cut, 0, width, height))
        else:
            cut = round(height * rng.uniform(0.4, 0.6))
            boxes = ((0, 0, width, cut), (0, cut, width, height))
        areas = tuple(Area(b, *bx) for b, bx in zip((background, other), boxes, strict=True))
        objects = []
        for bx, kind in zip(boxes, random_kinds(rng, 2), strict=True):
            objects += place_freely(rng, [kind], bx, rng.choice((1, 2, 9)))
    else:
        objects = []
    return Scene(height, width, areas, tuple(objects))


FILLERS = ("shiny", "photo", "large", "bright", "flat")
"""Words outside the vocabulary; they all reach the model as ``<unk>``."""


def random_caption(rng: random.Random, scene: Scene, p_no_background: float = 0.25) -> list[str]:
    """Phrases such as ``["a red circle", "black background"]`` in random order, never with places.

    Each kind is named once. With probability 0.15 one of several kinds is left out, because real
    captions are never complete; the background is left out with ``p_no_background`` unless the
    scene shows nothing else or has two of them. One phrase in twenty carries an unknown word, so
    that such words do no harm.
    """
    kinds = list(dict.fromkeys(o.kind for o in scene.objects))
    if len(kinds) > 1 and rng.random() < 0.15:
        kinds.remove(rng.choice(kinds))
    phrases = [f"{c} {s}" for c, s in kinds]
    if not phrases or len(scene.areas) > 1 or rng.random() >= p_no_background:
        phrases += [f"{a.background} background" for a in scene.areas]
    rng.shuffle(phrases)
    return [f"{rng.choice(FILLERS)} {p}" if rng.random() < 0.05 else f"a {p}" for p in phrases]
