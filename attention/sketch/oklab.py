"""OKLab, a colour space in which equal distances look equally far apart."""

from __future__ import annotations

import numpy as np

_TO_CONES = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
_TO_OKLAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip


def to_oklab(rgb: np.ndarray) -> np.ndarray:
    """sRGB [..., 3] in 0..255 to OKLab times 100, in which blue stays blue when it gets lighter.

    Source: https://bottosson.github.io/posts/oklab/
    """
    value = np.asarray(rgb, dtype=np.float64) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return 100.0 * np.cbrt(linear @ _TO_CONES.T) @ _TO_OKLAB.T


def distance(lab: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Of each colour [..., 3] to one colour [3]: 1 is barely visible, 100 is black to white."""
    apart = lab - center
    return np.sqrt(np.einsum("...c,...c->...", apart, apart))  # a third of the time of norm
