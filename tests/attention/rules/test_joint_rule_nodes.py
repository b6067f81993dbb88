"""The nodes of the joint rules: their settings reach the rule, bad ones are refused."""

from __future__ import annotations

import pytest
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.rules import Bias, Bind, EliGen, RegionalPromptingFlux
from regional_dit.nodes.rules.joint import BiasRule, BindRule, EliGenRule, RegionalPromptingFluxRule


def rule(node, **settings):
    """What the node gives with the defaults of its schema, but for ``settings``."""
    defaults = {i.id: getattr(i, "default", None) for i in node.GET_SCHEMA().inputs}
    return node.execute(**{**defaults, **settings}).args[0]


def test_defaults_are_those_of_the_rules():
    assert rule(BindRule) == Bind()
    assert rule(RegionalPromptingFluxRule) == RegionalPromptingFlux()
    assert rule(EliGenRule) == EliGen()
    assert rule(BiasRule) == Bias()


def test_settings_reach_the_rules():
    assert rule(BindRule, first_isolated_layer=3, last_isolated_layer=5).isolated_layers == (3, 5)
    custom = rule(RegionalPromptingFluxRule, base_ratio=0.4, double_interval=2, uncovered="alone")
    assert custom == RegionalPromptingFlux(0.4, 10, 2, 1, uncovered="alone")
    assert rule(BiasRule, own=2.0, other=-4.0) == Bias(2.0, -4.0)


def test_a_preset_replaces_the_four_numbers():
    two = rule(RegionalPromptingFluxRule, preset="PuLID two persons", base_ratio=0.9)
    assert two == RegionalPromptingFlux(0.1, 8, 1, 2)
    pure = rule(RegionalPromptingFluxRule, preset="cocktail", unmasked="pure base")
    assert pure == RegionalPromptingFlux(0.1, 10, 1, 2, "pure base")


@pytest.mark.parametrize(
    ("node", "bad", "message"),
    [
        (BindRule, {"first_isolated_layer": 4}, "set both"),
        (BindRule, {"first_isolated_layer": -2, "last_isolated_layer": 3}, "set both"),
        (BindRule, {"release_at": 1.5}, r"expected 0\.\.1"),
        (RegionalPromptingFluxRule, {"preset": "beach"}, "expected one of: custom, cocktail"),
        (RegionalPromptingFluxRule, {"unmasked": "open"}, "expected one of"),
        (RegionalPromptingFluxRule, {"single_interval": 0}, "expected 1 or more"),
        (BiasRule, {"other": 5.0}, "expected a number"),
    ],
)
def test_bad_settings_are_refused(node, bad, message):
    with pytest.raises(RegionalError, match=message):
        rule(node, **bad)
