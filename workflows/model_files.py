"""Where the public files that the workflows name can be downloaded, for the editor's own offer.

A file that a loader names and that is missing is offered for download by the editor, if the node's
``properties.models`` say where it is. The addresses are those of ComfyUI's own templates, except
those of HunyuanDiT, XLabs and EliGen, which are their makers'.
"""

from __future__ import annotations

_HUB = "https://huggingface.co"
_SPLIT = "resolve/main/split_files"

# File name -> (folder below ``models/``, address).
MODEL_FILES: dict[str, tuple[str, str]] = {
    name: (folder, f"{_HUB}/{path}/{name}")
    for name, folder, path in (
        ("flux1-dev-fp8.safetensors", "checkpoints", "Comfy-Org/flux1-dev/resolve/main"),
        (
            "sd3.5_large_fp8_scaled.safetensors",
            "checkpoints",
            "Comfy-Org/stable-diffusion-3.5-fp8/resolve/main",
        ),
        (
            "sd_xl_base_1.0.safetensors",
            "checkpoints",
            "stabilityai/stable-diffusion-xl-base-1.0/resolve/main",
        ),
        (
            "flux1-dev-kontext_fp8_scaled.safetensors",
            "diffusion_models",
            f"Comfy-Org/flux1-kontext-dev_ComfyUI/{_SPLIT}/diffusion_models",
        ),
        (
            "clip_l.safetensors",
            "text_encoders",
            "comfyanonymous/flux_text_encoders/resolve/main",
        ),
        (
            "t5xxl_fp8_e4m3fn_scaled.safetensors",
            "text_encoders",
            "comfyanonymous/flux_text_encoders/resolve/main",
        ),
        (
            "hunyuan_dit_1.2.safetensors",
            "checkpoints",
            "comfyanonymous/hunyuan_dit_comfyui/resolve/main",
        ),
        (
            "qwen_image_fp8_e4m3fn.safetensors",
            "diffusion_models",
            f"Comfy-Org/Qwen-Image_ComfyUI/{_SPLIT}/diffusion_models",
        ),
        (
            "qwen_2.5_vl_7b_fp8_scaled.safetensors",
            "text_encoders",
            f"Comfy-Org/Qwen-Image_ComfyUI/{_SPLIT}/text_encoders",
        ),
        (
            "qwen_image_vae.safetensors",
            "vae",
            f"Comfy-Org/Qwen-Image_ComfyUI/{_SPLIT}/vae",
        ),
        (
            "z_image_turbo_bf16.safetensors",
            "diffusion_models",
            f"Comfy-Org/z_image_turbo/{_SPLIT}/diffusion_models",
        ),
        (
            "qwen_3_4b.safetensors",
            "text_encoders",
            f"Comfy-Org/z_image_turbo/{_SPLIT}/text_encoders",
        ),
        ("ae.safetensors", "vae", f"Comfy-Org/z_image_turbo/{_SPLIT}/vae"),
        (
            "flux-2-klein-4b.safetensors",
            "diffusion_models",
            f"Comfy-Org/flux2-klein/{_SPLIT}/diffusion_models",
        ),
        ("flux2-vae.safetensors", "vae", f"Comfy-Org/flux2-dev/{_SPLIT}/vae"),
        (
            "krea2_turbo_fp8_scaled.safetensors",
            "diffusion_models",
            "Comfy-Org/Krea-2/resolve/main/diffusion_models",
        ),
        (
            "qwen3vl_4b_fp8_scaled.safetensors",
            "text_encoders",
            "Comfy-Org/Krea-2/resolve/main/text_encoders",
        ),
        (
            "wan2.1_t2v_1.3B_fp16.safetensors",
            "diffusion_models",
            f"Comfy-Org/Wan_2.1_ComfyUI_repackaged/{_SPLIT}/diffusion_models",
        ),
        (
            "umt5_xxl_fp8_e4m3fn_scaled.safetensors",
            "text_encoders",
            f"Comfy-Org/Wan_2.1_ComfyUI_repackaged/{_SPLIT}/text_encoders",
        ),
        (
            "wan_2.1_vae.safetensors",
            "vae",
            f"Comfy-Org/Wan_2.1_ComfyUI_repackaged/{_SPLIT}/vae",
        ),
        (
            "ltx-2-19b-distilled.safetensors",
            "checkpoints",
            "Lightricks/LTX-2/resolve/main",
        ),
        (
            "gemma_3_12B_it_fp4_mixed.safetensors",
            "text_encoders",
            f"Comfy-Org/ltx-2/{_SPLIT}/text_encoders",
        ),
        (
            "realism_lora_comfy_converted.safetensors",
            "loras",
            "XLabs-AI/flux-lora-collection/resolve/main",
        ),
        (
            "flux-canny-controlnet-v3.safetensors",
            "controlnet",
            "XLabs-AI/flux-controlnet-collections/resolve/main",
        ),
    )
} | {
    # Its makers call every file of theirs model.safetensors.
    "qwen_image_eligen_v2.safetensors": (
        "loras",
        f"{_HUB}/DiffSynth-Studio/Qwen-Image-EliGen-V2/resolve/main/model.safetensors",
    ),
}
