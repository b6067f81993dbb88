"""Noun and attributes of a phrase."""

from __future__ import annotations

import pytest
from regional_dit.planner.errors import PlanError
from regional_dit.planner.offline.phrase_roles import phrase_roles

# phrase | instance | attributes
TABLE = """
a red fox | fox | red
a shiny red sports car | car | shiny, red, sports
two fluffy white kittens | kittens | fluffy, white
an ice cream cone | cone | ice, cream
a red panda | red panda |
a bowl of red apples | bowl | red
a pair of blue shoes | shoes | blue
a woman wearing a red dress | woman | red
a table made of dark oak | table | dark oak
the old fire truck by a tree | truck | old, fire
a dog with green eyes | dog | green
cat | cat |
a 2-headed dragon | dragon | 2-headed
a crystal-clear lake | lake | crystal-clear
a red and white cat | cat | red, white
a glowing neon sign | sign | glowing, neon
the painter's easel | easel | painter's
一只红色的猫 | 猫 | 红色
红色的圆 | 圆 | 红色
穿着蓝色裙子的女孩 | 女孩 | 穿着蓝色裙子
一个玻璃杯 | 玻璃杯 |
一条可爱的小狗 | 小狗 | 可爱
黑猫 | 猫 | 黑
木质书架 | 书架 | 木质
飞翔的老鹰 | 老鹰 | 飞翔
"""
ROWS = [[part.strip() for part in line.split("|")] for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize(("phrase", "instance", "attributes"), ROWS, ids=[r[0] for r in ROWS])
def test_rule_based_split(phrase: str, instance: str, attributes: str) -> None:
    roles = phrase_roles(phrase)
    assert [phrase[a:b] for a, b in roles.instance] == [instance]
    assert [phrase[a:b] for a, b in roles.attributes] == [a for a in attributes.split(", ") if a]


def test_split_that_is_given() -> None:
    phrase = "a red fire truck with red wheels"
    roles = phrase_roles(phrase, "fire truck", ("red", "fire", "shiny"))
    assert [phrase[a:b] for a, b in roles.instance] == ["fire truck"]
    # Attributes that do not stand in the phrase, or are the instance's own words, are left out.
    assert [phrase[a:b] for a, b in roles.attributes] == ["red"]


def test_errors() -> None:
    with pytest.raises(PlanError, match="'bus' does not stand in the phrase 'a red car'"):
        phrase_roles("a red car", "bus")
    with pytest.raises(PlanError, match="holds no word"):
        phrase_roles("...")
