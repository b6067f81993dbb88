"""LoRA by region: which tokens each delta reaches, read off the layers themselves.

Every linear layer has a delta of two LoRAs, A in the left region and B in the right one. From what
a layer gets and gives, the weights of A and B follow for each of its rows, by least squares.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lora_case import HALVES, JOINT, TINY, Case, lora, shared_case
from lora_files import lora_file
from regional_dit.attention.canvas.tokens import TokenGrid, token_coverage
from regional_dit.attention.families import find_family

FILES = ("lora_up.weight", "lora_down.weight", "alpha")
LEFT, RIGHT, BOTH, NEITHER = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5), (0.0, 0.0)
FIRST = {  # the first projection to queries, or, in UNets, the first convolution
    "Flux": "double_blocks.0.img_attn.qkv",
    "Chroma": "double_blocks.0.img_attn.qkv",
    "Flux.2": "double_blocks.0.img_attn.qkv",
    "HunyuanImage 2.1": "double_blocks.0.img_attn.qkv",
    "SD3": "joint_blocks.0.x_block.attn.qkv",
    "AuraFlow": "double_layers.0.attn.w2q",
    "Qwen-Image": "transformer_blocks.0.attn.to_q",
    "HiDream": "double_stream_blocks.0.block.attn1.to_q",
    "Lumina 2": "noise_refiner.0.attention.qkv",
    "Z-Image": "noise_refiner.0.attention.qkv",
    "HunyuanDiT": "blocks.0.attn1.Wqkv",
    "pixart": "blocks.0.attn.qkv",
    "sd15": "input_blocks.0.0",
    "sdxl": "input_blocks.0.0",
    "wan_t2v": "blocks.0.self_attn.q",
    "wan_i2v": "blocks.0.self_attn.q",
    "wan_camera": "blocks.0.self_attn.q",
    "wan22": "blocks.0.self_attn.q",
    "cosmos_predict2": "blocks.0.self_attn.q_proj",
    "cosmos1": "blocks.block0.blocks.0.block.attn.to_q.0",
    "ltxv": "transformer_blocks.0.attn1.to_q",
}
VECTORS = (
    "mod",
    "pooler",
    "t_block.",
    "mlp_t5",
    "time",
    "t_embed",
    "adaln",
    "adaLN",
    "guidance",
    "vector",
    "y_embed",
    "emb",
)


def recorded(
    case: Case, model: Any, names: list[str] | None = None
) -> dict[str, list[tuple[torch.Tensor, torch.Tensor]]]:
    """Inputs and outputs of the named layers, or of all linear ones, in a sampling of one step."""
    seen: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}
    handles = []
    for name, module in case.model.model.diffusion_model.named_modules():
        if name in names if names is not None else isinstance(module, torch.nn.Linear):

            def hook(_: Any, args: Any, out: torch.Tensor, name: str = name) -> None:
                seen.setdefault(name, []).append((args[0].clone(), out.clone()))

            handles.append(module.register_forward_hook(hook))
    try:
        case.run(model, steps=1)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def change(file: dict[str, torch.Tensor], layer: str) -> torch.Tensor:
    up, down, alpha = (file[f"lora_unet_{layer.replace('.', '_')}.{part}"] for part in FILES)
    return up.flatten(1) @ down.flatten(1) * (alpha / down.shape[0])


def weights_of(
    module: Any, x: torch.Tensor, y: torch.Tensor, a: torch.Tensor, b: torch.Tensor
) -> torch.Tensor:
    """[M, 2]: how much of A and of B each row of the output has."""
    x, y = x.reshape(-1, x.shape[-1]).double(), y.reshape(-1, y.shape[-1]).double()
    bias = None if module.bias is None else module.bias.double()
    rest = y - F.linear(x, module.weight.double(), bias)
    of_a, of_b = F.linear(x, a.double()), F.linear(x, b.double())  # [M, out]
    # The normal equations of two unknowns, solved by Cramer's rule.
    aa, ab, bb = ((p * q).sum(-1) for p, q in ((of_a, of_a), (of_a, of_b), (of_b, of_b)))
    ra, rb = ((rest * q).sum(-1) for q in (of_a, of_b))
    weights = torch.stack([bb * ra - ab * rb, aa * rb - ab * ra], -1)
    return weights / (aa * bb - ab * ab)[:, None]


@pytest.mark.parametrize("name", [name for name in TINY if name not in ("sd15", "sdxl")])
@pytest.mark.parametrize("negative", [True, False])
def test_each_row_has_the_deltas_of_its_owner(name, negative):
    case = shared_case(name)
    files = [lora_file(case.model, seed=seed) for seed in (0, 1)]
    loras = tuple(
        lora(file, str(i), strength=1.0, negative=negative) for i, file in enumerate(files, 1)
    )
    seen = recorded(case, case.patched(loras=loras, regions=HALVES))
    allowed = torch.tensor([LEFT, RIGHT, BOTH, NEITHER], dtype=torch.float64)
    modules = dict(case.model.model.diffusion_model.named_modules())
    shares = Counter()
    for layer, calls in seen.items():
        a, b = (change(file, layer) for file in files)
        for x, y in calls:
            live = x.reshape(-1, x.shape[-1]).abs().amax(1) > 1e-4  # zeros have no change at all
            found = weights_of(modules[layer], x, y, a, b)[live]
            distance, owner = (found[:, None] - allowed).abs().amax(2).min(1)
            assert distance.max() < 1e-2, (layer, x.shape)
            shares.update(owner.tolist())
    assert shares[0] and shares[1] and shares[2]  # left, right, and what has no place
    assert shares[3] or negative  # the negative prompt's rows


@pytest.mark.parametrize("name", FIRST)
def test_before_the_first_attention_each_half_is_as_with_its_lora_alone(name):
    case = shared_case(name)

    def is_spatial(layer: str) -> bool:
        return not any(word in layer for word in VECTORS) or layer.endswith("embedder.proj")

    a, b = (lora_file(case.model, seed=seed, match=is_spatial) for seed in (0, 1))
    runs = [
        recorded(case, case.patched(loras=loras, regions=HALVES), [FIRST[name]])[FIRST[name]][0][1]
        for loras in (
            (lora(a, "1"), lora(b, "2")),
            (lora(a, "all"),),
            (lora(b, "all"),),
            (),
        )
    ]
    if name in ("sd15", "sdxl"):
        runs = [run.flatten(2).mT for run in runs]
    elif name == "cosmos1":
        runs = [run.movedim(-2, 0).flatten(1, -2) for run in runs]
    else:
        runs = [run.flatten(1, -2) for run in runs]
    owned = token_coverage(HALVES, grid_of(case, runs[0].shape[1]))
    n_tokens = owned.shape[1]
    both, only_a, only_b, none = (run[:, :n_tokens] for run in runs)
    left, right = owned[0] == 1.0, owned[1] == 1.0
    assert left.sum() and right.sum()
    torch.testing.assert_close(both[:, left], only_a[:, left], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(both[:, right], only_b[:, right], atol=1e-5, rtol=1e-5)
    assert (only_a - only_b).abs().max() > 1e-2 and (only_a - none).abs().max() > 1e-2


def grid_of(case: Case, n_tokens: int) -> TokenGrid:
    """The token grid of the tiny model's own latent."""
    latent = (16, 12) if not hasattr(case.tiny, "latent") else case.tiny.latent[1:]
    shape = find_family(case.model.model).token_shape(case.model.model, latent, 0)
    if n_tokens == latent[0] * latent[1] and len(latent) == 2:
        shape = shape._replace(rows=latent[0], cols=latent[1], patch=1)
    height, width = latent[-2:]
    frames = shape.frames
    return TokenGrid(
        shape.rows, shape.cols, shape.patch, height, width, 0, 0, height, width,
        frames=frames, full_frames=frames,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("Flux", "txt_in"),
        ("Flux", "single_blocks.1.linear1"),
        ("SD3", "context_embedder"),
        ("AuraFlow", "single_layers.0.attn.w1q"),
        ("Lumina 2", "layers.0.attention.qkv"),
        ("HiDream", "single_stream_blocks.0.block.attn1.to_q"),
    ],
)
def test_each_text_has_the_lora_of_its_region_and_no_other(name, layer):
    """In the sequence the texts lie as [T2 | T1 | T0], those of HiDream three times behind the
    image."""
    case = shared_case(name)
    files = [lora_file(case.model, seed=seed) for seed in (0, 1)]
    loras = tuple(lora(file, str(i), strength=1.0) for i, file in enumerate(files, 1))
    x, y = recorded(case, case.patched(loras=loras, regions=HALVES), [layer])[layer][0]
    module = dict(case.model.model.diffusion_model.named_modules())[layer]
    found = weights_of(module, x, y, *(change(file, layer) for file in files))
    found = found.reshape(*x.shape[:2], 2).round(decimals=2)
    length = JOINT[name].text_length
    text = [RIGHT] * length + [LEFT] * length + [BOTH] * length
    image = ([LEFT] * 3 + [RIGHT] * 3) * 8
    expected = {
        "Flux": text + image,
        "SD3": text,
        "AuraFlow": [BOTH] * 8 + text + image,
        "Lumina 2": text + image,
    }.get(name, text)
    if layer == "txt_in":
        expected = text
    if name == "HiDream":
        (states,) = case.tiny.conditioning(1)
        n_llama = states[1]["conditioning_llama3"].shape[2]
        llama = [RIGHT] * n_llama + [LEFT] * n_llama + [BOTH] * n_llama
        expected = image + text + llama + llama
    positive = [row for row in found.tolist() if row[0] != [0.0, 0.0] or name == "HiDream"]
    assert any(_close(row, expected) for row in positive), [tuple(p) for p in found[0].tolist()]


def _close(row: list[list[float]], expected: list[tuple[float, float]]) -> bool:
    return len(row) == len(expected) and all(
        abs(a - c) < 0.02 and abs(b - d) < 0.02
        for (a, b), (c, d) in zip(row, expected, strict=True)
    )
