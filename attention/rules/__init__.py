"""Rules: who looks at whom, how strongly and when. One file each."""

from .base import AttentionKind, Rule
from .bind import Bind
from .couple import Couple
from .dense import Dense
from .joint import Joint
from .larender import LaRender
from .omost import Omost
from .rcac import RCAC
from .rcac_literal import RCACLiteral
from .rpg import RPG

__all__ = [
    "RCAC",
    "RPG",
    "AttentionKind",
    "Bind",
    "Couple",
    "Dense",
    "Joint",
    "LaRender",
    "Omost",
    "RCACLiteral",
    "Rule",
]
