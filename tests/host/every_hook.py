"""Every patch hook of the host, set at once: each counts its calls, and some change what they see.

Other packs set these; a family whose stand-in forward skips one would drop their work in silence.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

# Names under ``transformer_options["patches"]`` that any host at hand reads.
NAMES = (
    "attn1_patch", "attn2_patch", "attn1_output_patch", "attn2_output_patch", "middle_patch",
    "middle_block_patch", "middle_block_after_patch", "input_block_patch",
    "input_block_patch_after_skip", "output_block_patch", "double_block", "single_block",
    "post_input", "noise_refiner",
)  # fmt: skip


class EveryHook:
    """Hooks under all names.

    Attributes:
        calls: how often each name was called.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def on(self, model: Any) -> Any:
        """A clone of the model with the hooks."""
        clone = model.clone()
        options = clone.model_options["transformer_options"]
        patches = {name: [self._hook(name)] for name in NAMES}
        clone.model_options["transformer_options"] = {**options, "patches": patches}
        return clone

    def _hook(self, name: str) -> Any:
        def hook(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            if len(args) == 1 and isinstance(args[0], dict):  # the blocks of transformers
                given = args[0]
                if "x" in given and set(given) <= {"x", "q", "k", "transformer_options"}:  # Wan
                    return given["x"] * 1.25
                if name in ("double_block", "single_block") and "img" in given:
                    return {**given, "img": given["img"] * 1.25}
                return given
            if "pe" in kwargs:  # queries, keys and values of newer hosts
                return {"q": args[0] * 1.25} if name == "attn2_patch" else {}
            if name.endswith("output_patch"):
                return args[0] * 1.25
            if len(args) >= 4:  # queries, text and values of the UNet
                return (args[0] * 1.25, *args[1:3])
            return args[:2] if len(args) >= 3 else next(iter(args))

        return hook
