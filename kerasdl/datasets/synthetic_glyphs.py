"""Digits as soft masks, from the fonts that matplotlib ships.

The masks are rendered once per process with Pillow, four times too large, and
reduced with integer arithmetic. Other versions of Pillow's FreeType may draw an
outline's edge differently by a few grey levels; everything after this file is
the same on every machine.
"""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSans-BoldOblique.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSansMono-Bold.ttf",
    "DejaVuSerif.ttf",
    "DejaVuSerif-Bold.ttf",
    "DejaVuSerif-BoldItalic.ttf",
    "STIXGeneral.ttf",
    "STIXGeneralBol.ttf",
    "STIXGeneralBolIta.ttf",
    "STIXGeneralItalic.ttf",
    "cmb10.ttf",
    "cmr10.ttf",
    "cmss10.ttf",
    "cmtt10.ttf",
)
CELL = 64  # side of a mask in pixels
HEIGHT = 40  # height of the digit 0 in it
OVERSIZE = 4
# How often a mask is smoothed with (1, 2, 1) / 4 both ways: n passes have a standard
# deviation of sqrt(n / 2) pixels of the mask.
BLUR_PASSES = (2, 4, 8, 16, 28)


@dataclasses.dataclass(frozen=True)
class Glyphs:
    """The masks of all fonts.

    Args:
        masks: uint8 (fonts, 10 digits, blurs, CELL, CELL), 0 outside, 255 inside
            a digit; each digit's box is centred.
        widths: int64 (fonts, 10 digits), the width of each digit in pixels.
    """

    masks: npt.NDArray[np.uint8]
    widths: npt.NDArray[np.int64]


@functools.cache
def glyphs() -> Glyphs:
    """Returns the masks, rendered at the first call (a quarter of a second)."""
    masks = np.zeros((len(FONTS), 10, len(BLUR_PASSES), CELL, CELL), np.uint8)
    widths = np.zeros((len(FONTS), 10), np.int64)
    for font_index, name in enumerate(FONTS):
        font = _font(_font_folder() / name)
        for digit in range(10):
            mask, widths[font_index, digit] = _mask(font, str(digit))
            masks[font_index, digit] = _blurred(mask)
    return Glyphs(masks, widths)


def _font_folder() -> Path:
    # matplotlib itself is light; only pyplot is slow to import.
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def _font(path: Path) -> ImageFont.FreeTypeFont:
    """Returns the font in the size in which the digit 0 is HEIGHT * OVERSIZE high."""
    size = 200
    # The basic layout is Pillow's own; the other one would depend on libraries at hand.
    font = ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
    _, top, _, bottom = font.getbbox("0")
    return font.font_variant(size=round(size * HEIGHT * OVERSIZE / (bottom - top)))


def _mask(font: ImageFont.FreeTypeFont, digit: str) -> tuple[npt.NDArray[np.uint8], int]:
    """Returns the mask of one digit, sharp, and its width."""
    side = CELL * OVERSIZE
    left, _, right, _ = font.getbbox(digit)
    _, top_of_zero, _, bottom_of_zero = font.getbbox("0")
    image = Image.new("L", (side, side))
    # Horizontally the digit is centred; vertically the line of text is.
    at = ((side - (right - left)) // 2 - left, (side - top_of_zero - bottom_of_zero) // 2)
    ImageDraw.Draw(image).text(at, digit, fill=255, font=font)
    return np.asarray(image.reduce(OVERSIZE)), round((right - left) / OVERSIZE)


def _blurred(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Returns the mask after each number of smoothing passes."""
    values = mask.astype(np.int64) << 16
    levels = []
    for done in range(1, max(BLUR_PASSES) + 1):
        for axis in (0, 1):
            # The border stays empty, so that rolling around brings nothing in.
            values = (2 * values + np.roll(values, 1, axis) + np.roll(values, -1, axis)) >> 2
        if done in BLUR_PASSES:
            levels.append(((values + 32768) >> 16).astype(np.uint8))
    result = np.stack(levels)
    result[:, [0, -1], :] = 0
    result[:, :, [0, -1]] = 0
    return result
