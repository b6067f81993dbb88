"""What the stand-ins of cross-attention modules call between their projections, compiled or not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from ..engine.attend import KeyValue
from .attention_op import regional_attention

if TYPE_CHECKING:
    from .cross_attention import RegionalLayer

# Which tokens of the global prompt some rows really have; None for all.
OwnTokens = Callable[[slice], torch.Tensor | slice | None]


@dataclass(frozen=True, slots=True, eq=False)
class Asks:
    """What a stand-in calls between its projections.

    Attributes:
        layer: of the call.
        heads, host, project, own, first: as :meth:`RegionalLayer.attend` wants them.
        takes_options: whether the host's function is given ``transformer_options``.
    """

    layer: RegionalLayer
    heads: int
    host: Callable[..., torch.Tensor]
    project: Callable[[torch.Tensor], KeyValue]
    own: OwnTokens | None
    first: int | None
    takes_options: bool

    def __call__(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        *,
        mask: torch.Tensor | None = None,
        transformer_options: dict[str, Any] | None = None,
    ) -> torch.Tensor:
        host = self.host
        if self.takes_options:
            options = transformer_options or self.layer.inputs.options
            host = partial(host, transformer_options=options)
        return self.layer.attend(
            q, k, v, self.heads, host, self.project, mask=mask, own=self.own, first=self.first
        )


def traceable(ask: Asks) -> Callable[..., torch.Tensor]:
    """The same; where torch.compile traces the model, as an operator that it keeps whole."""
    if "torch._dynamo" not in sys.modules:
        return ask
    index = ask.layer.index

    def attention(
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        *,
        mask: torch.Tensor | None = None,
        transformer_options: dict[str, Any] | None = None,
    ) -> torch.Tensor:
        if torch.compiler.is_compiling():
            return regional_attention(q, k, v, mask, index, "", None)
        return ask(q, k, v, mask=mask, transformer_options=transformer_options)

    return attention
