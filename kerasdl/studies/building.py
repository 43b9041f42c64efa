"""One model of a comparison, ready to train."""

from typing import TYPE_CHECKING, Any

from kerasdl.datasets.dataset import Dataset, Examples
from kerasdl.models import registry
from kerasdl.studies.plan import Recipe

if TYPE_CHECKING:
    import keras


def build(
    plan: Recipe, name: str, seed: int, *, dataset: Dataset, train: Examples, strategy: Any
) -> "keras.Model":
    """Returns a model of the recipe with its initial weights, compiled.

    Args:
        plan: The recipe.
        name: One of its models.
        seed: The seed; becomes Keras's global one.
        dataset: The data set, for image shape and class names.
        train: The training images, for a layer that adapts to them and for the schedule.
        strategy: A `tf.distribute.Strategy` or its like, as from `make_strategy`.
    """
    import keras

    from kerasdl.models import labels
    from kerasdl.models.whitening import adapt
    from kerasdl.training.compiling import compile_model
    from kerasdl.training.precision import policy, resolve

    # Another model's layer names and TensorFlow graph are not needed any more.
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    precision = resolve(plan.precision, depthwise=plan.network(name).depthwise)
    with strategy.scope(), policy(precision):
        model = registry.build(
            plan.network(name).name,
            dataset.image_shape,
            dataset.num_classes,
            **plan.settings.get(name, {}),
        )
        model = labels.with_class_names(model, dataset.class_names)
        adapt(model, train.images)
        compile_model(model, plan.training[name], len(train))
    return model
