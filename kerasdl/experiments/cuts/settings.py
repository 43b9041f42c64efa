"""What decides the experiment: the base, its cuts and sizes, and the heads that judge them."""

from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from kerasdl import recipe
from kerasdl.models import bases
from kerasdl.studies.plan import MAX_SEED, Data
from kerasdl.training.settings import AUGMENTATION, Precision, Training


class Place(NamedTuple):
    """Where features are taken.

    Args:
        size: Side of the base's input, in pixels.
        cut: The layer of the base.
    """

    size: int
    cut: str


class Recipe(recipe.Struct, frozen=True, kw_only=True):
    """What decides the experiment."""

    data: Data = Data(dataset="cifar10", validation_fraction=0.1)
    transfer: Annotated[str, Meta(description="the base: mobilenet_0.75, vgg16, resnet50, ...")] = (
        "mobilenet_0.75"
    )
    weights: Annotated[
        str, Meta(description="imagenet, a file (.h5, .weights.h5, .keras) or a run's folder")
    ] = "imagenet"
    weights_sha256: Annotated[
        str, Meta(description="refuse weights whose digest is another; empty: any")
    ] = ""
    sizes: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=1024)], ...],
        Meta(min_length=1, description="input sizes in pixels, e.g. 32,96"),
    ] = (32, 96)
    features: Annotated[
        tuple[str, ...],
        Meta(description="cuts: layers of the base, low to high; empty: its blocks"),
    ] = ()
    pooling: Annotated[
        Literal["average", "max"], Meta(description="what becomes of a cut's maps: one number each")
    ] = "average"
    l2: Annotated[
        tuple[Annotated[float, Meta(ge=0, le=1e6)], ...],
        Meta(min_length=1, description="L2 penalties of the heads; each cut has its best"),
    ] = (0.0, 1e-3, 1e-2, 1e-1, 1.0)
    # A few images are seen often: a head that has not come to its end tells of its training.
    training: Training = Training(
        epochs=20,
        minimum_images=200_000,
        batch_size=256,
        optimizer="adam",
        learning_rate=3e-3,
        schedule="cosine",
    )
    seeds: Annotated[int, Meta(ge=1, le=1000, description="train each head N times")] = 3
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="the first seed")] = 0
    precision: Annotated[Precision, Meta(description="number format of the base")] = "auto"
    winner: Annotated[
        Literal["best", "cheapest"],
        Meta(
            description="what is scored on the test images: the best, or the cheapest of those "
            "tied with it"
        ),
    ] = "best"

    def check(self) -> None:
        """Checks what types cannot say; imports no Keras.

        Raises:
            ValueError: If there is no such base, something is named twice, or there are no
                images to judge by.
        """
        base = bases.get(self.transfer)
        if self.weights == "random":
            raise ValueError(
                "cuts are of a base that was trained: frozen random weights know nothing. "
                "Received: weights random"
            )
        for name in ("sizes", "features", "l2"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{name} must differ from each other. Received: {values}")
        if min(self.sizes) < base.minimum:
            raise ValueError(
                f"{base.name} takes images of {base.minimum} pixels or more. "
                f"Received: sizes {', '.join(map(str, self.sizes))}"
            )
        if not self.data.validation_fraction:
            raise ValueError(
                "cuts are chosen by validation images. Received: validation_fraction 0; use e.g. "
                "--validation-fraction 0.1"
            )
        for name in (*AUGMENTATION, "ema", "patience"):
            if getattr(self.training, name):
                raise ValueError(
                    "heads are trained on features of images as they are, to the end of their "
                    f"epochs. Received: {name} {getattr(self.training, name)}"
                )

    def all_seeds(self) -> range:
        """Returns the seeds of the heads."""
        return range(self.seed, self.seed + self.seeds)
