"""The sketch that the sketch workflows load: three colours on white, painted as a person would."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

SIZE_PX = 512


def write_sketch(path: Path) -> None:
    """A goat (blue), a barn (red) and a tree (green), as blobs."""
    image = Image.new("RGB", (SIZE_PX, SIZE_PX), "white")
    draw = ImageDraw.Draw(image)
    draw.polygon([(20, 250), (115, 170), (210, 250), (210, 400), (20, 400)], fill=(220, 30, 40))
    draw.ellipse((235, 330, 355, 430), fill=(40, 80, 220))
    draw.ellipse((330, 300, 385, 360), fill=(40, 80, 220))
    draw.rectangle((250, 400, 270, 460), fill=(40, 80, 220))
    draw.rectangle((320, 400, 340, 460), fill=(40, 80, 220))
    draw.ellipse((370, 60, 505, 290), fill=(30, 150, 60))
    draw.rectangle((425, 270, 450, 440), fill=(30, 150, 60))
    image.save(path, optimize=True)
