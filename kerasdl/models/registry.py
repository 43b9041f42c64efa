"""The list of networks, by name. Reading it is free: Keras is imported when one is built."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kerasdl import suggest
from kerasdl.models import own
from kerasdl.models.network import Network

if TYPE_CHECKING:
    import keras

HE = "He et al., Deep Residual Learning for Image Recognition, CVPR 2016"
KUANGLIU = "github.com/kuangliu/pytorch-cifar"


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
        name: one of `names()`, or the place of a person's own, as in `models.own`.

    Returns:
        What is known of it.

    Raises:
        ValueError: there is no such network.
        FileNotFoundError: there is no such file.
    """
    if own.is_reference(name):
        return own.find(name)
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
