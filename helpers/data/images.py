"""Reading anybody's film, in whatever file it comes, to the pixels that the networks know.

Refuses by name what is no readable grey picture; never guesses. Files are untrusted: nothing is
executed or unpickled, sizes are looked at before pixels are made.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers import config
from helpers.data.dataset import COLOUR_TOLERANCE, MAX_PIXELS, FilmError

if TYPE_CHECKING:
    from pydicom import Dataset

FORMATS = ("JPEG", "PNG", "TIFF", "BMP")
SUFFIXES = {".jpeg", ".jpg", ".png", ".tif", ".tiff", ".bmp", ".dcm", ".dicom"}
MAX_BYTES = 200_000_000  # a radiograph of 16 bits has some 20 million

# A radiograph uses a hundred grey levels and more; within so few there is nothing to see.
LEAST_RANGE = 12
# Bars put beside a film to make it square: at least so wide, equal to so much, both of the side.
LEAST_BAR, SAME_BAR = 0.025, 0.015
BITS = (8, 10, 12, 14, 16)
FLAT = 2  # grey levels by which JPEG makes a plain bar uneven


@dataclass(frozen=True)
class Picture:
    """A film as the networks know it: (224, 224) uint8, black 0; what was done to it."""

    pixels: np.ndarray
    notes: tuple[str, ...] = ()


def read(source: Path | str | bytes, name: str = "") -> Picture:
    """Read one film from a file or from its bytes.

    Orientation by EXIF, 16 bits and transparency brought to 8-bit grey, equal bars that made it
    square taken off, then squashed to 224 x 224 as the published films are.

    Raises:
        FilmError: named reason why this is no film that can be read.
    """
    name = name or (source if isinstance(source, str) else getattr(source, "name", "the film"))
    data = source if isinstance(source, bytes) else _bytes(Path(source))
    if not data:
        raise FilmError(f"{name}: an empty file")
    if data[128:132] == b"DICM":
        grey, notes = _dicom(data, name)
    else:
        grey, notes = _image(data, name)
    if min(grey.shape) == 0:
        raise FilmError(f"{name}: has no pixels")
    grey, bars = _without_bars(grey)
    small = Image.fromarray(grey).resize((config.SOURCE_SIZE,) * 2, Image.Resampling.BILINEAR)
    pixels = np.asarray(small, dtype=np.uint8)
    low, high = np.percentile(pixels, [1, 99])
    if high - low < LEAST_RANGE:
        raise FilmError(f"{name}: blank, all pixels nearly the same")
    return Picture(pixels, (*notes, *bars))


def _bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise FilmError(f"{path.name}: a folder, not a film")
        if not path.is_file() and path.exists():
            raise FilmError(f"{path.name}: a device, not a file")
        if path.stat().st_size > MAX_BYTES:
            raise FilmError(f"{path.name}: {path.stat().st_size:,} bytes is more than any film has")
        return path.read_bytes()
    except FilmError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FilmError(f"{path.name}: cannot be opened ({reason})") from None


# -- pictures --------------------------------------------------------------------------------


def _image(data: bytes, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Grey levels (rows, columns) uint8 of a picture file, and notes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on damaged tags; what counts is raised
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_size(image.width, image.height, name)
                if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
                    raise FilmError(f"{name}: holds {image.n_frames} pictures; save one")
                # Decoding a large JPEG at a half or a quarter saves most of the time.
                image.draft(None, (4 * config.SOURCE_SIZE,) * 2)
                image.load()
                turned = ImageOps.exif_transpose(image)
                return _grey(turned if turned is not None else image, name)
    except FilmError:
        raise
    except UnidentifiedImageError:
        raise FilmError(f"{name}: not an image file") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        raise FilmError(f"{name}: more pixels than any film has") from None
    # Decoders of damaged files raise whatever they stumble over.
    except (
        *(OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error),
        *(IndexError, KeyError, TypeError, OverflowError, AttributeError, NotImplementedError),
        *(RuntimeError, ArithmeticError, AssertionError),
    ) as error:
        raise FilmError(f"{name}: cannot be decoded ({_line(error)})") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _check_size(width: int, height: int, name: str) -> None:
    if min(width, height) == 0:
        raise FilmError(f"{name}: has no pixels")
    if width * height > MAX_PIXELS:
        raise FilmError(f"{name}: {width} x {height} pixels is no film")
    if max(width, height) > 20 * min(width, height):
        raise FilmError(f"{name}: {width} x {height} pixels is a strip, not a film")


def _grey(image: Image.Image, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """8-bit grey levels of a decoded picture; colour is refused."""
    if image.mode.startswith("I") or image.mode == "F":
        return _deep(np.asarray(image, dtype=np.float64), name)
    if image.mode in ("L", "1"):
        return np.asarray(image.convert("L"), dtype=np.uint8), ()
    notes: tuple[str, ...] = ()
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image, notes = Image.alpha_composite(black, image), ("transparency laid on black",)
    colour = np.asarray(image.convert("RGB"), dtype=np.int16)
    spread = (colour.max(axis=2) - colour.min(axis=2)).mean()
    if spread > COLOUR_TOLERANCE:
        raise FilmError(f"{name}: a colour picture, not a grey radiograph")
    return np.asarray(image.convert("L"), dtype=np.uint8), notes


def _deep(values: np.ndarray, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """More than 8 bits brought to 8: by the smallest of 8, 10, 12, 14, 16 bits that holds them."""
    if values.size == 0 or not np.isfinite(values).all() or values.min() < 0:
        raise FilmError(f"{name}: values that are no grey levels")
    most = float(values.max())
    if most <= 1.0:
        return (values * 255).round().astype(np.uint8), (
            "values of 0 to 1 taken as black to white",
        )
    bits = next((b for b in BITS if most < 2**b), None)
    if bits is None:
        raise FilmError(f"{name}: values up to {most:g} are more than 16 bits hold")
    scaled = (values * (255 / (2**bits - 1))).round().astype(np.uint8)
    return scaled, () if bits == 8 else (f"{bits} bits brought to 8",)


# -- DICOM -----------------------------------------------------------------------------------


def deflated(data: bytes) -> bool:
    """Whether a DICOM is packed as a whole, which could unpack to anything."""
    return b"1.2.840.10008.1.2.1.99" in data[:2000]


def _dicom(data: bytes, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Grey levels of a DICOM radiograph: rescaled, windowed, black where air is."""
    import pydicom
    from pydicom import pixels

    if deflated(data):
        raise FilmError(f"{name}: a deflated DICOM; save it unpacked")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            film = pydicom.dcmread(io.BytesIO(data))
            _check_dicom(film, name)
            values = pixels.apply_modality_lut(film.pixel_array, film).astype(np.float64)
            windowed = "WindowCenter" in film or "VOILUTSequence" in film
            if windowed:
                values = pixels.apply_voi_lut(values, film, index=0)
            values = np.asarray(values, dtype=np.float64)
    except FilmError:
        raise
    except Exception as error:  # pydicom's decoders raise anything on damaged files
        raise FilmError(f"{name}: DICOM cannot be decoded ({_line(error)})") from None
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise FilmError(f"{name}: DICOM holds no single grey picture")
    low, high = _span(values, film, windowed)
    if high <= low:
        raise FilmError(f"{name}: blank, all pixels the same")
    grey = (np.clip((values - low) / (high - low), 0, 1) * 255).round().astype(np.uint8)
    if film.PhotometricInterpretation == "MONOCHROME1":
        return 255 - grey, ("MONOCHROME1: black and white exchanged",)
    return grey, ()


def _span(values: np.ndarray, film: Dataset, windowed: bool) -> tuple[float, float]:
    """What is black and what is white: the range of the stored bits, as it is rescaled.

    A window maps to that range too. Unsigned values that use fewer bits than are stored are
    taken by the bits they use, as in ``_deep``; after a table, by their own range.
    """
    if "VOILUTSequence" in film or "ModalityLUTSequence" in film:
        return float(values.min()), float(values.max())
    bits = int(film.BitsStored)
    slope = float(getattr(film, "RescaleSlope", 1) or 1)
    intercept = float(getattr(film, "RescaleIntercept", 0) or 0)
    signed = int(getattr(film, "PixelRepresentation", 0)) == 1
    if not (signed or windowed or intercept) and slope == 1:
        bits = next((b for b in BITS if values.max() < 2**b), bits)
    low = -(2 ** (bits - 1)) if signed else 0
    ends = [slope * end + intercept for end in (low, low + 2**bits - 1)]
    return min(ends), max(ends)


def _check_dicom(film: Dataset, name: str) -> None:
    """Refuse what is no single upright grey radiograph."""
    rows, columns = int(getattr(film, "Rows", 0) or 0), int(getattr(film, "Columns", 0) or 0)
    _check_size(columns, rows, name)
    frames = int(getattr(film, "NumberOfFrames", 1) or 1)
    if frames > 1:
        raise FilmError(f"{name}: DICOM with {frames} frames; save one")
    if int(getattr(film, "SamplesPerPixel", 1)) != 1:
        raise FilmError(f"{name}: a colour DICOM, not a grey radiograph")
    kind = str(getattr(film, "PhotometricInterpretation", ""))
    if kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise FilmError(f"{name}: DICOM of kind {kind or 'unknown'}, not a grey radiograph")
    if str(getattr(film, "FieldOfViewRotation", "0") or "0") not in ("0", "0.0"):
        raise FilmError(f"{name}: DICOM of a rotated field of view; turn it upright")
    orientation = [str(part) for part in getattr(film, "PatientOrientation", None) or []]
    if orientation and orientation[-1][:1] not in ("F", ""):
        raise FilmError(f"{name}: DICOM stored turned (orientation {'/'.join(orientation)})")


# -- bars ------------------------------------------------------------------------------------


def _bar(lines: np.ndarray) -> int:
    """How many lines from the first on hold one and the same grey level."""
    level = int(np.median(lines[0]))
    flat = np.abs(lines.astype(np.int16) - level).max(axis=1) <= FLAT
    return int(np.argmin(flat)) if not flat.all() else len(lines)


def _without_bars(grey: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Take off equal plain bars on two opposite sides of a square picture: padding, not film."""
    side = len(grey)
    # 224 x 224 are the published copies, squashed and not padded: their bars are the film's own.
    if grey.shape[0] != grey.shape[1] or side == config.SOURCE_SIZE:
        return grey, ()
    widths = [(_bar(part), _bar(part[::-1])) for part in (grey, grey.T)]
    padded = [
        min(pair) >= LEAST_BAR * side and abs(pair[0] - pair[1]) <= SAME_BAR * side
        for pair in widths
    ]
    if padded[0] == padded[1]:  # neither, or a frame all around, which a film may have
        return grey, ()
    first, last = widths[0] if padded[0] else widths[1]
    if first + last > 0.8 * side:
        return grey, ()
    kept = grey[first : side - last] if padded[0] else grey[:, first : side - last]
    return np.ascontiguousarray(kept), ("bars that made it square taken off",)
