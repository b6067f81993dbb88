"""The canvas: regions and masks without a resolution, and their weights on a model's token grid."""
