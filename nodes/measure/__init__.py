"""Nodes that measure pictures, and the demo model that stands in for a checkpoint."""
