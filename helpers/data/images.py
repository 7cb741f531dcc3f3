"""Any file to the pixels that the networks know: films of the data set, and anybody's.

Refuses by name what is no readable grey picture; never guesses. Files are untrusted: nothing is
executed or unpickled, sizes are looked at before pixels are made.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers import config

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")
SUFFIXES = {".jpeg", ".jpg", ".png", ".tif", ".tiff", ".bmp", ".dcm", ".dicom"}
MAX_BYTES = 200_000_000  # a radiograph of 16 bits has some 20 million
MAX_PIXELS = 80_000_000  # ten times the 2916 x 2713 of the data set's largest film

# Radiographs stored as RGB have (nearly) equal channels; JPEG leaves a level or two of chroma.
# The mean difference of a colour photograph's channels is tens of levels.
COLOUR_TOLERANCE = 6.0

LEAST_RANGE = 12  # grey levels; a radiograph uses a hundred and more
# Bars put beside a film to make it square: at least so wide, equal to so much, both of the side.
LEAST_BAR, SAME_BAR = 0.025, 0.015
BITS = (8, 10, 12, 14, 16)
DEEP = ("I", "F")  # first letters of the modes in which PIL opens more than 8 bits
FLAT = 2  # grey levels by which JPEG makes a plain bar uneven


class FilmError(ValueError):
    """A film, or a folder of films, that cannot be used; the message says which and why."""


@dataclass(frozen=True)
class Picture:
    """A film as the networks know it: (224, 224) uint8, black 0; what was done to it."""

    pixels: np.ndarray
    notes: tuple[str, ...] = ()


def read(source: Path | str | bytes, name: str = "") -> Picture:
    """Read one film from a file or from its bytes.

    Orientation by EXIF, 16 bits and transparency brought to 8-bit grey, equal bars that made it
    square taken off, then squashed to 224 x 224 as the published films are. FilmError names the
    reason why this is no film that can be read.
    """
    name = name or (source if isinstance(source, str) else getattr(source, "name", "the film"))
    data = source if isinstance(source, bytes) else _bytes(Path(source))
    with warnings.catch_warnings(action="ignore"):  # on damaged tags; what counts is raised
        grey, notes = (_dicom if data[128:132] == b"DICM" else _image)(data, name)
    grey, bars = _without_bars(grey)
    pixels = _squashed(grey, config.SOURCE_SIZE)
    if np.ptp(np.percentile(pixels, [1, 99])) < LEAST_RANGE:
        raise FilmError(f"{name}: blank, all pixels nearly the same")
    return Picture(pixels, (*notes, *bars))


def read_film(path: Path | str, size: int) -> np.ndarray:
    """Decode a film of the data set to a (size, size) uint8 array, 0 black to 255 white.

    Pixels are those of the published small copies: nothing is turned, trimmed or rescaled.
    FilmError: not an image, cut short, without pixels, too large, or in colour.
    """
    path = Path(path)
    with _decoding(path.name), _opened(_bytes(path), path.name) as image:
        if image.mode.startswith(DEEP):
            raise FilmError(f"{path.name}: has more than 8 bits a pixel; save it as 8-bit grey")
        return _squashed(_grey(image, path.name)[0], size)


def _squashed(grey: np.ndarray, size: int) -> np.ndarray:
    """Squash grey levels (rows, columns) to a square by way of 224 x 224, as published copies."""
    image = Image.fromarray(grey)
    for side in (config.SOURCE_SIZE, size):
        image = image.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.uint8)


def _bytes(path: Path) -> bytes:
    try:
        size, regular = path.stat().st_size, path.is_file()
        data = path.read_bytes() if regular and size <= MAX_BYTES else b""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FilmError(f"{path.name}: cannot be opened ({reason})") from None
    if not regular:
        kind = "a folder, not a film" if path.is_dir() else "a device, not a file"
        raise FilmError(f"{path.name}: {kind}")
    if size > MAX_BYTES:
        raise FilmError(f"{path.name}: {size:,} bytes is more than any film has")
    return data


@contextmanager
def _decoding(name: str, kind: str = "") -> Iterator[None]:
    """Name the film and the reason where decoding fails, whatever the decoders raise."""
    try:
        yield
    except FilmError:
        raise
    except UnidentifiedImageError:
        raise FilmError(f"{name}: not an image file") from None
    except (Image.DecompressionBombError, MemoryError):
        raise FilmError(f"{name}: more pixels than any film has") from None
    except Exception as error:  # decoders of damaged files raise what they stumble over
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise FilmError(f"{name}: {kind}cannot be decoded ({reason})") from None


def _opened(data: bytes, name: str) -> Image.Image:
    """A picture file, looked at and not yet decoded."""
    if not data:
        raise FilmError(f"{name}: an empty file")
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    _check_size(image.width, image.height, name)
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise FilmError(f"{name}: holds {image.n_frames} pictures; save one")
    return image


def _image(data: bytes, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Grey levels (rows, columns) uint8 of a picture file, and notes."""
    with _decoding(name), _opened(data, name) as image:
        # Decoding a large JPEG at a half or a quarter saves most of the time.
        image.draft(None, (4 * config.SOURCE_SIZE,) * 2)
        image.load()
        return _grey(ImageOps.exif_transpose(image), name)


def _check_size(width: int, height: int, name: str) -> None:
    if min(width, height) == 0:
        raise FilmError(f"{name}: has no pixels")
    if width * height > MAX_PIXELS:
        raise FilmError(f"{name}: {width} x {height} pixels is no film")
    if max(width, height) > 20 * min(width, height):
        raise FilmError(f"{name}: {width} x {height} pixels is a strip, not a film")


def _grey(image: Image.Image, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """8-bit grey levels of a decoded picture; colour is refused."""
    if image.mode.startswith(DEEP):
        return _deep(np.asarray(image, dtype=np.float64), name)
    if image.mode in ("L", "1"):
        return np.asarray(image.convert("L"), dtype=np.uint8), ()
    notes: tuple[str, ...] = ()
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image, notes = Image.alpha_composite(black, image), ("transparency laid on black",)
    colour = np.asarray(image.convert("RGB"), dtype=np.int16)
    if np.ptp(colour, axis=2).mean() > COLOUR_TOLERANCE:
        raise FilmError(f"{name}: a colour picture, not a grey radiograph")
    return np.asarray(image.convert("L"), dtype=np.uint8), notes


def _deep(values: np.ndarray, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """More than 8 bits brought to 8: by the smallest of 8, 10, 12, 14, 16 bits that holds them."""
    if values.size == 0 or not np.isfinite(values).all() or values.min() < 0:
        raise FilmError(f"{name}: values that are no grey levels")
    most = float(values.max())
    if most <= 1.0:
        return np.rint(values * 255).astype(np.uint8), ("values of 0 to 1 taken as black to white",)
    bits = next((b for b in BITS if most < 2**b), None)
    if bits is None:
        raise FilmError(f"{name}: values up to {most:g} are more than 16 bits hold")
    scaled = (values * (255 / (2**bits - 1))).round().astype(np.uint8)
    return scaled, () if bits == 8 else (f"{bits} bits brought to 8",)


def _dicom(data: bytes, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Grey levels of a DICOM radiograph: rescaled, windowed, black where air is."""
    if b"1.2.840.10008.1.2.1.99" in data[:2000]:  # packed as a whole: could unpack to anything
        raise FilmError(f"{name}: a deflated DICOM; save it unpacked")
    with _decoding(name, "DICOM "):
        film = pydicom.dcmread(io.BytesIO(data))
        _check_dicom(film, name)
        values = pydicom.pixels.apply_modality_lut(film.pixel_array, film).astype(np.float64)
        values = np.asarray(pydicom.pixels.apply_voi_lut(values, film), dtype=np.float64)
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise FilmError(f"{name}: DICOM holds no single grey picture")
    low, high = _span(values, film)
    if high <= low:
        raise FilmError(f"{name}: blank, all pixels the same")
    grey = (np.clip((values - low) / (high - low), 0, 1) * 255).round().astype(np.uint8)
    if film.PhotometricInterpretation == "MONOCHROME1":
        return 255 - grey, ("MONOCHROME1: black and white exchanged",)
    return grey, ()


def _span(values: np.ndarray, film: pydicom.Dataset) -> tuple[float, float]:
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
    if not (signed or "WindowCenter" in film or intercept) and slope == 1:
        bits = next((b for b in BITS if values.max() < 2**b), bits)
    low = -(2 ** (bits - 1)) if signed else 0
    ends = [slope * end + intercept for end in (low, low + 2**bits - 1)]
    return min(ends), max(ends)


def _check_dicom(film: pydicom.Dataset, name: str) -> None:
    """Refuse what is no single upright grey radiograph."""
    rows, columns = int(getattr(film, "Rows", 0) or 0), int(getattr(film, "Columns", 0) or 0)
    _check_size(columns, rows, name)
    if (frames := int(getattr(film, "NumberOfFrames", 1) or 1)) > 1:
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


def _bar(lines: np.ndarray) -> int:
    """How many lines from the first on hold one and the same grey level."""
    level = int(np.median(lines[0]))
    flat = np.abs(lines.astype(np.int16) - level).max(axis=1) <= FLAT
    return int(np.argmin(np.append(flat, False)))


def _without_bars(grey: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Take off equal plain bars on two opposite sides of a square picture: padding, not film."""
    side = len(grey)
    # 224 x 224 are the published copies, squashed and not padded: their bars are the film's own.
    if grey.shape[0] != grey.shape[1] or side == config.SOURCE_SIZE:
        return grey, ()
    widths = np.array([(_bar(part), _bar(part[::-1])) for part in (grey, grey.T)])
    padded = (widths.min(axis=1) >= LEAST_BAR * side) & (np.ptp(widths, axis=1) <= SAME_BAR * side)
    axis = int(padded.argmax())
    first, last = widths[axis]
    # Neither way, or a frame all around, which a film may have, or hardly a film between.
    if padded.sum() != 1 or first + last > 0.8 * side:
        return grey, ()
    kept = np.take(grey, range(first, side - last), axis=axis)
    return kept, ("bars that made it square taken off",)
