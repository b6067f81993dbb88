"""The demo model: a tiny HunyuanDiT trained on a synthetic world of coloured shapes."""
