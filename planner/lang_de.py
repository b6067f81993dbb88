"""German, as a table of words for `words_grammar`. In it, nouns are written with a capital."""

from __future__ import annotations

import re

from .attributes import SplitPhrase
from .language import Language
from .scene import MAX_PART
from .words_grammar import Grammar, Words

_ARTICLES = frozenset(
    "ein eine einen einem einer eines der die das den dem des sein seine ihr ihre sein mein meine "
    "dieser diese dieses viele einige mehrere kein keine zwei drei vier fünf sechs sieben acht neun "
    "zehn elf zwölf".split()
)
_NUMBERS = {
    "zwei": 2, "drei": 3, "vier": 4, "fünf": 5, "sechs": 6, "sieben": 7, "acht": 8, "neun": 9,
    "zehn": 10, "elf": 11, "zwölf": 12,
}  # fmt: skip
_SINGULARS = {
    "männer": "Mann", "frauen": "Frau", "kinder": "Kind", "häuser": "Haus", "bäume": "Baum",
    "hunde": "Hund", "vögel": "Vogel", "bücher": "Buch", "äpfel": "Apfel", "autos": "Auto",
    "mäuse": "Maus", "gänse": "Gans", "schafe": "Schaf", "pferde": "Pferd", "fische": "Fisch",
    "stühle": "Stuhl", "tische": "Tisch", "bälle": "Ball", "boote": "Boot", "kühe": "Kuh",
    "wölfe": "Wolf", "sterne": "Stern", "steine": "Stein", "freunde": "Freund", "ritter": "Ritter",
    "füchse": "Fuchs", "bären": "Bär", "menschen": "Mensch", "mädchen": "Mädchen",
}  # fmt: skip
_PREPOSITIONS = frozenset(
    "mit ohne in im aus von vom für zu zum zur bei beim an am auf um durch gegen nach seit über "
    "unter hinter vor neben zwischen und oder als wie".split()
)
_SIZES = {
    "winzig": (0.5, 0.5), "klein": (0.65, 0.65), "groß": (1.4, 1.4), "riesig": (1.8, 1.8),
    "gewaltig": (1.8, 1.8), "hoh": (0.85, 1.5), "breit": (1.5, 0.85), "lang": (1.5, 0.85),
    "schmal": (0.65, 1.0),
}  # fmt: skip
_ENDING = r"(?:e|er|es|en|em)?"
_SIZE = re.compile(rf"(?:{'|'.join(_SIZES)}|hoch|kurz|rund|eckig|dreieckig|oval){_ENDING}")
# "sieht man", "gibt es", "steht": verbs of a description, and forms that look like adjectives.
_VERBS = frozenset(
    "ist sind war waren wird werden hat sich befindet befinden gibt es man sieht sehen zeigt zeigen "
    "steht stehen stand standen sitzt sitzen saß saßen liegt liegen lag lagen hängt hängen hing "
    "schwebt schweben schläft schlafen fliegt fliegen flog schwimmt schwimmen geht gehen ging "
    "parkt parken lehnt lehnen wächst wachsen scheint schien läuft laufen lief springt springen "
    "erhebt ragt ruht ruhen enthält versteckt platziert gestellt gelegt positioniert".split()
)


def _is_noun(word: str) -> bool:
    word = word.strip("()\"'„“»«")
    return word[:1].isupper() or word.isdigit()


def _is_adjective(word: str) -> bool:
    return word[:1].islower() and word.lower() not in _ARTICLES | _PREPOSITIONS | _VERBS


def _is_verb(word: str, before: str) -> bool:
    lower = word.lower()
    if lower in _VERBS:
        return True
    after_noun = _is_noun(before) or not before
    plain = word[:1].islower() and lower not in _PREPOSITIONS and lower not in _ARTICLES
    return after_noun and plain and bool(before) and lower.endswith(("t", "te", "ten", "en"))


def _split(text: str, trailing: tuple[str, ...]) -> SplitPhrase:
    """ "ein roter Kreis" is a Kreis that is roter; what follows the noun stays."""
    if len(text) > MAX_PART:
        return SplitPhrase(text, "", trailing)
    words = text.split()
    noun = next((i for i, word in enumerate(words) if _is_noun(word)), None)
    if noun is None:
        return SplitPhrase(text, text, trailing)
    kept: list[str] = []
    attributes: list[str] = []
    for word in words[:noun]:
        bare = word.strip(",")
        if not _is_adjective(bare) or _SIZE.fullmatch(bare.lower()):
            kept.append(bare)
        else:
            attributes.append(bare)
    end = noun + 1
    while end < len(words) and _is_noun(words[end]):
        end += 1
    instance = " ".join(words[noun:end])
    return SplitPhrase(" ".join([*kept, *words[noun:]]), instance, (*attributes, *trailing))


def _count(text: str) -> tuple[int, str]:
    words = text.split()
    first = words[0].lower() if words else ""
    count = _NUMBERS.get(first, int(first) if re.fullmatch(r"[1-9]\d?", first) else 0)
    noun = next((i for i, word in enumerate(words) if i and _is_noun(word)), None)
    if not 2 <= count <= 64 or noun is None:
        return 1, text
    rest = [*words[1:noun], _singular(words[noun]), *words[noun + 1 :]]
    return count, " ".join(rest)


def _singular(noun: str) -> str:
    known = _SINGULARS.get(noun.lower())
    if known:
        return known
    if noun.endswith(("innen",)):
        return noun[:-3]
    if noun.endswith(("ungen", "heiten", "keiten", "schaften")):
        return noun[:-2]
    if noun.endswith("en"):
        return noun[:-1]
    if noun.endswith("s") and noun[-2:-1] in tuple("aeiouy"):
        return noun[:-1]
    if noun.endswith(("se", "te", "ne", "be", "de", "ge", "ke", "le", "pe", "re", "fe")):
        return noun[:-1]
    return noun


def _noun(text: str) -> str:
    instance = _split(text, ()).instance
    return instance.split()[-1].lower() if instance else ""


def _same(wanted: SplitPhrase, have: SplitPhrase) -> bool:
    a, b = wanted.instance.lower(), have.instance.lower()
    return bool(a) and bool(b) and a.split()[-1] == b.split()[-1]


_SIDES = (("link", 0.0), ("recht", 1.0))
_LEVELS = (("ober", 0.0), ("unter", 1.0))
_OF_PICTURE = r"(?: (?:des|im|vom) Bild(?:es|s)?)?"
_FAR = r"(?:ganz |weit |etwas |jeweils )?"
_PART = r"(?:Seite|Hälfte|Bildhälfte|Bildseite|Bildrand|Rand|Ecke|Bildecke|Drittel|Teil|Bildteil|Bereich)"
_AT = r"(?:(?:auf|in|an|am|im|zur) )?(?:der |die |dem |das )?"
_PLACES = (
    *(
        (
            rf"{_AT}(?:{level}\w*[ -]{side}\w*|{side}\w*[ -]{level}\w*) {_PART}{_OF_PICTURE}"
            rf"|{_FAR}{'oben' if level == 'ober' else 'unten'} {side}s|{side}s {'oben' if level == 'ober' else 'unten'}",
            x, y, 0,
        )
        for side, x in _SIDES for level, y in _LEVELS
    ),
    *((rf"{_AT}{side}(?:e|en|er|es) {_PART}{_OF_PICTURE}|{_FAR}{side}s(?: davon)?{_OF_PICTURE}", x, None, 0) for side, x in _SIDES),
    *((rf"{_AT}{level}(?:e|en|er|es) {_PART}{_OF_PICTURE}|{_FAR}{'oben' if level == 'ober' else 'unten'}{_OF_PICTURE}", None, y, 0) for level, y in _LEVELS),
    (rf"(?:in der|die) (?:Bild)?mitte{_OF_PICTURE}|im Zentrum|mittig", 0.5, 0.5, 0),
    (rf"(?:im )?Vordergrund{_OF_PICTURE}", None, None, 1),
    (rf"(?:im )?Hintergrund{_OF_PICTURE}|in der Ferne", None, None, -1),
)  # fmt: skip
_BACKDROP = r"(?:(?:einem|einer|dem) )?(?:\w+ ){0,3}Hintergrund"
_STEHT = r"(?:direkt |genau |dicht |unmittelbar )?"

GERMAN_WORDS = Words(
    code="de",
    opens_phrase="|".join(sorted(_ARTICLES, key=len, reverse=True)) + r"|\d{1,2}",
    conjunction="und|sowie",
    relations={
        "between": rf"{_STEHT}zwischen",
        "left_of": r"(?:auf der linken Seite|zur Linken|links) (?:neben|von|vom|der|des)",
        "right_of": r"(?:auf der rechten Seite|zur Rechten|rechts) (?:neben|von|vom|der|des)",
        "above": rf"{_STEHT}(?:oben auf|oberhalb(?: von)?|über|auf)(?! der (?:linken|rechten|oberen|unteren)\b)",
        "below": rf"{_STEHT}(?:unterhalb(?: von)?|unter)",
        "in_front_of": rf"{_STEHT}vor",
        "behind": rf"{_STEHT}(?:hinter|verdeckt von|verborgen hinter)",
        "next_to": rf"{_STEHT}(?:neben|bei|nahe(?: bei)?|in der Nähe(?: von)?|an)(?! der (?:linken|rechten)\b)",
    },
    relations_to_last={
        "above": "darüber|darauf|obendrauf", "below": "darunter", "next_to": "daneben|dabei",
        "in_front_of": "davor", "behind": "dahinter",
    },
    places=_PLACES,
    orders=(
        ("von links nach rechts", 0.0, None), ("von rechts nach links", 1.0, None),
        ("von oben nach unten", None, 0.0), ("von unten nach oben", None, 1.0),
    ),
    order_words="Nummer {}",
    is_verb=_is_verb,
    particles=_PREPOSITIONS | {"ab", "an", "ein", "hin", "her", "los", "weg"},
    opening=r"^(?:bitte )?(?:(?:zeichne|male|erstelle|generiere|zeige|mal|zeig)(?: mir)?(?: bitte)? )?"
    r"(?:(?:ein|das) (?:Bild|Foto) (?:von |mit )|eine Szene mit )?",
    background=rf"^(?:der )?Hintergrund (?:ist|zeigt)\s+(.+)$|^((?:auf|vor|mit) {_BACKDROP})$",
    background_end=rf"\s((?:auf|vor|mit) {_BACKDROP})$",
    style=r"(?:im )?(?:\w+ )?(?:\w*stil|\w*gemälde|Aquarell|Skizze|\w*zeichnung|Fotografie|Foto)"
    r"|im Stil von .+|fotorealistisch|hochauflösend|4k|8k|sehr detailliert",
    is_adjective=_is_adjective,
    is_noun=_is_noun,
)  # fmt: skip

GERMAN = Language(
    code="de",
    read=Grammar(GERMAN_WORDS).read,
    split=_split,
    count=_count,
    noun=_noun,
    same=_same,
    last=" und ",
    includes="{} mit {}",
    before_background=r"^(?:auf|vor|mit) ",
    usually_high=("himmel", "sonne", "mond", "wolke", "wolken", "sterne", "sternenhimmel", "regenbogen"),
    usually_low=("boden", "wiese", "gras", "rasen", "teppich"),
    rather_low=("stuhl", "tisch", "sofa", "bett", "hund", "katze", "auto", "fluss", "see", "blumen"),
    wide=("himmel", "meer", "boden", "wand", "wiese", "strand", "feld", "fluss", "straße", "wald", "berge"),
    sizes={f"{stem}{end}": size for stem, size in _SIZES.items() for end in ("", "e", "er", "es", "en", "em")},
    markers=frozenset(
        "ein eine einen einem einer eines der die das den dem des und mit links rechts oben unten auf "
        "neben hinter über unter vor zwischen im ist steht sitzt liegt mitte von vom zwei drei vier".split()
    ),
)  # fmt: skip
