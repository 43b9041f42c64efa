"""Which weights the bases of a comparison begin with: found, checked, put into the recipe."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kerasdl.models import registry
from kerasdl.studies.transfer.settings import NETWORK

if TYPE_CHECKING:
    import keras

    from kerasdl.datasets.dataset import Dataset
    from kerasdl.studies.plan import Recipe
    from kerasdl.training.features.cache import FeatureCache

NAMED = ("imagenet", "random")
"""Values of the setting `weights` that are no paths."""


def check_there(plan: "Recipe") -> None:
    """Raises FileNotFoundError if weights are a path to nothing; imports no Keras."""
    for model in plan.transfer:
        weights = str(plan.settings[model]["weights"])
        if weights not in NAMED and not Path(weights).expanduser().exists():
            raise FileNotFoundError(
                "--weights takes imagenet, random, a file of weights or the folder of a run. "
                f"Received: {weights}, no such file or folder"
            )


def pin(
    plan: "Recipe",
    dataset: "Dataset",
    folder: str | None,
    console: Any,
    *,
    cache: "FeatureCache | None" = None,
    rows: int = 0,
) -> tuple["Recipe", dict[str, str]]:
    """Finds the weights of every base, and checks what only the built network can tell.

    A path or "imagenet" may be other weights tomorrow: with their checksum in the recipe, a
    run is a function of its recipe again.

    Args:
        plan: The recipe.
        dataset: The images, for their shape and the number of classes.
        folder: A folder with data sets' files, in which weights may be; or None.
        console: A `rich` console, for a line about each file.
        cache: Where features will be kept.
        rows: Of how many images at a time.

    Returns:
        The recipe with `weights_sha256` in the settings of each model that begins with weights
        from elsewhere, and the path of these weights by model.

    Raises:
        FileNotFoundError: If there are no such weights, here and where they can be fetched.
        ValueError: If they are others than the recipe's or of another architecture, or a
            layer does not exist; or if features are larger than the cache may be.
    """
    if not plan.transfer:
        return plan, {}
    from kerasdl.models import transfer as network
    from kerasdl.models import weights as weights_of
    from kerasdl.studies.building import precision_of
    from kerasdl.training.precision import item_bytes

    folders = [] if folder is None else [folder]
    built: dict[tuple[Any, ...], keras.Model] = {}
    settings, paths = dict(plan.settings), {}
    for name, how in plan.transfer.items():
        own = dict(settings[name])
        path = weights_of.resolve(own["weights"], own["base"], folders)
        if path is not None:
            paths[name] = own["weights"] = str(path)
        shared = ("base", "weights", "weights_sha256", "size", "features", "pooling")
        key = tuple(own.get(part) for part in shared)
        if key not in built:
            if path is not None:
                text = f"Weights of {own['base']}: {path}"
                console.print(text, highlight=False, markup=False, soft_wrap=True)
            shape, num_classes = dataset.image_shape, dataset.num_classes
            built[key] = registry.build(NETWORK, shape, num_classes, **own)
        model = built[key]
        network.set_trainable(model, own.get("freeze", "conv"))
        if how.unfreeze is not None:
            network.unfreeze(model, how.unfreeze)
        if how.cached and cache is not None:
            # The model has float32's policy here, whatever it will be trained with.
            numbers = network.features_model(model).output_shape[1]
            cache.check_limit(rows * numbers * item_bytes(precision_of(plan, name)))
        if path is not None:
            found = weights_of.identity(network.base_of(model))
            settings[name] = {**settings[name], "weights_sha256": found}
    return msgspec.structs.replace(plan, settings=settings), paths
