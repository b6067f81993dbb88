"""How sentences are taken apart: relations, clauses, lists; the same table in every language."""

from __future__ import annotations

import pytest
from regional_dit.planner.layout.relations import RELATIONS
from regional_dit.planner.offline.en.structure import read_clause, verb_index
from regional_dit.planner.offline.languages import LANGUAGES, language_of
from regional_dit.planner.offline.lists import list_lines
from regional_dit.planner.offline.planner import plan_offline
from regional_dit.planner.score.words import keeps, region_of

SYNONYMS = {
    "left": ("on the left of", "to the left of", "left of", "at the left side of",
             "on the left-hand side of", "standing to the left of"),
    "right": ("on the right of", "to the right of", "right of", "on the right side of"),
    "above": ("on the top of", "on top of", "above", "atop", "over", "hovering over",
              "directly above", "is on top of", "was sitting on top of"),
    "below": ("on the bottom of", "at the bottom of", "below", "under", "beneath", "underneath"),
    "front": ("in front of", "in the front of", "is standing in front of"),
    "behind": ("behind", "hidden by", "hidden behind", "in back of", "partially hidden by"),
    "near": ("next to", "near", "beside", "on side of", "on the side of", "alongside",
             "adjacent to", "close to", "by"),
}  # fmt: skip
ZH = {"left": "左边", "right": "右侧", "above": "上方", "below": "下面", "front": "前面",
      "behind": "后面", "near": "旁边"}  # fmt: skip
DE = {"left": "links von", "right": "rechts neben", "above": "über", "below": "unterhalb von",
      "front": "vor", "behind": "hinter", "near": "neben"}  # fmt: skip


def holds(text: str, first: str, kind: str, second: str) -> bool:
    regions = plan_offline(text).regions
    a, b = region_of(regions, first), region_of(regions, second)
    assert a is not None and b is not None and a != b, [region.prompt() for region in regions]
    return keeps(kind, regions[a], regions[b])


@pytest.mark.parametrize(
    ("kind", "words"), [(kind, w) for kind, words in SYNONYMS.items() for w in words]
)
def test_english_synonyms(kind, words):
    assert holds(f"a teapot {words} a walrus", "teapot", kind, "walrus")
    assert holds(f"A big red teapot {words} a walrus.", "teapot", kind, "walrus")


@pytest.mark.parametrize("kind", ZH)
def test_chinese_words(kind):
    assert holds(f"一只茶壶在一只海象的{ZH[kind]}", "茶壶", kind, "海象")
    assert holds(f"海象的{ZH[kind]}有一只茶壶", "茶壶", kind, "海象")


@pytest.mark.parametrize("kind", DE)
def test_german_words(kind):
    assert holds(f"ein Löwe {DE[kind]} einem Koffer", "Löwe", kind, "Koffer")
    assert holds(f"Der Löwe steht {DE[kind]} einem Koffer.", "Löwe", kind, "Koffer")


def test_relations_have_inverses():
    for kind, direction in RELATIONS.items():
        if kind == "between":
            continue
        back = RELATIONS[direction.inverse]
        assert back.inverse == kind
        assert (back.dx, back.dy, back.depth) == (-direction.dx, -direction.dy, -direction.depth)


def test_a_chain_of_relations():
    text = "a plum under a pear under an apple"
    assert holds(text, "pear", "below", "apple") and holds(text, "plum", "below", "pear")


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("The plump, juicy grapes hung low on the vine, ripening in the warm, summer sun.",
         ["the plump juicy grapes, ripening in the warm summer sun", "the vine"]),
        ("The white book was on top of the blue shelf.", ["the white book", "the blue shelf"]),
        ("The green diamond was nestled between the yellow hexagon and the blue cylinder.",
         ["the yellow hexagon", "the green diamond", "the blue cylinder"]),
        ("a waiter is serving coffee to a woman in a green dress",
         ["a waiter", "coffee", "a woman in a green dress"]),
        ("a pot and a pan are on the stove", ["a pot", "a pan", "the stove"]),
        ("a woman in a red dress and a man holding a sword",
         ["a woman in a red dress", "a man holding a sword"]),
        ("a vase made of blue glass", ["a blue glass vase"]),
        ("the girl has red hair", ["the girl has red hair"]),
        ("two boys, one holding a red kite, the other a blue ball",
         ["a boy holding a red kite", "a boy holding a blue ball"]),
        ("each of the two dogs wears a hat", ["a dog wears a hat"] * 2),
        ("a candle on each side of a cake", ["a candle", "a cake", "a candle"]),
        ("1. a cat 2. a dog 3. a bird", ["a cat", "a dog", "a bird"]),
        ("- a teapot - a cup", ["a teapot", "a cup"]),
        ("a cat; a dog\na bird", ["a cat", "a dog", "a bird"]),
        ("An orange cat sleeping on top of a red car.", ["a sleeping orange cat", "a red car"]),
        ("half of the picture is on fire and the other half is frozen", None),
    ],
)  # fmt: skip
def test_sentences_are_taken_apart(text, prompts):
    plan = plan_offline(text)
    if prompts is None:
        assert len(plan.regions) == 2 and plan.notes == ()
        return
    said = sorted(region.prompt() for region in plan.regions)
    if "vase" in text:
        assert said == ["a vase made of blue glass"]
        return
    assert said == sorted(prompts)


def test_depth_labels():
    plan = plan_offline("foreground: mossy rocks; background: a waterfall")
    assert {r.prompt(): r.order for r in plan.regions} == {"mossy rocks": 1, "a waterfall": -1}
    # Without a foreground, a background is what lies behind everything.
    assert plan_offline("a cat; background: a forest").background == "with a forest"


def test_what_cannot_be_told_apart_stays_whole():
    plan = plan_offline("a child feeding many hungry ducks")
    assert [region.prompt() for region in plan.regions] == ["a child feeding many hungry ducks"]
    assert plan.notes == ("Nothing in the text could be told apart; it is one region.",)


@pytest.mark.parametrize(
    ("words", "index"),
    [
        ("the cat sat on the mat", 2),
        ("the old stone bridge crossed the river", 4),
        ("the chef prepared delicious food", 2),
        ("a room filled with light", None),
        ("a painted wooden chair", None),
        ("metallic watering can", None),
        ("the timer ticks down", 2),
        ("the coffee tables in the room", None),
    ],
)
def test_the_verb_of_a_clause(words, index):
    assert verb_index(words.split()) == index


def test_a_clause():
    clause = read_clause("the ripe apples hung low on the branches of the tree")
    assert clause is not None
    assert clause.subject == "the ripe apples"
    assert [(o.text, o.relation) for o in clause.objects] == [("the branches of the tree", "above")]
    assert read_clause("a cat on a mat") is None and read_clause("the cat is black") is None


def test_lists():
    assert list_lines("1. a 2. b\n(3) c") == "a\nb\nc"
    assert list_lines("- a - b") == "a\nb" and list_lines("① 猫②狗") == "猫\n狗"
    assert list_lines("a 2. version - 1.5 m") == "a 2. version - 1.5 m"


def test_the_language_is_found():
    assert set(LANGUAGES) == {"en", "zh", "de"}
    for text, code in (
        ("a cat on the left", "en"), ("ein Hund und eine Katze", "de"), ("左边一只猫", "zh"),
        ("robot", "en"), ("", "en"), ("die", "de"), ("die cut sticker on a box", "en"),
    ):  # fmt: skip
        assert language_of(text).code == code, text
