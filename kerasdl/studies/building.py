"""One model of a comparison, ready to train."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kerasdl.datasets.dataset import Dataset, Examples
from kerasdl.models import bases, registry
from kerasdl.studies.plan import Recipe
from kerasdl.training.settings import Precision

if TYPE_CHECKING:
    import keras


def precision_of(plan: Recipe, name: str) -> str:
    """Returns the Keras dtype policy that a model of the recipe has on this machine.

    Args:
        plan: The recipe.
        name: One of its models.
    """
    from kerasdl.training.precision import resolve

    if name not in plan.transfer:
        network = plan.network(name)
        # What a person's own consists of is not known: float32 suits everything.
        return resolve(plan.precision, depthwise=network.depthwise, exact=network.own)
    base = str(plan.settings[name]["base"])
    if plan.transfer[name].arm == "scratch":
        return resolve(plan.precision, depthwise=bases.get(base).depthwise)
    # One that is fine-tuned begins as a frozen one, on kept features.
    return precision_of_frozen(plan.precision, base)


def precision_of_frozen(precision: Precision, base: str) -> str:
    """Returns the Keras dtype policy of a base that is computed forwards only.

    Args:
        precision: What was asked for.
        base: One of `bases.names()`.
    """
    from kerasdl.training.precision import resolve

    # What its features lose in bfloat16, they lose on a GPU, too.
    return resolve(precision, exact=not bases.get(base).bfloat16)


def check_own(plan: Recipe, dataset: Dataset, say: Callable[[str], None]) -> None:
    """Builds a person's own models once, before anything is trained.

    Args:
        plan: The recipe.
        dataset: The data set, for image shape and classes.
        say: Called with a sentence that the person should know.

    Raises:
        ValueError: If one cannot be trained; the message says why.
    """
    for name in plan.models:
        network = plan.network(name)
        if not network.own:
            continue
        from kerasdl.models.adopted import adopt, rescales

        shape, classes = dataset.image_shape, dataset.num_classes
        model = registry.build(network.name, shape, classes, **plan.settings.get(name, {}))
        found = adopt(model, shape, classes, network.source)
        if found.probabilities:
            say(
                f"{name}: its {found.probabilities} is taken off for the training, which computes "
                "the same from the numbers before it; the saved model gives those"
            )
        if found.optimizer is not None:
            say(f"{name}: keeps the optimizer and the loss that it was compiled with")
        if not rescales(found.model):
            say(
                f"{name}: gets pixels 0..255. It begins with no layer that scales them, e.g. "
                "keras.layers.Rescaling(1 / 255), which networks mostly need"
            )


def build(
    plan: Recipe,
    name: str,
    seed: int,
    *,
    dataset: Dataset,
    train: Examples,
    strategy: Any,
    weights: str | None = None,
) -> "keras.Model":
    """Returns a model of the recipe with its initial weights, compiled.

    Args:
        plan: The recipe.
        name: One of its models.
        seed: The seed; becomes Keras's global one.
        dataset: The data set, for image shape and class names.
        train: The training images, for a layer that adapts to them and for the schedule.
        strategy: A `tf.distribute.Strategy` or its like, as from `make_strategy`.
        weights: The path at which the weights that the recipe names were found, where it
            names some.
    """
    import keras

    from kerasdl.models.adopted import adopt
    from kerasdl.models.whitening import adapt
    from kerasdl.training.compiling import compile_model
    from kerasdl.training.precision import policy

    # Another model's layer names and TensorFlow graph are not needed any more.
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    settings = {**plan.settings.get(name, {}), **({} if weights is None else {"weights": weights})}
    with strategy.scope(), policy(precision_of(plan, name)):
        network, brought = plan.network(name), {}
        shape, classes = dataset.image_shape, dataset.num_classes
        model = registry.build(network.name, shape, classes, **settings)
        if network.own:
            found = adopt(model, shape, classes, network.source)
            model = found.model
            if found.optimizer is not None:
                brought = {"optimizer": found.optimizer, "smoothing": found.smoothing}
        if name not in plan.transfer:  # a base's preprocessing has constants
            adapt(model, train.images)
        compile_model(model, plan.training[name], len(train), **brought)
    return model
