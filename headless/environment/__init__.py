"""The environment: find or install ComfyUI, torch and what the tests need."""
