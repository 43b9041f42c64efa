"""How fast is one model as SavedModel, ONNX, LiteRT and OpenVINO, on this processor?

python -m kerasdl.export RUN --to saved_models --format onnx,litert,openvino
python benchmarks/formats.py saved_models/svhn/1

Latency is of one image, throughput of batches of 64, each runtime with its own default threads
and in float32; all in one process, in turn. Size and agreement are the card's.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from arms import interleave
from rich.console import Console
from rich.table import Table

from kerasdl.export import card, reload

ROUNDS, ONES, BATCHES, BATCH = 9, 50, 8, 64


def arm(predict, images, calls):
    """Returns a function that calls `predict` some times and returns the seconds of one call."""

    def run():
        begin = time.perf_counter()
        for _ in range(calls):
            predict(images)
        return (time.perf_counter() - begin) / calls

    run()  # the first call of a size makes plans
    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a version's folder")
    folder = parser.parse_args().folder
    found = card.read(folder)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (BATCH, *found.image_shape), dtype=np.uint8)
    ones, batches = {}, {}
    for one in found.formats:
        predict, problems = reload.OPEN[one.format](folder, images)
        assert not problems, problems
        ones[one.format] = arm(predict, images[:1], ONES)
        batches[one.format] = arm(predict, images, BATCHES)
    latency, throughput = interleave(ones, ROUNDS), interleave(batches, ROUNDS)
    table = Table(title=f"{found.title}, {folder}", title_justify="left")
    table.add_column("format")
    for title in ("one image, ms", "range", "images/s at 64", "range", "MB", "same class"):
        table.add_column(title, justify="right")
    for one in found.formats:
        times = [1000 * seconds for seconds in latency[one.format]]
        rates = [BATCH / seconds for seconds in throughput[one.format]]
        table.add_row(
            one.format,
            f"{statistics.median(times):.3f}",
            f"{min(times):.3f}-{max(times):.3f}",
            f"{statistics.median(rates):,.0f}",
            f"{min(rates):,.0f}-{max(rates):,.0f}",
            f"{one.bytes / 1e6:.2f}",
            f"{100 * one.agreement:.2f} %",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
