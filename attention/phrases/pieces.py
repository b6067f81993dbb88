"""From token ids back to characters, whatever the tokenizer.

A vocabulary tells by its pieces how it was made:

- SentencePiece (T5, Gemma): "▁" begins a word, "<0xE4>" is one byte;
- WordPiece (BERT): "##" continues a word;
- byte-level BPE (CLIP, Qwen, Llama 3, Mistral): each character of a piece is one byte, and CLIP's
  "</w>" ends a word. One character of text may take several tokens.

Reading the pieces instead of asking the tokenizer for offsets works for ComfyUI's own SentencePiece
wrapper and for tokenizers without offsets (transformers before version 5) as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .plain import fold

Decoder = Callable[[str], bytes]

_BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")
_UNKNOWN = frozenset({"<unk>", "[UNK]"})


@dataclass(frozen=True, slots=True)
class TokenChar:
    """One folded character and the tokens [first, last] that it is written in.

    Attributes:
        char: one character; None: an unknown piece that stands for any text.
    """

    char: str | None
    first: int
    last: int


def token_chars(
    ids: Sequence[int], vocabulary: Mapping[int, str], decode: Decoder
) -> list[TokenChar]:
    """Characters of a token sequence, folded.

    Args:
        ids: token ids; the index in this sequence is the token's number.
        vocabulary: piece of each id.
        decode: from ``piece_decoder``; looking through a vocabulary takes a while.

    Raises:
        KeyError: an id that the vocabulary lacks.
    """
    chars: list[TokenChar] = []
    pending = bytearray()
    owners: list[int] = []

    def flush() -> None:
        if pending:
            chars.extend(_characters(bytes(pending), owners))
            pending.clear()
            owners.clear()

    for index, token in enumerate(ids):
        piece = vocabulary[token]
        if piece in _UNKNOWN:
            flush()
            chars.append(TokenChar(None, index, index))
            continue
        data = decode(piece)
        pending += data
        owners += [index] * len(data)
    flush()
    return chars


def _characters(data: bytes, owners: Sequence[int]) -> list[TokenChar]:
    found = []
    position = 0
    while position < len(data):
        length = _utf8_length(data[position])
        piece = data[position : position + length]
        try:
            char = piece.decode("utf-8")
        except UnicodeDecodeError:  # half a character: the prompt was cut within it
            position += 1
            continue
        span = owners[position : position + length]
        found += [TokenChar(c, span[0], span[-1]) for c in fold(char)]
        position += length
    return found


def _utf8_length(first: int) -> int:
    return 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4


def piece_decoder(vocabulary: Mapping[int, str]) -> Decoder:
    """How the pieces of this vocabulary become bytes of text."""
    pieces = vocabulary.values()
    if "▁" in pieces:
        return _sentence_piece
    if "[UNK]" in pieces and "[CLS]" in pieces:
        return _word_piece
    return _byte_level


def _sentence_piece(piece: str) -> bytes:
    byte = _BYTE_PIECE.fullmatch(piece)
    return bytes([int(byte[1], 16)]) if byte else piece.replace("▁", " ").encode()


def _word_piece(piece: str) -> bytes:
    return piece[2:].encode() if piece.startswith("##") and len(piece) > 2 else piece.encode()


def _byte_table() -> dict[str, int]:
    """GPT-2's printable stand-in for each byte: itself where printable, else from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    table.update({chr(0x100 + index): byte for index, byte in enumerate(others)})
    return table


_BYTES = _byte_table()


def _byte_level(piece: str) -> bytes:
    data = bytearray()
    for char in piece.removesuffix("</w>"):
        data += bytes([_BYTES[char]]) if char in _BYTES else char.encode()
    return bytes(data)


def is_space_mark(piece: str) -> bool:
    """Whether a piece is SentencePiece's mark of a word's begin and nothing else."""
    return bool(piece) and not piece.strip("▁")
