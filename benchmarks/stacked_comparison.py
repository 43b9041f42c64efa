"""A comparison of perceptrons, stacked and one by one: the whole of `Study.run`.

    python benchmarks/stacked_comparison.py [--rounds 3] [--seeds 5] [--epochs 150]

The Gurmukhi study: no regulariser, L1, weight decay and dropout on perceptrons of six hidden
layers of 256 units, 810 images of 32 x 32 pixels in one step; with 5 seeds, 20 perceptrons. Pixels
are random: speed does not depend on them. Both arms build, train, validate, score and save each
model and write the record; each round makes them one after the other in this process, alternately
first. `alone` trains each by `Engine`, as every network that cannot be stacked is trained.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from kerasdl.training.environment import start_keras

start_keras(convolutions=False)

from kerasdl.apps import gurmukhi  # noqa: E402
from kerasdl.datasets.dataset import Dataset, Examples, Splits, content_sha256  # noqa: E402
from kerasdl.studies import stacking  # noqa: E402
from kerasdl.studies.networks import Study  # noqa: E402
from kerasdl.studies.options import make_parser, make_recipe  # noqa: E402

STACKED = stacking.divide


def each_alone(plan, *_):
    """Divides the models so that each is trained by itself."""
    return [(name,) for name in plan.models]


def images():
    """Random images in the sizes of Gurmukhi's parts."""
    generator = np.random.default_rng(0)

    def examples(n):
        pixels = generator.integers(0, 256, (n, 32, 32, 1), dtype=np.uint8)
        return Examples(pixels, (np.arange(n) % 10).astype(np.int32))

    parts = [examples(n) for n in (810, 90, 178)]
    dataset = Dataset(
        name="random",
        title="Random pixels",
        train=parts[0],
        test=parts[2],
        class_names=tuple("0123456789"),
        source="folder",
        verified=False,
        partial=None,
        sha256=content_sha256(*parts),
    )
    return dataset, Splits(*parts)


def main():
    """Runs the rounds and prints the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=150)
    options = parser.parse_args()
    words = ["--seeds", str(options.seeds), "--epochs", str(options.epochs)]
    plan = make_recipe(gurmukhi.APP, vars(make_parser(gurmukhi.APP).parse_args(words)))
    dataset, splits = images()

    def run(arm):
        stacking.divide = (
            STACKED if arm == "stacked" else lambda plan, *_: [(n,) for n in plan.models]
        )
        with tempfile.TemporaryDirectory() as folder:
            study = Study(
                plan,
                dataset,
                splits,
                Path(folder),
                command="benchmark",
                reported=[],
                console=Console(quiet=True),
            )
            started = time.perf_counter()
            found = study.run()
            took = time.perf_counter() - started
        assert len(found.runs) == 4 * options.seeds
        return took

    seconds = {"alone": [], "stacked": []}
    for number in range(options.rounds):
        arms = list(seconds) if number % 2 == 0 else list(seconds)[::-1]
        for arm in arms:
            seconds[arm].append(run(arm))
            print(f"round {number + 1}, {arm}: {seconds[arm][-1]:.1f} s", flush=True)
    alone, stacked = (statistics.median(values) for values in seconds.values())
    ratios = [one / other for one, other in zip(*seconds.values(), strict=True)]
    print(
        f"alone {alone:.1f} s, stacked {stacked:.1f} s: {alone / stacked:.2f} times faster "
        f"(rounds: {', '.join(f'{ratio:.2f}' for ratio in ratios)})"
    )


if __name__ == "__main__":
    main()
