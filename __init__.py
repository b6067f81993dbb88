"""Regional prompting for diffusion transformers in ComfyUI's own samplers."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """Called by ComfyUI when it loads the pack; imports stay in here so that loading is quick."""
    from .nodes import RegionalDiTExtension

    return RegionalDiTExtension()
