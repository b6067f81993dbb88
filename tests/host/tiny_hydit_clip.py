"""HunyuanDiT's real text encoder classes and tokenizers, with tiny random weights."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import comfy.sd
import comfy.text_encoders.hydit
import torch

CLIP_DIM, T5_DIM = 32, 64

_TEXT = """a room with green walls and an orange tree outside the window
a blue chair on the left and a red chair on the right of a wooden table
two kittens asleep on a grey sofa under a painting of the sea at night
soft morning light falls through tall windows on a stone floor
an old sailing ship leaves the harbour while gulls circle above it""".splitlines()


def sentencepiece_model() -> torch.Tensor:
    """A sentencepiece model trained on a few lines, as the bytes that a checkpoint holds."""
    import sentencepiece

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_TEXT * 20),
        model_writer=written,
        vocab_size=70,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    return torch.frombuffer(bytearray(written.getvalue()), dtype=torch.uint8)


def tiny_hydit_clip() -> comfy.sd.CLIP:
    """``comfy.sd.CLIP`` around ``HyditModel`` and ``HyditTokenizer``."""
    target: Any = SimpleNamespace(
        params={},
        clip=lambda **kw: comfy.text_encoders.hydit.HyditModel(
            device="cpu", dtype=torch.float32, model_options=kw["model_options"]
        ),
        tokenizer=comfy.text_encoders.hydit.HyditTokenizer,
    )
    small = {
        "hydit_clip_model_config": {
            "hidden_size": CLIP_DIM,
            "intermediate_size": 64,
            "num_attention_heads": 4,
            "num_hidden_layers": 2,
        },
        "mt5xl_model_config": {
            "d_model": T5_DIM,
            "d_ff": 128,
            "d_kv": 16,
            "num_heads": 4,
            "num_layers": 2,
            "vocab_size": 70,
        },
    }
    clip = comfy.sd.CLIP(
        target,
        tokenizer_data={"mt5xl.spiece_model": sentencepiece_model()},
        model_options={**small, "dtype": torch.float32},
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in clip.cond_stage_model.named_parameters():
            if "norm" in name.lower() and parameter.ndim == 1:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
            else:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return clip
