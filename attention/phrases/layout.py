"""Which tokens of which encoder stand where in a conditioning's ``cross_attn`` [1, T, C].

Read in ComfyUI's comfy/text_encoders: a chunk of CLIP is 77 tokens and all chunks are joined along
the token axis; encoders of one part share positions (their widths are joined instead).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import PromptError
from .streams import TextStream

# Encoders of a CLIP object -> parts of its cross_attn, in order. A CLIP object with one encoder has
# one part. Encoders that stand in no part only give the pooled vector, or tensors of their own.
LAYOUTS: dict[frozenset[str], tuple[tuple[str, ...], ...]] = {
    frozenset({"l", "t5xxl"}): (("t5xxl",),),  # Flux: CLIP gives the pooled vector only
    frozenset({"l", "g", "t5xxl"}): (("l", "g"), ("t5xxl",)),  # SD3, SD3.5
    frozenset({"l", "g"}): (("l", "g"),),  # SDXL
    frozenset({"qwen25_7b", "byt5"}): (("qwen25_7b",),),  # Hunyuan Image with text in quotes
    frozenset({"hydit_clip", "mt5xl"}): (("hydit_clip",),),  # HunyuanDiT: mT5 has its own tensor
}


@dataclass(frozen=True, slots=True)
class TokenPart:
    """A run of tokens in the conditioning.

    Attributes:
        stream: the encoder's tokens; where two share positions, the first of them.
        start: index of its first token in the conditioning.
        cut: tokens at the front of the stream that the encoder leaves out (Qwen-Image's template).
    """

    stream: TextStream
    start: int
    cut: int

    @property
    def n_tokens(self) -> int:
        return len(self.stream.ranges) - self.cut


def token_parts(
    streams: Mapping[str, TextStream], encoders: frozenset[str], n_tokens: int
) -> tuple[TokenPart, ...]:
    """The parts of a conditioning.

    Args:
        streams: encoders that were loaded, from ``read_streams``.
        encoders: all encoders that the CLIP object tokenizes for.
        n_tokens: T of the conditioning.

    Raises:
        PromptError: the encoders are not known, or T is not what this prompt gives.
    """
    names = LAYOUTS.get(encoders) or (((*encoders,),) if len(encoders) == 1 else None)
    if names is None:
        known = "; ".join(" + ".join(sorted(key)) for key in LAYOUTS)
        raise PromptError(
            f"The text encoder has the parts {' + '.join(sorted(encoders))}; where their tokens "
            f"stand in the conditioning is not known. Known: {known}; any single encoder."
        )
    chosen = [streams[part[0]] for part in _loaded(names, streams)]
    total = sum(len(stream.ranges) for stream in chosen)
    cut = total - n_tokens
    if cut < 0 or (cut and (len(chosen) != 1 or cut > chosen[0].longest_template)):
        raise PromptError(
            f"The conditioning has {n_tokens} tokens, but the prompt gives {total} with this text "
            "encoder. Connect the conditioning of the very same prompt and the same CLIP."
        )
    parts, start = [], 0
    for stream in chosen:
        parts.append(TokenPart(stream, start, cut))
        start += len(stream.ranges) - cut
    return tuple(parts)


def _loaded(
    names: tuple[tuple[str, ...], ...], streams: Mapping[str, TextStream]
) -> list[tuple[str, ...]]:
    present = (tuple(n for n in part if n in streams) for part in names)
    return [part for part in present if part]
