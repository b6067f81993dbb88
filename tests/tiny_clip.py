"""The host's own CLIP classes, tiny, with random weights: both halves of one CLIP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

SIZE = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2,
        "num_hidden_layers": 2, "hidden_act": "quick_gelu"}  # fmt: skip


def tiny_vision(folder: Path) -> Any:
    """The host's ClipVisionModel; ``folder`` takes its config."""
    import comfy.clip_vision

    config = {**SIZE, "image_size": 32, "patch_size": 8, "num_channels": 3, "projection_dim": 32,
              "layer_norm_eps": 1e-5, "model_type": "clip_vision_model"}  # fmt: skip
    path = folder / "vision.json"
    path.write_text(json.dumps(config))
    torch.manual_seed(3)
    vision = comfy.clip_vision.ClipVisionModel(str(path))
    _randomise(vision.model)
    return vision


def tiny_text(folder: Path) -> HostText:
    """The host's text model in the place of a CLIP; ``folder`` takes its config."""
    import comfy.sd1_clip

    config = {**SIZE, "max_position_embeddings": 77, "vocab_size": 49408, "eos_token_id": 49407,
              "projection_dim": 32, "model_type": "clip_text_model"}  # fmt: skip
    path = folder / "text.json"
    path.write_text(json.dumps(config))
    model = comfy.sd1_clip.SDClipModel(textmodel_json_config=str(path), device="cpu")
    torch.manual_seed(4)
    _randomise(model.transformer)
    return HostText(model)


def _randomise(model: torch.nn.Module) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.2)


class HostText:
    """The two calls of ``comfy.sd.CLIP`` over the host's tokenizer and a text model of its own."""

    def __init__(self, model: Any) -> None:
        import comfy.sd1_clip

        self._model, self._tokenizer = model, comfy.sd1_clip.SDTokenizer()

    def tokenize(self, text: str) -> Any:
        return self._tokenizer.tokenize_with_weights(text)

    def encode_from_tokens(self, tokens: Any, return_pooled: bool = False) -> Any:
        assert return_pooled
        return self._model.encode_token_weights(tokens)
