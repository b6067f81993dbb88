"""A real ComfyUI without a browser: find or install it, serve, queue, demo, test.

Run as ``python3 -m headless COMMAND`` from the repository root. Everything that runs before the
environment exists needs nothing but Python's standard library.
"""
