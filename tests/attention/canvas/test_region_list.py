"""Which regions a text means, wherever one is written."""

from __future__ import annotations

import pytest
from regional_dit.attention.canvas.region_list import region_indices
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.errors import RegionError

NAMES = ("1", "big cat", "2")  # the third region has the second one's number for a name
REGIONS = RegionSet(
    tuple(Region(Box(i / 3, 0, (i + 1) / 3, 1), name=n) for i, n in enumerate(NAMES))
)


def chosen(text: str, **kw: bool) -> set[int]:
    return set(region_indices(text, REGIONS, what="It", **kw))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [(" 2", {1}), ("1, 3", {0, 2}), ("3;1 1", {0, 2}), ("1\n2", {0, 1}), ("big cat", {1}),
     ("big cat, 3", {1, 2}), ("ALL", {0, 1, 2}), (" all ,", {0, 1, 2}), ("\uff11", {0})],
)  # fmt: skip
def test_numbers_names_and_all(text, wanted):
    assert chosen(text) == chosen(text, empty_is_all=True) == wanted


@pytest.mark.parametrize("text", ["", " ", " ,;\n"])
def test_nothing_is_all_or_an_error(text):
    assert chosen(text, empty_is_all=True) == {0, 1, 2}
    with pytest.raises(RegionError, match=r"It names no region\. Write its number"):
        chosen(text)


@pytest.mark.parametrize("text", ["0", "4", "left", "-1", "\u00b2", "1, all", "1 cat", "9" * 5000])
def test_wrong_regions_are_named(text):
    with pytest.raises(RegionError, match=r"It is meant for region '.*', but there are 3") as error:
        chosen(text, empty_is_all=True)
    assert "numbers from 1 to 3 or one of the names big cat," in str(error.value)
    assert len(str(error.value)) < 250


def test_a_name_that_looks_like_a_number_out_of_range():
    regions = RegionSet((Region(Box(0, 0, 1, 1), name="7"),))
    assert region_indices("7", regions, what="It") == {0}
    with pytest.raises(RegionError, match=r"there is 1 region\. Expected numbers from 1 to 1, sep"):
        region_indices("2", regions, what="It")
