"""Flux.1 dev and schnell: double blocks, then single blocks, over [text | image | references].

Text positions are all zero, so further text can be put anywhere in the context.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from ..joint.context import JointCall
from .base import CallInputs
from .joint import JointFamily
from .joint_text import with_text_watched


class Flux(JointFamily):
    name = "Flux"
    host_classes = ("Flux",)
    takes_stream: ClassVar[bool] = True
    takes_references: ClassVar[bool] = True

    def blocks(self, model: Any) -> Sequence[Any]:
        net = model.diffusion_model
        return [*net.double_blocks, *net.single_blocks]

    def n_double(self, model: Any) -> int:
        return len(model.diffusion_model.double_blocks)

    def text_width(self, model: Any) -> int:
        return model.diffusion_model.params.context_in_dim

    @contextmanager
    def scoped(self, model: Any, call: JointCall, inputs: CallInputs) -> Iterator[CallInputs]:
        """Other packs' patches of the embedded input must leave the number of text tokens alone."""
        yield with_text_watched(self.name, call, inputs)
