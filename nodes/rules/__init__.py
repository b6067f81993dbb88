"""Nodes that choose a rule of attention."""
