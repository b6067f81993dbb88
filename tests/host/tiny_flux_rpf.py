"""Regional Prompting FLUX written out: equations (1) to (7) of arXiv 2411.02395 on Flux's weights.

An oracle for the tests. It follows the paper and the behaviour of its authors' code: one boolean
mask over the whole sequence, plain softmax, two passes per block, a base stream of its own in the
single blocks. It shares no code with the pack and knows no groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from comfy.ldm.flux.layers import timestep_embedding
from comfy.ldm.flux.math import apply_rope


def attention_mask(members: torch.Tensor, length: int) -> torch.Tensor:
    """M of equations (2) to (4), text first: [R L + N, R L + N] bool.

    Args:
        members: [R, N] bool; tokens of no region see each other alone.
        length: L, tokens of each regional prompt.
    """
    n_regions, n_image = members.shape
    n_text = n_regions * length
    mask = torch.zeros(n_text + n_image, n_text + n_image, dtype=torch.bool)
    for r, member in enumerate(members):
        text = slice(r * length, (r + 1) * length)
        mask[text, text] = True
        mask[text, n_text:] = member
        mask[n_text:, text] = member[:, None]
        mask[n_text:, n_text:] |= member[:, None] & member[None, :]
    free = ~members.any(0)
    mask[n_text:, n_text:] |= free[:, None] & free[None, :]
    return mask


@dataclass
class DenseRPF:
    """Stand-in for ``forward_orig`` of a Flux network.

    Attributes:
        net: the network.
        stock: its own ``forward_orig``, for the steps after the last regional one.
        texts: regional prompts [R, L, C].
        members: [R, N] bool.
        base_ratio: beta of equation (7).
        inject_steps, double_interval, single_interval: as in the public code.
        pure_base: what is not masked does as the model without regions; False: no mask at all.
        uncovered_is_base: tokens of no region take the base path alone.
    """

    net: Any
    stock: Any
    texts: torch.Tensor
    members: torch.Tensor
    base_ratio: float
    inject_steps: int
    double_interval: int = 1
    single_interval: int = 1
    pure_base: bool = False
    uncovered_is_base: bool = False
    calls: int = 0

    def __call__(
        self,
        img: torch.Tensor,
        img_ids: torch.Tensor,
        txt: torch.Tensor,
        txt_ids: torch.Tensor,
        timesteps: torch.Tensor,
        y: torch.Tensor,
        guidance: torch.Tensor,
        control: Any = None,
        transformer_options: Any = None,
        attn_mask: Any = None,
        **of_newer_hosts: Any,
    ) -> torch.Tensor:
        self.calls += 1
        if self.calls > self.inject_steps:
            return self.stock(
                img,
                img_ids,
                txt,
                txt_ids,
                timesteps,
                y,
                guidance,
                control,
                transformer_options=transformer_options,
                attn_mask=attn_mask,
                **of_newer_hosts,
            )
        net, batch = self.net, img.shape[0]
        control = control or {"input": (), "output": ()}
        image = net.img_in(img)
        vec = net.time_in(timestep_embedding(timesteps, 256).to(img.dtype))
        vec = vec + net.guidance_in(timestep_embedding(guidance, 256).to(img.dtype))
        vec = vec + net.vector_in(y)
        base = net.txt_in(txt)
        own = net.txt_in(self.texts.flatten(0, 1)[None]).expand(batch, -1, -1)
        pe = net.pe_embedder(torch.cat([txt_ids.new_zeros(batch, own.shape[1], 3), img_ids], 1))
        pe_base = net.pe_embedder(torch.cat([txt_ids, img_ids], 1))
        mask = attention_mask(self.members, self.texts.shape[1])

        for index, block in enumerate(net.double_blocks):
            masked = index % self.double_interval == 0
            image, own, base = self.double(block, image, own, base, vec, pe, pe_base, mask, masked)
            if index < len(control["input"]):
                image = image + control["input"][index]

        regional = torch.cat([own, image], 1)
        stream = torch.cat([base, image], 1)
        last_masked = (len(net.single_blocks) - 1) // self.single_interval * self.single_interval
        for index, block in enumerate(net.single_blocks):
            masked = index % self.single_interval == 0
            if self.pure_base and index > last_masked:  # from here on one image
                image = regional[:, own.shape[1] :]
                stream = torch.cat([stream[:, : base.shape[1]], image], 1)
            regional, stream = self.single(block, regional, stream, vec, pe, pe_base, mask, masked)
            if index < len(control["output"]):
                image = regional[:, own.shape[1] :] + control["output"][index]
                regional = torch.cat([regional[:, : own.shape[1]], image], 1)
        return net.final_layer(regional[:, own.shape[1] :], vec)

    def mixed(self, regional: torch.Tensor, base: torch.Tensor, masked: bool) -> torch.Tensor:
        """Equation (7) on the attention outputs of the image tokens."""
        if not masked and self.pure_base:
            return base
        ratio = torch.full((self.members.shape[1], 1), self.base_ratio)
        if self.uncovered_is_base:
            ratio[~self.members.any(0)] = 1.0
        return (1 - ratio) * regional + ratio * base

    def double(self, block, image, own, base, vec, pe, pe_base, mask, masked):
        mod1, mod2 = block.img_mod(vec)
        text_mod1, text_mod2 = block.txt_mod(vec)
        of_image = heads(block.img_attn, block.img_norm1(image), mod1, block.num_heads)
        of_own = heads(block.txt_attn, block.txt_norm1(own), text_mod1, block.num_heads)
        of_base = heads(block.txt_attn, block.txt_norm1(base), text_mod1, block.num_heads)
        n_own, n_base = own.shape[1], base.shape[1]
        seen = mask if masked or self.pure_base else None
        out = softmax_attention(joined(of_own, of_image), pe, seen)
        out_base = softmax_attention(joined(of_base, of_image), pe_base, None)
        project = block.img_attn.proj
        attended = self.mixed(project(out[:, n_own:]), project(out_base[:, n_base:]), masked)
        image = image + mod1.gate * attended
        image = image + mod2.gate * block.img_mlp(modulated(block.img_norm2(image), mod2))
        texts = []
        for text, attention in ((own, out[:, :n_own]), (base, out_base[:, :n_base])):
            text = text + text_mod1.gate * block.txt_attn.proj(attention)
            change = block.txt_mlp(modulated(block.txt_norm2(text), text_mod2))
            texts.append(text + text_mod2.gate * change)
        return image, *texts

    def single(self, block, regional, stream, vec, pe, pe_base, mask, masked):
        mod, _ = block.modulation(vec)
        n_own = regional.shape[1] - self.members.shape[1]
        n_base = stream.shape[1] - self.members.shape[1]
        (own_heads, own_mlp), (base_heads, base_mlp) = (
            single_heads(block, x, mod) for x in (regional, stream)
        )
        out_base = softmax_attention(base_heads, pe_base, None)
        seen = mask if masked or self.pure_base else None
        out = softmax_attention(own_heads, pe, seen)
        if masked or not self.pure_base:
            of_image = self.mixed(out[:, n_own:], out_base[:, n_base:], True)
        else:  # the image as in the model without regions: the base text and itself
            alone = tuple(
                torch.cat([b[:, :, :n_base], o[:, :, n_own:]], 2)
                for b, o in zip(base_heads, own_heads, strict=True)
            )
            of_image = softmax_attention(alone, pe_base, None)[:, n_base:]
        out = torch.cat([out[:, :n_own], of_image], 1)
        results = []
        for x, attention, mlp in ((regional, out, own_mlp), (stream, out_base, base_mlp)):
            change = block.linear2(torch.cat([attention, block.mlp_act(mlp)], 2))
            results.append(x + mod.gate * change)
        return results


def modulated(x: torch.Tensor, mod: Any) -> torch.Tensor:
    return x * (1 + mod.scale) + mod.shift


def heads(attn: Any, normed: torch.Tensor, mod: Any, n_heads: int) -> tuple[torch.Tensor, ...]:
    """q, k, v [B, H, T, D] of a double block."""
    q, k, v = attn.qkv(modulated(normed, mod)).unflatten(2, (3, n_heads, -1)).permute(2, 0, 3, 1, 4)
    return (*attn.norm(q, k, v), v)


def single_heads(block: Any, x: torch.Tensor, mod: Any) -> tuple[tuple[torch.Tensor, ...], Any]:
    both = block.linear1(modulated(block.pre_norm(x), mod))
    qkv, mlp = both.split([3 * block.hidden_size, block.mlp_hidden_dim_first], -1)
    q, k, v = qkv.unflatten(2, (3, block.num_heads, -1)).permute(2, 0, 3, 1, 4)
    return (*block.norm(q, k, v), v), mlp


def joined(text: tuple[torch.Tensor, ...], image: tuple[torch.Tensor, ...]) -> Any:
    return tuple(torch.cat(pair, 2) for pair in zip(text, image, strict=True))


def softmax_attention(qkv: Any, pe: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Equation (1), the mask as -inf, in float64: [B, T, C]."""
    q, k, v = qkv
    q, k = (t.double() for t in apply_rope(q, k, pe))
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return (scores.softmax(-1) @ v.double()).transpose(1, 2).flatten(2).to(v.dtype)
