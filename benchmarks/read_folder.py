"""Reading a folder of many small PNGs, against a loop of Pillow on one core.

    python benchmarks/read_folder.py [--images 100000] [--rounds 5] [--folder DIR]

Writes gray PNGs of 28 x 28 under ten class folders. One arm is what a user would write:
open every path of a sorted `rglob` with Pillow, convert it, stack the arrays at the end,
on one core. The other is `read_folder` from listing to data set, with the division into
parts, the checksum and the count of duplicates. Each run is a process of its own, which
times itself after its imports; the first round, which is not counted, warms the page
cache. Peak memory is the kernel's sum over the process and its children, looked at every
20 ms (proportional set size; needs Linux). `--folder` keeps the images for another time.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import arms
import numpy as np
from PIL import Image

SIDE = 28


def write_images(root, count):
    """Writes images that look and compress like a digit: a blot with noise on black."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for number in range(count):
        folder = root / f"class {number % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        y, x = generator.uniform(8, 20, 2)
        blot = 255 * np.exp(
            -((rows - y) ** 2 + (columns - x) ** 2) / (2 * generator.uniform(2, 6) ** 2)
        )
        blot += generator.normal(0, 8, blot.shape) * (blot > 16)
        pixels = np.where(blot > 16, blot, 0).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


def loop(root):
    images, labels = [], []
    for path in sorted(root.rglob("*.png")):
        images.append(np.asarray(Image.open(path).convert("L")))
        labels.append(path.parent.name)
    return np.stack(images)


def read(root):
    from kerasdl.datasets.folder import read_folder

    return read_folder(root).train.images


ARMS = {"Pillow, one core": loop, "read_folder": read}


def child(arm, root):
    """Runs one arm and prints its seconds."""
    if arm == "read_folder":
        import kerasdl.datasets.folder  # noqa: F401
    started = time.perf_counter()
    ARMS[arm](root)
    print(time.perf_counter() - started)


def children(process):
    path = Path(f"/proc/{process}/task")
    return [
        int(number) for task in path.iterdir() for number in (task / "children").read_text().split()
    ]


def resident(process):
    """Kilobytes of a process and those that it started; shared pages are divided among them."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        own = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return own + sum(map(resident, children(process)))
    except (OSError, StopIteration):
        return 0


def run(arm, root, peaks):
    """Runs one arm in a process of its own; returns its seconds and notes its peak memory."""
    command = [sys.executable, __file__, "--child", arm, "--folder", str(root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    ended = threading.Event()
    peak = 0

    def watch():
        nonlocal peak
        while not ended.wait(0.02):
            peak = max(peak, resident(process.pid))

    watcher = threading.Thread(target=watch)
    if peaks is not None:
        watcher.start()
    output = process.communicate()[0]
    ended.set()
    if peaks is not None:
        watcher.join()
        peaks[arm] = peak
    return float(output)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--child", choices=ARMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        root = options.folder or Path(temporary)
        if not any(root.glob("*/*.png")):
            write_images(root, options.images)
        count = sum(1 for _ in root.glob("*/*.png"))
        peaks = {}
        for arm in ARMS:  # not counted; watching takes time from the processes that are watched
            run(arm, root, peaks)
        timed = {arm: lambda arm=arm: run(arm, root, None) for arm in ARMS}
        seconds = arms.interleave(timed, options.rounds)
    title = f"{count:,} PNGs of {SIDE} x {SIDE}, {len(os.sched_getaffinity(0))} cores, medians"
    arms.show(title, {"all": seconds}, base="Pillow, one core")
    pixels = count * SIDE**2
    for arm, peak in peaks.items():
        print(f"{arm}: peak {peak / 1024:.0f} MiB; the pixels are {pixels / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
