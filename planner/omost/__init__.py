"""Omost canvases, read without executing them, as plans."""
