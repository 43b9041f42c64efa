"""A process that decodes image files for another one: `python -m kerasdl.datasets.decode_worker`.

Small images cost Python more time than their decoder, under one lock: threads do not
help, processes do. They are started as this command, not by `multiprocessing`, which
would run the user's script again, guard or not. A worker talks through its standard
input and output, pickled; it owns no file and no shared memory, and ends with its parent,
however that ends, because its input then ends. It imports no TensorFlow.
"""

import mmap
import os
import pickle
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl.datasets.image import (
    Size,
    image_size,
    is_read_reduced,
    read_image,
    read_small_image,
    resize_pixels,
)

LARGEST_SIDE = 224
"""Images up to this are decoded when they are first opened, before their final size is known."""

Pixels = npt.NDArray[np.uint8]


class Decoder:
    """Decodes chunks of files: opens each once where the images are small."""

    def __init__(self) -> None:
        self._kept: dict[int, Pixels | list[Pixels]] = {}

    def look(self, number: int, files: Sequence[str], keep: bool) -> tuple[list[Size], int]:
        """Opens the files of a chunk.

        Args:
            number: The chunk's.
            files: Their paths.
            keep: Whether to decode the images and keep their pixels, if all are small.

        Returns:
            Height and width of each image, and how many bytes are kept of them.
        """
        sizes: list[Size] = []
        images: list[Pixels] = []
        for file in files:
            pixels = None
            if keep:
                size, pixels = read_small_image(file, LARGEST_SIDE)
            else:
                size = image_size(file)
            sizes.append(size)
            if pixels is None:
                keep = False
            else:
                images.append(pixels)
        if not keep:
            return sizes, 0
        self._kept[number] = _in_own_memory(images)
        return sizes, sum(image.nbytes for image in images)

    def pixels(self, number: int, files: Sequence[str], size: Size) -> Pixels:
        """Returns a chunk's images, and forgets them.

        Args:
            number: The chunk's.
            files: Their paths.
            size: Height and width that all are brought to.

        Returns:
            uint8 array (n, h, w, 1) when all are gray in every pixel, else (n, h, w, 3).
        """
        kept = self._kept.pop(number, None)
        if kept is None:
            images = [read_image(file, size) for file in files]
        else:
            images = [
                read_image(file, size)
                if is_read_reduced(image.shape[:2], size)
                else resize_pixels(image, size)
                for file, image in zip(files, kept, strict=True)
            ]
        whole = np.empty((len(files), *size, max(image.shape[2] for image in images)), np.uint8)
        for row, image in zip(whole, images, strict=True):
            row[...] = image
        return whole


def main() -> None:
    """Answers requests (method, arguments) with (result, None) or (None, error)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whatever a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    decoder = Decoder()
    answer: tuple[Any, Exception | None] = (None, None)
    try:
        while True:
            pickle.dump(answer, answers, protocol=5)
            answers.flush()
            method, arguments = pickle.load(sys.stdin.buffer)
            try:
                answer = (getattr(decoder, method)(*arguments), None)
            except Exception as error:
                answer = (None, error)
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(0)  # the parent is gone, or has what it wanted


def _in_own_memory(images: list[Pixels]) -> Pixels | list[Pixels]:
    """Returns copies that give their memory back to the system together, when all are gone.

    What is freed in pieces of these sizes stays with the process otherwise, while the
    same images fill the final arrays. Equal shapes make one array: so many small ones
    would take a third more.
    """
    memory = np.frombuffer(mmap.mmap(-1, sum(image.nbytes for image in images)), np.uint8)
    if len({image.shape for image in images}) == 1:
        return np.stack(images, out=memory.reshape(len(images), *images[0].shape))
    copies = []
    start = 0
    for image in images:
        copy = memory[start : start + image.size].reshape(image.shape)
        copy[...] = image
        copies.append(copy)
        start += image.size
    return copies


if __name__ == "__main__":
    main()
