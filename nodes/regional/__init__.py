"""Nodes that give a region more than a prompt: LoRA, ControlNet, reference, schedule."""
