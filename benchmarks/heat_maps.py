"""Do heat maps show what an answer rests on? The hottest part of images is blurred.

python benchmarks/heat_maps.py RUN        (a finished run; data sets' files in $KERASDL_DATA)

If a heat map is true, the answer's probability falls more when the pixels that it marks
are blurred than when as many are blurred that the map of another image marks, and hardly
when the coldest are. All differences in points of probability, mean over test images.
"""

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy.ndimage import gaussian_filter

from kerasdl.training.environment import start_keras

start_keras()

import keras  # noqa: E402

from kerasdl import recipe, record  # noqa: E402
from kerasdl.evaluation.predictions import softmax  # noqa: E402
from kerasdl.models import saved  # noqa: E402
from kerasdl.studies.data import divide, load_whole  # noqa: E402
from kerasdl.studies.plan import Data  # noqa: E402
from kerasdl.training import gradcam  # noqa: E402

COUNT, PART, BLUR = 500, 0.1, 6.0


def hottest(heat, generator):
    """Returns which pixels are the hottest PART of each image, ties by lot: bool (n, h, w, 1)."""
    flat = heat.reshape(len(heat), -1) + 1e-6 * generator.random((len(heat), heat[0].size))
    order = np.argsort(-flat, axis=1)[:, : int(PART * flat.shape[1])]
    chosen = np.zeros(flat.shape, bool)
    np.put_along_axis(chosen, order, True, axis=1)
    return chosen.reshape(*heat.shape, 1)


def losses(network, images, blurred):
    """Yields for both kinds of weights what blurring costs: hottest, another's, coldest."""
    probabilities = softmax(network.predict(images, verbose=0))
    answers = probabilities.argmax(axis=1)
    rows = np.arange(len(images))
    for averaged in (False, True):
        generator = np.random.default_rng(0)
        heat = gradcam.heat_maps(network, images, answers, averaged=averaged)
        found = []
        for one in (heat, np.roll(heat, 1, axis=0), -heat):
            changed = np.where(hottest(one, generator), blurred, images)
            after = softmax(network.predict(changed, verbose=0))
            found.append(float((probabilities - after)[rows, answers].mean()))
        yield averaged, found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    folder = parser.parse_args().run
    result = record.read(folder / "results.json")
    data = recipe.from_dict(result.recipe["data"], Data, where="the recipe")
    images = divide(load_whole(data, None, Console(quiet=True)), data).test.images[:COUNT]
    images = images.astype(np.float32)
    blurred = np.stack([gaussian_filter(image, (BLUR, BLUR, 0)) for image in images])
    print(f"{result.dataset.label}; {len(images)} test images, {PART:.0%} of each blurred")
    print(f"{'network':24} {'weights':9} {'hottest':>8} {'another':>8} {'coldest':>8}")
    for run in result.runs:
        keras.utils.clear_session()
        network = saved.load(folder / "models" / f"{run.model}-seed{run.seed}.keras")
        for averaged, found in losses(network, images, blurred):
            numbers = " ".join(f"{100 * one:8.1f}" for one in found)
            print(
                f"{run.model + f' {run.seed}':24} {'mean' if averaged else 'by cell':9} {numbers}"
            )


if __name__ == "__main__":
    main()
