"""A pass of images through frozen networks: bfloat16 against float32, and what folding adds.

    python benchmarks/feature_pass.py [--bases vgg16,resnet50,mobilenet_0.75] [--sizes 32,96]
                                      [--images 512] [--rounds 5]

Every round computes the features of the same random 32x32 images once with each arm; tracing
is done before. "Keras" is the model as it is in one `tf.function`; "folded" is what
`kerasdl.training.features` does: BatchNorm worked into the convolutions, weights in the
format they are used in. Each in float32 and under mixed_bfloat16. The last lines say how far
bfloat16's features are from float32's, by the largest feature.
"""

import argparse
import time

import arms
import numpy as np

from kerasdl.training.environment import start_keras

start_keras()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from kerasdl.models import bases, transfer  # noqa: E402
from kerasdl.training.features.forward import Forward  # noqa: E402
from kerasdl.training.precision import policy  # noqa: E402

SHAPE = (32, 32, 3)
FORMATS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def features_model(base, size, precision):
    keras.utils.set_random_seed(0)
    with policy(precision):
        model = transfer.transfer(SHAPE, 10, base=base, weights="random", freeze="none", size=size)
    return transfer.features_model(model)


def make(base, size, images, batch_size):
    made, found = {}, {}

    def arm(name, call, step):
        def run():
            started = time.perf_counter()
            parts = [call(images[first : first + step]) for first in range(0, len(images), step)]
            seconds = time.perf_counter() - started
            found[name] = np.concatenate(parts).astype(np.float32)
            return seconds

        run()
        made[name] = run

    for title, precision in FORMATS.items():
        model = features_model(base, size, precision)
        plain = tf.function(lambda x, model=model: model(x, training=False))
        arm(f"Keras {title}", lambda x, call=plain: call(x).numpy(), batch_size)
        forward = Forward(model)
        arm(f"folded {title}", forward, forward.batch_size)
    return made, found


def error(found, name):
    right = found["Keras float32"]
    return float(np.abs(found[name] - right).max() / np.abs(right).max())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bases", default="vgg16,resnet50,mobilenet_0.75")
    parser.add_argument("--sizes", default="32")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=128, help="of the arms Keras")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (options.images, *SHAPE), dtype=np.uint8)
    results, differences = {}, []
    for base in options.bases.split(","):
        for size in map(int, options.sizes.split(",")):
            bases.get(base)
            made, found = make(base, size, images, options.batch_size)
            case = f"{base} at {size}"
            results[case] = arms.interleave(made, options.rounds)
            errors = ", ".join(f"{name} {error(found, name):.1e}" for name in found)
            differences.append(f"{case}: {errors}")
            keras.backend.clear_session()
    title = f"{options.images} images, {options.rounds} rounds, medians"
    arms.show(title, results, base="folded float32")
    print("Largest difference from Keras's float32, by the largest feature:")
    print("\n".join(differences))


if __name__ == "__main__":
    main()
