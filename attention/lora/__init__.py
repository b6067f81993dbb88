"""LoRA by region: low-rank deltas of linear layers, added to the tokens of their regions alone.

A LoRA turns y = W x into y = (W + s D) x. Here the layer is called as it is, whatever its weights
are stored as, and s omega(token) D x is added, with omega the token's ownership by the LoRA's
regions (arXiv 2510.23515 routes by token in the same way). No weight is merged or copied.

Where the tokens of a layer's input lie (``streams``) decides omega (``ownership``):

- image tokens: the share of the token that the regions own, on the layer's own grid;
- a region's own text: 1 for the LoRAs of that region, 0 for all others;
- what has no place (the global and the negative prompt, registers, reference images, and vectors
  such as time embeddings and modulation): the share of the canvas that the regions own.

So one region that fills the canvas does what the LoRA does in the host's own loader.
"""
