"""The LoRAs of one model, and their routing in each call of one sampling."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from ..canvas.tokens import TokenGrid
from .experts import expert_forwards
from .ownership import Chunk, Claim
from .routing import Routing
from .rows import LayerDelta, Where
from .spec import RegionLora
from .stack import Stacks
from .where import LayerPlaces, resized

if TYPE_CHECKING:
    from ..calls.step import Step
    from ..families import Family
    from ..sampling.entries import Entry
    from .adapters import Site
    from .delta import Delta


@dataclass(frozen=True, slots=True, eq=False)
class BoundLora:
    """A LoRA read for one model.

    Attributes:
        lora: file, strength and range.
        claim: on tokens.
        deltas: by the name of the layer in the network.
    """

    lora: RegionLora
    claim: Claim
    deltas: Mapping[str, Sequence[tuple[Site, Delta]]]


@dataclass(slots=True, eq=False)
class LoraRun:
    """All LoRAs of one sampling.

    Args:
        family: of the model.
        loras: of all patch nodes; one that several of them carry acts once.
    """

    family: Family
    loras: Sequence[BoundLora]
    store: dict[Any, Any] = field(default_factory=dict)
    stacks: Stacks = field(default_factory=Stacks)
    _routings: dict[Hashable, Routing] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        unique = {(b.lora.same or id(b.lora), b.claim.uid): b for b in self.loras}
        self.loras = list(unique.values())

    def forgetful(self) -> LoraRun:
        """The same for a call under weight hooks: what follows from the weights is not kept."""
        return LoraRun(self.family, self.loras, stacks=self.stacks)

    def routing(
        self,
        model: Any,
        x: torch.Tensor,
        entries: Sequence[Entry | None],
        uuids: Sequence[Any],
        step: Step,
        grid_of: Callable[[Entry | None], TokenGrid],
    ) -> Routing | None:
        """How the LoRAs act in a model call, None where none does.

        Args:
            model: ComfyUI's BaseModel.
            x: [B, ...] latent of the call.
            entries: conditioning entries in the batch, in order.
            uuids: of them.
            step: of the call.
            grid_of: token grid of the first layer for an entry.
        """
        if not self.loras:
            return None
        acting = tuple(
            index
            for index, bound in enumerate(self.loras)
            if not bound.lora.is_noop and bound.lora.percent.holds(step)
        )
        if not acting:
            return None
        key = (acting, tuple(uuids), x.shape, x.device)
        if key not in self._routings:
            self._routings[key] = self._make(model, x, entries, acting, grid_of)
        return self._routings[key]

    def _make(
        self,
        model: Any,
        x: torch.Tensor,
        entries: Sequence[Entry | None],
        acting: tuple[int, ...],
        grid_of: Callable[[Entry | None], TokenGrid],
    ) -> Routing:
        size = x.shape[0] // len(entries)

        def grid(entry: Entry | None) -> Callable[[tuple[int, int] | None], TokenGrid]:
            own = grid_of(entry)
            return lambda shape: own if shape is None else resized(own, shape)

        chunks = [
            Chunk(
                slice(i * size, (i + 1) * size),
                None if entry is None else entry.regional_uid,
                grid(entry),
            )
            for i, entry in enumerate(entries)
        ]
        network = model.diffusion_model
        places = LayerPlaces(self.family, model, tuple(x.shape[2:]))
        layers: dict[str, tuple[Where, list[LayerDelta]]] = {}
        for index, number in enumerate(acting):
            bound = self.loras[number]
            for layer, deltas in bound.deltas.items():
                if layer not in layers:
                    layers[layer] = (places.of(layer), [])
                layers[layer][1].extend(
                    LayerDelta(index, delta, bound.lora.strength, site.n_inputs)
                    for site, delta in deltas
                )
        return Routing(
            self.family.name,
            {
                network.get_submodule(layer): self.stacks.plan((acting, layer), deltas, where)
                for layer, (where, deltas) in layers.items()
            },
            [self.loras[number].claim for number in acting],
            chunks,
            self.store,
            self.stacks,
            acting,
            expert_forwards(network, list(layers)),
        )
