"""English verbs of description, and which word of a clause is its verb.

Only the form of a word and its neighbours are looked at, so that verbs that stand in no list are
found by their ending where it is plain ("contrasted with the").
"""

from __future__ import annotations

import re
from functools import lru_cache

from .lexicon import words

COPULAS = words("is are was were be been being am seem seems seemed appear appears appeared")
AUXILIARIES = words("has have had do does did can could will would shall should may might must")
_IRREGULAR_PAST = words("""
    sat stood lay hung fell shone drew threw ran flew rang swam sang drank ate drove rode rose
    wore held kept slept swept crept leapt spun stuck struck swung clung sprang sank shrank grew
    blew knew gave came became went took shook woke spoke broke wrote made met led left bent
    sent spent lent lit fed bled sped slid hid bit fought caught brought bought taught thought
    sought felt knelt dealt built found bound wound ground stole froze chose tore bore swore
    laid paid said told sold stung flung wrung dug won shot got began dove wove strove forgot
    saw did had rolled
""")  # "left", "ground", "found", "felt", "saw": nouns too, see `_ALSO_NOUNS`
_ALSO_NOUNS = words("left ground felt saw lay lit bore rose wound bit dove fell shot spun laid")
_SIMPLE_PAST = words("""
    sat stood hung shone drew threw ran flew rang swam sang drank ate drove rode wore slept
    crept leapt stuck clung sprang sank shrank grew blew gave came became went took shook woke
    spoke broke wrote met knelt froze began
""")
_UNCHANGED = words("set put cut let hit spread cast burst split shut hurt beat")
BASES = words("""
    sit stand lie lay hang rest lean float fly swim run walk jump leap crawl climb sleep kneel
    crouch perch hover drift glide soar rise fall drop sink roll spin turn swing sway wave dance
    sing play read write draw paint eat drink cook bake boil simmer stir serve pour fill cover
    surround enclose cross reach touch hold carry lift pull push drag throw catch kick hit
    strike pound hammer cut slice chop peel break crack crush grind press squeeze bend fold wrap
    tie hug kiss embrace greet meet face watch look gaze stare glance smile laugh cry shout talk
    speak chat listen hear smell taste feel bark meow chirp howl roar buzz hum ring tick click
    glow shine gleam glisten glitter sparkle shimmer flicker flash blaze burn melt freeze drip
    flow stream splash crash collide bump rush race chase follow lead guide pass drive ride park
    stop wait stay remain live dwell grow bloom blossom sprout ripen wither decorate adorn
    illuminate light brighten reflect refract cast throw hide emerge appear peek loom tower
    stretch extend spread spiral twist wind curl coil clutch grip grab cling rest nestle balance
    lurk hunt feed graze nibble chew bite lick sniff dig bury build repair clean wash wipe sweep
    dust polish shake tremble vibrate bounce slide slip skate ski sail row paddle surf dive sink
    land hop skip trot gallop march parade gather crowd cluster mingle mix blend contrast match
    complement clash compete fight battle guard protect shelter support hang add bring give take
    make create form provide offer lend leave fill scatter litter clutter line frame border
    flank overlook dominate command occupy contain include feature show display depict invite
    welcome attract draw enhance relax soothe comfort warm cool chill refresh delight entertain
    enjoy love admire explore discover examine inspect study teach learn work rest relax lounge
    recline sprawl slump snuggle cuddle curl pose sit perform practice sunbathe picnic camp fish
    hike travel wander roam stroll flutter flap swoop circle swirl whirl billow rustle crunch
    crackle sizzle steam smoke pop snap clap beat drum tap knock scratch rub stroke pet brush
    comb weigh tilt tip arrange stack pile place set lay put hang store pack unpack open close
    lock ride steer wear sport grace compose combine accompany join attach connect link share
    compare differ stare arrive depart enter exit return head move shift dart dash zoom speed
    zip plunge tumble trickle rain snow hail pierce penetrate stab bathe soak dip float wade
    pollute rattle hug eclipse shade drape slither whistle nap doze swallow devour gobble munch
    sip gulp whisper rumble echo resound ripple lap kiss prepare heat roast fry grill grate
    season mash knead deliver approach escape return remove replace restore illustrate sketch
    design construct assemble carve sculpt mold weave sew knit stitch iron photograph film
    record broadcast celebrate honor serve greet escort chase tease tickle scare frighten
    startle surprise amaze please satisfy calm heal treat rescue save defend attack threaten
    invade conquer destroy demolish damage harm ruin erode scrape scrub rinse drench soak flood
    spray sprinkle scatter shower signal announce mark herald invigorate energize fuel power
    cause produce emit release absorb trap contain hide reveal expose evaporate condense
    dissolve crumble collapse topple lure entice tower dangle droop sag slump arch curve slope
    zigzag weave teem swarm crawl showcase exude evoke symbolize represent resemble beckon tempt
    mesmerize captivate inspire remind
""")  # fmt: skip
_NOUNS_IN_ING = words("""
    king ring wing string spring ceiling building painting swing sling thing earring clothing
    pudding wedding evening morning lightning viking awning bling sibling duckling something
    everything nothing anything gosling starling frosting icing dressing railing stocking
    bedding setting opening landing lighting drawing carving crossing flooring parking wrapping
    topping
""")
_FOLLOWS_VERB = words("""
    a an the his her its their my your our this that these those some several many each every
    one two three four five six seven eight nine ten him her it them us me everyone everything
    on in at to into onto over under near beside behind between above below beneath through
    across along against for with from by around among amid inside outside past atop toward
    towards upon off up down out back away low high still together apart forward and as while
    but like beyond next underfoot overhead gently quietly brightly there here side
""")
_ENDINGS = re.compile(r"(?:[^aeiou]y|[^e]e|.)$")


@lru_cache(maxsize=1)
def _forms() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Third person, past and -ing forms of the known verbs."""
    third, past, ing = set(), set(_IRREGULAR_PAST | _UNCHANGED), set()
    for base in BASES:
        if base.endswith(("s", "sh", "ch", "x", "z", "o")):
            third.add(base + "es")
        elif base.endswith("y") and base[-2] not in "aeiou":
            third.add(base[:-1] + "ies")
        else:
            third.add(base + "s")
        stems = {base[:-1] if base.endswith("e") else base}
        if re.search(r"[^aeiou][aeiou][bdgklmnprt]$", base):
            stems.add(base + base[-1])
        for stem in stems:
            past.add(stem + "ed")
            ing.add(stem + "ing")
        if base.endswith("y") and base[-2] not in "aeiou":
            past.add(base[:-1] + "ied")
        if base.endswith("ie"):
            ing.add(base[:-2] + "ying")
    return frozenset(third), frozenset(past), frozenset(ing)


def is_simple_past(word: str) -> bool:
    """Whether a word is a past tense that is no participle, too ("swam", not "made")."""
    return word in _SIMPLE_PAST


def is_third_person(word: str) -> bool:
    """Whether a word may be the present tense of he, she or it ("stirs")."""
    return word in _forms()[0]


def is_participle(word: str) -> bool:
    """Whether a word is an -ing form and no noun that ends so ("ceiling")."""
    word = word.lower()
    return len(word) > 4 and word.endswith("ing") and word not in _NOUNS_IN_ING


def is_finite(
    word: str,
    before: str,
    following: str,
    *,
    plural_subject: bool = False,
    object_follows: bool = False,
) -> bool:
    """Whether a word that follows a noun is the verb of its clause.

    Args:
        word: to be judged.
        before: the word before it, the subject's last one.
        following: the word after it, "" at the end.
        plural_subject: whether several things are the subject ("the pot and the spoon simmer").
        object_follows: whether the word after it may begin its object ("provided luxurious ...").
    """
    word, before, following = word.lower(), before.lower(), following.lower()
    if word in COPULAS or word in AUXILIARIES:
        return True
    third, past, _ = _forms()
    follows = not following or following in _FOLLOWS_VERB or following.endswith("ly")
    if word in past and word not in _ALSO_NOUNS:
        return follows or object_follows or is_simple_past(word)
    if word in _ALSO_NOUNS:
        return bool(following) and follows and following != "and"
    if len(word) > 4 and word.endswith("ed") and not word.endswith("eed") and "-" not in word:
        return follows
    plural = before.endswith("s") and not before.endswith(("ss", "us"))
    if word in third:
        return bool(following) and follows and following != "and" and not plural
    if word in BASES:
        return bool(following) and follows and (plural or plural_subject) and following != "and"
    return False
