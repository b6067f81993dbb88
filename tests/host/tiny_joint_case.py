"""A tiny joint-attention model with regional patches, for tests beside the host's other nodes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, cached_property, partial
from importlib import import_module
from typing import Any

import torch
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.rules import Bind
from regional_dit.attention.sampling.host import install
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import MARKER, RegionalPrompts, text_from_conditioning
from tiny_joint import TINY, TinyJoint
from tiny_joint_models import flux, hidream, z_image

# The host's own nodes.py; by name, as type checkers take the pack's folder for it.
host: Any = import_module("nodes")

UID = "regions-a"
BASE, NEGATIVE, LEFT, RIGHT = 1, 2, 3, 4
HEIGHT, WIDTH = 16, 12
N_IMAGE = 48  # tokens of such a latent, at 2 x 2
STRONG = Bind(0.3, isolate_until=0.6, release_at=1.0)
HARD = Bind(0.0, isolate_until=0.0, release_at=1.0)  # every token has one owner: no merge
# Two half-strong masks over the whole canvas: with the global prompt's own text in both, the
# softmax over [T_0, T_1, T_2] with shares that sum to one is the stock softmax over T_0.
EVERYWHERE = RegionSet.from_masks([torch.full((64, 48), 0.5)] * 2)


class Case:
    """One family's tiny model."""

    def __init__(self, name: str, tiny: TinyJoint | None = None) -> None:
        self.name = name
        self.tiny = tiny or TINY[name]
        self.model = self.tiny.model()

    @cached_property
    def stock(self) -> torch.Tensor:
        """What the host makes of the global prompt without a patch."""
        return self.sample(self.model)

    def patch(self, model: Any, seeds: list[int], rule: Any = STRONG) -> Any:
        """Regions side by side; where all have the global prompt's text, two half-strong masks."""
        texts = tuple(text_from_conditioning(self.tiny.conditioning(s), "region") for s in seeds)
        regions = EVERYWHERE if seeds == [BASE, BASE] else split_canvas(1, len(seeds))
        prompts = RegionalPrompts(UID, regions, texts, ("",) * len(seeds))
        layers = tuple(range(self.tiny.n_layers))
        return install(model, RegionalPatch(prompts, rule, layers, PercentRange()))

    def latent(self, batch: int = 1, seed: int | None = None) -> dict[str, torch.Tensor]:
        frames = (1,) if self.tiny.frames else ()
        shape = (batch, self.tiny.channels, *frames, HEIGHT, WIDTH)
        if seed is None:
            return {"samples": torch.zeros(shape)}
        return {"samples": torch.randn(shape, generator=torch.Generator().manual_seed(seed))}

    def conds(self, seed: int = BASE) -> tuple[Any, Any]:
        """Marked positive, and negative."""
        marker: dict[str, Any] = {MARKER: UID}
        marked = self.tiny.conditioning(seed, **marker)
        return marked, self.tiny.conditioning(NEGATIVE)

    def sample(
        self,
        model: Any,
        positive: Any = None,
        negative: Any = None,
        latent: Any = None,
        **changes: Any,
    ) -> torch.Tensor:
        """The KSampler node."""
        inputs = {"cfg": 3.0, "steps": 2, "sampler_name": "euler", "denoise": 1.0, **changes}
        marked, other = self.conds()
        with torch.inference_mode():
            return host.KSampler().sample(
                model,
                seed=1,
                scheduler="sgm_uniform",
                positive=positive or marked,
                negative=negative or other,
                latent_image=latent or self.latent(),
                **inputs,
            )[0]["samples"]


@cache
def shared_case(name: str) -> Case:
    """One case per family for all tests: none may leave a trace on it."""
    return Case(name)


@cache
def shallow_case(name: str) -> Case:
    """With one block of each kind, or two: torch.compile traces every block by itself."""
    shallow = {
        "Flux": partial(flux, depth=1, depth_single_blocks=1),
        "HiDream": partial(hidream, num_layers=0, llama_layers=[1, 2]),
        "Z-Image": partial(z_image, n_layers=2),
    }
    return Case(name, replace(TINY[name], build=shallow[name], n_layers=2))
