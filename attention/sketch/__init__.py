"""Regions from a colour-coded sketch."""
