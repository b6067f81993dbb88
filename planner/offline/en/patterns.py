"""Patterns of English sentences that the grammar looks for. Data only."""

from __future__ import annotations

import re

from . import lexicon as en

POLITE = re.compile(
    r"^(?:please |can you |could you )*"
    r"(?:(?:draw|paint|create|generate|make|render|produce|imagine|depict|show)(?: me| us)?"
    r"|i(?: would|'d)? (?:want|like)(?: to see)?|give me)\s+(?=\S)"
)
PICTURE_OF = re.compile(
    r"^(?:(?:an?|the) )?(?:image|picture|pic|scene|composition)\s+"
    r"(?:of|with|showing|containing|that shows|where there (?:is|are)|depicting)\s+"
)
STYLED_PICTURE_OF = re.compile(
    r"^(?:(?:an?|the) )?((?:(?!(?:of|with|and|on|in)\b)[\w-]+ ){1,4})(?:image|picture|pic|scene)\s+"
    r"(?:of|with|showing|depicting)\s+"
)
STYLE_OF = re.compile(
    rf"^((?:(?:an?|the) )?(?:[\w-]+ ){{0,3}}?(?:{en.STYLE_HEADS}))\s+(?:of|showing|depicting)\s+"
)
STYLE_CLAUSE = re.compile(
    rf"^(?:in |as |with )?(?:an? |the )?(?:in the style of .+|style of .+"
    rf"|(?:(?!(?:in|on|at|with|of|and|by)\b)[\w-]+ ){{0,4}}?(?:{en.STYLE_HEADS})(?: style)?"
    rf"|{en.STYLE_WORDS})$",
    re.IGNORECASE,
)
STYLE_END = re.compile(
    r"\s+((?:in (?:an? |the )?(?:style of .+|(?:[\w-]+ ){1,3}style))|(?:in the style of .+))$"
)
_BACKDROP = (
    r"(?:an? |the )?(?:(?!(?:on|in|at|with|against|over|and)\b)[\w-]+ ){0,4}?"
    r"(?:background|backdrop)(?: behind (?:them|it))?"
)
BACKGROUND = re.compile(
    r"^((?:(?:all |set |placed |shown )?(?:on|against|over|with|before|in front of) )?"
    rf"{_BACKDROP})$"
)
BACKGROUND_END = re.compile(rf"\s((?:on|against|over|with|before|in front of) {_BACKDROP})$")
BACKGROUND_IS = re.compile(
    r"^(?:the )?(?:background|backdrop|bg)\s*(?:is|are|shows|should be|:|=|-|of)\s*(.+)$"
)
IN_PLACE = re.compile(
    r"(?:^|\s)((?:all )?(?:in|inside|at|on|within) (?:(?:an?|the|some) )?"
    r"((?:(?!(?:an?|the|on|in|at|with|left|right|and|background|foreground|distance|middle|front"
    r"|cent(?:er|re)|top|bottom|corner|back)\b)[\w-]+ ){0,4}?([\w-]+))"
    r"(?: at (?:night|dusk|dawn|sunset|sunrise))?)$"
)
SETTING_WITH = re.compile(
    r"^((?:an?|the) (?:[\w-]+ ){0,3}?([\w-]+))\s*"
    r"(?:with|containing|that has|has|contains|:|where there (?:is|are))\s+(?=\S)"
)
THERE_IS = re.compile(
    r"^(?:and |then |also |finally |while |plus )*(?:there(?:'s| is| are) (?:also )?|we see |"
    r"(?:you|one) can see |it (?:shows|has|contains) )?"
)
# "In the middle stands a wizard": what is left once the position is cut out.
VERB_FIRST = re.compile(
    r"^(?:with|is|are|there is|there are|stands?|sits?|lies|hangs?|rests?|floats?|grows?|we see) "
    r"(?=(?:an?|the|two|three|four|some|several|one)\b)"
)
COPULA_END = re.compile(
    r"\s+(?:is|are|be|should be|appears?|stays?|goes|placed|located|positioned|shown)"
    r"(?: placed| located| positioned| shown| seen)?$"
)
SUBJECT_IS = re.compile(r"^(it|they|he|she|this|the [\w -]+?) (?:is|are|should be|has|have) (.+)$")
CONTINUES = re.compile(
    r"^(?:with|without|wearing|holding|sitting|standing|looking|lying|running|made|covered|filled|"
    r"surrounded|which|that|who|its|their|under|of)\b"
)
PAIRS = re.compile(
    r"\b(salt|bread|fish|rock|black|pen|cup|knife|mac|bow|day|peace|up|hide|thunder) and "
    r"(pepper|butter|chips|roll|white|paper|saucer|fork|cheese|arrow|night|quiet|down|seek|lightning)\b"
)
BETWEEN_AND = re.compile(r"\bbetween ((?:(?! and |,|;|\.).)+) and ")
_RELATION_WORDS = (
    r"(?:(?:on|to|at) the )?(?:left|right)(?: side)? of|above|below|beneath|under|behind"
    r"|in front of|next to|beside|near|on top of"
)
# "Left of the house is a tree": the thing that is placed comes last.
INVERTED = re.compile(
    rf"^({_RELATION_WORDS}) (.+?) (?:there is|there are|is|are|stands|sits|lies|hangs) "
    r"((?:an?|the|two|three|some|another) .+)$"
)
# "behind it a tower"
INVERTED_PRONOUN = re.compile(
    rf"^({_RELATION_WORDS}) (it|him|her|them|this|that|which),?"
    r"(?: (?:there is|there are|is|are|stands?|sits?|lies?|hangs?|rests?))? "
    r"((?:an?|two|three|some|another) .+)$"
)
ON_WHICH = re.compile(r"^(?:on|upon|atop) (?:it|which|this|that)\b")
# "one half of the picture is on fire, the other half is frozen"
FIRST_HALF = re.compile(
    r"(?:^|(?<=[,;.] ))(?:one )?half(?: of (?:the|this) \w+)? (?=(?:is|shows|has|contains|in|:))"
)
OTHER_HALF = re.compile(
    r"\b(?:the other|another|the second) half(?: of (?:the|this) \w+)? (?:is )?"
)
EITHER_SIDE = re.compile(
    r"\s*,?\s*\b(?:on|to|at) (?:both|either|each) sides?(?: of (?P<anchor>.+))?$"
)
POSTURES = en.words("standing sitting lying resting laying leaning hanging being")
SUBJECT_PRONOUNS = frozenset({"it", "they", "he", "she", "this", "which", "who", "that"})
PRONOUNS = frozenset({"it", "him", "her", "them", "this", "that", "which"})
# "the plate which is left of the fork"
RELATIVE = re.compile(
    r"\s(?:which|that|who) (?:is|are|was|were|stands?|sits?|lies?)\s+"
    r"(?=(?:on|in|to|at|left|right|above|below|under|behind|next|near|beside|between|over|atop)\b)"
)
ORDERED = re.compile(
    r"(?:^|[\s,(]{1,3})(?:in a row |in a line |ordered |arranged |listed |lined up )?"
    r"from (?:the )?(left to (?:the )?right|right to (?:the )?left|top to (?:the )?bottom"
    r"|bottom to (?:the )?top)\)?(?:\s*[:,]\s*|$|\s+(?=(?:on|in|at|along)\b))"
)
_DEFINITE = (
    r"(?=(?:the|an?|his|her|its|their|people|everyone|two|three|four|five|they|he|she|it)\b)"
)
# A second clause in a sentence: "..., as the timer ticks down".
SUBORDINATE = re.compile(
    rf"(?:,\s*|\s+)(?:and )?(?:while|whereas|when|whilst|where|because|until|but|yet|so that)\s+"
    rf"{_DEFINITE}|(?:,\s*|\s+)as\s+(?=(?:the|its|their|his|her|people|everyone|they|he|she|it)\b)",
    re.IGNORECASE,
)
# "foreground: rocks; background: a waterfall"
DEPTH_LABEL = re.compile(
    r"(?:(?<=^)|(?<=[;,.\n]))(\s*)(?:the )?(foreground|background)\s*"
    r"(?:[:=]|\b(?:is|are|shows|has|contains|features)\b)\s*",
    re.IGNORECASE,
)
EACH_OF = re.compile(
    r"^(?:each|both|all|every one) of (?:the )?(?=\w+ \w)(?!them\b)", re.IGNORECASE
)
EACH_WITH = re.compile(
    r"^(?:each|both|all)(?: one| of them)?(?: (?:is|are|of them))? "
    r"((?:with|wearing|holding|in|carrying|having|sitting|standing|has|have|wears?|holds?)\b.+)$"
)
ASIDE = re.compile(r"\s*\(([^()]{1,60})\)")
# "(masterpiece:1.2)": a part in the brackets of the host's own prompt weights.
BRACKETED = re.compile(r"^[({\[]+([^(){}\[\]:]{1,80})(?::\s*\d{1,3}(?:\.\d{1,3})?)?[)}\]]+$")
LABEL = re.compile(r"^(?:prompt|scene|picture|image|description|subjects?|objects?)\s*:\s*")
GROUP = re.compile(r"^([^:,]{3,60}):\s+(\S.*)$")
ONE_OF_THEM = re.compile(
    r"^(?:the )?(?:one|another|other|others|second|first|third)(?: ones?)?"
    r"(?: of (?:them|which|the (?:two |three |four )?(?P<kind>\w+)))?"
    r"(?:,? (?:is|are|being|in))?(?: (?P<said>.+))?$"
)
ANOTHER_ONE = re.compile(r"^(?:an?|the|another) (.+) ones?$")
NUMBERED = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.):])\s+")
BARE_PLACE = re.compile(r"\b(?:on|in|at|to) the\b|\b(?:left|right|top|bottom)\b")
