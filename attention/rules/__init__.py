"""Rules: who looks at whom, how strongly and when. One file each."""

from .base import AttentionKind, BlockKinds, Rule
from .bias import Bias
from .bind import Bind
from .couple import Couple
from .dense import Dense
from .eligen import EliGen
from .joint import Joint
from .larender import LaRender
from .omost import Omost
from .rcac import RCAC
from .rcac_literal import RCACLiteral
from .rpf import RegionalPromptingFlux
from .rpg import RPG
from .specialty import SpecialtyTuning

__all__ = [
    "RCAC",
    "RPG",
    "AttentionKind",
    "Bias",
    "Bind",
    "BlockKinds",
    "Couple",
    "Dense",
    "EliGen",
    "Joint",
    "LaRender",
    "Omost",
    "RCACLiteral",
    "RegionalPromptingFlux",
    "Rule",
    "SpecialtyTuning",
]
