"""What makes a step on several replicas the step of one: data, shares, metrics, statistics.

A replica is one device of `tf.distribute`; those of one process share its
memory, those of other workers do not. Keras adds the gradients up. The rest is
here, so that every example of a batch counts the same whatever the number of
replicas (docs/distributed.md says what is exact and what is not).
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import ALIGNMENT

# Odd, so that every replica has another first word of the seed modulo 2**32.
_SEED_STRIDE = 0x9E3779B1


def on_devices(strategy: Any, array: npt.NDArray[Any]) -> Any:
    """Returns `array` on the device of each replica of this process.

    One replica on the CPU shares the memory of images that allow it (`aligned_empty`),
    which therefore must not be changed any more; all else is copied.
    """
    import tensorflow as tf

    if strategy.num_replicas_in_sync == 1:
        if _can_be_shared(array) and not tf.config.list_logical_devices("GPU"):
            return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
        return tf.constant(array)
    devices = strategy.extended.worker_devices

    def copy(context: Any) -> Any:
        # Other workers' replicas come before ours: as many for each as we have devices.
        with tf.device(devices[context.replica_id_in_sync_group % len(devices)]):
            return tf.constant(array)

    return strategy.experimental_distribute_values_from_function(copy)


def _can_be_shared(array: npt.NDArray[Any]) -> bool:
    # NumPy exports no read-only memory, and TensorFlow ends the process at unaligned memory.
    plain = array.dtype == np.uint8 and array.flags.c_contiguous and array.flags.writeable
    return plain and array.size > 0 and array.ctypes.data % ALIGNMENT == 0


def bounds(size: Any, replicas: int) -> tuple[Any, Any]:
    """Returns begin and end of this replica's share of a batch of `size` examples.

    Shares differ by one example at most; a batch smaller than the number of
    replicas leaves some of them empty.
    """
    import tensorflow as tf

    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    return size * replica // replicas, size * (replica + 1) // replicas


def share(batch: Any, uniform: Any, replicas: int) -> tuple[Any, Any, Any]:
    """Cuts out this replica's share of a batch and its weight.

    Keras averages over the replica's own examples and divides by the number of
    replicas; the weight undoes this where the shares differ by one example, so
    that every example of the batch counts the same. A replica with an empty
    share sees one example, which counts nothing (but in its BatchNorm statistics).

    Args:
        batch: int tensor (n,), the indices of the batch's examples.
        uniform: Their random numbers (n, k), or None.
        replicas: Number of replicas of all workers.

    Returns:
        Indices, random numbers and weights (float32) of the share.
    """
    import tensorflow as tf

    size = tf.size(batch)
    begin, end = bounds(size, replicas)
    weight = tf.cast(replicas * (end - begin), "float32") / tf.cast(size, "float32")
    begin = tf.minimum(begin, size - 1)
    end = tf.maximum(end, begin + 1)
    uniform = None if uniform is None else uniform[begin:end]
    return batch[begin:end], uniform, tf.fill([end - begin], weight)


@contextlib.contextmanager
def exact_metrics(model: keras.Model, size: Any, replicas: int) -> Iterator[None]:
    """Lets Keras's metrics count a batch of `size` examples as one device would.

    Wraps a traced `strategy.run(model.train_step)`. The loss that a replica hands
    to its mean is already weighted by its share, so that each counts size / replicas
    examples; other metrics get the examples of the share only, without those weights.

    Args:
        model: A compiled and built model.
        size: Number of examples in the batch of all replicas, a tensor.
        replicas: Number of replicas of all workers.
    """
    import tensorflow as tf

    if replicas == 1:
        yield
        return
    plain = model.compute_metrics
    compiled = model._compile_loss
    means = [model._loss_tracker, *(compiled.metrics if compiled is not None else ())]
    updates = [mean.update_state for mean in means]

    def compute_metrics(x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        begin, end = bounds(size, replicas)
        count = end - begin
        of_share = tf.cast(replicas * count, "float32") / tf.cast(size, "float32")
        y, y_pred = keras.tree.map_structure(lambda part: part[:count], (y, y_pred))
        # An empty share has no weight to divide by, and nothing to be divided.
        weight = keras.tree.map_structure(lambda part: part[:count] / of_share, sample_weight)
        return plain(x, y, y_pred, sample_weight=weight)

    def updating(update: Any) -> Any:
        return lambda value, sample_weight=None: update(
            value, sample_weight=tf.cast(size, "float32") / replicas
        )

    # Instance attributes hide the methods of the class, and leave no trace when deleted.
    model.__dict__["compute_metrics"] = compute_metrics
    for mean, update in zip(means, updates, strict=True):
        mean.__dict__["update_state"] = updating(update)
    try:
        yield
    finally:
        del model.__dict__["compute_metrics"]
        for mean in means:
            del mean.__dict__["update_state"]


@contextlib.contextmanager
def own_states(model: keras.Model, strategy: Any) -> Iterator[None]:
    """Gives each replica dropout of its own inside the block, and settles BatchNorm after it.

    Keras draws the same dropout mask on every replica, from equal copies of the
    seed; inside the block the copies differ. BatchNormalization keeps moving
    statistics of the replica's own share; after the block each replica has the
    mean over all. A moving average being linear, that is the average of the
    batches' statistics, as if it had been taken at every step.

    Args:
        model: The model. Wrap traced steps, in the graph of one `tf.function`.
        strategy: Its strategy.
    """
    import tensorflow as tf

    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        yield
        return
    layers = model._flatten_layers()
    seeds = [generator.state for layer in layers for generator in layer._seed_generators]
    moving = [
        statistic
        for layer in layers
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        for statistic in (layer.moving_mean, layer.moving_variance)
    ]

    def shift(sign: int) -> None:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        offset = tf.cast(replica, "int64") * _SEED_STRIDE * sign
        for seed in seeds:
            added = tf.cast(tf.stack([offset, tf.zeros_like(offset)]), seed.dtype)
            seed.assign(tf.convert_to_tensor(seed.value) + added)

    def settle() -> None:
        context = tf.distribute.get_replica_context()
        # The identity stands on the replica's device, by which the collective finds it.
        parts = [tf.identity(tf.convert_to_tensor(part.value)) for part in moving]
        means = context.all_reduce("mean", parts)
        for part, mean in zip(moving, means, strict=True):
            part.assign(mean)

    if seeds:
        strategy.run(shift, args=(1,))
    yield
    if seeds:
        strategy.run(shift, args=(-1,))
    if moving:
        strategy.run(settle)


def take_over(model: keras.Model, strategy: Any) -> None:
    """Gives every worker the chief's weights.

    Variables are broadcast when they are made. What is computed and assigned later
    (whitening) may differ in its last bits, or in signs, where the processors differ.

    Args:
        model: A built model.
        strategy: Its strategy; every worker calls this.
    """
    import tensorflow as tf

    if not strategy.extended._in_multi_worker_mode():
        return  # all replicas are in this process, which assigned to all of them
    weights = model.weights

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def run() -> None:
        def assign() -> None:
            context = tf.distribute.get_replica_context()
            is_first = tf.equal(context.replica_id_in_sync_group, 0)
            parts = [tf.convert_to_tensor(weight.value) for weight in weights]
            parts = [tf.where(is_first, part, tf.zeros_like(part)) for part in parts]
            for weight, part in zip(weights, context.all_reduce("sum", parts), strict=True):
                weight.assign(part)

        strategy.run(assign)

    run()
