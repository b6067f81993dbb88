"""A ComfyUI server with this pack in it, started and stopped without leaving anything behind."""
