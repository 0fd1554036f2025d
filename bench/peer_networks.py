"""The networks of bench/networks.ts in PyTorch: those that the fixtures are made from, by their names
in lower case, and any other by the name of torchvision's function, with its defaults."""

import networks
import torchvision
from torch import nn

FIXTURES = {"alexnet": networks.AlexNet, "lenet": networks.LeNet}


def network_of(name: str) -> nn.Module:
    return FIXTURES[name]() if name in FIXTURES else getattr(torchvision.models, name)()
