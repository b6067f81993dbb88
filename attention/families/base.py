"""What a model family must say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import comfy.model_base
import torch

from ..rules import AttentionKind, Rule
from ..text.prompts import Text

if TYPE_CHECKING:
    from ..calls.call_plan import CallPlan, TextCache
    from ..lora.routing import Routing


class TokenShape(NamedTuple):
    """The image tokens of one layer: rows x cols per frame, ``patch`` latent pixels a side."""

    rows: int
    cols: int
    patch: int
    frames: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class CallInputs:
    """What a model call is given besides latent and time.

    Attributes:
        context: the text of all rows [B, T, C], as the conditioning holds it.
        options: ``transformer_options``.
        extra: further keyword arguments of the network.
        routing: of the LoRAs of single regions that act in this call.
    """

    context: torch.Tensor
    options: dict[str, Any]
    extra: dict[str, Any]
    routing: Routing | None = None


class Family(Protocol):
    """One architecture of the host. Implementations hold no state.

    ``model`` is ComfyUI's ``model_base.BaseModel``; its network is ``model.diffusion_model``.
    """

    name: str
    attention: AttentionKind  # which rules it can do
    text_keys: tuple[str, ...]  # tensors that an encoded prompt must have

    @property
    def host_classes(self) -> tuple[str, ...]:
        """Classes of ``comfy.model_base``, exactly: what derives from them is another model, with
        tokens of its own. A host may lack some."""
        ...

    def matches(self, model: Any) -> bool:
        """Whether this family can patch the model."""
        ...

    def n_layers(self, model: Any) -> int:
        """Number of transformer blocks."""
        ...

    def text_width(self, model: Any) -> int:
        """Channels of an encoded prompt's "cross_attn"."""
        ...

    def default_rule(self, base_ratio: float) -> Rule:
        """The rule where the user connects none."""
        ...

    def token_shape(self, model: Any, latent: tuple[int, ...], layer: int) -> TokenShape:
        """Token grid of a layer for a latent of (h, w) or (t, h, w)."""
        ...

    def text_states(self, model: Any, text: Text, device: torch.device) -> torch.Tensor:
        """The text tokens [1, T, C_text] as the blocks see them, in the compute dtype."""
        ...

    def lay_out(self, model: Any, chunks: Sequence[slice], inputs: CallInputs) -> None:
        """Tell the routing of the inputs where the tokens of a call without regions lie.

        Args:
            chunks: row ranges of the conditioning entries.
        """
        ...

    def patched(
        self, model: Any, plan: CallPlan, cache: TextCache, inputs: CallInputs
    ) -> AbstractContextManager[CallInputs]:
        """Patch the network for one call and say what to call it with; restores it on exit, also
        after an exception."""
        ...


def is_one_of(model: Any, names: Iterable[str]) -> bool:
    """Whether a model is of one of these classes of ``comfy.model_base`` itself."""
    return type(model) in (getattr(comfy.model_base, name, None) for name in names)
