"""The tokens of each text encoder of a CLIP object, with the characters they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any
from weakref import WeakKeyDictionary

from ..errors import PromptError
from .align import Alignment, Range, align
from .pieces import Decoder, TokenChar, is_space_mark, piece_decoder, token_chars
from .plain import PlainText, plain_text

# Tokenized alone it shows where an encoder's template puts the user's text: no template has it.
PROBE = "¶"
# By tokenizer: to see what kind of pieces a vocabulary of 150,000 holds takes milliseconds.
_DECODERS: WeakKeyDictionary[Any, Decoder] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class TextStream:
    """All tokens that one encoder gets for a prompt, chunks joined.

    Attributes:
        name: as in ComfyUI's token dictionary: "l", "g", "t5xxl", "qwen25_7b" ...
        text: the prompt as this encoder reads it, and ``marks``: whether weights were read.
        ranges: per token the characters [start, end) of ``text.folded``. start == end: space
            before that character. None: begin, end, padding and template tokens.
        unknown: tokens without a piece in the vocabulary ("<unk>").
        space_marks: tokens that are SentencePiece's mark of a word's begin and nothing else.
    """

    name: str
    text: PlainText
    marks: bool
    ranges: tuple[Range | None, ...]
    unknown: frozenset[int]
    space_marks: frozenset[int]

    @property
    def longest_template(self) -> int:
        """How many tokens at the front may be a template that the encoder leaves out.

        A prompt may bring its own template, which is then a part of its text.
        """
        if self.text.text.startswith("<|"):
            return len(self.ranges)
        return next((i for i, r in enumerate(self.ranges) if r is not None), 0)


def read_streams(clip: Any, prompt: str) -> dict[str, TextStream]:
    """Tokenize a prompt with a CLIP object's own tokenizers and find the text of each token.

    Args:
        clip: ComfyUI's CLIP, or anything with its ``tokenize`` and ``tokenizer``.

    Raises:
        PromptError: the prompt uses an embedding, or the tokens of an encoder cannot be matched
            with the text.
    """
    tokens = clip.tokenize(prompt, return_word_ids=True)
    probe = clip.tokenize(PROBE, return_word_ids=True)
    if not isinstance(tokens, Mapping):
        raise PromptError(
            f"The text encoder gives its tokens as {type(tokens).__name__}, expected a dictionary "
            "of chunks. Phrases cannot be found in it: use the text encoder of a supported model."
        )
    missing = _missing_encoders(clip)
    return {
        name: _read_stream(name, chunks, probe.get(name, []), *_vocabulary(clip, name), prompt)
        for name, chunks in tokens.items()
        if name not in missing
    }


def _missing_encoders(clip: Any) -> set[str]:
    """Encoders that were not loaded (SD3 without T5): tokenized all the same, but not encoded."""
    model = getattr(clip, "cond_stage_model", None)
    attributes = {"l": "clip_l", "g": "clip_g", "t5xxl": "t5xxl"}
    return {
        name
        for name, attribute in attributes.items()
        if hasattr(model, attribute) and getattr(model, attribute) is None
    }


def _vocabulary(clip: Any, name: str) -> tuple[Mapping[int, str], Decoder]:
    """The pieces of an encoder's tokens, and how they become text."""
    tokenizer = clip.tokenizer
    attributes = [name, f"clip_{name}"]
    if getattr(tokenizer, "clip_name", None) == name:
        attributes.insert(0, tokenizer.clip)
    for attribute in attributes:
        own = getattr(tokenizer, attribute, None)
        vocabulary = getattr(own, "inv_vocab", None)
        if vocabulary:
            return vocabulary, _decoder(own, vocabulary)
    raise PromptError(
        f"The tokenizer {type(tokenizer).__name__} shows no vocabulary for its encoder {name!r}, "
        "phrases cannot be found in its tokens. Use the text encoder of a supported model."
    )


def _decoder(tokenizer: Any, vocabulary: Mapping[int, str]) -> Decoder:
    try:
        if tokenizer not in _DECODERS:
            _DECODERS[tokenizer] = piece_decoder(vocabulary)
        return _DECODERS[tokenizer]
    except TypeError:  # it takes no weak reference
        return piece_decoder(vocabulary)


def _read_stream(
    name: str,
    chunks: Sequence[Sequence[tuple]],
    probe: Sequence[Sequence[tuple]],
    vocabulary: Mapping[int, str],
    decode: Decoder,
    prompt: str,
) -> TextStream:
    tokens = [token for chunk in chunks for token in chunk]
    words = [index for index, token in enumerate(tokens) if token[2] != 0]
    if not all(isinstance(tokens[index][0], Integral) for index in words):
        raise PromptError(
            "The prompt uses an embedding (embedding:name). Its vectors stand for no text, so "
            "phrases cannot be found beside it. Remove the embedding from this prompt."
        )
    chars = token_chars([tokens[index][0] for index in words], vocabulary, decode)
    for before, after in dict.fromkeys((_template(probe, vocabulary, decode), (0, 0))):
        for marks in (True, False):
            text = plain_text(prompt, marks=marks)
            inner = chars[before : len(chars) - after]
            found = align(inner, len(words), text.folded)
            if found is not None:
                ranges, unknown = _spread(found, words, len(tokens))
                marked = (i for i in words if is_space_mark(vocabulary[tokens[i][0]]))
                inside = [i for i in words if ranges[i] is not None]
                if (before or after) and inside:  # the template may have space of its own
                    words_of_text = [i for i in words if inside[0] <= i <= inside[-1]]
                else:
                    words_of_text = words
                ranges = _with_spaces(ranges, words_of_text, len(text.folded))
                return TextStream(name, text, marks, ranges, unknown, frozenset(marked))
    raise PromptError(_cannot_align(name, chars, prompt))


def _template(
    probe: Sequence[Sequence[tuple]], vocabulary: Mapping[int, str], decode: Decoder
) -> tuple[int, int]:
    """Characters of the encoder's template before and after the user's text."""
    ids = [token[0] for chunk in probe for token in chunk if token[2] != 0]
    chars = token_chars(ids, vocabulary, decode)
    for index, item in enumerate(chars):
        if item.char in (PROBE, None):
            return index, len(chars) - index - 1
    return 0, 0


def _spread(
    found: Alignment, words: Sequence[int], n_tokens: int
) -> tuple[tuple[Range | None, ...], frozenset[int]]:
    """From numbers among the word tokens to numbers among all tokens."""
    ranges: list[Range | None] = [None] * n_tokens
    for index, value in zip(words, found.ranges, strict=True):
        ranges[index] = value
    return tuple(ranges), frozenset(words[index] for index in found.unknown)


def _with_spaces(
    ranges: Sequence[Range | None], words: Sequence[int], length: int
) -> tuple[Range | None, ...]:
    """Give tokens of pure space, which have no character, the place before the next word."""
    filled = list(ranges)
    following = length
    for index in reversed(words):
        value = filled[index]
        if value is None:
            filled[index] = (following, following)
        else:
            following = value[0]
    return tuple(filled)


def _cannot_align(name: str, chars: Sequence[TokenChar], prompt: str) -> str:
    if "embedding:" in prompt:
        return (
            "The prompt names an embedding (embedding:name) that the text encoder leaves out. "
            "Phrases cannot be found beside it: remove it from this prompt."
        )
    seen = "".join(item.char or "?" for item in chars)
    return (
        f"The tokens of the encoder {name!r} do not spell the prompt: they read {seen[:80]!r}. "
        "Characters were dropped or replaced by the tokenizer. Leave unusual characters out of "
        "the prompt, or cut a prompt that is longer than the encoder reads."
    )
