"""Torch modules for skorch classifiers, importable by name."""

import torch
from torch import nn


class Scores(nn.Module):
    """A small network that returns logits, with dropout: it computes otherwise in train mode."""

    def __init__(self, n_inputs=2, n_outputs=2):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_inputs, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, n_outputs)
        )

    def forward(self, x):
        return self.layers(x)


class Probabilities(Scores):
    """The same, returning probabilities, as skorch's default loss wants them."""

    def forward(self, x):
        return torch.softmax(super().forward(x), dim=1)
