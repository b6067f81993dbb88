"""Regional attention for diffusion transformers.

A *family* says where a model's tokens are, a *rule* says who may look at whom, how strongly and
when, and the *engine* computes exactly that without ever building an N x T attention mask.

From latent to output::

    RegionSet --tokens--> ownership [R+1, N] --rule--> Groups --engine--> attention output [B, N, C]
                 ^ the latent's real size                        ^ q, k, v from the family

Shape legend, used in every docstring of this package::

    B  batch rows of one model call (images x conditioning entries)
    N  image tokens            T  text tokens of one prompt
    R  regions                 H  attention heads
    D  width of one head       C  hidden width, C = H * D
    h, w  height and width of the latent

In joint attention the groups of all texts and of the image become, once per plan, a few *pieces*
of one sequence (``joint/``: ``cascade``, ``merge_plan``, ``pieces``), so that a layer launches as
many kernels with two regions as with sixteen.

Besides its prompt a region may have a negative (``sampling/negatives``: the same regions in the
negative's rows), a part of the denoising (``canvas/region_schedule``: part of a layer's phase),
a part of a video (``canvas/frame_fade``: a factor of what it covers), reference images
(``joint/references``: a change of any rule's groups), a ControlNet (``canvas/residuals``) and LoRAs
(``lora/``).

Only ``families/``, ``lora/`` and ``sampling/host.py`` import ComfyUI; the sketch modules need
numpy, scipy and Pillow, blurred masks kornia, and all else torch alone. The map, hop by hop, is
``docs/architecture.md``.
"""
