"""The settings of multilayer perceptrons as options of the command line."""

from typing import Annotated, Literal

from msgspec import Meta

from kerasdl import recipe

Activation = Literal["relu", "leaky_relu", "sigmoid", "tanh", "linear", "elu", "gelu", "silu"]
Initializer = Literal[
    "auto",
    "glorot",
    "he",
    "lecun",
    "orthogonal",
    "pytorch",
    "normal",
    "small_normal",
    "uniform",
    "zeros",
]


class MlpSettings(recipe.Struct, frozen=True):
    """Settings of `kerasdl.models.mlp`; the defaults here are not used, the recipe has them."""

    width: Annotated[int, Meta(ge=1, description="mlp1: neurons of the hidden layer")] = 512
    units: Annotated[
        tuple[Annotated[int, Meta(ge=1)], ...],
        Meta(description="mlp: neurons of each hidden layer, e.g. 256,128,64"),
    ] = ()
    activation: Annotated[Activation, Meta(description="of the hidden layers")] = "relu"
    initializer: Annotated[Initializer, Meta(description="mlp: rule for the first weights")] = (
        "auto"
    )
    dropout: Annotated[
        float, Meta(ge=0, lt=1, description="share of the hidden outputs dropped in training")
    ] = 0.0
    input_dropout: Annotated[
        float, Meta(ge=0, lt=1, description="mlp: share of the pixels dropped in training")
    ] = 0.0
    l1: Annotated[float, Meta(ge=0, le=1e38, description="L1 penalty of the kernels")] = 0.0
    l2: Annotated[float, Meta(ge=0, le=1e38, description="L2 penalty of the kernels")] = 0.0
    batch_norm: Annotated[bool, Meta(description="mlp: normalise before each activation")] = False
    skip: Annotated[bool, Meta(description="mlp: skip connections between equal widths")] = False
    normalize: Annotated[
        Literal["unit", "symmetric", "standard"],
        Meta(description="mlp: pixels to 0..1, to -1..1, or to mean 0 and deviation 1"),
    ] = "unit"
    grayscale: Annotated[bool, Meta(description="mlp: one channel of brightness")] = False
    resize: Annotated[int, Meta(ge=0, description="mlp: resize to N pixels a side; 0: leave")] = 0
