"""Stand-in for ComfyUI's attention function while a joint model is called with regions."""

from __future__ import annotations

import sys
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
TRACED = ("scale", "transformer_options", "_inside_attn_wrapper")


class CurrentLayer:
    """Which block is running: set by the blocks themselves, so skipped blocks do no harm."""

    def __init__(self) -> None:
        self.index: int | None = None

    def marking(self, forward: Callable[..., Any], index: int) -> Callable[..., Any]:
        def marked(*args: Any, **kwargs: Any) -> Any:
            self.index = index
            try:
                return forward(*args, **kwargs)
            finally:
                self.index = None

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
        layer: CurrentLayer,
        previous: Any,
    ) -> None:
        self._family = family
        self._call = call
        self._layout = layout
        self._layer = layer
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
        layer = self._layer.index
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
        """What the compiled model runs: [B, H, S, D] each -> [B, S, C]."""
        func = getattr(host_attention, function)
        kw = {} if scale is None else {"scale": scale}
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


def traceable(override: Override, layer: CurrentLayer) -> Callable[..., torch.Tensor]:
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
        index = layer.index
        plain = (
            torch.compiler.is_compiling()
            and index is not None
            and mask is None
            and attn_precision is None
            and override.previous is None
            and func.__module__ == host_attention.__name__  # there the operator finds it by name
            and all(name in TRACED for name in kw)
        )
        if not plain:
            kw.update(skip_reshape=skip_reshape, skip_output_reshape=skip_output_reshape)
            return apart(func, q, k, v, heads, mask=mask, attn_precision=attn_precision, **kw)
        if not skip_reshape:
            q, k, v = heads_apart(q, k, v, heads)
        out = regional_attention(q, k, v, None, index, func.__name__, kw.get("scale"))
        return out.unflatten(2, (heads, -1)).transpose(1, 2) if skip_output_reshape else out

    return attention


def heads_apart(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """[B, S, C] each, or with heads apart already; keys may have fewer heads -> [B, H, S, D]."""
    width = q.shape[2:].numel() // heads
    q, k, v = (t.flatten(2).unflatten(2, (-1, width)).transpose(1, 2) for t in (q, k, v))
    return q, k, v
