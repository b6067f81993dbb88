"""The nodes: schema and wiring; all that they compute lies in ``attention/`` and ``planner/``."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .measure.demo import DemoDiTLoader, ScoreDemoScene
from .measure.evaluate import CompareFolders, CompareImages, RegionAlignment, SeamScore
from .measure.evaluate_demo import DemoConfusion
from .patching.depth import ProgressiveDepth
from .patching.patch import PatchCrossAttention
from .prompts.conditioning import AppendRegionConditioning, RegionalConditioning
from .prompts.imports import ImportRegionalPrompts
from .prompts.omost import ImportOmostCanvas
from .prompts.phrases import BindPhrases
from .prompts.planner import LLMProgressivePrompt
from .prompts.simple import RegionalPrompt
from .regional.controlnet import RegionControlNet
from .regional.guidance import RegionGuidanceNode
from .regional.lora import RegionLoraNode
from .regional.reference import RegionReference
from .regional.schedule import RegionScheduleNode
from .regions.boxes import BoxesFromPlan, PlanFromBoxes
from .regions.editor import RegionEditor
from .regions.frames import RegionFrames
from .regions.sketch import RegionsFromSketch
from .regions.split import RegionsFromMasks, RegionSplit
from .rules.cross import RULE_NODES
from .rules.joint import JOINT_RULE_NODES
from .rules.specialty import SpecialtyTuningRule

NODES: list[type[io.ComfyNode]] = [
    RegionalPrompt,
    RegionSplit,
    RegionsFromMasks,
    RegionEditor,
    RegionFrames,
    RegionScheduleNode,
    RegionsFromSketch,
    LLMProgressivePrompt,
    ImportOmostCanvas,
    ImportRegionalPrompts,
    PlanFromBoxes,
    BoxesFromPlan,
    RegionalConditioning,
    AppendRegionConditioning,
    RegionReference,
    RegionControlNet,
    RegionGuidanceNode,
    RegionLoraNode,
    BindPhrases,
    PatchCrossAttention,
    ProgressiveDepth,
    *RULE_NODES,
    *JOINT_RULE_NODES,
    SpecialtyTuningRule,
    DemoDiTLoader,
    ScoreDemoScene,
    CompareImages,
    CompareFolders,
    RegionAlignment,
    SeamScore,
    DemoConfusion,
]


class RegionalDiTExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES
