"""Stable Diffusion 1 and 2, and SDXL: cross-attention ``attn2`` at every level of the UNet.

Layers are counted in the order of execution: input blocks, middle block, output blocks. Each level
halves the token grid (rounded up, as its strided convolution does), so every layer has its own.
Text keys and values do not depend on the step. SDXL's pooled text and sizes stay those of the
global prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import comfy.ldm.modules.attention as host_attention
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import Downsample, UNetModel

from ..calls.call_plan import CallPlan
from ..engine.attend import KeyValue
from ..errors import HostError
from .base import CallInputs, TokenShape
from .cross_attention import CrossAttentionFamily, RegionalLayer

CHUNK = 77  # CLIP text comes in multiples of this
WATCH = "regional_dit_watch"


class _Site(NamedTuple):
    """One cross-attention of the UNet.

    Attributes:
        attn2: the module.
        level: how often the latent has been halved there.
        block: ComfyUI's name of the block, such as ("input", 4).
        position: of the transformer block within it.
    """

    attn2: Any
    level: int
    block: tuple[str, int]
    position: int


def _sites(net: Any) -> list[_Site]:
    """All cross-attentions in the order of execution."""
    levels = []  # after each input block
    level = 0
    for block in net.input_blocks:
        level += any(isinstance(module, Downsample) for module in block)
        levels.append(level)
    named = [(("input", i), b, levels[i]) for i, b in enumerate(net.input_blocks)]
    if net.middle_block is not None:
        named.append((("middle", 0), net.middle_block, level))
    named += [(("output", i), b, levels[-1 - i]) for i, b in enumerate(net.output_blocks)]
    return [
        _Site(transformer.attn2, level, name, position)
        for name, block, level in named
        for module in block
        if isinstance(module, host_attention.SpatialTransformer)
        for position, transformer in enumerate(module.transformer_blocks)
    ]


class UNet(CrossAttentionFamily):
    """What Stable Diffusion and SDXL share."""

    def matches(self, model: Any) -> bool:
        return super().matches(model) and _is_text_unet(model)

    def modules(self, model: Any) -> Sequence[Any]:
        return [site.attn2 for site in _sites(model.diffusion_model)]

    def text_width(self, model: Any) -> int:
        return self.modules(model)[0].to_k.in_features

    def token_shape(self, model: Any, latent: tuple[int, ...], layer: int) -> TokenShape:
        side = 2 ** _sites(model.diffusion_model)[layer].level
        height, width = latent
        return TokenShape(-(-height // side), -(-width // side), side)

    def prepared(self, model: Any, plan: CallPlan, inputs: CallInputs) -> CallInputs:
        _refuse_replacements(self.name, model, plan, inputs.options)
        for jobs in plan.layers.values():
            for job in jobs:
                key = ("own length", job.rows.start)
                if key not in plan.memo:
                    plan.memo[key] = _own_length(inputs.context[job.rows][0])
        others = inputs.options.get("patches", {}).get("attn2_patch", [])
        if not others:
            return inputs
        watch = _Watch()
        patches = {**inputs.options["patches"], "attn2_patch": [watch, *others]}
        options = {**inputs.options, "patches": patches, WATCH: watch}
        return replace(inputs, options=options)

    def forward(self, module: Any, layer: RegionalLayer) -> Callable[..., torch.Tensor]:
        watch: _Watch | None = layer.inputs.options.get(WATCH)
        grid = layer.jobs[0].grid

        def own(rows: slice) -> slice:
            return slice(0, layer.plan.memo["own length", rows.start])

        def project(text: torch.Tensor) -> KeyValue:
            return module.to_k(text), module.to_v(text)

        host = partial(host_attention.optimized_attention, attn_precision=module.attn_precision)
        ask = layer.asking(module.heads, host, project, own=own)

        def forward(
            x: torch.Tensor,
            context: torch.Tensor,
            value: torch.Tensor | None = None,
            mask: torch.Tensor | None = None,
            transformer_options: dict[str, Any] | None = None,
        ) -> torch.Tensor:
            options = transformer_options or {}
            if mask is not None or (watch is not None and not watch.untouched(context, value)):
                raise HostError(
                    f"Another node changes the text of {layer.family} layer {layer.index} (an "
                    "attn2_patch, as hypernetworks and NegPip set it). Regional prompts would go "
                    "without that change: remove that node, or the regional patch."
                )
            seen = options.get("activations_shape", (0, 0, grid.rows, grid.cols))[-2:]
            if tuple(seen) != (grid.rows, grid.cols):
                raise HostError(
                    f"{layer.family} layer {layer.index} works on {seen[0]} x {seen[1]} tokens, "
                    f"expected {grid.rows} x {grid.cols} from the latent. Another node resizes the "
                    "picture inside the model (Deep Shrink does that); remove it."
                )
            q, k = module.to_q(x), module.to_k(context)
            v = module.to_v(context if value is None else value)
            return module.to_out(ask(q, k, v, transformer_options=options))

        return forward


class StableDiffusion(UNet):
    name = "Stable Diffusion 1/2"
    host_classes = ("BaseModel", "SD15_instructpix2pix")


class SDXL(UNet):
    name = "SDXL"
    host_classes = ("SDXL", "SDXLRefiner", "SDXL_instructpix2pix")


def _is_text_unet(model: Any) -> bool:
    net = getattr(model, "diffusion_model", None)
    return isinstance(net, UNetModel) and bool(_sites(net))


def _refuse_replacements(family: str, model: Any, plan: CallPlan, options: dict[str, Any]) -> None:
    replaced = options.get("patches_replace", {}).get("attn2", {})
    if not replaced:
        return
    sites = _sites(model.diffusion_model)
    for layer in plan.layers:
        site = sites[layer]
        if (*site.block, site.position) in replaced or site.block in replaced:
            raise HostError(
                f"Another node replaces the cross-attention of {family} layer {layer} (IP-Adapter "
                "does that), so regional prompts cannot act there. Remove that node, or leave this "
                "layer out of the regional patch (first_layer, last_layer)."
            )


def _own_length(text: torch.Tensor) -> int:
    """Tokens of a text [T, C] before ComfyUI repeats it to match a longer one in the batch.

    Repetition changes no single softmax, but a merge with regional texts would count it.
    """
    for length in range(CHUNK, len(text), CHUNK):
        if len(text) % length == 0 and torch.equal(
            text, text[:length].repeat(len(text) // length, 1)
        ):
            return length
    return len(text)


class _Watch:
    """Runs before other packs' attn2 patches, to see whether they change the text."""

    def __init__(self) -> None:
        self._context: Any = None

    def __call__(self, n: Any, context: Any, value: Any, extra_options: Any) -> tuple:
        self._context = context
        return n, context, value

    def untouched(self, context: Any, value: Any) -> bool:
        return context is self._context and (value is None or value is context)
