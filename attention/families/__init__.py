"""Model families: where a model's tokens are. One file each, listed in ``registry.py``."""

from .base import Family
from .registry import FAMILIES, find_family

__all__ = ["FAMILIES", "Family", "find_family"]
