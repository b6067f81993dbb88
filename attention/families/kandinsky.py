"""Kandinsky 5, pictures and videos: cross-attention over Qwen2.5-VL's tokens, 2 x 2 patches.

``visual_transformer_blocks[i].cross_attention`` asks a text that has passed blocks of its own first
(``text_transformer_blocks``: attention over the text, moved by the time and the pooled CLIP
vector). So each regional prompt passes them alone, at each call anew, with the time and the global
prompt's pooled vector; what comes out is kept for the layers of that call.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import comfy.ldm.modules.attention as host_attention
import torch

from ..calls.call_plan import CallPlan, LayerJob, TextCache
from ..calls.scoped import scoped_forwards, without_compile
from ..engine.attend import KeyValue
from ..text.prompts import Text
from .base import CallInputs, TokenShape
from .cross_attention import CrossAttentionFamily, RegionalLayer, compute_dtype, video_size

REFINER = "regional_dit_kandinsky_refiner"  # in the options of one call


class Kandinsky5(CrossAttentionFamily):
    name = "Kandinsky 5"
    host_classes = ("Kandinsky5", "Kandinsky5Image")

    def modules(self, model: Any) -> Sequence[Any]:
        return [block.cross_attention for block in model.diffusion_model.visual_transformer_blocks]

    def text_width(self, model: Any) -> int:
        return model.diffusion_model.text_embeddings.in_layer.in_features

    def token_shape(self, model: Any, latent: tuple[int, ...], layer: int) -> TokenShape:
        _, patch, _ = model.diffusion_model.patch_size
        frames, height, width = video_size(latent)
        return TokenShape(-(-height // patch), -(-width // patch), patch, frames)

    def text_states(self, model: Any, text: Text, device: torch.device) -> torch.Tensor:
        states = text["cross_attn"].to(device, compute_dtype(model))
        return model.diffusion_model.text_embeddings(states)

    @contextmanager
    def patched(
        self, model: Any, plan: CallPlan, cache: TextCache, inputs: CallInputs
    ) -> Iterator[CallInputs]:
        refiner = _Refiner(model.diffusion_model)
        first = model.diffusion_model.text_transformer_blocks[0]
        inputs = replace(inputs, options={**inputs.options, REFINER: refiner})
        if "by rows" not in plan.memo:
            plan.memo["by rows"] = _texts_by_rows(plan)
        noting = without_compile(refiner.noting(first.forward), recursive=False)
        # Keys and values change with the time, so none are kept.
        with (
            scoped_forwards([(first, noting)]),
            super().patched(model, plan.memo["by rows"], TextCache(0), inputs) as call,
        ):
            yield call

    def forward(self, module: Any, layer: RegionalLayer) -> Callable[..., torch.Tensor]:
        refiner: _Refiner = layer.inputs.options[REFINER]

        def heads_first(q: torch.Tensor) -> torch.Tensor:
            return q.unflatten(-1, (module.num_heads, -1)).transpose(1, 2)

        def keys_and_values(text: torch.Tensor) -> KeyValue:
            k = heads_first(module.to_key(text))
            return module.key_norm(k), heads_first(module.to_value(text))

        def project(text: Any) -> KeyValue:  # row, key and states of `_texts_by_rows`
            return keys_and_values(refiner.refined(*text))

        ask = layer.asking(module.num_heads, host_attention.optimized_attention, project)

        def forward(
            x: torch.Tensor, context: torch.Tensor, transformer_options: dict[str, Any]
        ) -> torch.Tensor:
            q = module.query_norm(heads_first(module.to_query(x)))
            k, v = keys_and_values(context)
            return module.out_layer(ask(q, k, v, transformer_options=transformer_options))

        # Projections read the time that a text block notes, which it does when the graph has run.
        return without_compile(forward)


def _texts_by_rows(plan: CallPlan) -> CallPlan:
    """The plan with (first row, key, states) as the states of each text: rows have pooled vectors
    of their own, which move the text."""

    def moved(job: LayerJob) -> LayerJob:
        row = job.rows.start
        texts = tuple(
            replace(text, key=(row, text.key), states=(row, text.key, text.states))
            for text in job.texts
        )
        return replace(job, texts=texts)

    layers = {index: tuple(map(moved, jobs)) for index, jobs in plan.layers.items()}
    return replace(plan, layers=layers)


class _Refiner:
    """The network's text blocks for regional prompts, in one call."""

    def __init__(self, net: Any) -> None:
        self.net = net
        self._time: torch.Tensor | None = None
        self._options: dict[str, Any] = {}
        self._kept: dict[Hashable, torch.Tensor] = {}

    def noting(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        """The first text block's forward; notes the time [B, C] that all of them are given."""

        def noted(
            x: torch.Tensor, time_embed: torch.Tensor, freqs: Any, transformer_options: Any = None
        ) -> torch.Tensor:
            options = transformer_options or {}
            if self._time is None:  # else it is one of our own calls
                self._time, self._options = time_embed, options
            return forward(x, time_embed, freqs, transformer_options=options)

        return noted

    def refined(self, row: int, key: Hashable, states: torch.Tensor) -> torch.Tensor:
        """[1, T, C] of a prompt alone, at the time of a row."""
        if (row, key) not in self._kept:
            assert self._time is not None, "text blocks come before those of the image"
            time, n = self._time[row : row + 1], states.shape[1]
            freqs = self.net.rope_encode_1d(
                n, device=states.device, dtype=states.dtype, transformer_options=self._options
            )
            for block in self.net.text_transformer_blocks:
                states = block(states, time, freqs, transformer_options=self._options)
            self._kept[row, key] = states
        return self._kept[row, key]
