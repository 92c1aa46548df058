"""Losses, teacher recourse and the one training loop: joins recourse and quantization."""
