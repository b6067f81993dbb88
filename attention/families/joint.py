"""What all joint-attention families share: regional text in the sequence, attention in groups.

The text of every region is put before the global prompt's text in the context, so that all text
passes through the model's own layers. The network then computes one sequence of text and image
tokens; ``optimized_attention_override``, ComfyUI's own hook, splits each attention call into groups
of queries and hands them to the host's attention function without a mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch

from ..errors import HostError
from ..joint_call import JointCall, Layout, joint_call
from ..partial import Partial, attention_with_lse
from ..prompts import Text
from ..rules import AttentionKind, Bind, Rule
from ..sampling import CallPlan, TextCache
from ..scoped import scoped_forwards, without_compile
from .base import CallInputs

OVERRIDE = "optimized_attention_override"


class JointFamily:
    """Base of the joint families. A subclass says how to find blocks and tokens."""

    name: str
    attention: AttentionKind = "joint"
    text_keys: tuple[str, ...] = ("cross_attn",)
    prefix: ClassVar[int] = 0  # register tokens before the text

    def blocks(self, model: Any) -> Sequence[Any]:
        """Transformer blocks in the order of the layers."""
        raise NotImplementedError

    def n_layers(self, model: Any) -> int:
        return len(self.blocks(model))

    def default_rule(self, base_ratio: float) -> Rule:
        return Bind(base_ratio)

    def text_states(self, model: Any, text: Text, device: torch.device) -> torch.Tensor:
        """[1, T, C] as the network's ``context`` argument holds it."""
        return text["cross_attn"].to(device)

    def extended(self, model: Any, call: JointCall, inputs: CallInputs) -> CallInputs:
        """The inputs with the regional texts in the context."""
        context = inputs.context
        shape = (context.shape[0], call.extra + context.shape[1], context.shape[2])
        longer = context.new_zeros(shape)
        longer[:, call.extra :] = context
        for row in call.regional:
            for texts in row.sets.values():
                for start, states in zip(texts.starts, texts.states, strict=True):
                    longer[row.rows, start : start + states.shape[1]] = states.to(longer)
        return CallInputs(longer, inputs.options, inputs.extra)

    def layout(self, call: JointCall, n_tokens: int) -> Layout | None:
        """Places in a sequence of ``n_tokens``; None where it is no joint sequence."""
        image = self.prefix + call.extra + call.base_length
        if n_tokens < image + call.n_image:
            return None
        references = (image + call.n_image, n_tokens)
        return Layout(
            text=lambda start, stop: ((self.prefix + start, self.prefix + stop),),
            image=((image, image + call.n_image),),
            always=((0, self.prefix), references),
        )

    @contextmanager
    def scoped(self, model: Any, call: JointCall, inputs: CallInputs) -> Iterator[CallInputs]:
        """Whatever else the family must change for one call (positions of text, masks)."""
        yield inputs

    @contextmanager
    def patched(
        self, model: Any, plan: CallPlan, cache: TextCache, inputs: CallInputs
    ) -> Iterator[CallInputs]:
        _refuse_mask(self.name, inputs)
        call = joint_call(plan, inputs.context.shape[1])
        layer = _CurrentLayer()
        override = _Override(self, call, layer, inputs.options.get(OVERRIDE))
        options = {**inputs.options, OVERRIDE: without_compile(override)}
        inputs = self.extended(model, call, CallInputs(inputs.context, options, inputs.extra))
        marked = [
            (block, layer.marking(block.forward, index))
            for index, block in enumerate(self.blocks(model))
        ]
        with scoped_forwards(marked, recursive=False), self.scoped(model, call, inputs) as changed:
            yield changed


def _refuse_mask(family: str, inputs: CallInputs) -> None:
    if inputs.extra.get("attention_mask") is not None and family.startswith("Flux"):
        raise HostError(
            f"The positive conditioning of this {family} model carries an attention mask (Redux "
            "with a mask does that). Regional prompts change the text tokens that it was made "
            "for: remove the mask, or the regional patch."
        )


class _CurrentLayer:
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


class _Override:
    """Stand-in for the attention function while a regional call runs.

    An override of another pack is called for each group; the parts of a soft merge go to PyTorch's
    kernels, since no host function returns a log-sum-exp.
    """

    def __init__(
        self, family: JointFamily, call: JointCall, layer: _CurrentLayer, previous: Any
    ) -> None:
        self._family = family
        self._call = call
        self._layer = layer
        self._previous = previous

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
        places = None if layer is None else self._call.places(self._family, n_tokens)
        if layer is None or places is None:
            kw.update(skip_reshape=skip_reshape, skip_output_reshape=skip_output_reshape)
            return self._host(func, q, k, v, heads, mask=mask, **kw)
        if mask is not None:
            raise HostError(
                f"{self._family.name} layer {layer} passes an attention mask, which regional "
                "prompts cannot combine with. Remove what sets it, or the regional patch."
            )
        if not skip_reshape:
            q, k, v = (t.unflatten(2, (heads, -1)).transpose(1, 2) for t in (q, k, v))
        kw["skip_reshape"] = True

        def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return self._host(func, q, k, v, heads, mask=None, **kw)

        def partial(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Partial:
            if k.shape[1] != q.shape[1]:  # grouped queries
                k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (k, v))
            return attention_with_lse(q, k, v, kw.get("scale"))

        out = places.attend(layer, q, k, v, attention, partial)
        if skip_output_reshape:
            return out.unflatten(2, (heads, -1)).transpose(1, 2)
        return out

    def _host(self, func: Any, *args: Any, **kw: Any) -> torch.Tensor:
        if self._previous is not None:
            return self._previous(func, *args, **kw)
        return func(*args, **kw)
