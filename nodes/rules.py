"""Nodes that choose a rule other than the default."""

from __future__ import annotations

from comfy_api.latest import io

from ..attention.rules import RCAC
from .types import CATEGORY, RuleSocket


class RCACRule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_RuleRCAC",
            display_name="Rule: RCAC (Progressive Prompts)",
            category=f"{CATEGORY}/rules",
            description="The paper's regional cross-attention (arXiv 2501.07070): regional prompts "
            "alone in the first 21 of 40 layers, the global prompt alone in the later ones. Set "
            "the layers on the patch node to change that.",
            inputs=[],
            outputs=[RuleSocket.Output(display_name="rule")],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(RCAC())
