"""Phrases of a master prompt, and the text tokens that each of them became.

A rule that treats parts of one prompt differently (arXiv 2504.10148) needs to know which text
tokens belong to which region. The steps, each in its own file:

    prompt text --plain--> text as read --locate--> one place per phrase
    tokens of the model's own tokenizer --pieces, align--> characters of each token
    both, and the layout of the conditioning --bind--> ``PhraseBinding``

**Interface for rules.** ``PhraseBinding`` is a frozen dataclass of plain integers. The rule's
prompt 0 is the global prompt, here the *master prompt* that holds all phrases; region r = 1..R
(``binding.phrases[r - 1]``) is the region of the same index in ``RegionalPrompts.regions``::

    phrase = binding.phrases[r - 1]
    phrase.tokens        all text tokens of the phrase (the whole span)
    phrase.instance      those that name the thing           (subset of tokens)
    phrase.attributes    those that say what it looks like   (subset, disjoint from instance)
    binding.background   tokens of the prompt's words that lie in no phrase
    binding.special      begin, end, padding and template tokens: no words at all
    binding.n_tokens     T: tokens + background + special are exactly 0..T-1, each once

All of them index the token axis of the CONDITIONING's ``cross_attn`` [1, T, C], which is where a
joint model's text tokens start; SD3's CLIP part and T5 part are both in it, so a phrase has tokens
in both. Nothing here imports ComfyUI or torch, apart from ``overwrite``.
"""

from .binding import BoundPhrase, Phrase, PhraseBinding, bind_phrases, token_ranges
from .lines import parse_phrase_lines
from .locate import locate_phrases
from .plain import PlainText, plain_text
from .report import Layers, binding_report, show_layers, show_tokens
from .streams import TextStream, read_streams

__all__ = [
    "BoundPhrase",
    "Layers",
    "Phrase",
    "PhraseBinding",
    "PlainText",
    "TextStream",
    "bind_phrases",
    "binding_report",
    "locate_phrases",
    "parse_phrase_lines",
    "plain_text",
    "read_streams",
    "show_layers",
    "show_tokens",
    "token_ranges",
]
