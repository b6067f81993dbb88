"""Encoded prompts: what Regional Conditioning hands to the patch, and how it is encoded."""
