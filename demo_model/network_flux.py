"""The tiny Flux of the demo: its size, its start, and a forward that autograd can follow.

The host's blocks write in place (``img += ...``), which a backward pass does not survive, so
training restates them as functions over the host's own modules; ``tests/demo_model`` holds the two
equal. Sampling uses the host's forward alone. ComfyUI is imported inside the functions, so that the
caller decides where it is found.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from . import text

HIDDEN, HEADS, DOUBLE, SINGLE = 160, 5, 3, 6
AXES = (8, 12, 12)
"""Width of a head by position axis: index (always 0), row, column."""


def model_config() -> dict:
    """Constructor arguments of ``comfy.ldm.flux.model.Flux`` for the demo model."""
    return {
        "in_channels": 4, "out_channels": 4, "patch_size": 2, "hidden_size": HIDDEN,
        "num_heads": HEADS, "depth": DOUBLE, "depth_single_blocks": SINGLE, "mlp_ratio": 4.0,
        "axes_dim": list(AXES), "theta": 10000, "vec_in_dim": text.TEXT_DIM,
        "context_in_dim": text.TEXT_DIM, "qkv_bias": True, "guidance_embed": False,
    }  # fmt: skip


def for_host(config: dict) -> dict:
    """A kept config with what this version of ComfyUI asks for beyond it: no places for text."""
    from comfy.ldm.flux.model import FluxParams

    newer = "txt_ids_dims" in FluxParams.__dataclass_fields__
    return {**config, "txt_ids_dims": []} if newer else config


def initialise(net: Any) -> None:
    """Random start: Xavier, with modulation and output at zero so that blocks begin as identity."""
    with torch.no_grad():
        for name, p in net.named_parameters():
            if p.ndim < 2:
                p.fill_(1.0 if name.endswith("norm.scale") or name.endswith("norm.weight") else 0.0)
            elif ".lin." in name or "adaLN" in name or name.startswith("final_layer.linear"):
                p.zero_()
            else:
                torch.nn.init.xavier_uniform_(p)


def is_matrix(name: str, p: torch.Tensor) -> bool:
    """Whether Muon updates this parameter: the matrices of the blocks, modulation excepted."""
    return "_blocks." in name and p.ndim == 2 and ".lin." not in name


def with_names_of(net: Any, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the scales of the query and key norms to what this version of the host calls them.

    ComfyUI 0.3 says ``query_norm.scale``, later versions ``query_norm.weight``.
    """
    suffix = (
        "weight"
        if "double_blocks.0.img_attn.norm.query_norm.weight" in net.state_dict()
        else "scale"
    )
    renamed = {}
    for name, value in weights.items():
        stem, _, last = name.rpartition(".")
        is_scale = stem.endswith(("query_norm", "key_norm")) and last in ("scale", "weight")
        renamed[f"{stem}.{suffix}" if is_scale else name] = value
    return renamed


def rotation_table(net: Any, height: int, width: int, n_text: int) -> torch.Tensor:
    """The host's position table [1, 1, L, D/2, 2, 2] of text tokens, then image tokens by row.

    ``height`` and ``width`` in latent pixels, even.
    """
    rows, columns = height // net.patch_size, width // net.patch_size
    places = torch.zeros(rows, columns, 3)
    places[..., 1] = torch.arange(rows)[:, None]
    places[..., 2] = torch.arange(columns)[None]
    return net.pe_embedder(torch.cat([torch.zeros(n_text, 3), places.view(-1, 3)])[None])


def forward(
    net: Any,
    x: torch.Tensor,
    sigma: torch.Tensor,
    context: torch.Tensor,
    pooled: torch.Tensor,
    table: torch.Tensor,
) -> torch.Tensor:
    """Velocity (noise - clean) as ``Flux.forward`` computes it, without writing in place.

    Args:
        net: the host's Flux, in the dtype of ``x``.
        x: noisy latents [B, 4, h, w], h and w even.
        sigma: noise level 0..1, float32 [B].
        context: text states [B, T, TEXT_DIM].
        pooled: [B, TEXT_DIM].
        table: of :func:`rotation_table` for h, w and T.

    Returns:
        [B, 4, h, w] in the dtype of ``x``.
    """
    b, c, h, w = x.shape
    p = net.patch_size
    patches = x.view(b, c, h // p, p, w // p, p).permute(0, 2, 4, 1, 3, 5)
    image, words = net.img_in(patches.reshape(b, -1, c * p * p)), net.txt_in(context)
    vec = net.time_in(_time_embedding(sigma).to(x.dtype)) + net.vector_in(pooled)
    cos, sin = (
        table[..., i, 0].repeat_interleave(2, -1).to(x.dtype) for i in (0, 1)
    )  # each angle turns two neighbouring channels
    for block in net.double_blocks:
        image, words = _double_block(block, image, words, vec, cos, sin)
    n_text = words.shape[1]
    sequence = torch.cat([words, image], 1)
    for block in net.single_blocks:
        sequence = _single_block(block, sequence, vec, cos, sin)
    last = net.final_layer
    shift, scale = last.adaLN_modulation(vec)[:, None].chunk(2, -1)
    out = last.linear(last.norm_final(sequence[:, n_text:]) * (1 + scale) + shift)
    return out.view(b, h // p, w // p, c, p, p).permute(0, 3, 1, 4, 2, 5).reshape(b, c, h, w)


def _time_embedding(sigma: torch.Tensor, width: int = 256) -> torch.Tensor:
    half = width // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, device=sigma.device) / half)
    angle = 1000 * sigma[:, None] * frequencies
    return torch.cat([angle.cos(), angle.sin()], -1)


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    turned = torch.stack([-x[..., 1::2], x[..., 0::2]], -1).flatten(-2)
    return x * cos + turned * sin


def _attend(heads: tuple[torch.Tensor, ...], cos, sin) -> torch.Tensor:
    """q, k, v [B, H, L, D] -> [B, L, H*D]; matrix products, which bfloat16 on a CPU likes best."""
    q, k, v = heads
    q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
    b, h, n, d = q.shape
    scores = (q * d**-0.5).reshape(b * h, n, d) @ k.reshape(b * h, n, d).transpose(1, 2)
    out = torch.softmax(scores, -1) @ v.reshape(b * h, n, d)
    return out.view(b, h, n, d).transpose(1, 2).reshape(b, n, h * d)


def _heads(qkv: torch.Tensor, heads: int, norm: Any) -> tuple[torch.Tensor, ...]:
    q, k, v = qkv.view(*qkv.shape[:2], 3, heads, -1).permute(2, 0, 3, 1, 4)
    return *norm(q, k, v), v


def _double_block(block: Any, image, words, vec, cos, sin):
    streams = []
    for name, x in (("txt", words), ("img", image)):
        part = {n: getattr(block, f"{name}_{n}") for n in ("mod", "norm1", "norm2", "attn", "mlp")}
        first, second = part["mod"](vec)
        qkv = part["attn"].qkv(part["norm1"](x) * (1 + first.scale) + first.shift)
        heads = _heads(qkv, block.num_heads, part["attn"].norm)
        streams.append((x, part, first, second, heads))
    joined = tuple(torch.cat([t, i], 2) for t, i in zip(streams[0][4], streams[1][4], strict=True))
    attended = _attend(joined, cos, sin).split([words.shape[1], image.shape[1]], 1)
    out = []
    for (x, part, first, second, _), seen in zip(streams, attended, strict=True):
        x = x + part["attn"].proj(seen) * first.gate
        inner = part["norm2"](x) * (1 + second.scale) + second.shift
        out.append(x + part["mlp"](inner) * second.gate)
    return out[1], out[0]


def _single_block(block: Any, x, vec, cos, sin) -> torch.Tensor:
    mod, _ = block.modulation(vec)
    inner = block.linear1(block.pre_norm(x) * (1 + mod.scale) + mod.shift)
    qkv, mlp = inner.split([3 * block.hidden_size, block.mlp_hidden_dim_first], -1)
    seen = _attend(_heads(qkv, block.num_heads, block.norm), cos, sin)
    return x + block.linear2(torch.cat([seen, block.mlp_act(mlp)], 2)) * mod.gate
