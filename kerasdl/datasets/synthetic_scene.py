"""Many small pictures of street numbers at once, in vectorised integer arithmetic.

A picture shows a digit in the middle and perhaps parts of its neighbours, in the
same font and colour, seen under a perspective, before a wall with an edge or a
frame, under uneven light, blurred and noisy.

All random numbers come from raw Philox words; coordinates use only additions,
multiplications, divisions and floor of IEEE doubles, everything after them
integers. So for the same masks each byte is the same on every machine, which
sines, matrix products or NumPy's own normal numbers would not guarantee.
"""

import statistics
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import Images, Labels
from kerasdl.datasets.synthetic_glyphs import BLUR_PASSES, CELL, FONTS, Glyphs

CHUNK = 256  # pictures drawn from one stream of random numbers
PARAMETERS = 96  # random words per picture

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int32]


class _Draws:
    """One uniform number per picture and call, in a fixed order."""

    def __init__(self, seed: int, part: int, chunk: int) -> None:
        self._bits = np.random.Philox(np.random.SeedSequence((seed, part, chunk)))
        words = self._bits.random_raw(CHUNK * PARAMETERS).reshape(PARAMETERS, CHUNK)
        self._uniform: Iterator[Floats] = iter((words >> np.uint64(11)) * 2.0**-53)

    def real(self, low: float, high: float) -> Floats:
        """Returns CHUNK numbers from [low, high)."""
        return low + (high - low) * next(self._uniform)

    def integer(self, low: int, high: int) -> Integers:
        """Returns CHUNK integers from low to high - 1."""
        return np.floor(self.real(low, high)).astype(np.int32)

    def chance(self, probability: float) -> npt.NDArray[np.bool_]:
        """Returns CHUNK truth values."""
        there: npt.NDArray[np.bool_] = next(self._uniform) < probability
        return there

    def bytes(self, *shape: int) -> npt.NDArray[np.uint8]:
        """Returns random bytes."""
        words = self._bits.random_raw(-(-int(np.prod(shape)) // 8)).astype("<u8")
        return words.view(np.uint8)[: int(np.prod(shape))].reshape(shape)


def draw_chunk(
    glyphs: Glyphs, *, seed: int, part: int, chunk: int, side: int, channels: int
) -> tuple[Images, Labels]:
    """Draws CHUNK pictures.

    Args:
        glyphs: The masks of the digits.
        seed: The seed of the data set.
        part: 0 for training, 1 for test: another stream of random numbers.
        chunk: Which chunk of the part.
        side: Height and width in pixels.
        channels: 3 for colour, 1 for gray.

    Returns:
        uint8 images (CHUNK, side, side, channels) and int32 labels (CHUNK,), 0..9.
    """
    draws = _Draws(seed, part, chunk)
    labels = draws.integer(0, 10)
    x, y = _coordinates(side)
    mask = _digits(draws, glyphs, labels, x, y, side)
    wall, ink = _colours(draws)
    light = _surface(draws, x, y, side)
    # 0..255 for the mask; the wall varies, the ink is plain.
    picture = np.empty((CHUNK, side, side, 3), np.int32)
    shaded = _smooth_field(draws, 5, side) * draws.integer(0, 20)[:, None, None] >> 7
    for channel in range(3):
        ground = wall[:, channel, None, None] + shaded + light[0] * light[1][channel]
        over = ink[:, channel, None, None] - ground
        picture[..., channel] = ground + ((over * mask + 128) >> 8)
    exposure = 256 + (_smooth_field(draws, 3, side) * draws.integer(0, 110)[:, None, None] >> 7)
    picture = (picture * exposure[..., None]) >> 8
    if channels == 1:
        picture = (picture @ np.array([[77], [150], [29]], np.int32)) >> 8
    picture += _grain(draws, side)[..., :channels]
    return np.clip(picture, 0, 255).astype(np.uint8), labels


def _coordinates(side: int) -> tuple[Floats, Floats]:
    """Returns x and y of the pixel centres, -1..1, as (1, 1, side) and (1, side, 1)."""
    along = (2.0 * np.arange(side) + 1.0 - side) / side
    return along[None, None, :], along[None, :, None]


def _digits(
    draws: _Draws, glyphs: Glyphs, labels: Labels, x: Floats, y: Floats, side: int
) -> Integers:
    """Returns how much ink each pixel has, int32 (CHUNK, side, side), 0..256."""
    font = draws.integer(0, len(FONTS))
    blur = draws.integer(0, len(BLUR_PASSES))
    u, v = _perspective(draws, x, y)
    mask = _sample(glyphs, font, labels, blur, u, v)
    # To the left of the middle only the left neighbour can be, and so to the right.
    left, right = draws.integer(0, 10), draws.integer(0, 10)
    gap = draws.real(2.0, 9.0)
    own = glyphs.widths[font, labels]
    for digit, sign, there in (
        (left, -1.0, draws.chance(0.6)),
        (right, 1.0, draws.chance(0.6)),
    ):
        distance = (own + glyphs.widths[font, digit]) / 2 + gap
        shifted = u - (sign * distance)[:, None, None]
        neighbour = _sample(glyphs, font, digit, blur, shifted, v)
        mask = np.where(there[:, None, None], np.maximum(mask, neighbour), mask)
    # Brushed, sprayed or cast: around its middle the mask grows or shrinks.
    weight = draws.integer(-50, 50)[:, None, None]
    steepness = draws.integer(256, 480)[:, None, None]
    mask = np.clip((((mask - 128 + weight) * steepness) >> 8) + 128, 0, 255).astype(np.int32)
    ink: Integers = mask + (mask >> 7)
    return ink


def _perspective(draws: _Draws, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Returns for each pixel the place on the line of text, in pixels of a mask."""
    scale = CELL / 2 / draws.real(0.85, 1.45) * 0.8
    stretch = draws.real(0.85, 1.5)
    # Rotation by the half-angle formulas: t is the tangent of half the angle.
    t = draws.real(-0.12, 0.12)
    cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    slant = draws.real(-0.25, 0.25)
    g, h = draws.real(-0.22, 0.22), draws.real(-0.22, 0.22)
    x0, y0 = draws.real(-0.14, 0.14), draws.real(-0.14, 0.14)

    def column(values: Floats) -> Floats:
        return values[:, None, None]

    xs, ys = x - column(x0), y - column(y0)
    depth = 1 + column(g) * xs + column(h) * ys
    across = (column(cosine) * xs + column(sine) * ys) / depth
    down = (column(cosine) * ys - column(sine) * xs) / depth
    u = column(scale * stretch) * (across + column(slant) * down)
    return u, column(scale) * down


def _sample(
    glyphs: Glyphs,
    font: Integers,
    digit: Integers,
    blur: Integers,
    u: Floats,
    v: Floats,
) -> Integers:
    """Returns the masks at (u, v) from their centres, bilinearly, int32 0..255."""
    # In 1/64 pixels; clipped into the border of the cell, which is empty.
    limit = (CELL - 1) * 64 - 1
    column = np.clip(np.floor((u + (CELL - 1) / 2) * 64), 0, limit).astype(np.int32)
    row = np.clip(np.floor((v + (CELL - 1) / 2) * 64), 0, limit).astype(np.int32)
    first = ((font * 10 + digit) * len(BLUR_PASSES) + blur) * (CELL * CELL)
    at = first[:, None, None] + (row >> 6) * CELL + (column >> 6)
    right, below = column & 63, row & 63
    flat = glyphs.masks.reshape(-1)
    upper = flat[at] * (64 - right) + flat[at + 1] * right
    lower = flat[at + CELL] * (64 - right) + flat[at + CELL + 1] * right
    sampled: Integers = (upper * (64 - below) + lower * below) >> 12
    return sampled


def _colours(draws: _Draws) -> tuple[Integers, Integers]:
    """Returns the colours of wall and ink, int32 (CHUNK, 3); the contrast is often weak."""
    wall = draws.integer(35, 225)
    u = draws.real(0.0, 1.0)
    contrast = np.floor(30 + 130 * u * u).astype(np.int32)
    # Away from the nearer end, if the other side has no room for it.
    sign = np.where(draws.chance(0.5), 1, -1)
    sign = np.where(wall + contrast > 250, -1, np.where(wall - contrast < 5, 1, sign))
    ink = wall + sign * contrast
    # Plaster, brick and metal are nearly gray, warm or cool; some plates are painted.
    warm = draws.integer(-16, 25)
    tint = np.stack([warm, draws.integer(-4, 5), -warm], axis=1)
    paint = np.stack([draws.integer(-55, 30), draws.integer(-35, 25), draws.integer(-40, 65)], 1)
    tint = np.where(draws.chance(0.18)[:, None], paint, tint)
    other = np.stack([draws.integer(-14, 15) for _ in range(3)], axis=1)
    return wall[:, None] + tint, ink[:, None] + (tint >> 1) + other


def _surface(draws: _Draws, x: Floats, y: Floats, side: int) -> tuple[Integers, list[Integers]]:
    """Returns where a second surface or a frame is (0 or 1 per pixel) and its colour."""
    a, b = draws.real(-1.0, 1.0), draws.real(-1.0, 1.0)
    upright = draws.chance(0.5)
    a, b = np.where(upright, 1.0, 0.15 * a), np.where(upright, 0.15 * b, 1.0)
    distance = a[:, None, None] * x + b[:, None, None] * y - draws.real(-1.0, 1.0)[:, None, None]
    width = draws.real(0.03, 0.2)[:, None, None]
    frame = draws.chance(0.5)[:, None, None]
    inside = np.where(frame, (distance > -width) & (distance < width), distance > 0)
    there = draws.chance(0.55)[:, None, None]
    colour = [draws.integer(-30, 31)[:, None, None] for _ in range(3)]
    common = draws.integer(-50, 51)[:, None, None]
    return (inside & there).astype(np.int32), [(c >> 1) + common for c in colour]


def _grain(draws: _Draws, side: int) -> Integers:
    """Returns the noise of a small sensor: mostly gray, and softened as by its JPEG.

    Returns:
        int32 (CHUNK, side, side, 3), standard deviation 1 to 10 grey levels.
    """
    u = draws.real(0.0, 1.0)
    strength = np.floor(2 + 13 * u * u).astype(np.int32)[:, None, None]
    gray = _NOISE[draws.bytes(CHUNK, side + 1, side + 1)]
    soft = gray[:, 1:, 1:] + gray[:, :-1, 1:] + gray[:, 1:, :-1] + gray[:, :-1, :-1]
    gray = ((gray[:, 1:, 1:] + soft) * strength) >> 9
    # Colour is kept at half the resolution, as in JPEG.
    colour = _NOISE[draws.bytes(CHUNK, -(-side // 2), -(-side // 2), 3)]
    colour = colour.repeat(2, 1).repeat(2, 2)[:, :side, :side]
    grain: Integers = gray[..., None] + ((colour * strength[..., None]) >> 9)
    return grain


def _smooth_field(draws: _Draws, points: int, side: int) -> Integers:
    """Returns a field that varies smoothly between points x points random values.

    Returns:
        int32 (CHUNK, side, side), -127..127.
    """
    grid = draws.bytes(CHUNK, points, points).astype(np.int32) - 128
    place = (np.arange(side) * (points - 1) * 64) // (side - 1)
    low = np.minimum(place >> 6, points - 2)
    part = (place - (low << 6)).astype(np.int32)
    rows = grid[:, low] * (64 - part)[:, None] + grid[:, low + 1] * part[:, None]
    field: Integers = rows[:, :, low] * (64 - part) + rows[:, :, low + 1] * part
    return field >> 12


# Normal noise by a table: a random byte chooses one of 256 equally likely values, in
# units of 1/128 standard deviations.
_NOISE = np.array(
    [round(128 * statistics.NormalDist().inv_cdf((byte + 0.5) / 256)) for byte in range(256)],
    np.int32,
)
