"""Where the tokens of a layer's input lie, by the layer's name in each family's network.

A layer that no pattern knows is refused, as its tokens could be anywhere.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import cache

from ..errors import RegionalError


class Stream(Enum):
    """Tokens of a layer's input.

    IMAGE: of the image, with reference images and padding where they lie among them.
    CELLS: pixels within each image token, token by token.
    JOINT: the one sequence of text and image.
    EITHER: that sequence, or the image alone, as hosts differ.
    NOT_IMAGE: the sequence without the image.
    TEXT, SECOND_TEXT: the context of the first and of the second text stream.
    EXPERTS: those image tokens that a gate sends to one expert.
    PLACELESS: a vector, or tokens of a text or an image that stand for no place.
    """

    IMAGE = auto()
    CELLS = auto()
    JOINT = auto()
    EITHER = auto()
    NOT_IMAGE = auto()
    TEXT = auto()
    SECOND_TEXT = auto()
    EXPERTS = auto()
    PLACELESS = auto()


Patterns = tuple[tuple[str, Stream], ...]

_VECTORS = r"(^|\.)(t_embedder|t_block|adaLN_modulation|adaln_modulation\w*|time_in|vector_in|"
_VECTORS += r"guidance_in|distilled_guidance_layer|\w+_mod|modulation|\w+_stream_modulation\w*|"
_VECTORS += r"y_embedder|p_embedder|c_embedder|time_text_embed|norm_out|mod[CXF]+|"
_VECTORS += r"csize_embedder|ar_embedder|time_embed|label_emb|emb_layers|time_embedding|"
_VECTORS += r"time_projection|adaln_single|extra_embedder|style_embedder|default_modulation|"
_VECTORS += r"pooler)(\.|$)"
VECTORS: Patterns = ((_VECTORS, Stream.PLACELESS),)

FLUX: Patterns = (
    (r"img_in(_patch)?(\.proj)?$|double_blocks\.\d+\.img_(attn|mlp)", Stream.IMAGE),
    (r"final_layer\.linear$|nerf_final_layer_conv|nerf_blocks", Stream.IMAGE),
    (r"nerf_image_embedder", Stream.CELLS),
    (r"double_blocks\.\d+\.txt_(attn|mlp)", Stream.NOT_IMAGE),
    (r"single_blocks\.\d+\.linear[12]$", Stream.JOINT),
    (r"txt_in(\.|$)", Stream.TEXT),
    (r"byt5_in\.", Stream.SECOND_TEXT),
)
SD3: Patterns = (
    (r"x_embedder\.proj$|joint_blocks\.\d+\.x_block|final_layer\.linear$", Stream.IMAGE),
    (r"joint_blocks\.\d+\.context_block", Stream.NOT_IMAGE),
    (r"context_embedder$|context_processor", Stream.TEXT),
)
AURAFLOW: Patterns = (
    (r"init_x_linear$|final_linear$", Stream.IMAGE),
    (r"double_layers\.\d+\.(attn\.w2|mlpX)", Stream.IMAGE),
    (r"double_layers\.\d+\.(attn\.w1|mlpC)", Stream.NOT_IMAGE),
    (r"single_layers\.\d+\.(attn|mlp)", Stream.JOINT),
    (r"cond_seq_linear$", Stream.TEXT),
)
QWEN: Patterns = (
    (r"img_in$|proj_out$|\.attn\.to_(q|k|v|out\.0)$|\.img_mlp", Stream.IMAGE),
    (r"\.attn\.(add_[qkv]_proj|to_add_out)$|\.txt_mlp", Stream.NOT_IMAGE),
    (r"txt_in$", Stream.TEXT),
)
HIDREAM: Patterns = (
    (r"\.ff_i\.experts\.", Stream.EXPERTS),
    (r"single_stream_blocks\.", Stream.JOINT),
    (r"double_stream_blocks\.\d+\.block\.(attn1\.to_\w+_t$|ff_t)", Stream.NOT_IMAGE),
    (r"double_stream_blocks\.|x_embedder\.proj$|final_layer\.linear$", Stream.IMAGE),
)
LUMINA: Patterns = (
    (r"x_embedder$|noise_refiner\.", Stream.IMAGE),
    (r"cap_embedder|context_refiner\.", Stream.TEXT),
    (r"layers\.\d+\.", Stream.JOINT),
    (r"final_layer\.linear$", Stream.EITHER),
)
# In cross-attention families text is never in one call with other prompts' text.
CROSS: Patterns = (
    (r"mlp_t5|text_embedding|caption_projection|img_emb|control_adapter", Stream.PLACELESS),
    (r"\.(attn2|cross_attn)\.(to_k|to_v|k|v|k_img|v_img|kv_\w+|k_proj|v_proj)$", Stream.PLACELESS),
    (r"^(x_embedder|patch_embedding|patchify_proj|proj_out|final_layer|head)(\.|$)", Stream.IMAGE),
    (r"^(blocks|transformer_blocks|input_blocks|middle_block|output_blocks|out)\.", Stream.IMAGE),
)
_PATTERNS: dict[str, Patterns] = {
    "Flux": FLUX,
    "Flux.2": FLUX,
    "Chroma": FLUX,
    "HunyuanImage 2.1": FLUX,
    "SD3": SD3,
    "AuraFlow": AURAFLOW,
    "Qwen-Image": QWEN,
    "HiDream": HIDREAM,
    "Lumina 2": LUMINA,
    "Z-Image": LUMINA,
    "LTX-2": (),  # the blocks' layers of the sound must not pass for the video's
}


@cache
def stream_of(family: str, attention: str, layer: str) -> Stream:
    """Where the input of a layer lies.

    Args:
        family: its name.
        attention: its kind, "cross" or "joint".
        layer: path within the network.

    Raises:
        RegionalError: nothing is known of the layer.
    """
    patterns = _PATTERNS.get(family, CROSS if attention == "cross" else ())
    for pattern, stream in (*VECTORS, *patterns):
        if re.search(pattern, layer):
            return stream
    raise RegionalError(
        f"it changes the layer {layer} of {family}, of which is not known where its tokens lie"
    )
