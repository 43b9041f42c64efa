"""Whether a picture looks like the images that a network was trained on.

A network answers whatever it is shown: a shoe, shown to a network of digits, is
some digit, often with great confidence. So a few numbers of a picture's pixels are
compared with those of images that are known to be of the right kind, two of them as
in Jackson and Mudholkar 1979 (Technometrics 21, "Control Procedures for Residuals
Associated With Principal Component Analysis"):

- its contrast, the standard deviation of its pixels: low and high are both unusual;
- its distance from the training images: Mahalanobis's, over all directions in which
  their pixels vary together, with the variance of a little noise added to each;
- its residual, what is left of it outside the first PATTERNS of these directions,
  also as a share of its contrast's square: low shares are unusual, too.

The images are averaged down to at most NUMBERS numbers before. What is usual is
read off images that were held out: a picture's rank among them in each number, the
most extreme of these ranks, and its rank among the held-out images' own. "Unlike"
is what 1 % of real images are, by that very measure.

This knows nothing of what is on a picture. It notices noise, blank, inverted and
off-centre pictures and drawings of other things; among photographs, which all look
alike to it, it notices little (benchmarks/familiarity.py has the rates).
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl import files

FORMAT = 1
NAME = "familiarity.npz"
UNLIKE = 0.01
"""A picture counts as unlike the training data when fewer held-out images are as unusual."""

NUMBERS = 200
PATTERNS = 32
FITTED, HELD_OUT = 20_000, 5_000
"""At most so many images are looked at: more change nothing that can be seen."""

ENOUGH = 1_000
"""With fewer held-out images than this, every other training image is held out besides."""

MAX_BYTES = 2**22
_NOISE = 1e-4
_NAMES = ("contrast", "distance", "residual share", "residual")
_TWO_SIDED = np.array([True, False, True, False])
_WORDS = {
    ("contrast", True): "its contrast is higher",
    ("contrast", False): "its contrast is lower",
    ("distance", True): "its light and dark parts are elsewhere",
    ("residual share", True): "it is made of other shapes",
    ("residual share", False): "it is plainer",
    ("residual", True): "there is more in it",
}
"""Where several are as unusual, the first is named: the easier to see."""

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Familiarity:
    """What the training images' pixels are like, and how unusual held-out images are.

    Args:
        image_shape: Height, width and channels of the images.
        mean: float32 array (d,): the mean of the averaged-down images, 0..1.
        directions: float32 array (d, d): one direction a column, by falling variance.
        variances: float32 array (d,): the variance of each.
        statistics: float32 array (n, 4): the four numbers of the held-out images,
            each column sorted.
        extremes: float32 array (n,): the held-out images' most extreme rank, sorted.
    """

    image_shape: tuple[int, int, int]
    mean: npt.NDArray[np.float32]
    directions: npt.NDArray[np.float32]
    variances: npt.NDArray[np.float32]
    statistics: npt.NDArray[np.float32]
    extremes: npt.NDArray[np.float32]

    @property
    def num_held_out(self) -> int:
        """How many images it was compared with."""
        return len(self.extremes)

    def shares(self, images: Images) -> Floats:
        """Returns the share of held-out images that are as unusual as each image, or more.

        Args:
            images: uint8 array (n, h, w, c) of `image_shape`.

        Returns:
            float64 array (n,), 0..1; `UNLIKE` and less is unlike the training images.

        Raises:
            ValueError: If the images have another shape.
        """
        extremes = self._ranks(self._statistics(images)).min(axis=(1, 2))
        unusual = np.searchsorted(self.extremes, extremes.astype(np.float32), side="right")
        return _share(unusual, self.num_held_out)

    def reason(self, image: Images) -> str:
        """Returns what is most unusual about an image, e.g. "its contrast is lower".

        Args:
            image: uint8 array (h, w, c) of `image_shape`.
        """
        ranks = self._ranks(self._statistics(image[np.newaxis]))[0]
        number, side = np.unravel_index(int(ranks.argmin()), ranks.shape)
        return _WORDS[_NAMES[number], side == 0]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes `path` (.npz, at most about 300 kB) atomically."""
        arrays = {
            field.name: np.asarray(getattr(self, field.name)) for field in dataclasses.fields(self)
        }
        with files.atomic_open(path, "wb") as file:
            np.savez(file, allow_pickle=False, format=np.int32(FORMAT), **arrays)

    def _statistics(self, images: Images) -> Floats:
        """Returns the four numbers of each image, float64 (n, 4)."""
        if images.dtype != np.uint8 or images.shape[1:] != self.image_shape:
            raise ValueError(
                f"images must be a uint8 array (n, {', '.join(map(str, self.image_shape))}). "
                f"Received: {images.dtype} {images.shape}"
            )
        pixels = _averaged(images)
        along = ((pixels - self.mean) @ self.directions).astype(np.float64) ** 2
        residual = along[:, PATTERNS:].sum(axis=1)
        contrast = pixels.std(axis=1, dtype=np.float64)
        return np.stack(
            [
                contrast,
                (along / (self.variances + _NOISE)).sum(axis=1),
                residual / (contrast**2 + _NOISE),
                residual,
            ],
            axis=1,
        )

    def _ranks(self, found: Floats) -> Floats:
        """Returns the share of held-out images that are as high (0) or low (1): (n, 4, 2)."""
        ranks = np.ones((*found.shape, 2))
        for column, (values, known) in enumerate(zip(found.T, self.statistics.T, strict=True)):
            # In the precision in which the known ones are stored.
            values = values.astype(np.float32)
            above = len(known) - np.searchsorted(known, values, side="left")
            ranks[:, column, 0] = _share(above, len(known))
            if _TWO_SIDED[column]:
                below = np.searchsorted(known, values, side="right")
                ranks[:, column, 1] = _share(below, len(known))
        return ranks


def fit(train_images: Images, held_out_images: Images) -> Familiarity:
    """Learns what images of a kind are like; takes less than a second for 60 000 of 28 x 28.

    Args:
        train_images: uint8 array (n, h, w, c), n >= 1: what a network was trained on.
        held_out_images: uint8 array (m, h, w, c), m >= 0: images of the same kind that were
            not. With less than 99, and too few training images to take some from them,
            nothing can be called unlike.

    Raises:
        ValueError: If shapes do not fit or there is no training image.
    """
    if train_images.ndim != 4 or train_images.shape[1:] != held_out_images.shape[1:]:
        raise ValueError(
            "expected training and held-out images of one shape (n, h, w, c). "
            f"Received: {train_images.shape} and {held_out_images.shape}"
        )
    if len(held_out_images) < ENOUGH:
        further = _evenly(train_images[1::2], HELD_OUT)
        held_out_images = np.concatenate([held_out_images, further])
        train_images = train_images[::2]
    if not len(train_images):
        raise ValueError("expected at least one training image. Received: 0")
    pixels = _averaged(_evenly(train_images, FITTED))
    mean = pixels.mean(axis=0)
    centred = pixels - mean
    covariance = (centred.T @ centred).astype(np.float64) / len(pixels)
    variances, directions = np.linalg.eigh(covariance)
    none = np.zeros((0, len(_NAMES)), np.float32)
    known = Familiarity(
        image_shape=train_images.shape[1:],
        mean=mean,
        directions=np.ascontiguousarray(directions[:, ::-1], np.float32),
        variances=np.maximum(variances[::-1], 0.0).astype(np.float32),
        statistics=none,
        extremes=none[:, 0],
    )
    found = known._statistics(_evenly(held_out_images, HELD_OUT))
    known = dataclasses.replace(known, statistics=np.sort(found.astype(np.float32), axis=0))
    extremes = known._ranks(found).min(axis=(1, 2)).astype(np.float32)
    return dataclasses.replace(known, extremes=np.sort(extremes))


def save_familiarity(
    folder: str | os.PathLike[str], train_images: Images, held_out_images: Images
) -> None:
    """Writes a run folder's familiarity.npz, for `predict`.

    Args:
        folder: The run folder.
        train_images: uint8 array (n, h, w, c), n >= 1.
        held_out_images: uint8 array (m, h, w, c), m >= 0, the validation images.

    Raises:
        ValueError: As `fit`.
    """
    fit(train_images, held_out_images).save(Path(folder) / NAME)


def load(path: str | os.PathLike[str]) -> Familiarity:
    """Reads a familiarity.npz; no pickle in it is executed.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not such a file, or damaged; the message names it.
    """
    with Path(path).open("rb") as file:
        try:
            return _decode(np.load(file, allow_pickle=False))
        # A damaged archive fails in a dozen ways: zip, zlib, header, memory.
        except Exception as error:
            raise ValueError(
                f"{os.fspath(path)} is not a kerasdl familiarity.npz (format {FORMAT}), or it is "
                f"damaged: {error}. Delete it to predict without."
            ) from error


def _decode(content: Any) -> Familiarity:
    if not isinstance(content, np.lib.npyio.NpzFile):
        raise ValueError("expected an .npz archive. Received: a single array")
    if int(content["format"]) != FORMAT:
        raise ValueError(f"expected format {FORMAT}. Received: {content['format']}")
    archive: Any = content.zip
    size = sum(entry.file_size for entry in archive.infolist())
    if size > MAX_BYTES:
        raise ValueError(f"expected at most {MAX_BYTES} bytes. Received: {size}, unpacked")
    height, width, channels = map(int, content["image_shape"])
    arrays = {
        field.name: content[field.name].astype(np.float32)
        for field in dataclasses.fields(Familiarity)[1:]
    }
    d = _side(height, channels) * _side(width, channels) * channels
    n = len(arrays["extremes"])
    shapes = [(d,), (d, d), (d,), (n, len(_NAMES)), (n,)]
    for (name, values), shape in zip(arrays.items(), shapes, strict=True):
        if values.shape != shape or not np.isfinite(values).all():
            raise ValueError(f"expected {name} of shape {shape}. Received: {values.shape}")
    return Familiarity(image_shape=(height, width, channels), **arrays)


def _share(count: npt.NDArray[np.intp], total: int) -> Floats:
    """Returns the share, with the image itself among them: never 0 where few are known."""
    share: Floats = (count + 1) / (total + 1)
    return share


def _evenly(images: Images, limit: int) -> Images:
    """Returns at most so many images, without copying them."""
    return images[:: -(-len(images) // limit) or 1]


def _side(size: int, channels: int) -> int:
    return max(1, min(size, int((NUMBERS / channels) ** 0.5)))


def _averaged(images: Images) -> npt.NDArray[np.float32]:
    """Returns images averaged down to at most NUMBERS numbers 0..1: float32 (n, d)."""
    _, height, width, channels = images.shape
    rows = _shrinking(height, _side(height, channels))
    columns = _shrinking(width, _side(width, channels))
    # Each row of an image is one of (column, channel): no axis has to be moved.
    columns = np.kron(columns, np.eye(channels, dtype=np.float32)).T
    small = np.empty((len(images), len(rows), columns.shape[1]), np.float32)
    for start in range(0, len(images), 1000):
        part = images[start : start + 1000].reshape(-1, height, width * channels)
        # The rows first: they are multiplied by the smaller matrix.
        small[start : start + 1000] = (rows @ part.astype(np.float32)) @ columns
    return small.reshape(len(images), len(rows) * columns.shape[1]) / np.float32(255)


def _shrinking(size: int, smaller: int) -> npt.NDArray[np.float32]:
    """Returns the matrix (smaller, size) that averages pixels by how much of each it covers."""
    edges = np.linspace(0, size, smaller + 1)
    pixel = np.arange(size)
    covered = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    covered = np.maximum(covered, 0)
    averaging: npt.NDArray[np.float32] = covered / covered.sum(axis=1, keepdims=True)
    return averaging.astype(np.float32)
