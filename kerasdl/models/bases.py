"""The architectures of `keras.applications`, by name. Reading the list imports no Keras.

Each is taken without its top (the dense layers that end in ImageNet's 1000 classes). The files'
names, addresses and checksums are those in Keras 3.15's sources, `keras/src/applications`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kerasdl import suggest

STORAGE = "https://storage.googleapis.com/tensorflow/keras-applications"
HE = "He et al., Deep Residual Learning for Image Recognition, CVPR 2016"
HE_V2 = "He et al., Identity Mappings in Deep Residual Networks, ECCV 2016"
VGG = (
    "Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, "
    "ICLR 2015"
)
MOBILENET = (
    "Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision "
    "Applications, arXiv:1704.04861, 2017"
)
MOBILENET_V2 = "Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018"
DENSENET = "Huang et al., Densely Connected Convolutional Networks, CVPR 2017"
EFFICIENTNET = (
    "Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, "
    "ICML 2019"
)
CONVNEXT = "Liu et al., A ConvNet for the 2020s, CVPR 2022"


@dataclass(frozen=True)
class Base:
    """What is known of an architecture without building it.

    Args:
        name: name on the command line and in results.
        title: name in tables and plots.
        function: name of the function in `keras.applications`.
        source: authors, title, venue and year of the paper.
        preprocessing: which of `preprocessing.KINDS` its weights were trained behind.
        published_parameters: numbers in Keras's model without its top, BatchNorm's moving
            statistics included; Keras's documentation prints them with the top of 1000 classes.
        cuts: names of the layers that end its blocks, from the image to the end.
        url: address of Keras's file of ImageNet weights without the top.
        checksum: MD5 or SHA-256 of that file, where Keras states one.
        options: further arguments of the function.
        minimum: smallest height and width that it takes, in pixels.
        size: height and width that the weights were trained at, in pixels.
        depthwise: whether it has depthwise convolutions, which processors compute fast in float32
            only.
        bfloat16: whether features in bfloat16 pay on a processor with instructions for it (AMX):
            computed at least 1.3 times as fast as in float32 (benchmarks/feature_pass.py), and
            near float32's. Not MobileNet's and ResNet's: twice as fast, but what a head sees is a
            feature's deviation from its mean, and of that bfloat16 takes much. With ImageNet's
            weights it moves a feature of MobileNet by 12 % of its standard deviation, and
            with weights from CIFAR-10 the logits on ResNet-50's by 18 % of the largest.
    """

    name: str
    title: str
    function: str
    source: str
    preprocessing: str
    published_parameters: int
    cuts: tuple[str, ...]
    url: str
    checksum: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    minimum: int = 32
    size: int = 224
    depthwise: bool = False
    bfloat16: bool = False

    @property
    def weights_file(self) -> str:
        """Keras's own name of the file of ImageNet weights without the top."""
        return self.url.rpartition("/")[2]

    @property
    def layer_name(self) -> str:
        """The name as that of a layer, in which a dot is not allowed everywhere."""
        return self.name.replace(".", "_")


def _vgg(depth: int, parameters: int, checksum: str) -> Base:
    name = f"vgg{depth}"
    return Base(
        name=name,
        title=f"VGG{depth}",
        function=f"VGG{depth}",
        source=f"{VGG}, table 1",
        preprocessing="caffe",
        published_parameters=parameters,
        cuts=tuple(f"block{block}_pool" for block in range(1, 6)),
        url=f"{STORAGE}/{name}/{name}_weights_tf_dim_ordering_tf_kernels_notop.h5",
        checksum=checksum,
        bfloat16=True,
    )


def _resnet(
    depth: int, version: str, blocks: tuple[int, ...], parameters: int, checksum: str
) -> Base:
    name = f"resnet{depth}{version.lower()}"
    stages = (f"conv{stage}_block{last}_out" for stage, last in enumerate(blocks, start=2))
    # Version 2 normalises before the convolutions, and so once more behind the last block.
    last = ("post_relu",) if version else ()
    return Base(
        name=name,
        title=f"ResNet-{depth}{' ' * bool(version)}{version}",
        function=f"ResNet{depth}{version}",
        source=HE_V2 if version else f"{HE}, table 1",
        preprocessing="tf" if version else "caffe",
        published_parameters=parameters,
        cuts=("pool1_pool", *stages, *last),
        url=f"{STORAGE}/resnet/{name}_weights_tf_dim_ordering_tf_kernels_notop.h5",
        checksum=checksum,
    )


def _mobilenet(alpha: float, parameters: int) -> Base:
    suffix = "" if alpha == 1 else f"_{alpha:g}"
    tens, tenths = divmod(round(alpha * 100), 10)
    text = "1_0" if alpha == 1 else f"{tens}_{tenths}"
    return Base(
        name=f"mobilenet{suffix}",
        title="MobileNet" if alpha == 1 else f"MobileNet {alpha:g}",
        function="MobileNet",
        options={"alpha": alpha},
        source=f"{MOBILENET}, tables 1 and 6",
        preprocessing="tf",
        published_parameters=parameters,
        cuts=tuple(f"conv_pw_{block}_relu" for block in range(1, 14)),
        url=f"{STORAGE}/mobilenet/mobilenet_{text}_224_tf_no_top.h5",
        depthwise=True,
    )


def _efficientnet(
    number: int, size: int, repeats: tuple[int, ...], parameters: int, checksum: str
) -> Base:
    # A stage of one block has no shortcut, and so no addition at its end.
    stages = (
        f"block{stage}{'abcdefgh'[count - 1]}_{'add' if count > 1 else 'project_bn'}"
        for stage, count in enumerate(repeats, start=1)
    )
    return Base(
        name=f"efficientnetb{number}",
        title=f"EfficientNet-B{number}",
        function=f"EfficientNetB{number}",
        source=f"{EFFICIENTNET}, table 1",
        preprocessing="efficientnet",
        published_parameters=parameters,
        cuts=(*stages, "top_activation"),
        url=f"https://storage.googleapis.com/keras-applications/efficientnetb{number}_notop.h5",
        checksum=checksum,
        size=size,
        depthwise=True,
    )


def _convnext(size: str, parameters: int, checksum: str) -> Base:
    name = f"convnext_{size}"
    return Base(
        name=name,
        title=f"ConvNeXt-{size.title()}",
        function=f"ConvNeXt{size.title()}",
        # Keras's own layer for this has no weights; kerasdl's is outside, like the others'.
        options={"include_preprocessing": False},
        source=f"{CONVNEXT}, table 9",
        preprocessing="convnext",
        published_parameters=parameters,
        # A stage ends in an unnamed addition: what follows it is named.
        cuts=(
            f"{name}_stem",
            *(f"{name}_downsampling_block_{block}" for block in range(3)),
            f"{name}_layernorm",
        ),
        url=f"{STORAGE}/convnext/{name}_notop.h5",
        checksum=checksum,
        depthwise=True,
    )


_BASES = {
    base.name: base
    for base in (
        _vgg(16, 14_714_688, "6d6bbae143d832006294945121d1f1fc"),
        _vgg(19, 20_024_384, "253f8cb515780f3b799900260a226db6"),
        _resnet(50, "", (3, 4, 6, 3), 23_587_712, "4d473c1dd8becc155b73f8504c6f6626"),
        _resnet(101, "", (3, 4, 23, 3), 42_658_176, "88cf7a10940856eca736dc7b7e228a21"),
        _resnet(152, "", (3, 8, 36, 3), 58_370_944, "ee4c566cf9a93f14d82f913c2dc6dd0c"),
        _resnet(50, "V2", (3, 4, 6, 3), 23_564_800, "fac2f116257151a9d068a22e544a4917"),
        _resnet(101, "V2", (3, 4, 23, 3), 42_626_560, "c0ed64b8031c3730f411d2eb4eea35b5"),
        _resnet(152, "V2", (3, 8, 36, 3), 58_331_648, "ed17cf2e0169df9d443503ef94b23b33"),
        _mobilenet(1.0, 3_228_864),
        _mobilenet(0.75, 1_832_976),
        _mobilenet(0.5, 829_536),
        _mobilenet(0.25, 218_544),
        Base(
            name="mobilenet_v2",
            title="MobileNetV2",
            function="MobileNetV2",
            source=f"{MOBILENET_V2}, table 2",
            preprocessing="tf",
            published_parameters=2_257_984,
            cuts=(
                "expanded_conv_project_BN",
                *(f"block_{block}_add" for block in (2, 5, 9, 12, 15)),
                "block_16_project_BN",
                "out_relu",
            ),
            # Keras keeps the second version's files in the folder of the first.
            url=f"{STORAGE}/mobilenet_v2/"
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
            depthwise=True,
        ),
        Base(
            name="densenet121",
            title="DenseNet-121",
            function="DenseNet121",
            source=f"{DENSENET}, table 1",
            preprocessing="torch",
            published_parameters=7_037_504,
            cuts=("pool1", "pool2_pool", "pool3_pool", "pool4_pool", "relu"),
            url=f"{STORAGE}/densenet/densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
            checksum="30ee3e1110167f948a6b9946edeeb738",
        ),
        _efficientnet(0, 224, (1, 2, 2, 3, 3, 4, 1), 4_049_571, "50bc09e76180e00e4465e1a485ddc09d"),
        _efficientnet(1, 240, (2, 3, 3, 4, 4, 5, 2), 6_575_239, "74c4e6b3e1f6a1eea24c589628592432"),
        _efficientnet(2, 260, (2, 3, 3, 4, 4, 5, 2), 7_768_569, "111f8e2ac8aa800a7a99e3239f7bfb39"),
        _convnext(
            "tiny", 27_820_128, "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1"
        ),
        _convnext(
            "small", 49_454_688, "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab"
        ),
    )
}


def names() -> tuple[str, ...]:
    """Return the names of all bases, in the order of tables."""
    return tuple(_BASES)


def get(name: str) -> Base:
    """Look a base up.

    Args:
        name: one of `names()`.

    Returns:
        What is known of it.

    Raises:
        ValueError: there is no such base.
    """
    if name not in _BASES:
        meant = suggest.hint(str(name), names())
        raise ValueError(
            f"Unknown base. Expected one of: {', '.join(names())}. Received: {name!r}.{meant}"
        )
    return _BASES[name]
