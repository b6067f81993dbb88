"""Nodes for the editor's tests: bounding boxes, which older hosts lack, and masks."""

from __future__ import annotations

import torch


class Boxes:
    CATEGORY = "testing"
    RETURN_TYPES = ("BOUNDING_BOX",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def make(self):
        left = {"x": 0, "y": 0, "width": 128, "height": 256}
        return ([left, {"x": 128, "y": 64, "width": 128, "height": 128}],)


class Masks:
    CATEGORY = "testing"
    RETURN_TYPES = ("MASK",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def make(self):
        masks = torch.zeros(2, 300, 300)
        masks[0, :, :150] = 1.0
        y, x = torch.meshgrid(torch.arange(300), torch.arange(300), indexing="ij")
        masks[1] = ((x - 225) ** 2 + (y - 150) ** 2 < 70**2).float()
        return (masks,)


NODE_CLASS_MAPPINGS = {"TestBoxes": Boxes, "TestMasks": Masks}
