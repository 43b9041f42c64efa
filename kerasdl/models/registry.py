"""The list of networks, by name. Reading it is free: Keras is imported when one is built."""

import ast
import importlib
import importlib.util
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdl import suggest

if TYPE_CHECKING:
    import keras

HE = "He et al., Deep Residual Learning for Image Recognition, CVPR 2016"
KUANGLIU = "github.com/kuangliu/pytorch-cifar"


@dataclass(frozen=True)
class Network:
    """What is known of a network without building it.

    Args:
        name: name on the command line and in results.
        title: name in tables and plots.
        function: "module:function" that builds it.
        source: authors, title, venue, year and place in the paper.
        published_parameters: trainable parameters printed or counted elsewhere, for 3 channels and
            10 classes, which this implementation must have too; None where there is no such figure.
        published_in: where that figure comes from.
        depthwise: whether it has depthwise convolutions, which processors compute fast in float32
            only.
        convolutions: whether it has convolutions at all.
        listed: settings that it is listed with where its own defaults need files that may not be
            at hand.
    """

    name: str
    title: str
    function: str
    source: str
    published_parameters: int | None = None
    published_in: str | None = None
    depthwise: bool = False
    convolutions: bool = True
    listed: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def load(self) -> Callable[..., "keras.Model"]:
        """Import and return the function that builds the network (imports Keras)."""
        module, function = self.function.split(":")
        loaded: Callable[..., keras.Model] = getattr(importlib.import_module(module), function)
        return loaded

    def setting_names(self) -> tuple[str, ...]:
        """Names of the settings, read from the function's source: imports no Keras."""
        module, function = self.function.split(":")
        spec = importlib.util.find_spec(module)
        source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef) and node.name == function:
                named = [*node.args.args, *node.args.kwonlyargs]
                return tuple(argument.arg for argument in named[2:])
        raise ValueError(f"expected a function {function} in {module}. Received: none such")

    def settings(self) -> dict[str, Any]:
        """Name and default of each setting that the network has (imports Keras)."""
        # The first two parameters are input_shape and num_classes.
        parameters = list(inspect.signature(self.load()).parameters.values())[2:]
        return {parameter.name: parameter.default for parameter in parameters}


_NETWORKS = {
    network.name: network
    for network in (
        Network(
            name="smallnet",
            title="SmallNet (ours)",
            function="kerasdl.models.smallnet:build",
            source="this project, after Jordan, 94% on CIFAR-10 in 3.29 Seconds on a Single GPU, "
            "arXiv:2404.00498, 2024",
        ),
        Network(
            name="mlp1",
            title="MLP, one hidden layer",
            function="kerasdl.models.mlp:mlp1",
            convolutions=False,
            source="Rumelhart, Hinton, Williams, Learning Representations by Back-propagating "
            "Errors, Nature 323, 1986",
        ),
        Network(
            name="mlp",
            title="MLP",
            function="kerasdl.models.mlp:mlp",
            convolutions=False,
            source="Rumelhart, Hinton, Williams, Learning Representations by Back-propagating "
            "Errors, Nature 323, 1986",
        ),
        Network(
            name="cnn",
            title="Small CNN",
            function="kerasdl.models.cnn:cnn",
            source="this project, after LeCun et al. 1998, section II",
        ),
        Network(
            name="lenet5",
            title="LeNet-5",
            function="kerasdl.models.lenet:lenet5",
            source="LeCun et al., Gradient-Based Learning Applied to Document Recognition, "
            "Proc. IEEE 86(11), 1998, section II.B",
            published_parameters=62_006,
            published_in=f"{KUANGLIU}, models/lenet.py; 61 706 with one channel",
        ),
        Network(
            name="alexnet",
            title="AlexNet",
            function="kerasdl.models.alexnet:alexnet",
            source="Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural "
            "Networks, NeurIPS 2012, section 3",
        ),
        Network(
            name="vgg16",
            title="VGG16-BN",
            function="kerasdl.models.vgg:vgg16",
            source="Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image "
            "Recognition, ICLR 2015, table 1",
            published_parameters=14_728_266,
            published_in=f"{KUANGLIU}, models/vgg.py",
        ),
        Network(
            name="resnet18",
            title="ResNet-18",
            function="kerasdl.models.resnet:resnet18",
            source=f"{HE}, table 1",
            published_parameters=11_173_962,
            published_in=f"{KUANGLIU}, models/resnet.py",
        ),
        Network(
            name="resnet20",
            title="ResNet-20",
            function="kerasdl.models.resnet:resnet20",
            source=f"{HE}, section 4.2",
            published_parameters=269_722,
            published_in="table 6 of the paper prints 0.27 M; the count is that of "
            "github.com/akamaster/pytorch_resnet_cifar10",
        ),
        Network(
            name="resnet50",
            title="ResNet-50",
            function="kerasdl.models.resnet:resnet50",
            source=f"{HE}, table 1",
            published_parameters=23_520_842,
            published_in=f"{KUANGLIU}, models/resnet.py",
        ),
        Network(
            name="resnet101",
            title="ResNet-101",
            function="kerasdl.models.resnet:resnet101",
            source=f"{HE}, table 1",
            published_parameters=42_512_970,
            published_in=f"{KUANGLIU}, models/resnet.py",
        ),
        Network(
            name="shufflenet",
            title="ShuffleNet V2",
            function="kerasdl.models.shufflenet:shufflenet_v2",
            source="Ma et al., ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture "
            "Design, ECCV 2018, table 5",
            published_parameters=1_263_854,
            published_in=f"{KUANGLIU}, models/shufflenetv2.py",
            depthwise=True,
        ),
        Network(
            name="transfer",
            title="Transfer (VGG16)",
            function="kerasdl.models.transfer:transfer",
            source="Yosinski et al., How Transferable Are Features in Deep Neural Networks?, "
            "NeurIPS 2014",
            listed={"weights": "random", "freeze": "none"},
        ),
    )
}


def names() -> tuple[str, ...]:
    """Return the names of all networks, in the order of tables: ours first, then by year."""
    return tuple(_NETWORKS)


def get(name: str) -> Network:
    """Look a network up.

    Args:
        name: one of `names()`.

    Returns:
        What is known of it.

    Raises:
        ValueError: there is no such network.
    """
    if name not in _NETWORKS:
        raise ValueError(_unknown("network", name, names()))
    return _NETWORKS[name]


def build(
    name: str, input_shape: Sequence[int], num_classes: int, **settings: Any
) -> "keras.Model":
    """Build a network by name.

    Args:
        name: one of `names()`.
        input_shape: (height, width, channels) of the raw images.
        num_classes: number of classes, at least 2.
        **settings: the network's own settings; its function documents them.

    Returns:
        A model from (n, height, width, channels) pixels 0..255 (uint8 or float) to
        (n, num_classes) float32 logits.

    Raises:
        ValueError: there is no such network or setting, or a value is not possible.
    """
    network = get(name)
    # Asked only where settings are given, so that a builder is free in how it takes them.
    if settings:
        known = network.settings()
        for setting in settings:
            if setting not in known:
                raise ValueError(_unknown(f"setting of {name}", setting, tuple(known)))
    return network.load()(input_shape, num_classes, **settings)


def _unknown(kind: str, received: str, known: Sequence[str]) -> str:
    listed = f"Expected one of: {', '.join(known)}." if known else "There are none."
    return f"Unknown {kind}. {listed} Received: {received!r}.{suggest.hint(str(received), known)}"
