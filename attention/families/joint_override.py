"""Stand-in for ComfyUI's attention function while a joint model is called with regions."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import comfy.ldm.modules.attention as host_attention
import torch

from ..calls.scoped import without_compile
from ..engine.partial import WithLse
from ..errors import HostError
from ..joint.context import JointCall, Layout
from ..joint.places import Places, places_of
from .attention_op import regional_attention

# Keywords of an attention call that the compiled one has too, or needs not.
TRACED = ("scale", "enable_gqa", "transformer_options", "_inside_attn_wrapper")


class _Running(threading.local):
    """Which block this thread is in: set by the blocks themselves, so skipped blocks do no harm.

    It is found by its module, not by the override: ComfyUI has torch.compile look at nothing that
    is found by ``transformer_options``, and so one block's code would be run for another's.
    """

    layer: int | None = None


_running = _Running()


def marking(forward: Callable[..., Any], layer: int) -> Callable[..., Any]:
    """The forward of a block; while it runs, its attention is that of this layer."""

    def marked(*args: Any, **kwargs: Any) -> Any:
        _running.layer = layer
        try:
            return forward(*args, **kwargs)
        finally:
            _running.layer = None

    return marked


class Override:
    """Stand-in for the attention function while a regional call runs.

    An override of another pack is called for each group; the parts of a soft merge go to PyTorch's
    kernels, since no host function returns a log-sum-exp.
    """

    def __init__(
        self,
        family: str,
        call: JointCall,
        layout: Callable[[int], Layout | None],
        previous: Any,
    ) -> None:
        self._family = family
        self._call = call
        self._layout = layout
        self.previous = previous

    def __call__(
        self,
        func: Any,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        heads: int,
        mask: torch.Tensor | None = None,
        attn_precision: Any = None,
        skip_reshape: bool = False,
        skip_output_reshape: bool = False,
        **kw: Any,
    ) -> torch.Tensor:
        kw["attn_precision"] = attn_precision
        layer = _running.layer
        n_tokens = q.shape[2 if skip_reshape else 1]
        places = None
        if layer is not None:
            places = places_of(self._call, layer, n_tokens, self._layout, q.device)
        if layer is None or places is None:
            kw.update(skip_reshape=skip_reshape, skip_output_reshape=skip_output_reshape)
            return self._host(func, q, k, v, heads, mask=mask, **kw)
        if mask is not None:
            raise HostError(
                f"{self._family} layer {layer} passes an attention mask, which regional "
                "prompts cannot combine with. Remove what sets it, or the regional patch."
            )
        if not skip_reshape:
            q, k, v = heads_apart(q, k, v, heads)
        out = self._attend(places, func, layer, q, k, v, kw)
        if skip_output_reshape:
            return out.unflatten(2, (heads, -1)).transpose(1, 2)
        return out

    def compiled(
        self,
        layer: int,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        mask: torch.Tensor | None,
        function: str,
        scale: float | None,
    ) -> torch.Tensor:
        """What the compiled model runs: [B, H, S, D] each -> [B, S, C]. Keys and values may have
        fewer heads."""
        func = getattr(host_attention, function)
        kw: dict[str, Any] = {} if scale is None else {"scale": scale}
        if k.shape[1] < q.shape[1]:
            kw["enable_gqa"] = True
        places = places_of(self._call, layer, q.shape[2], self._layout, q.device)
        if places is None:
            return self._host(func, q, k, v, q.shape[1], mask=mask, skip_reshape=True, **kw)
        return self._attend(places, func, layer, q, k, v, kw)

    def _attend(
        self,
        places: Places,
        func: Any,
        layer: int,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        kw: dict[str, Any],
    ) -> torch.Tensor:
        """[B, H, S, D] each -> [B, S, C]."""
        heads = q.shape[1]

        def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return self._host(func, q, k, v, heads, mask=None, skip_reshape=True, **kw)

        partial = WithLse(getattr(func, "__name__", ""), kw.get("scale"))
        return places.attend(layer, q, k, v, attention, partial)

    def _host(self, func: Any, *args: Any, **kw: Any) -> torch.Tensor:
        if self.previous is not None:
            return self.previous(func, *args, **kw)
        return func(*args, **kw)


def traceable(override: Override) -> Callable[..., torch.Tensor]:
    """The override; where torch.compile traces the model, as an operator that it keeps whole."""
    if "torch._dynamo" not in sys.modules:
        return override
    apart = without_compile(override)

    def attention(
        func: Any,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        heads: int,
        mask: torch.Tensor | None = None,
        attn_precision: Any = None,
        skip_reshape: bool = False,
        skip_output_reshape: bool = False,
        **kw: Any,
    ) -> torch.Tensor:
        layer = _running.layer
        traced = torch.compiler.is_compiling() and override.previous is None
        if traced and layer is None:  # the text's own layers, which the host runs as ever
            kw.update(skip_reshape=skip_reshape, skip_output_reshape=skip_output_reshape)
            return func(q, k, v, heads, mask=mask, attn_precision=attn_precision, **kw)
        plain = (
            traced
            and layer is not None
            and mask is None
            and attn_precision is None
            and func.__module__ == host_attention.__name__  # there the operator finds it by name
            and all(name in TRACED for name in kw)
        )
        if not plain:
            kw.update(skip_reshape=skip_reshape, skip_output_reshape=skip_output_reshape)
            return apart(func, q, k, v, heads, mask=mask, attn_precision=attn_precision, **kw)
        if not skip_reshape:
            q, k, v = heads_apart(q, k, v, heads)
        out = regional_attention(q, k, v, None, layer, func.__name__, kw.get("scale"))
        return out.unflatten(2, (heads, -1)).transpose(1, 2) if skip_output_reshape else out

    return attention


def heads_apart(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """[B, S, C] each, or with heads apart already; keys may have fewer heads -> [B, H, S, D]."""
    width = q.shape[2:].numel() // heads
    q, k, v = (t.flatten(2).unflatten(2, (-1, width)).transpose(1, 2) for t in (q, k, v))
    return q, k, v
