"""Register tokens: learned or padding tokens of the sequence that stand for no place of the image.

A rule speaks of the tokens of the image only; what the registers see follows from that.
"""

from __future__ import annotations

import torch

from ..engine.groups import BASE, BASE_IMAGE, IMAGE, Group, Groups, KeyBlock

REGISTERS = BASE_IMAGE - 1  # source index of the register tokens, unlike all in ``groups.py``


def register_group(groups: Groups, n_image: int, n_registers: int, device: torch.device) -> Groups:
    """Registers ask the image and, in one softmax, every prompt by its share of the image.

    With one prompt for the whole picture they thus do as in the model without regions.

    Args:
        groups: of the image tokens, from a rule.
        n_image: image tokens.
        n_registers: register tokens; without any there is no group.
        device: of the result.
    """
    if not n_registers:
        return ()
    shares: dict[int, float] = {}
    for group in groups:
        texts = [block for block in group.blocks if block.source >= BASE]
        if group.source != IMAGE or not texts:
            continue
        n_queries = n_image if group.queries is None else group.queries.numel()
        seen = torch.zeros(len(texts), n_queries)
        for row, block in zip(seen, texts, strict=True):
            row[slice(None) if block.queries is None else block.queries.cpu()] = (
                1.0 if block.log_weight is None else block.log_weight.exp().cpu()
            )
        seen = seen / seen.sum(0).clamp_min(torch.finfo(seen.dtype).tiny)
        if group.weight is not None:
            seen = seen * group.weight.float().cpu()
        for block, share in zip(texts, seen.sum(1).tolist(), strict=True):
            shares[block.source] = shares.get(block.source, 0.0) + share
    total = sum(shares.values())
    blocks = [KeyBlock(IMAGE)]
    for prompt, share in shares.items():
        if share > 0.0:
            log_share = torch.full((n_registers,), share / total, device=device).log()
            blocks.append(KeyBlock(prompt, log_weight=log_share if share < total else None))
    return (Group(tuple(blocks), source=REGISTERS),)
