"""Model families: where a model's tokens are. One file each, listed in ``registry.py``."""

from .base import CallInputs, Family, TokenShape
from .registry import FAMILIES, find_family

__all__ = ["FAMILIES", "CallInputs", "Family", "TokenShape", "find_family"]
