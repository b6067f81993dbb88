"""What the host must be able to do, tried out instead of read from its version."""

from __future__ import annotations

import comfy.ldm.modules.attention as host_attention
import torch

from ..errors import HostError
from .joint import OVERRIDE


def require_override(family: str) -> None:
    """Raise where the host's attention does not ask ``optimized_attention_override``.

    Without it a joint-attention model would run unpatched, and nobody would notice.

    Raises:
        HostError: names the first ComfyUI that has it.
    """
    asked = []

    def override(func: object, q: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        asked.append(func)
        return q

    q = torch.zeros(1, 1, 8)
    try:
        options = {OVERRIDE: override}
        host_attention.optimized_attention(q, q, q, 1, transformer_options=options)
    except TypeError:  # an attention function that takes no options at all
        asked.clear()
    if not asked:
        raise HostError(
            f"This ComfyUI does not let patches take part in attention ({OVERRIDE} is missing), "
            f"which {family} needs. Update ComfyUI to 0.3.60 or later, or use a model with "
            "cross-attention."
        )
