"""Sweeps: many settings of one workflow, resumable, on one or several servers."""
