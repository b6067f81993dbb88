"""One sampling: the patch on ComfyUI's model, its state, when it acts, and its report."""
