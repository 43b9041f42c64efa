"""kerasdl's networks in PyTorch: the same layers, so the same number of parameters.

They take uint8 images as they are stored, (n, h, w, c), and scale them. Turned to (n, c, h, w)
these lie in memory as PyTorch's `channels_last` wants them, without a copy. Parameters come in
the order of Keras's, so that `load` can copy them one by one.
"""

import itertools
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Perceptron(nn.Module):
    """`kerasdl.models.mlp.mlp1`."""

    def __init__(self, units: int, inputs: int = 28 * 28) -> None:
        super().__init__()
        self.hidden, self.logits = nn.Linear(inputs, units), nn.Linear(units, 10)

    def forward(self, images):
        """Returns logits (n, 10)."""
        x = images.flatten(1).float() * (1 / 255)
        return self.logits(F.relu(self.hidden(x)))


class Convolutional(nn.Module):
    """Pixels to [-1, 1], and some layers."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, images):
        """Returns logits (n, 10)."""
        return self.layers(images.permute(0, 3, 1, 2).float() * (1 / 127.5) - 1)


class Flatten(nn.Module):
    """Flattens in Keras's order, channels last, which is the order in memory: a view."""

    def forward(self, x):
        """Returns (n, h w c)."""
        return x.permute(0, 2, 3, 1).flatten(1)


class Scale(nn.Module):
    """Multiplies by a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x):
        """Returns what it is given, scaled."""
        return x * self.factor


def lenet5() -> nn.Module:
    """`kerasdl.models.lenet.lenet5`."""
    return Convolutional(
        *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        Flatten(),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def smallnet() -> nn.Module:
    """`kerasdl.models.smallnet.build`, its whitening not adapted, as on the other side."""
    whitening = nn.Conv2d(3, 24, 2, bias=False)
    basis = torch.cat([torch.eye(12), -torch.eye(12)], dim=1).reshape(2, 2, 3, 24)
    whitening.weight = nn.Parameter(basis.permute(3, 2, 0, 1).contiguous(), requires_grad=False)
    layers = [whitening, nn.ReLU()]
    channels = 24
    for filters in (64, 128, 128):
        for pool in ([nn.MaxPool2d(2)], []):
            norm = nn.BatchNorm2d(filters, eps=1e-5, momentum=0.4)
            # Keras's has `scale=False`.
            norm.weight.requires_grad_(False)
            convolution = nn.Conv2d(channels, filters, 3, padding=1, bias=False)
            layers += [convolution, *pool, norm, nn.ReLU()]
            channels = filters
    head = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), Scale(1 / 9), nn.Linear(128, 10, bias=False)]
    return Convolutional(*layers, *head)


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut without parameters (He et al.'s option A)."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.new, self.stride = filters - channels, 1 if filters == channels else 2
        self.conv1 = nn.Conv2d(channels, filters, 3, self.stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(filters)

    def forward(self, x):
        """Returns (n, filters, h / stride, w / stride)."""
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        if self.new:
            half = self.new // 2
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, self.new - half))
        return F.relu(x + y)


def resnet20() -> nn.Module:
    """`kerasdl.models.resnet.resnet20`."""
    widths = (16, 16, 16, 16, 32, 32, 32, 64, 64, 64)
    blocks = [BasicBlock(*pair) for pair in itertools.pairwise(widths)]
    stem = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    return Convolutional(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


VGG16 = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


def _vgg16_layers(*, normalized: bool) -> list[nn.Module]:
    layers, channels = [], 3
    for convolutions, filters in VGG16:
        for _ in range(convolutions):
            layers.append(nn.Conv2d(channels, filters, 3, padding=1))
            layers += [nn.BatchNorm2d(filters)] if normalized else []
            layers.append(nn.ReLU(inplace=True))
            channels = filters
        layers.append(nn.MaxPool2d(2))
    return [*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()]


def vgg16() -> nn.Module:
    """`kerasdl.models.vgg.vgg16`, with BatchNorm."""
    return Convolutional(*_vgg16_layers(normalized=True), nn.Linear(512, 10))


class Features(nn.Module):
    """The convolutions of the paper's VGG16 behind its preprocessing, averaged over the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_vgg16_layers(normalized=False))
        mean = torch.tensor([103.939, 116.779, 123.68]).reshape(1, 3, 1, 1)
        self.register_buffer("mean", mean)

    def forward(self, images):
        """Returns features (n, 512)."""
        return self.layers(images.flip(-1).permute(0, 3, 1, 2) - self.mean)


NETWORKS = {
    "mlp64": lambda: Perceptron(64),
    "mlp256": lambda: Perceptron(256),
    "lenet5": lenet5,
    "smallnet": smallnet,
    "resnet20": resnet20,
    "vgg16": vgg16,
}


def trained(model: nn.Module) -> list[nn.Parameter]:
    """Returns the parameters that are trained."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def load(networks: list[nn.Module], path: str) -> None:
    """Copies the trained weights that Keras began with, if the engine has left them there."""
    if not Path(path).exists():
        return
    with np.load(path) as file:
        arrays = [file[name] for name in file.files]
    parameters = [parameter for network in networks for parameter in trained(network)]
    for parameter, array in zip(parameters, arrays, strict=True):
        # (k, k, in, out) and (in, out) of Keras.
        axes = {4: (3, 2, 0, 1), 2: (1, 0)}.get(array.ndim, (0,))
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(array.transpose(axes).copy()))
