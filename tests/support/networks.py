"""A network of a few weights to train."""

from torch import nn


class ToyNet(nn.Module):
    """One hidden layer with dropout, so that training depends on the generators."""

    def __init__(self, k: int):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(4, k), nn.Dropout(0.5), nn.Linear(k, 1))

    def forward(self, x):
        return self.fc(x)
