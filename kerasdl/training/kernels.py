"""Faster kernels for Keras objects while the engine trains; the model itself stays plain Keras.

Keras's BatchNormalization computes mean, variance and the normalisation one
operation after another, in float32 even under a 16-bit policy. TensorFlow's
fused kernel does forward and backward in a quarter of the time on a CPU, on
16-bit images directly with float32 statistics. Likewise Keras's Adam and SGD
read and write every weight up to a dozen times a step, TensorFlow's kernels
once; a small MLP spends most of its step there (benchmarks/engine.py has both).
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras


@contextlib.contextmanager
def fused_kernels(model: keras.Model) -> Iterator[None]:
    """Lets BatchNormalization, Adam and SGD of `model` use fused kernels inside the block.

    The same functions within rounding: statistics of the batch, biased variance
    in the moving average, Keras's `momentum` and `epsilon`; Adam as in Kingma
    and Ba 2015 (ICLR, section 2, the reformulated order of computation), SGD
    with momentum as Keras orders it (the rate inside the velocity). What fused
    kernels cannot serve keeps Keras's own code: other axes than the last, masks,
    synchronised or renormalised statistics, frozen layers, AMSGrad, several
    replicas.

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
    for name, method in _fused_update(optimizer).items():
        optimizer.__dict__[name] = method
        swapped.append((optimizer, name))
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


def _fused_update(optimizer: Any) -> dict[str, Any]:
    """Returns methods of the optimizer that update in fused kernels; {} where there are none."""
    import tensorflow as tf

    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        return {}  # its variables are not plain ones
    # One of `training.discriminative` is another but for the rates.
    kind = getattr(optimizer, "kind", type(optimizer))
    rate_of = getattr(optimizer, "rate_of", lambda variable, rate: rate)
    if kind is keras.optimizers.SGD and optimizer.momentum:
        apply = _momentum
    elif kind in (keras.optimizers.Adam, keras.optimizers.AdamW):
        if optimizer.amsgrad:
            return {}
        apply = _adam
    else:
        return {}
    plain = optimizer.update_step
    shared: dict[Any, Any] = {}

    def update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        weights = variable.value if isinstance(variable, keras.Variable) else variable
        if isinstance(gradient, tf.IndexedSlices) or not isinstance(weights, tf.Variable):
            plain(gradient, variable, learning_rate)
            return
        index = optimizer._get_variable_index(variable)
        gradient = tf.cast(gradient, weights.dtype)
        rate = tf.cast(rate_of(variable, learning_rate), weights.dtype)
        apply(optimizer, index, weights, gradient, rate, shared)

    def update_all(gradients: Any, variables: Any, learning_rate: Any) -> None:
        # Without `tf.distribute`, which on one device changes nothing, but takes time to
        # trace for each variable.
        shared.clear()
        for gradient, variable in zip(gradients, variables, strict=True):
            if gradient is not None:
                value = variable.value if isinstance(variable, keras.Variable) else variable
                optimizer.update_step(gradient, value, learning_rate)

    return {"update_step": update_step, "_backend_update_step": update_all}


def _momentum(
    optimizer: Any, index: int, weights: Any, gradient: Any, rate: Any, shared: dict[Any, Any]
) -> None:
    import tensorflow as tf

    tf.raw_ops.ResourceApplyKerasMomentum(
        var=weights.handle,
        accum=optimizer.momentums[index].value.handle,
        lr=rate,
        grad=gradient,
        momentum=tf.constant(optimizer.momentum, weights.dtype),
        use_nesterov=optimizer.nesterov,
    )


def _adam(
    optimizer: Any, index: int, weights: Any, gradient: Any, rate: Any, shared: dict[Any, Any]
) -> None:
    import tensorflow as tf

    if weights.dtype not in shared:  # made once a step, not once a variable
        step = tf.cast(optimizer.iterations + 1, weights.dtype)
        betas = optimizer.beta_1, optimizer.beta_2
        beta_1, beta_2 = (tf.constant(beta, weights.dtype) for beta in betas)
        powers = tf.pow(beta_1, step), tf.pow(beta_2, step)
        epsilon = tf.constant(optimizer.epsilon, weights.dtype)
        shared[weights.dtype] = beta_1, beta_2, *powers, epsilon
    beta_1, beta_2, power_1, power_2, epsilon = shared[weights.dtype]
    tf.raw_ops.ResourceApplyAdam(
        var=weights.handle,
        m=optimizer._momentums[index].value.handle,
        v=optimizer._velocities[index].value.handle,
        beta1_power=power_1,
        beta2_power=power_2,
        lr=rate,
        beta1=beta_1,
        beta2=beta_2,
        epsilon=epsilon,
        grad=gradient,
    )
