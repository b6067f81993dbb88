"""LTX-2 (2.0, 2.3): the video's cross-attention ``transformer_blocks[i].attn2`` over Gemma tokens.

One token per latent pixel and frame. A prompt passes a connector, attention over its tokens and
learned ones, before the blocks: each regional prompt alone. Newer models shift and scale the text
in every block by the time, and gate the result by head. The sound follows the global prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import comfy.ldm.modules.attention as host_attention
import torch

from ..calls.call_plan import CallPlan, TextCache
from ..calls.scoped import scoped_forwards, without_compile
from ..engine.attend import KeyValue
from ..text.prompts import Text
from .base import CallInputs, TokenShape
from .cross_attention import CrossAttentionFamily, RegionalLayer, compute_dtype, video_size

TIMES = "regional_dit_prompt_times"  # layer -> the time by which it shifts and scales the text


class LTXAV(CrossAttentionFamily):
    name = "LTX-2"
    host_classes = ("LTXAV",)

    def modules(self, model: Any) -> Sequence[Any]:
        return [block.attn2 for block in model.diffusion_model.transformer_blocks]

    def text_width(self, model: Any) -> int:
        net = model.diffusion_model
        if _projected_by_encoder(net):
            return net.cross_attention_dim + net.audio_cross_attention_dim
        return net.caption_channels

    def token_shape(self, model: Any, latent: tuple[int, ...], layer: int) -> TokenShape:
        frames, height, width = video_size(latent)
        return TokenShape(height, width, 1, frames)

    def text_states(self, model: Any, text: Text, device: torch.device) -> torch.Tensor:
        net = model.diffusion_model
        states = text["cross_attn"].to(device, compute_dtype(model))
        raw = "unprocessed_ltxav_embeds" in text
        both = net.preprocess_text_embeds(states, unprocessed=raw)  # of video and sound
        if net.caption_proj_before_connector:
            return both[..., : net.cross_attention_dim]
        return net.caption_projection(both[..., : net.caption_channels])

    @contextmanager
    def patched(
        self, model: Any, plan: CallPlan, cache: TextCache, inputs: CallInputs
    ) -> Iterator[CallInputs]:
        blocks = model.diffusion_model.transformer_blocks
        timed = [layer for layer in plan.layers if blocks[layer].cross_attention_adaln]
        if not timed:
            with super().patched(model, plan, cache, inputs) as call:
                yield call
            return
        times: dict[int, torch.Tensor] = {}
        inputs = replace(inputs, options={**inputs.options, TIMES: times})
        noting = [(blocks[i], _noting(blocks[i].forward, times, i)) for i in timed]
        # Keys and values change with the time, so none are kept.
        with (
            scoped_forwards(noting),
            super().patched(model, plan, TextCache(0), inputs) as call,
        ):
            yield call

    def prepared(self, model: Any, plan: CallPlan, inputs: CallInputs) -> CallInputs:
        blocks = model.diffusion_model.transformer_blocks
        plan.memo["tables"] = {
            layer: blocks[layer].prompt_scale_shift_table
            for layer in plan.layers
            if blocks[layer].cross_attention_adaln
        }
        return inputs

    def forward(self, module: Any, layer: RegionalLayer) -> Callable[..., Any]:
        table = layer.plan.memo["tables"].get(layer.index)

        def project(text: torch.Tensor) -> KeyValue:
            if table is not None:
                time = layer.inputs.options[TIMES][layer.index][:1]  # all rows have the same
                moves = table.to(text)[None, None] + time.unflatten(2, (2, -1))
                shift, scale = moves.unbind(2)
                text = text * (1 + scale) + shift
            return module.k_norm(module.to_k(text)), module.to_v(text)

        host = partial(host_attention.optimized_attention, attn_precision=module.attn_precision)
        ask = layer.asking(module.heads, host, project)

        def forward(
            x: torch.Tensor,
            context: torch.Tensor,
            mask: torch.Tensor | None = None,
            pe: None = None,
            k_pe: None = None,
            transformer_options: dict[str, Any] | None = None,
        ) -> torch.Tensor:
            q = module.q_norm(module.to_q(x))
            k, v = module.k_norm(module.to_k(context)), module.to_v(context)
            out = ask(q, k, v, mask=mask, transformer_options=transformer_options)
            gating = getattr(module, "to_gate_logits", None)
            if gating is not None:
                gates = 2.0 * torch.sigmoid(gating(x))
                out = (out.unflatten(2, (module.heads, -1)) * gates[..., None]).flatten(2)
            return module.to_out(out)

        # It reads the times that the blocks note, which they do when the graph has run.
        return without_compile(forward)


def _projected_by_encoder(net: Any) -> bool:
    """Whether the text encoder already gives what the blocks read, of video and sound."""
    first_linear = getattr(net, "caption_projection_first_linear", True)
    return net.caption_proj_before_connector and not first_linear


def _noting(forward: Callable[..., Any], times: dict[int, torch.Tensor], index: int) -> Any:
    def noted(*args: Any, v_prompt_timestep: torch.Tensor, **kw: Any) -> Any:
        times[index] = v_prompt_timestep
        return forward(*args, v_prompt_timestep=v_prompt_timestep, **kw)

    return without_compile(noted, recursive=False)
