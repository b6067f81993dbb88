"""Rules: who looks at whom, how strongly and when. One file each."""

from .base import Rule
from .couple import Couple
from .rcac import RCAC

__all__ = ["RCAC", "Couple", "Rule"]
