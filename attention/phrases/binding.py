"""From phrases to token indices in the conditioning; the package's docstring has the interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import PromptError
from .align import Range
from .layout import TokenPart, token_parts
from .locate import locate_phrases
from .plain import PlainText, plain_text
from .streams import TextStream, read_streams

# Where a phrase (read as its encoder reads it) names the thing and where it describes it:
# character ranges of instance and attributes. The planner's ``phrase_roles`` is one.
Splitter = Callable[[str, "Phrase"], tuple[Sequence[Range], Sequence[Range]]]


@dataclass(frozen=True, slots=True)
class Phrase:
    """What to look for.

    Attributes:
        text: as it stands in the master prompt.
        instance: the part that names the thing; empty: the splitter decides.
        attributes: parts that describe it; None: the splitter decides.
        occurrence: which occurrence in the prompt, 1 = first; None: the first free one.
    """

    text: str
    instance: str = ""
    attributes: tuple[str, ...] | None = None
    occurrence: int | None = None


@dataclass(frozen=True, slots=True)
class BoundPhrase:
    """A phrase and its tokens, ascending indices in the conditioning's token axis.

    Attributes:
        text: the phrase as it stands in the prompt.
        tokens: the whole span. Not contiguous where a chunk of CLIP ends within the phrase, or
            where the conditioning holds the prompt twice (SD3: CLIP and T5).
        instance: tokens of the noun.
        attributes: tokens of what describes it; tokens of both count as instance.
        keys: per token (part of the conditioning, first and last character + 1 in the phrase);
            equal keys in two prompts are the same piece of the same phrase.
    """

    text: str
    tokens: tuple[int, ...]
    instance: tuple[int, ...]
    attributes: tuple[int, ...]
    keys: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class PhraseBinding:
    """All phrases of a master prompt; the socket type RP_PHRASES.

    Attributes:
        prompt: the master prompt.
        n_tokens: T of its conditioning.
        phrases: R phrases, in the order of the regions.
        background: tokens of words in no phrase.
        special: begin, end, padding, template.
        parts: (encoder, first token, last token + 1) of each part of the conditioning.
        notes: what an encoder could not read, in sentences.
    """

    prompt: str
    n_tokens: int
    phrases: tuple[BoundPhrase, ...]
    background: tuple[int, ...]
    special: tuple[int, ...]
    parts: tuple[tuple[str, int, int], ...]
    notes: tuple[str, ...] = ()


def token_ranges(tokens: Sequence[int]) -> tuple[Range, ...]:
    """Ascending indices as ranges [start, end)."""
    ranges: list[Range] = []
    for token in tokens:
        if ranges and ranges[-1][1] == token:
            ranges[-1] = (ranges[-1][0], token + 1)
        else:
            ranges.append((token, token + 1))
    return tuple(ranges)


def bind_phrases(
    clip: Any, prompt: str, n_tokens: int, phrases: Sequence[Phrase], split: Splitter
) -> PhraseBinding:
    """Find the tokens of every phrase.

    Args:
        clip: ComfyUI's CLIP; only its tokenizers are used.
        prompt: the master prompt, which contains every phrase.
        n_tokens: T of the conditioning [1, T, C] that the CLIP made of this prompt.
        phrases: one per region.
        split: tells the noun of a phrase from its attributes.

    Raises:
        PromptError: a phrase does not occur, has no tokens that the model can tell, the prompt
            uses embeddings, or the conditioning is not this prompt's.
    """
    streams = read_streams(clip, prompt)
    encoders = frozenset(clip.tokenize(prompt))
    parts = token_parts(streams, encoders, n_tokens)
    found: list[list[_Token]] = [[] for _ in phrases]
    texts = [p.text for p in phrases]
    notes: list[str] = []
    words: set[int] = set()
    for number, part in enumerate(parts):
        stream = part.stream
        here = (_index(part, i) for i, r in enumerate(stream.ranges) if r is not None)
        words |= {index for index in here if index >= part.start}
        read = [plain_text(p.text.strip(), marks=stream.marks) for p in phrases]
        places = locate_phrases(
            stream.text, [p.text for p in read], [p.occurrence for p in phrases]
        )
        folded = [stream.text.to_folded(*place) for place in places]
        owners = _owners(stream, folded)
        for index, phrase in enumerate(phrases):
            mine = [
                token for token, owner in owners.items() if owner == index and token >= part.cut
            ]
            if not any(token not in stream.unknown for token in mine):
                notes.append(_unreadable(phrase.text, index, stream.name))
                continue
            texts[index] = stream.text.text[slice(*places[index])]
            roles = _roles(read[index], split(read[index].text, phrase))
            found[index] += [
                _token(part, number, token, folded[index][0], roles) for token in sorted(mine)
            ]
    for index, tokens in enumerate(found):
        if not tokens:
            raise PromptError(
                _unreadable(phrases[index].text, index, ", ".join(p.stream.name for p in parts))
                + " Write the prompt in a language that the model's text encoder reads."
            )
    bound = tuple(_bound(text, tokens) for text, tokens in zip(texts, found, strict=True))
    taken = {token for phrase in bound for token in phrase.tokens}
    return PhraseBinding(
        prompt=prompt,
        n_tokens=n_tokens,
        phrases=bound,
        background=tuple(sorted(words - taken)),
        special=tuple(sorted(set(range(n_tokens)) - words)),
        parts=tuple((p.stream.name, p.start, p.start + p.n_tokens) for p in parts),
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Token:
    index: int
    key: tuple[int, int, int]
    role: str


def _index(part: TokenPart, token: int) -> int:
    return part.start + token - part.cut


def _owners(stream: TextStream, places: Sequence[Range]) -> dict[int, int]:
    """Which phrase each token belongs to: the one that it shares most characters with.

    An unknown piece that reaches beyond a phrase belongs to none: it may stand for several.
    """
    owners = {}
    for token, text in enumerate(stream.ranges):
        if text is None:
            continue
        shares = [_shared(text, place, token in stream.space_marks) for place in places]
        best = max(range(len(places)), key=lambda i: shares[i], default=0)
        if not places or shares[best] <= 0:
            continue
        inside = places[best][0] <= text[0] and text[1] <= places[best][1]
        if inside or token not in stream.unknown:
            owners[token] = best
    return owners


def _shared(text: Range, place: Range, space_mark: bool) -> float:
    if text[0] == text[1]:  # space: within the phrase, or the mark that begins its first word
        within = place[0] < text[0] < place[1]
        return 0.5 if within or (space_mark and text[0] == place[0]) else 0.0
    return min(text[1], place[1]) - max(text[0], place[0])


def _roles(
    phrase: PlainText, roles: tuple[Sequence[Range], Sequence[Range]]
) -> tuple[list[Range], list[Range]]:
    """Character ranges of a phrase in its folded form."""
    instance, attributes = ([phrase.to_folded(*r) for r in ranges] for ranges in roles)
    return instance, attributes


def _token(
    part: TokenPart, number: int, token: int, origin: int, roles: tuple[list[Range], list[Range]]
) -> _Token:
    text = part.stream.ranges[token] or (origin, origin)
    place = (text[0] - origin, text[1] - origin)
    mark = token in part.stream.space_marks
    role = next(
        (
            name
            for name, ranges in zip(("instance", "attribute"), roles, strict=True)
            if any(_shared(place, r, mark) > 0 for r in ranges)
        ),
        "",
    )
    return _Token(_index(part, token), (number, *place), role)


def _bound(text: str, tokens: Sequence[_Token]) -> BoundPhrase:
    return BoundPhrase(
        text,
        tuple(t.index for t in tokens),
        tuple(t.index for t in tokens if t.role == "instance"),
        tuple(t.index for t in tokens if t.role == "attribute"),
        tuple(t.key for t in tokens),
    )


def _unreadable(phrase: str, index: int, encoders: str) -> str:
    return (
        f"Phrase {index + 1} ({phrase!r}) has no token of its own in {encoders}: its tokenizer "
        "does not know these characters."
    )
