"""Measures of pictures. Tensors in, plain numbers out; nothing here imports the host.

Shapes: B pictures, H x W pixels, R regions. Pictures are float [B, H, W, 3] in 0..1, as ComfyUI's
IMAGE; kornia, lpips and torchmetrics are imported only when a measure needs them.
"""
