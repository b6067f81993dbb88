"""Nodes that make prompts for regions: written, planned, imported, bound phrase by phrase."""
