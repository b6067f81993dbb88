"""One model call: its place in the denoising, and what each patched layer does in it."""
