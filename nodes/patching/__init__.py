"""Nodes that patch the model."""
