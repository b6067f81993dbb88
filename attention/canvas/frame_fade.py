"""How a region comes and goes in a video: a Gaussian fade at the ends of its frame range."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from ..errors import RegionError

# A side fades this many sigmas before it ends if nothing else is said: half strength at the end.
HALF = math.sqrt(2.0 * math.log(2.0))


@dataclass(frozen=True, slots=True)
class FrameFade:
    """exp(-relu(|f - mid| - w)^2 / (2 sigma^2)), with w = L / 2 - inset, in shares of the video.

    Source: the temporal penalty of Prompt Relay (arXiv 2604.10030), which adds its log to the
    scores of a segment's text tokens. Here it multiplies what the region covers of a token, so that
    it is a product with the region's place, and every rule takes it as it takes soft masks:
    ``eligen`` adds just this log to the scores, beside the global prompt's own; ``bind`` and
    ``joint`` add the log of the share that overlaps, weights and the global prompt leave of it;
    ``couple``, ``rcac`` and ``larender`` mix outputs by that share; ``bias`` and ``dense`` scale
    their biases by it; ``rpf``, ``rpg``, ``omost`` and what regional text sees of the image are
    hard, and cut it at about half.

    Deviations: f is the middle of a latent frame (there its index); a side on the video's own
    beginning or end does not fade (there it does, and leaves those frames to the global prompt);
    below 1e-3 a region is gone. The published sigma is 1 / ln(1000) = 0.145 and the inset 2 latent
    frames: divided by the number of latent frames, they can be given here.

    Attributes:
        sigma: 0 < sigma <= 1, share of the video's length.
        inset: 0..1, how long before an end of the range the fade begins; None: at
            sqrt(2 ln 2) sigma, so that a region has half of its strength at the end of its range,
            as a feathered box has at its sides. At most what the range holds.
    """

    sigma: float
    inset: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.sigma <= 1.0:
            raise RegionError(
                f"The softness of a frame range is {self.sigma!r}, expected a share of the video "
                "above 0 and at most 1; leave it out (0 in the node) for hard ranges."
            )
        if self.inset is not None and not 0.0 <= self.inset <= 1.0:
            raise RegionError(
                f"The inset of a frame range is {self.inset!r}, expected a share of the video from "
                "0 to 1, or none (-1 in the node) for half strength at the ends."
            )

    def strength(self, t_edges: torch.Tensor, start: float, end: float) -> torch.Tensor:
        """Strength of a range at each latent frame.

        Args:
            t_edges: [frames + 1] float, borders of the latent frames as shares of the video.
            start, end: of the range, 0 <= start < end <= 1.

        Returns:
            [frames] float32 in 0..1.
        """
        fading = (start > 0.0) + (end < 1.0)
        inset = HALF * self.sigma if self.inset is None else self.inset
        inset = min(inset, (end - start) / max(fading, 1))
        middle = (t_edges[:-1] + t_edges[1:]).double() / 2
        outside = torch.zeros_like(middle)
        if start > 0.0:
            outside = torch.maximum(outside, start + inset - middle)
        if end < 1.0:
            outside = torch.maximum(outside, middle - (end - inset))
        return torch.exp(-0.5 * (outside / self.sigma) ** 2).float()

    def describe(self) -> str:
        """Such as "fading with sigma 5%"."""
        inset = "" if self.inset is None else f", inset {self.inset:.1%}"
        return f"fading with sigma {self.sigma:.1%}{inset}"
