"""Rules: who looks at whom, how strongly and when. One file each."""

from .base import AttentionKind, Rule
from .bind import Bind
from .couple import Couple
from .rcac import RCAC

__all__ = ["RCAC", "AttentionKind", "Bind", "Couple", "Rule"]
