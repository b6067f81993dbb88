"""What all joint-attention families share: regional text in the sequence, attention in groups.

The text of every region is put before the global prompt's text in the context, so that all text
passes through the model's own layers. The network then computes one sequence of text and image
tokens; ``optimized_attention_override``, ComfyUI's own hook, splits each attention call into groups
of queries and hands them to the host's attention function without a mask.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import torch

from ..calls.call_plan import CallPlan, TextCache
from ..calls.scoped import scoped_forwards
from ..errors import HostError
from ..joint.base_stream import BaseStream
from ..joint.call import joint_call
from ..joint.context import JointCall, Layout, Lengths
from ..rules import AttentionKind, Bind, BlockKinds, Rule
from ..text.prompts import Text
from .attention_op import running
from .base import CallInputs, TokenShape, is_one_of
from .joint_override import Override, marking, traceable
from .joint_text import with_regions

OVERRIDE = "optimized_attention_override"


class JointFamily(ABC):
    """Base of the joint families. A subclass says how to find blocks and tokens."""

    name: str
    host_classes: tuple[str, ...]
    attention: AttentionKind = "joint"
    text_keys: tuple[str, ...] = ("cross_attn",)
    takes_mask: ClassVar[bool] = False  # whether an attention_mask concerns the text alone
    # Whether single blocks, called as block(sequence, ..., pe=...), can take a second image stream.
    takes_stream: ClassVar[bool] = False
    # Whether it takes reference images, as ``ref_latents``, each of which a region may own.
    takes_references: ClassVar[bool] = False

    def matches(self, model: Any) -> bool:
        return is_one_of(model, self.host_classes)

    @abstractmethod
    def blocks(self, model: Any) -> Sequence[Any]:
        """Transformer blocks in the order of the layers."""

    def n_layers(self, model: Any) -> int:
        return len(self.blocks(model))

    def n_double(self, model: Any) -> int:
        """How many of the blocks, the first ones, keep text and image apart; by default all."""
        return self.n_layers(model)

    def middle_layers(self, model: Any) -> tuple[int, int] | None:
        """Published (first, last) layers in which image regions may be isolated, if any are."""
        return None

    def block_kinds(self, model: Any) -> BlockKinds:
        return BlockKinds(
            self.n_layers(model),
            self.n_double(model),
            self.takes_stream,
            self.middle_layers(model),
        )

    def token_shape(self, model: Any, latent: tuple[int, ...], layer: int) -> TokenShape:
        patch = model.diffusion_model.patch_size
        rows, cols = (-(-side // patch) for side in latent[-2:])  # padded to whole tokens
        return TokenShape(rows, cols, patch, *latent[:-2])

    def default_rule(self, base_ratio: float) -> Rule:
        return Bind(base_ratio)

    def text_states(self, model: Any, text: Text, device: torch.device) -> Any:
        """A regional text as ``extended`` wants it: [1, T, C] of the ``context`` argument."""
        return text["cross_attn"].to(device)

    def text_lengths(self, model: Any, states: Any) -> Lengths:
        """Tokens that a regional text takes in each text stream of the sequence."""
        return (states.shape[1],)

    def text_tokens(self, model: Any, text: Text) -> int:
        """Tokens that a regional text adds to the sequence, for the host's memory estimate."""
        return sum(self.text_lengths(model, self.text_states(model, text, torch.device("cpu"))))

    def base_lengths(self, model: Any, inputs: CallInputs) -> Lengths:
        """The same of the conditioning's own text."""
        return (inputs.context.shape[1],)

    def reference_lengths(self, model: Any, inputs: CallInputs) -> Lengths:
        """Tokens of each reference image; they follow each other behind the image."""
        if not self.takes_references:
            return ()
        patch = model.diffusion_model.patch_size
        lengths = []
        for latent in inputs.extra.get("ref_latents") or ():
            rows, cols = (-(-side // patch) for side in latent.shape[-2:])
            lengths.append(latent.shape[2:-2].numel() * rows * cols)
        return tuple(lengths)

    def extended(self, model: Any, call: JointCall, inputs: CallInputs) -> CallInputs:
        """The inputs with the regional texts in the context."""
        return replace(inputs, context=with_regions(inputs.context, call))

    def layout(self, model: Any, call: JointCall, n_tokens: int) -> Layout | None:
        """Places in a sequence of ``n_tokens``; None where it is no joint sequence.

        This is for [text | image | reference images].
        """
        image = call.n_text, call.n_text + call.grid.n_tokens
        if n_tokens < image[1]:
            return None
        return Layout(lambda spans: spans, image=(image,), references=((image[1], n_tokens),))

    def n_joint_text(self, call: JointCall) -> int:
        """Tokens of all texts in the sequence."""
        return sum(call.extra) + sum(call.base)

    def lay_out(self, model: Any, chunks: Sequence[slice], inputs: CallInputs) -> None:
        routing = inputs.routing
        if routing is None:
            return
        base = self.base_lengths(model, inputs)
        if routing.plain_call is None or routing.plain_call.base != base:
            grid = routing.chunks[0].grid(None)
            routing.plain_call = JointCall((), tuple(chunks), (0,) * len(base), base, grid)
        self._route(model, routing.plain_call, inputs)

    def _route(self, model: Any, call: JointCall, inputs: CallInputs) -> None:
        """Tell the routing of LoRAs where the tokens lie, and the call who listens."""
        call.voice.routing = inputs.routing
        if inputs.routing is not None:
            layout, n_text = partial(self.layout, model, call), self.n_joint_text(call)
            inputs.routing.lay_out(id(call), call, layout, n_joint_text=n_text)

    @contextmanager
    def scoped(self, model: Any, call: JointCall, inputs: CallInputs) -> Iterator[CallInputs]:
        """Whatever else the family must change for one call (positions of text, masks)."""
        yield inputs

    @contextmanager
    def patched(
        self, model: Any, plan: CallPlan, cache: TextCache, inputs: CallInputs
    ) -> Iterator[CallInputs]:
        if not self.takes_mask:
            _refuse_mask(self.name, inputs)
        call = joint_call(
            plan,
            self.base_lengths(model, inputs),
            partial(self.text_lengths, model),
            self.reference_lengths(model, inputs),
        )
        self._route(model, call, inputs)
        layout = partial(self.layout, model, call)
        override = Override(self.name, call, layout, inputs.options.get(OVERRIDE))
        options = {**inputs.options, OVERRIDE: traceable(override)}
        inputs = self.extended(model, call, replace(inputs, options=options))
        stream = BaseStream(call, layout)
        marked = [
            (block, marking(stream.extending(block.forward, i), i))
            for i, block in enumerate(self.blocks(model))
        ]
        with (
            scoped_forwards(marked),
            running(override.compiled),
            self.scoped(model, call, inputs) as changed,
        ):
            yield changed


def _refuse_mask(family: str, inputs: CallInputs) -> None:
    if inputs.extra.get("attention_mask") is not None:
        raise HostError(
            f"The positive conditioning of this {family} model carries an attention mask (Redux "
            "with a mask does that). Regional prompts change the text tokens that it was made "
            "for: remove the mask, or the regional patch."
        )
