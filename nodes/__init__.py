"""The nodes: schema and wiring; all that they compute lies in ``attention/`` and ``planner/``."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .boxes import BoxesFromPlan, PlanFromBoxes
from .conditioning import AppendRegionConditioning, RegionalConditioning
from .demo import DemoDiTLoader, ScoreDemoScene
from .depth import ProgressiveDepth
from .editor import RegionEditor
from .evaluate import CompareFolders, CompareImages, RegionAlignment, SeamScore
from .evaluate_demo import DemoConfusion
from .frames import RegionFrames
from .imports import ImportRegionalPrompts
from .joint_rules import JOINT_RULE_NODES
from .lora import RegionLoraNode
from .omost import ImportOmostCanvas
from .patch import PatchCrossAttention
from .phrases import BindPhrases
from .planner import LLMProgressivePrompt
from .region_controlnet import RegionControlNet
from .region_reference import RegionReference
from .region_schedule import RegionScheduleNode
from .regions import RegionsFromMasks, RegionSplit
from .rules import RULE_NODES
from .simple import RegionalPrompt
from .sketch import RegionsFromSketch
from .specialty import SpecialtyTuningRule

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
