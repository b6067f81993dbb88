"""Regions From Sketch, and the pictures of sketches and bindings."""

from __future__ import annotations

import pytest
import torch
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.errors import RegionError
from regional_dit.attention.phrases import BoundPhrase, PhraseBinding, binding_report
from regional_dit.nodes.regions.phrase_picture import binding_rows, draw_regions, readable
from regional_dit.nodes.regions.sketch import RegionsFromSketch

LAYERS = {"instance": [(6, 34)], "background": [(20, 24)], "attributes": [(25, 57)]}


def sketch() -> torch.Tensor:
    image = torch.ones(1, 96, 160, 3)
    image[:, 10:80, 8:70] = torch.tensor([0.9, 0.1, 0.1])
    image[:, 20:70, 90:150] = torch.tensor([0.1, 0.3, 0.9])
    return image


def test_node() -> None:
    legend = "blue -> 蓝色的车\nred -> a red fox"
    out = RegionsFromSketch.execute(sketch(), legend, "white", 10.0, 0.002, 12)
    regions, phrases, preview = out.args
    assert phrases == "蓝色的车\na red fox"
    assert [region.center[0] > 0.5 for region in regions.regions] == [True, False]
    assert preview.shape[0] == 1 and preview.shape[-1] == 3
    assert float(preview.min()) >= 0 and float(preview.max()) <= 1
    with pytest.raises(RegionError, match="expected at most 1"):
        RegionsFromSketch.execute(sketch(), "", "white", 10.0, 0.002, 1)


def test_without_legend_there_are_no_phrases() -> None:
    regions, phrases, _ = RegionsFromSketch.execute(sketch(), "", "white", 10.0, 0.002, 12).args
    assert len(regions) == 2 and phrases == ""


def test_text_that_the_font_lacks_is_not_drawn() -> None:
    assert readable("a café, 50%", "instead") == "a cafe, 50%"
    assert readable("一只猫", "instead") == "instead"


def test_picture_of_a_binding() -> None:
    phrase = BoundPhrase("a fox", (1, 2, 40), (2, 40), (), ((0, 0, 1), (0, 1, 4), (1, 1, 4)))
    binding = PhraseBinding("a fox", 50, (phrase,), (5, 6, 9), (0,), (("l", 0, 30), ("t", 30, 50)))
    regions = RegionSet((Region(Box(0.0, 0.0, 0.5, 1.0)),))
    rows = binding_rows(binding, [(200, 60, 60)], LAYERS)
    assert [row.heading for row in rows[-3:]] == [
        "layers of instance: 6-34",
        "layers of background: 20-24",
        "layers of attributes: 25-57",
    ]
    bare, table = (draw_regions(regions, [(200, 60, 60)], r, 8)[0] for r in ([], rows))
    assert bare.shape == (640, 640, 3)  # boxes alone: a square
    assert torch.allclose(bare[20, 20] * 255, torch.tensor([200.0, 60.0, 60.0]), atol=1)
    assert float(bare[600, 600].min()) > 0.99
    assert table.shape[1] > bare.shape[1]
    assert binding_report(binding, LAYERS).splitlines() == [
        "50 text tokens (l 0-29, t 30-49)",
        "1. 'a fox': tokens 1-2, 40; instance 2, 40; attributes none",
        "background: tokens 5-6, 9",
        "layers of instance: 6-34",
        "layers of background: 20-24",
        "layers of attributes: 25-57",
    ]
