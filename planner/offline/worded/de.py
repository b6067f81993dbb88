"""German, as a table of words for `grammar`. In it, nouns are written with a capital."""

from __future__ import annotations

import re

from ...layout.scene import MAX_PART
from ..en.lexicon import words
from ..language import Language, SplitPhrase
from .grammar import Grammar
from .line import Words

_ARTICLES = words(
    """
    ein eine einen einem einer eines der die das den dem des sein seine ihr ihre mein meine
    dieser diese dieses viele einige mehrere kein keine zwei drei vier fünf sechs sieben
    acht neun zehn elf zwölf
    """
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
_PREPOSITIONS = words(
    """
    mit ohne in im aus von vom für zu zum zur bei beim an am auf um durch gegen nach seit
    über unter hinter vor neben zwischen und oder als wie
    """
)
_SIZES = {
    "winzig": (0.5, 0.5), "klein": (0.65, 0.65), "groß": (1.4, 1.4), "riesig": (1.8, 1.8),
    "gewaltig": (1.8, 1.8), "hoh": (0.85, 1.5), "breit": (1.5, 0.85), "lang": (1.5, 0.85),
    "schmal": (0.65, 1.0),
}  # fmt: skip
_ENDING = r"(?:e|er|es|en|em)?"
_SIZE = re.compile(rf"(?:{'|'.join(_SIZES)}|hoch|kurz|rund|eckig|dreieckig|oval){_ENDING}")
# "sieht man", "gibt es", "steht": verbs of a description, and forms that look like adjectives.
_VERBS = words(
    """
    ist sind war waren wird werden hat sich befindet befinden gibt es man sieht sehen zeigt
    zeigen steht stehen stand standen sitzt sitzen saß saßen liegt liegen lag lagen hängt
    hängen hing schwebt schweben schläft schlafen fliegt fliegen flog schwimmt schwimmen
    geht gehen ging parkt parken lehnt lehnen wächst wachsen scheint schien läuft laufen
    lief springt springen erhebt ragt ruht ruhen enthält versteckt platziert gestellt gelegt
    positioniert
    """
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
    lower = noun.lower()
    known = _SINGULARS.get(lower) or _SINGULARS.get(lower.removesuffix("n"))
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


_OF_PICTURE = r"(?: (?:des|im|vom) Bild(?:es|s)?)?"
_FAR = r"(?:ganz |weit |etwas |jeweils )?"
_PART = r"(?:(?:Bild)?(?:seite|hälfte|rand|ecke|drittel|teil|bereich))"
_AT = r"(?:(?:auf|in|an|am|im|zur) )?(?:der |die |dem |das )?"
_SIDES = (("link", "links", 0.0), ("recht", "rechts", 1.0))
_LEVELS = (("ober", "oben", 0.0), ("unter", "unten", 1.0))


def _places() -> tuple[tuple[str, float | None, float | None, int], ...]:
    """What says where on the canvas, corners first."""
    found: list[tuple[str, float | None, float | None, int]] = []
    for side, aside, x in _SIDES:
        for level, along, y in _LEVELS:
            corner = rf"{_AT}(?:{level}\w*[ -]{side}\w*|{side}\w*[ -]{level}\w*) {_PART}"
            found.append((rf"{corner}{_OF_PICTURE}|{_FAR}{along} {aside}|{aside} {along}", x, y, 0))
    end = r"(?:e|en|er|es)"
    for side, aside, x in _SIDES:
        plain = rf"{_FAR}{aside}(?: davon)?{_OF_PICTURE}"
        found.append((rf"{_AT}{side}{end} {_PART}{_OF_PICTURE}|{plain}", x, None, 0))
    for level, along, y in _LEVELS:
        plain = rf"{_FAR}{along}{_OF_PICTURE}"
        found.append((rf"{_AT}{level}{end} {_PART}{_OF_PICTURE}|{plain}", None, y, 0))
    middle = rf"(?:in der|die) (?:Bild)?mitte{_OF_PICTURE}|im Zentrum|mittig"
    return (
        *found,
        (middle, 0.5, 0.5, 0),
        (rf"(?:im )?Vordergrund{_OF_PICTURE}", None, None, 1),
        (rf"(?:im )?Hintergrund{_OF_PICTURE}|in der Ferne", None, None, -1),
    )


_BACKDROP = r"(?:(?:einem|einer|dem) )?(?:\w+ ){0,3}Hintergrund"
_NO_SIDE = r"(?! der (?:linken|rechten|oberen|unteren)\b)"  # "auf der linken Seite"
_EXACTLY = r"(?:direkt |genau |dicht |unmittelbar )?"

GERMAN_WORDS = Words(
    code="de",
    opens_phrase="|".join(sorted(_ARTICLES, key=len, reverse=True)) + r"|\d{1,2}",
    conjunction="und|sowie",
    relations={
        "between": rf"{_EXACTLY}zwischen",
        "left_of": r"(?:auf der linken Seite|zur Linken|links) (?:neben|von|vom|der|des)",
        "right_of": r"(?:auf der rechten Seite|zur Rechten|rechts) (?:neben|von|vom|der|des)",
        "above": rf"{_EXACTLY}(?:oben auf|oberhalb(?: von)?|über|auf){_NO_SIDE}",
        "below": rf"{_EXACTLY}(?:unterhalb(?: von)?|unter)",
        "in_front_of": rf"{_EXACTLY}vor",
        "behind": rf"{_EXACTLY}(?:hinter|verdeckt von|verborgen hinter)",
        "next_to": rf"{_EXACTLY}(?:neben|bei|nahe(?: bei)?|in der Nähe(?: von)?|an){_NO_SIDE}",
    },
    relations_to_last={
        "above": "darüber|darauf|obendrauf", "below": "darunter", "next_to": "daneben|dabei",
        "in_front_of": "davor", "behind": "dahinter",
    },
    places=_places(),
    orders=(
        ("von links nach rechts", 0.0, None), ("von rechts nach links", 1.0, None),
        ("von oben nach unten", None, 0.0), ("von unten nach oben", None, 1.0),
    ),
    order_words="Nummer {}",
    is_verb=_is_verb,
    particles=_PREPOSITIONS | {"ab", "an", "ein", "hin", "her", "los", "weg"},
    opening=r"^(?:bitte )?(?:(?:zeichne|male?|erstelle|generiere|zeige?)(?: mir)?(?: bitte)? )?"
    r"(?:(?:ein|das) (?:Bild|Foto) (?:von |mit )|eine Szene mit )?",
    background=r"^(?:(?:der )?Hintergrund (?:ist|zeigt)\s+(?P<what>.+)"
    rf"|(?:auf|vor|mit) {_BACKDROP})$",
    background_of="im Hintergrund {}",
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
    usually_high=words("himmel sonne mond wolke wolken sterne sternenhimmel regenbogen"),
    usually_low=words("boden wiese gras rasen teppich"),
    rather_low=words("stuhl tisch sofa bett hund katze auto fluss see blumen"),
    wide=words("himmel meer boden wand wiese strand feld fluss straße wald berge"),
    sizes={
        stem + end: size
        for stem, size in _SIZES.items()
        for end in ("", "e", "er", "es", "en", "em")
    },
    markers=words(
    """
    ein eine einen einem einer eines der die das den dem des und mit links rechts oben unten
    auf neben hinter über unter vor zwischen im ist steht sitzt liegt mitte von vom zwei
    drei vier
    """
),
)  # fmt: skip
