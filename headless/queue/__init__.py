"""Queue workflows on any ComfyUI, follow them, fetch what they made, explain what went wrong."""
