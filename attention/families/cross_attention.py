"""What all cross-attention families share: image tokens ask the text of their own region.

While the network runs, ``forward`` of each patched cross-attention module is swapped. The stand-in
projects queries, keys and values of the whole batch through the module's own submodules, in the
shapes that the stock forward has: rows without regions come out bit by bit as without the patch,
and LoRA, fp8 storage and offloading act as always. Only what lies between the projections, the
attention itself, differs for regional rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from ..calls.call_plan import CallPlan, LayerJob, TextCache, TextStates
from ..calls.scoped import scoped_forwards
from ..engine.attend import KeyValue, attend
from ..errors import HostError, PromptError
from ..rules import AttentionKind, Couple, Rule
from ..text.prompts import Text
from .attention_op import running
from .base import CallInputs, is_one_of
from .cross_asks import Asks, OwnTokens, traceable


class CrossAttentionFamily(ABC):
    """Base of the cross-attention families. A subclass says how to find modules and tokens."""

    name: str
    host_classes: tuple[str, ...]
    attention: AttentionKind = "cross"
    text_keys: tuple[str, ...] = ("cross_attn",)

    def matches(self, model: Any) -> bool:
        return is_one_of(model, self.host_classes)

    @abstractmethod
    def modules(self, model: Any) -> Sequence[Any]:
        """Cross-attention modules in the order of the layers."""

    @abstractmethod
    def forward(self, module: Any, layer: RegionalLayer) -> Callable[..., Any]:
        """Stand-in for the module's forward, with its signature."""

    def n_layers(self, model: Any) -> int:
        return len(self.modules(model))

    def default_rule(self, base_ratio: float) -> Rule:
        return Couple(base_ratio)

    def text_states(self, model: Any, text: Text, device: torch.device) -> torch.Tensor:
        return text["cross_attn"].to(device, compute_dtype(model))

    def prepared(self, model: Any, plan: CallPlan, inputs: CallInputs) -> CallInputs:
        """The inputs of the network's call; the place to refuse what cannot work."""
        return inputs

    def first_token(self, model: Any, inputs: CallInputs) -> int:
        """Tokens of reference images before those of the latent."""
        return 0

    def lay_out(self, model: Any, chunks: Sequence[slice], inputs: CallInputs) -> None:
        if inputs.routing is not None:
            first = self.first_token(model, inputs)
            inputs.routing.lay_out(("cross", first), first=first)

    @contextmanager
    def patched(
        self, model: Any, plan: CallPlan, cache: TextCache, inputs: CallInputs
    ) -> Iterator[CallInputs]:
        inputs = self.prepared(model, plan, inputs)
        self.lay_out(model, plan.chunks, inputs)
        modules = self.modules(model)
        replacements: list[tuple[Any, Callable[..., Any]]] = []
        asks: dict[int, Asks] = {}

        def attends(layer: int, q: Any, k: Any, v: Any, mask: Any, *_: Any) -> torch.Tensor:
            return asks[layer](q, k, v, mask=mask)

        for index, jobs in plan.layers.items():
            layer = RegionalLayer(self.name, index, jobs, plan, cache, inputs, asks)
            replacements.append((modules[index], self.forward(modules[index], layer)))
        try:
            with scoped_forwards(replacements), running(attends):
                yield inputs
        finally:
            asks.clear()  # they and their layers hold each other, and texts on the device


def compute_dtype(model: Any) -> torch.dtype:
    """What the network computes in; its weights may be stored as something smaller."""
    return model.manual_cast_dtype or model.get_dtype()


def video_size(latent: tuple[int, ...]) -> tuple[int, int, int]:
    """(frames, height, width) of a latent; a picture's latent is a video of one frame."""
    *frames, height, width = latent
    return (frames[0] if frames else 1, height, width)


@dataclass(frozen=True, slots=True, eq=False)
class RegionalLayer:
    """One layer of one model call."""

    family: str
    index: int
    jobs: tuple[LayerJob, ...]
    plan: CallPlan
    cache: TextCache
    inputs: CallInputs
    asks: dict[int, Asks]

    def asking(
        self,
        heads: int,
        host: Callable[..., torch.Tensor],
        project: Callable[[torch.Tensor], KeyValue],
        *,
        own: OwnTokens | None = None,
        first: int | None = None,
        takes_options: bool = True,
    ) -> Callable[..., torch.Tensor]:
        """:meth:`attend` for a stand-in, to be called as ``ask(q, k, v, mask=...,
        transformer_options=...)``."""
        ask = Asks(self, heads, host, project, own, first, takes_options)
        self.asks[self.index] = ask
        return traceable(ask)

    def attend(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        heads: int,
        host: Callable[..., torch.Tensor],
        project: Callable[[torch.Tensor], KeyValue],
        *,
        mask: torch.Tensor | None = None,
        own: OwnTokens | None = None,
        first: int | None = None,
    ) -> torch.Tensor:
        """Stock attention for rows without regions, the rule's groups for the others.

        Args:
            q, k, v: as the stock forward hands them to attention, [B, N, C] or [B, H, N, D].
            heads: H.
            host: ComfyUI's attention function, with whatever else the stock forward gives it.
            project: states of a text [1, T, C_text] -> its (k, v) in the layout of k and v.
            mask: [B, 1, 1, T] of the stock call, 0 for text and hugely negative for padding.
            own: which tokens of the global prompt some rows have; by default what ``mask`` keeps.
            first: token at which the latent's tokens begin, where there are others around them,
                which then follow the global prompt. None: there are no others.

        Returns:
            [B, N, C] before the output projection.
        """
        flat = q.ndim == 3
        token_axis = 1 if flat else 2
        n_tokens = q.shape[token_axis]
        self._check(q.shape[0], n_tokens, first)

        def split(t: torch.Tensor) -> torch.Tensor:
            return t.unflatten(2, (heads, -1)).transpose(1, 2) if flat else t

        def stock(rows: slice) -> torch.Tensor:
            masked = {} if mask is None else {"mask": mask[rows]}
            return host(q[rows], k[rows], v[rows], heads, skip_reshape=not flat, **masked)

        def by_head(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return host(q, k, v, heads, skip_reshape=True)

        if own is None and mask is not None:
            own = self._unmasked(mask)
        width = q.shape[2] if flat else heads * q.shape[3]
        out = q.new_empty(q.shape[0], n_tokens, width)
        for rows in self.plan.plain_rows(self.jobs):
            out[rows] = stock(rows)
        for job in self.jobs:
            rows, target, asked = job.rows, out[job.rows], q[job.rows]
            if first is not None and n_tokens != job.grid.n_tokens:
                target[:] = stock(rows)
                target = target.narrow(1, first, job.grid.n_tokens)
                asked = asked.narrow(token_axis, first, job.grid.n_tokens)
            kept = None if own is None else own(rows)
            base = (k[rows], v[rows])
            if kept is not None:
                base = tuple(t[..., kept, :] for t in base)
            texts = [(split(base[0]), split(base[1]))]
            for text in job.texts:
                key = (self.index, text.key)
                pair = self.cache.get(key, partial(self._projected, project, text))
                texts.append(_for_rows(split(pair[0]), split(pair[1]), asked.shape[0]))
            target[:] = attend(split(asked), texts, job.groups, by_head)
        return out

    def _projected(self, project: Callable[[torch.Tensor], KeyValue], text: TextStates) -> KeyValue:
        """Keys and values of a regional text, with the LoRAs of its region."""
        routing = self.inputs.routing
        if routing is None:
            return project(text.states)
        with routing.speaking(text.owner):
            return project(text.states)

    def _check(self, n_rows: int, n_tokens: int, first: int | None) -> None:
        where = f"{self.family} layer {self.index}"
        planned = self.plan.chunks[-1].stop
        if n_rows != planned:
            raise HostError(
                f"{where} is called with {n_rows} rows, expected {planned}. Another patch changes "
                "the batch inside the model (another regional prompting node does that); remove it."
            )
        wanted = self.jobs[0].grid.n_tokens
        if n_tokens < wanted or (first is None and n_tokens != wanted):
            raise HostError(
                f"{where} has {n_tokens} image tokens, expected {wanted} from the latent. Another "
                "patch changes the tokens; remove it."
            )

    def _unmasked(self, mask: torch.Tensor) -> OwnTokens:
        """What the mask keeps, read back from the device once per plan."""

        def own(rows: slice) -> torch.Tensor | None:
            key = ("unmasked", rows.start)
            if key not in self.plan.memo:
                kept = (mask[rows][0].flatten() >= 0).nonzero()[:, 0]
                if kept.numel() == 0:
                    raise PromptError("The attention mask of the positive prompt leaves no token.")
                whole = kept.numel() == mask.shape[-1]
                self.plan.memo[key] = None if whole else kept
            return self.plan.memo[key]

        return own


def _for_rows(k: torch.Tensor, v: torch.Tensor, n_rows: int) -> KeyValue:
    """One prompt's keys and values, seen by every image of the batch (views, not copies)."""
    return k.expand(n_rows, -1, -1, -1), v.expand(n_rows, -1, -1, -1)
