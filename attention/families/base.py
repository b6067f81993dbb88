"""What a model family must say."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

import torch

from ..prompts import Text

if TYPE_CHECKING:
    from ..sampling import CallPlan, TextCache


class Family(Protocol):
    """One architecture of the host. Implementations hold no state.

    ``model`` is ComfyUI's ``model_base.BaseModel``; its network is ``model.diffusion_model``.
    """

    name: str
    text_keys: tuple[str, ...]  # tensors that an encoded prompt must have

    def matches(self, model: Any) -> bool:
        """Whether this family can patch the model."""
        ...

    def n_layers(self, model: Any) -> int:
        """Number of transformer blocks."""
        ...

    def token_shape(self, model: Any, height: int, width: int) -> tuple[int, int, int]:
        """(rows, cols, patch) of the token grid for a latent of height x width."""
        ...

    def text_states(self, model: Any, text: Text, device: torch.device) -> torch.Tensor:
        """The text tokens [1, T, C_text] as the blocks see them, in the compute dtype."""
        ...

    def patched(self, model: Any, plan: CallPlan, cache: TextCache) -> AbstractContextManager[None]:
        """Patch the network for one call; restores it on exit, also after an exception."""
        ...
