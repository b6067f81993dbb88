"""Regions and prompts in the texts of other programs, as a plan.

Each format has one reader, which parses the text once into a `Plan` or raises a `PlanError` that
says what it got, what it expected and what to do. `read` chooses the reader.
"""

from .read import AUTO, FORMATS, plan_from_text
from .settings import DIRECTIONS, PARTS, ImportSettings

__all__ = ["AUTO", "DIRECTIONS", "FORMATS", "PARTS", "ImportSettings", "plan_from_text"]
