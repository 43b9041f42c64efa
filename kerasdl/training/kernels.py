"""Faster kernels for Keras layers while the engine trains; the model itself stays plain Keras.

Keras's BatchNormalization computes mean, variance and the normalisation one
operation after another, in float32 even under a 16-bit policy. TensorFlow's
fused kernel does forward and backward in a quarter of the time on a CPU, on
16-bit images directly with float32 statistics (benchmarks/engine.py).
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras


@contextlib.contextmanager
def fused_kernels(model: keras.Model) -> Iterator[None]:
    """Lets the BatchNormalization layers of `model` use the fused kernel inside the block.

    The same function within rounding: statistics of the batch, biased variance
    in the moving average, Keras's `momentum` and `epsilon`. Layers that fused
    kernels cannot serve (other axes than the last, masks, synchronised or
    renormalised statistics) and frozen ones keep Keras's own code.

    Args:
        model: The model to train; nested models are included.
    """
    swapped = [layer for layer in model._flatten_layers() if _is_fusible(layer)]
    for layer in swapped:
        layer.__dict__["call"] = _fused_call(layer)
    try:
        yield
    finally:
        for layer in swapped:
            del layer.__dict__["call"]


def _is_fusible(layer: Any) -> bool:
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.built
        and layer.trainable
        and not layer.synchronized
        and not getattr(layer, "renorm", False)
        and layer.input_spec.ndim == 4
        and layer.axis in (-1, 3)
        and keras.backend.backend() == "tensorflow"
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
