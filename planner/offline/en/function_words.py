"""English words that hold a sentence together, as `structure` reads them. Data only."""

from __future__ import annotations

import re

from ...layout.relations import RelationKind
from . import lexicon as en

# What a verb's preposition says of the place of its object; the others say nothing of it.
VERB_PREPOSITIONS: dict[str, RelationKind | None] = {
    "on": "above", "onto": "above", "upon": "above", "atop": "above", "over": "above",
    "by": "next_to", "against": "next_to", "around": "next_to", "at": "next_to",
    "with": "next_to", "to": "next_to", "toward": "next_to", "towards": "next_to",
    "past": "next_to", "along": "next_to", "alongside": "next_to",
    "in": None, "into": None, "inside": None, "through": None, "across": None, "from": None,
    "among": None, "amid": None, "for": None, "of": None, "outside": None, "up": None,
    "down": None, "off": None, "like": None, "than": None, "before": None, "after": None,
    "during": None, "beyond": None, "throughout": None, "within": None, "as": None,
}  # fmt: skip
STAY_WITH_NOUN = en.words("of with in for like inside without")
OBJECT_PRONOUNS = en.words("them it us me him her everyone")
ADVERBS = en.words("""
    low high up down out back away off together apart still just also only not quickly forward
    gracefully about around underfoot overhead now then too alone proudly there here never
    always once again perfectly even upright all so ever loud aloud outside inside outdoors
    indoors
""")
# "The girl has red hair", "a man wears a hat": part of the thing that has it.
KEEPS_OBJECT = en.words("""
    has have had wears wore holds held carries carried features featured contains contained
    shows showed includes included displays depicts wear hold carry contain show represent
""")
KEEPS_OBJECT_ING = en.words("wearing holding carrying having showing displaying featuring")
DETERMINERS = en.DETERMINERS | en.words("those these this that every no")
DEFINITE = en.words("the his her its their this they he she it")
CANS = en.words("watering trash garbage tin soda beer paint spray oil")
AFTER_PARTICIPLE = en.words("of with in by from for into to")
ATTRIBUTES_AND_NOUNS = en.words("""
    light gold orange peach ice glass metal diamond stone crystal paper snow cream lime olive
    salmon rainbow rose fur leather silk marble brick lavender coral pearl jade cartoon
""")
NO_THINGS = DETERMINERS | ADVERBS | en.words("other mid-air midair place air")
PREPOSITIONS = frozenset(VERB_PREPOSITIONS) | en.words(
    "behind under beneath underneath above below near between beside next close"
)
CUT_AT = (PREPOSITIONS | DETERMINERS | {"and", "or", "as", "but"}) - {"one", "another"}
# Words that say where, so that "on the left, ..." ends there.
NEVER_ADJECTIVE = en.words("""
    left right top bottom middle center centre background foreground corner side front back
    distance sky ground
""")
NEVER_SUBJECT = (DETERMINERS - {"one", "another"}) | PREPOSITIONS | {"and", "or", "very"}
NOUN_ENDINGS_IN_Y = en.words("""
    city butterfly family baby lady puppy bunny pony body party cherry candy berry daisy lily
    fairy library bakery story sky fly boy toy donkey monkey turkey key honey jelly ferry lorry
    trolley strawberry blueberry raspberry gallery battery pottery jewelry cutlery teddy belly
    country ivy valley alley chimney storey bay ray tray day bay play clay hay way abbey turkey
    ally elephant plant tent parent animal metal crystal music clinic pencil canal petal
    hospital medal bread bed shed seed weed speed feed sled reed bird arctic attic picnic fabric
    olive hive beehive cabinet pendant restaurant giant infant ant student present scent table
    cable vegetable
""")
ADJECTIVE = re.compile(r"(?:y|ic|al|ive|ous|ful|less|ish|ant|ent|ed|ing|able|ible|ular|some)$")
