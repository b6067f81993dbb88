"""Nodes that choose a rule for cross-attention other than the default."""

from __future__ import annotations

from comfy_api.latest import io

from ...attention.rules import RCAC, RPG, Dense, Joint, LaRender, Omost, RCACLiteral
from ...attention.rules.larender import SCHEDULES, Schedule
from ..newer import newer
from ..types import CATEGORY, RuleSocket


def rule_schema(
    name: str,
    title: str,
    description: str,
    inputs: list[io.Input],
    *,
    experimental: bool = False,
) -> io.Schema:
    """Schema of a node whose only output is a rule; experimental: for comparison, may go."""
    return io.Schema(
        node_id=f"RegionalDiT_Rule{name}",
        display_name=f"Rule: {title}",
        category=f"{CATEGORY}/rules",
        description=description,
        **newer(f"{title} attention", "regional attention rule", experimental=experimental),
        inputs=inputs,
        outputs=[RuleSocket.Output(display_name="rule")],
    )


def _share(name: str, default: float, tooltip: str, maximum: float = 1.0) -> io.Input:
    return io.Float.Input(name, default=default, min=0.0, max=maximum, step=0.01, tooltip=tooltip)


class RCACRule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return rule_schema(
            "RCAC",
            "RCAC (Progressive Prompts)",
            "The paper's regional cross-attention (arXiv 2501.07070): regional prompts alone in "
            "the first 21 of 40 layers, the global prompt alone in the later ones. Set the layers "
            "on the patch node to change that.",
            [],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(RCAC())


class RCACLiteralRule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return rule_schema(
            "RCACLiteral",
            "RCAC, Equation as Printed",
            "For comparison only: the mask multiplies the query before the softmax, as the "
            "equation of arXiv 2501.07070 is printed. Outside its region a prompt then adds the "
            "mean of its values to every token. The paper's code does not do this.",
            [],
            experimental=True,
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(RCACLiteral())


class JointRule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return rule_schema(
            "Joint",
            "Joint Softmax",
            "One softmax over the global prompt and the prompts of the regions around, with the "
            "regions' shares as log-weights: a prompt that answers more strongly gets more.",
            [
                _share(
                    "base_ratio",
                    0.3,
                    "Weight of the global prompt inside the regions, before it competes.",
                ),
                io.Boolean.Input(
                    "length_compensation",
                    default=True,
                    tooltip="Keep long prompts from winning by their number of tokens. Without "
                    "effect where all prompts are padded to one length, as in HunyuanDiT.",
                ),
            ],
        )

    @classmethod
    def execute(cls, base_ratio: float, length_compensation: bool) -> io.NodeOutput:
        return io.NodeOutput(Joint(base_ratio, length_compensation))


class OmostRule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return rule_schema(
            "Omost",
            "Omost",
            "Omost's attention: one softmax over the global prompt and every region that covers "
            "more than half of a token; scores of small regions are scaled up by 1 / area.",
            [],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(Omost())


class DenseRule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return rule_schema(
            "Dense",
            "DenseDiffusion",
            "DenseDiffusion (arXiv 2308.12964), its cross-attention part: in the first steps the "
            "scores of a region's prompt are drawn to the maximum inside the region and to the "
            "minimum outside, less and less; afterwards the global prompt acts alone.",
            [
                _share("strength", 1.0, "How far scores are drawn, 1 as in the paper."),
                _share(
                    "end_percent", 0.3, "Share of the denoising after which the rule stops acting."
                ),
            ],
        )

    @classmethod
    def execute(cls, strength: float, end_percent: float) -> io.NodeOutput:
        return io.NodeOutput(Dense(strength, end_percent))


class RPGRule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return rule_schema(
            "RPG",
            "RPG",
            "RPG (arXiv 2401.11708): every token belongs to one region, whose prompt is blended "
            "with the global one at a base ratio of 0.5. Hard borders, no feather.",
            [
                _share(
                    "base_ratio",
                    0.5,
                    "Share of the global prompt inside the regions; 0.35 to 0.55 is recommended.",
                )
            ],
        )

    @classmethod
    def execute(cls, base_ratio: float) -> io.NodeOutput:
        return io.NodeOutput(RPG(base_ratio))


class LaRenderRule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return rule_schema(
            "LaRender",
            "LaRender (occlusion)",
            "LaRender (arXiv 2508.07647): regions are translucent layers before the global prompt; "
            "what lies in front (larger order) hides what lies behind. For overlapping regions.",
            [
                _share(
                    "opacity",
                    0.8,
                    "Opacity of a region with weight 1 at the last step; weights multiply its "
                    "density.",
                    0.99,
                ),
                io.Combo.Input(
                    "schedule",
                    options=list(SCHEDULES),
                    default=SCHEDULES[0],
                    tooltip="falling: nearly opaque at first, 'opacity' at the end; constant: "
                    "'opacity' all the time.",
                ),
            ],
        )

    @classmethod
    def execute(cls, opacity: float, schedule: Schedule) -> io.NodeOutput:
        return io.NodeOutput(LaRender(opacity, schedule))


RULE_NODES: list[type[io.ComfyNode]] = [
    RCACRule,
    JointRule,
    OmostRule,
    DenseRule,
    RPGRule,
    LaRenderRule,
    RCACLiteralRule,
]
