"""Nodes that make regions: split, masks, drawn, sketched, frames of a video."""
