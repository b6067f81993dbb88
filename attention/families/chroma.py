"""Chroma and Chroma Radiance: Flux's blocks without a pooled vector; Radiance works on pixels."""

from __future__ import annotations

from typing import ClassVar

from .flux import Flux


class Chroma(Flux):
    name = "Chroma"
    host_classes = ("Chroma", "ChromaRadiance")
    takes_references: ClassVar[bool] = False
