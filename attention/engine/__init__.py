"""The engine: groups of tokens, and attention over them by the fastest kernels at hand."""
