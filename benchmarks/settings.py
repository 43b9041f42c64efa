"""TensorFlow's own switches for a CPU, each in a process of its own: which of them pay.

    python benchmarks/settings.py [--model smallnet] [--rounds 3]

Every arm trains the same steps of 128 random images; ratios are to the first arm. The engine's
own choice is "mixed_bfloat16" (where the processor has bfloat16) and TensorFlow's defaults else.
"""

import argparse
import os
import subprocess
import sys

import arms

# Name: (Keras dtype policy, environment variables, TensorFlow settings as `child` knows them)
ARMS = {
    "float32": ("float32", {}, ""),
    "mixed_bfloat16": ("mixed_bfloat16", {}, ""),
    "float32 + grappler's bf16 rewrite": ("float32", {}, "grappler"),
    "mixed_bfloat16, one thread between operations": ("mixed_bfloat16", {}, "inter"),
    "mixed_bfloat16, one thread inside operations": ("mixed_bfloat16", {}, "intra"),
    "mixed_bfloat16 without oneDNN": ("mixed_bfloat16", {"TF_ENABLE_ONEDNN_OPTS": "0"}, ""),
}


def child(name, policy_name, setting, steps):
    """Trains in this process and prints the seconds of the steps after the first epoch."""
    import time

    import keras
    import numpy as np
    import tensorflow as tf

    from kerasdl.datasets.dataset import Examples
    from kerasdl.models import registry
    from kerasdl.training.compiling import compile_model
    from kerasdl.training.engine import Engine
    from kerasdl.training.precision import policy
    from kerasdl.training.settings import Training

    if setting == "grappler":
        switch = {"auto_mixed_precision_onednn_bfloat16": True}
        tf.config.optimizer.set_experimental_options(switch)
    elif setting == "inter":
        tf.config.threading.set_inter_op_parallelism_threads(1)
    elif setting == "intra":
        tf.config.threading.set_intra_op_parallelism_threads(1)
    n = 128 * steps
    generator = np.random.default_rng(0)
    train = Examples(
        generator.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8),
        generator.integers(0, 10, n).astype(np.int32),
    )
    training = Training(epochs=2, batch_size=128, optimizer="sgd", learning_rate=1e-3)
    keras.utils.set_random_seed(0)
    with policy(policy_name):
        model = registry.build(name, (32, 32, 3), 10)
    compile_model(model, training, n)

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds = time.perf_counter() - self.started

    watch = Watch()
    Engine(model).fit(train, training, seed=0, callbacks=[watch])
    print(watch.seconds)


def arm(name, steps, policy_name, environment, setting):
    def run():
        done = subprocess.run(
            [sys.executable, __file__, "--child", name, policy_name, setting, str(steps)],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return float(done.stdout.split()[-1])

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smallnet")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, policy_name, setting, steps = options.child
        child(name, policy_name, setting, int(steps))
        return
    made = {title: arm(options.model, options.steps, *settings) for title, settings in ARMS.items()}
    seconds = arms.interleave(made, options.rounds)
    # One row an arm: its settings are too long for columns.
    results = {
        title: {"float32": seconds["float32"], "this": values} for title, values in seconds.items()
    }
    arms.show(f"{options.model}, {options.steps} steps of 128 images", results, base="float32")


if __name__ == "__main__":
    main()
