"""Faster kernels for Keras objects while the engine trains; the model itself stays plain Keras.

Keras's BatchNormalization computes mean, variance and the normalisation one
operation after another, in float32 even under a 16-bit policy. TensorFlow's
fused kernel does forward and backward in a quarter of the time on a CPU, on
16-bit images directly with float32 statistics. Likewise Keras's Adam reads and
writes every weight a dozen times a step, TensorFlow's kernel once; a small MLP
spends most of its step there (benchmarks/engine.py has both).
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras


@contextlib.contextmanager
def fused_kernels(model: keras.Model) -> Iterator[None]:
    """Lets BatchNormalization and Adam of `model` use fused kernels inside the block.

    The same functions within rounding: statistics of the batch, biased variance
    in the moving average, Keras's `momentum` and `epsilon`; Adam as in Kingma
    and Ba 2015 (ICLR, section 2, the reformulated order of computation), which
    is Keras's. What fused kernels cannot serve keeps Keras's own code: other
    axes than the last, masks, synchronised or renormalised statistics, frozen
    layers, AMSGrad, several replicas.

    Args:
        model: The model to train, compiled; nested models are included.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    # Instance attributes hide the methods of the class, and leave no trace when deleted.
    swapped = [(layer, "call") for layer in model._flatten_layers() if _is_fusible(layer)]
    for layer, name in swapped:
        layer.__dict__[name] = _fused_call(layer)
    optimizer = getattr(model, "optimizer", None)
    if type(optimizer) in (keras.optimizers.Adam, keras.optimizers.AdamW) and _is_alone(optimizer):
        optimizer.__dict__["update_step"] = _fused_adam(optimizer)
        swapped.append((optimizer, "update_step"))
    try:
        yield
    finally:
        for changed, name in swapped:
            del changed.__dict__[name]


def _is_fusible(layer: Any) -> bool:
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.built
        and layer.trainable
        and not layer.synchronized
        and not getattr(layer, "renorm", False)
        and layer.input_spec.ndim == 4
        and layer.axis in (-1, 3)
    )


def _fused_call(layer: keras.layers.BatchNormalization) -> Any:
    import tensorflow as tf

    plain = layer.call
    channels = layer.moving_mean.shape

    def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not training or mask is not None:
            return plain(inputs, training=training, mask=mask)
        gamma = layer.gamma.value if layer.scale else tf.ones(channels)
        beta = layer.beta.value if layer.center else tf.zeros(channels)
        x = tf.cast(inputs, layer.compute_dtype)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=gamma,
            offset=beta,
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            # The kernel's own minimum, 1.001e-5 on GPUs, is cuDNN's.
            epsilon=layer.epsilon,
            is_training=True,
        )
        # The kernel's variance is unbiased, Keras's moving variance the biased one.
        count = tf.cast(tf.size(x) // tf.shape(x)[-1], "float32")
        variance *= (count - 1.0) / count
        keep = layer.momentum
        layer.moving_mean.assign(layer.moving_mean * keep + mean * (1.0 - keep))
        layer.moving_variance.assign(layer.moving_variance * keep + variance * (1.0 - keep))
        return outputs

    return call


def _is_alone(optimizer: Any) -> bool:
    """Whether the optimizer updates plain variables: one replica, the standard algorithm."""
    import tensorflow as tf

    return not optimizer.amsgrad and tf.distribute.get_strategy().num_replicas_in_sync == 1


def _fused_adam(optimizer: Any) -> Any:
    import tensorflow as tf

    plain = optimizer.update_step

    def update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        dtype = variable.dtype
        index = optimizer._get_variable_index(variable)
        weights = variable.value if isinstance(variable, keras.Variable) else variable
        moments = optimizer._momentums[index].value, optimizer._velocities[index].value
        if not all(isinstance(each, tf.Variable) for each in (weights, *moments)) or isinstance(
            gradient, tf.IndexedSlices
        ):
            plain(gradient, variable, learning_rate)
            return
        step = tf.cast(optimizer.iterations + 1, dtype)
        beta_1, beta_2 = (tf.cast(b, dtype) for b in (optimizer.beta_1, optimizer.beta_2))
        tf.raw_ops.ResourceApplyAdam(
            var=weights.handle,
            m=moments[0].handle,
            v=moments[1].handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(optimizer.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )

    return update_step
