"""Read the LoRAs of regional prompts for one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import RegionalError
from .adapters import unet_deltas
from .ownership import Claim
from .run import BoundLora
from .where import LayerPlaces

if TYPE_CHECKING:
    from ..families import Family
    from ..text.prompts import RegionalPrompts

_ANY_LATENT = (16, 16)  # where a layer's tokens lie does not depend on the size


def bound_loras(family: Family, model: Any, prompts: RegionalPrompts) -> tuple[BoundLora, ...]:
    """The LoRAs of these prompts as deltas of the model's layers; none of those without effect.

    Args:
        family: of the model.
        model: ComfyUI's BaseModel.
        prompts: with LoRAs.

    Raises:
        RegionalError: a LoRA of another model, a region that is not there, an adapter or a layer
            that cannot be routed to tokens.
    """
    found = []
    places: LayerPlaces | None = None
    for lora in prompts.loras:
        chosen = lora.indices(prompts.regions)
        if lora.is_noop or lora.percent.is_empty:
            continue
        deltas = unet_deltas(model, lora.tensors, lora.name)
        places = places or LayerPlaces(family, model, _ANY_LATENT)
        for layer in deltas:
            try:
                places.of(layer)
            except RegionalError as error:
                raise RegionalError(
                    f"{lora.name} cannot be used for single regions: {error}. Load it for the "
                    "whole picture with a LoRA loader instead."
                ) from None
        claim = Claim(prompts.uid, prompts.regions, chosen, lora.negative)
        found.append(BoundLora(lora, claim, deltas))
    return tuple(found)
