"""Any file to the pixels that the networks know: films of the data set, and anybody's.

Content decides, not the suffix. Refuses by name what is no readable grey radiograph; what had to
be guessed is noted. Files are untrusted: nothing is executed or unpickled, sizes are looked at
before pixels are made.
"""

import io
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
from PIL import Image, ImageOps, UnidentifiedImageError
from pydicom import uid

from helpers import config
from helpers.data import levels
from helpers.data.levels import Range

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "AVIF", "JPEG2000")
OTHERS = {b"GIF8": "GIF", b"%PDF": "PDF", b"ftypheic": "HEIC"}  # among a file's first bytes
SUFFIXES = {".jpeg", ".jpg", ".png", ".tif", ".tiff", ".bmp", ".dcm", ".dicom"}
MAX_BYTES = 200_000_000  # a radiograph of 16 bits has some 20 million
MAX_PIXELS = 80_000_000  # ten times the 2916 x 2713 of the data set's largest film
LARGE = 20_000_000  # pixels; of such pictures one at a time is decoded, or memory runs short
_LARGE = threading.Lock()

LEAST_SIDE, SMALL_SIDE = 64, 128  # pixels: fewer are refused; judged with a doubt
LEAST_RANGE = 12  # grey levels; a radiograph uses a hundred and more
BITS = (8, 10, 12, 14, 16)
DEEP = ("I", "F")  # first letters of the modes in which PIL opens more than 8 bits

KINDS = {"1": ("MONOCHROME1", "MONOCHROME2"), "3": ("RGB", "YBR")}  # by values a pixel
RADIOGRAPHS = ("", "CR", "DX", "DR", "RG", "RF", "OT", "SC")  # Modality; secondary captures too
CHEST = re.compile("CHEST|THORAX|LUNG")
ELSEWHERE = re.compile(
    "ABDOM|ANKLE|ARM|BRAIN|BREAST|CALCAN|CLAVIC|COCCYX|ELBOW|EXTREM|FACE|FACIAL|FEMUR|FINGER|FOOT"
    "|HAND|HEAD|HIP|HUMER|JAW|KNEE|LEG|MANDIB|MAXILLA|NECK|ORBIT|PATELLA|PELVI|RADIUS|SACR|SCAPULA"
    "|SHOULDER|SINUS|SKULL|SPINE|TEETH|THIGH|THUMB|TIBIA|TOE|TOOTH|ULNA|WRIST"
)
SIDEWAYS = re.compile("^[LR]L|LAT|OBL|^[LR][AP]?O|DECUB")  # ViewPosition: no frontal view


class FilmError(ValueError):
    """A film, or a folder of films, that cannot be used; the message says which and why."""


class Picture(NamedTuple):
    """A film as the networks know it."""

    pixels: np.ndarray  # (224, 224) uint8, black 0
    notes: tuple[str, ...]  # what was done to it
    doubts: tuple[str, ...]  # reasons to ask a radiologist


def read(source: Path | str | bytes, name: str = "") -> Picture:
    """Read one film from a file or from its bytes.

    Orientation by EXIF; range by the header or the film's own values; padding, bars, frames and a
    tint taken off; then squashed to 224 x 224 as the published films are. FilmError names the
    reason why this is no film that can be read.
    """
    name = name or (source if isinstance(source, str) else getattr(source, "name", "the film"))
    data = source if isinstance(source, bytes) else _bytes(Path(source))
    # A DICOM file has a preamble, or begins as the data do that would follow one.
    dicom = data[128:132] == b"DICM" or re.match(rb"[\2\x08]\0[\0-\x1f]\0", data)
    with warnings.catch_warnings(action="ignore"):  # on damaged tags; what counts is raised
        values, given, side, notes = (_dicom if dicom else _image)(data, name)
    with _decoding(name):
        grey, done = levels.grey(values, given)
    pixels = _squashed(grey, config.SOURCE_SIZE)
    if np.ptp(np.percentile(pixels, [1, 99])) < LEAST_RANGE:
        raise FilmError(f"{name}: blank, all pixels nearly the same")
    side = round(side * min(grey.shape) / min(values.shape[:2]))
    if side < LEAST_SIDE:
        raise FilmError(f"{name}: {side} pixels wide or high; a film needs {LEAST_SIDE} or more")
    small = f"only {side} pixels wide or high"
    return Picture(pixels, (*notes, *done), (small,) if side < SMALL_SIDE else ())


def read_film(path: Path | str, size: int) -> np.ndarray:
    """Decode a film of the data set to a (size, size) uint8 array, 0 black to 255 white.

    Pixels are those of the published small copies: nothing is turned, trimmed or rescaled.
    FilmError: not an image, cut short, without pixels, too large, or in colour.
    """
    path = Path(path)
    with _decoding(path.name), _opened(_bytes(path), path.name) as image:
        if image.mode.startswith(DEEP):
            raise FilmError(f"{path.name}: has more than 8 bits a pixel; save it as 8-bit grey")
        values, _ = _eight_bits(image, 1)
        if values.ndim == 3:
            values, _ = levels.untinted(values)
        return _squashed(values, size)


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
    except levels.NoFilmError as error:
        raise FilmError(f"{name}: {error}") from None
    except UnidentifiedImageError:
        raise FilmError(f"{name}: not an image file") from None
    except (Image.DecompressionBombError, MemoryError):
        raise FilmError(f"{name}: more pixels than any film has") from None
    except Exception as error:  # decoders of damaged files raise what they stumble over
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise FilmError(f"{name}: {kind}cannot be decoded ({reason})") from None


def _opened(data: bytes, name: str) -> Image.Image:
    """A picture file, looked at and not yet decoded."""
    if not data:
        raise FilmError(f"{name}: an empty file")
    if kind := next((kind for mark, kind in OTHERS.items() if mark in data[:12]), None):
        raise FilmError(f"{name}: a {kind} file, which is not read; save the film as PNG")
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    _check_size(image.width, image.height, name)
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise FilmError(f"{name}: holds {image.n_frames} pictures; save one")
    return image


def _check_size(width: int, height: int, name: str) -> None:
    if min(width, height) == 0:
        raise FilmError(f"{name}: has no pixels")
    if width * height > MAX_PIXELS:
        raise FilmError(f"{name}: {width} x {height} pixels is no film")
    if max(width, height) > 20 * min(width, height):
        raise FilmError(f"{name}: {width} x {height} pixels is a strip, not a film")


def _turn(width: int, height: int) -> AbstractContextManager:
    """A large picture's turn to be decoded; others need not wait."""
    return _LARGE if width * height > LARGE else nullcontext()


Decoded = tuple[np.ndarray, Range | None, int, tuple[str, ...]]  # as ``levels.grey`` takes them


def _image(data: bytes, name: str) -> Decoded:
    """Values of a picture file, reduced; their range; its shorter side in pixels; notes."""
    with _decoding(name), _opened(data, name) as image, _turn(*image.size):
        side = min(image.size)
        image.draft(None, (levels.LEAST,) * 2)  # a JPEG at a half or a quarter, which is fast
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith(DEEP):
            values = _deep(_array(image))
            return values, _guessed(values), side, ()
        values, notes = _eight_bits(image, max(1, min(image.size) // levels.LEAST))
        return values, None, side, notes


def _array(image: Image.Image) -> np.ndarray:
    """The values by strips: as a whole they would stand in memory three times."""
    width, height = image.size
    values = np.empty((height, width), np.asarray(image.crop((0, 0, 1, 1))).dtype)
    for top in range(0, height, 512):
        values[top : top + 512] = image.crop((0, top, width, min(top + 512, height)))
    return values


def _eight_bits(image: Image.Image, step: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Grey (rows, columns) or colour (rows, columns, 3) uint8, in means of ``step`` pixels."""
    clear = image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info
    mode = "RGBA" if clear else "L" if image.mode in ("L", "1") else "RGB"
    image = (image if image.mode == mode else image.convert(mode)).reduce(step)
    if not clear:
        return np.asarray(image), ()
    black = Image.new("RGBA", image.size, (0, 0, 0, 255))
    image = Image.alpha_composite(black, image).convert("RGB")
    return np.asarray(image), ("transparency laid on black",)


def _deep(values: np.ndarray, given: float | None = None, black: Callable = np.min) -> np.ndarray:
    """Values of more than 8 bits reduced, with padding (``given``, or far from others) black."""
    if not np.isfinite(values.min() + values.max()):
        raise levels.NoFilmError("values that are no grey levels")
    if (padding := levels.padding(values, given)).any():
        values = np.where(padding, black(values[~padding]), values)
    return levels.reduced(values)


def _guessed(values: np.ndarray) -> Range:
    """The range that the largest values suggest; one in 1,000 may be beyond."""
    most = np.percentile(values, 99.9)
    if most <= 1:
        return Range(0, 1, 0.6, "values of 0 to 1 taken as black to white")
    bits = next((bits for bits in BITS if most < 2**bits), 32)
    sure = bits == 8 and values.min() >= 0  # a dark film of 8 bits is a dark film
    return Range(0, 2**bits - 1, 0 if sure else 0.6, f"{bits} bits brought to 8")


def _dicom(data: bytes, name: str) -> Decoded:
    """What ``_image`` gives, of a DICOM radiograph: values rescaled, black where air is."""
    if b"1.2.840.10008.1.2.1.99" in data[:2000]:  # packed as a whole: could unpack to anything
        raise FilmError(f"{name}: a deflated DICOM; save it unpacked")
    with _decoding(name, "DICOM "):
        film = pydicom.dcmread(io.BytesIO(data), force=True)
        implicit = film.original_encoding[0]  # as found by looking, where the header is missing
        syntax = uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian
        film.file_meta.setdefault("TransferSyntaxUID", syntax)
        rows, columns, kind = _check_dicom(film, name)
        with _turn(columns, rows):
            values, white = film.pixel_array, kind == "MONOCHROME1"
            if values.ndim == 3:  # colour, of 8 bits or refused
                return levels.reduced(values).astype(np.uint8), None, min(rows, columns), ()
            values = _deep(values, film.get("PixelPaddingValue"), np.max if white else np.min)
        values, given, notes = _windowed(values, film)
    if white:
        values, given = -values, given._replace(low=-given.high, high=-given.low)
        notes = (*notes, "MONOCHROME1: black and white exchanged")
    return values, given, min(rows, columns), notes


def _windowed(
    values: np.ndarray, film: pydicom.Dataset
) -> tuple[np.ndarray, Range, tuple[str, ...]]:
    """Stored values rescaled, and their range: a table's, a window's, the stored bits', a guess."""
    bits, slope = int(film.BitsStored), float(film.get("RescaleSlope") or 1)
    low = -(2 ** (bits - 1)) if film.get("PixelRepresentation") else 0
    intercept = float(film.get("RescaleIntercept") or 0)
    ends = sorted(slope * end + intercept for end in (low, low + 2**bits - 1))
    values, given = values * slope + intercept, Range(*ends, 0 if bits <= 8 else 0.4)
    if tables := film.get("ModalityLUTSequence"):
        values, given = _looked_up(values, tables[0])
    if tables := film.get("VOILUTSequence"):
        values, given = _looked_up(values, tables[0])
    stored = given if given.fits(values) else _guessed(values)
    fields = (np.atleast_1d(film.get(name))[0] for name in ("WindowCenter", "WindowWidth"))
    if tables or None in (window := tuple(fields)):
        return values, stored, ()
    centre, width = map(float, window)
    given = Range(centre - width / 2, centre + width / 2)
    if given.fits(values) and width > 1:
        return values, given, ()
    return values, stored, (f"window of centre {centre:g} and width {width:g} ignored",)


def _looked_up(values: np.ndarray, table: pydicom.Dataset) -> tuple[np.ndarray, Range]:
    """Values by a header's table, and the range of its entries."""
    _, first, bits = table.LUTDescriptor
    entries = table.LUTData
    entries = np.frombuffer(entries, "<u2") if isinstance(entries, bytes) else np.array(entries)
    return np.interp(values, first + np.arange(len(entries)), entries), Range(0, 2**bits - 1)


def _check_dicom(film: pydicom.Dataset, name: str) -> tuple[int, int, str]:
    """Rows, columns and kind; refuses what is no single upright grey frontal chest radiograph."""

    def field(keyword: str) -> str:
        return str(film.get(keyword) or "").strip().upper()

    rows, columns = int(field("Rows") or 0), int(field("Columns") or 0)
    if not rows * columns:
        raise FilmError(f"{name}: DICOM without pixels, or cut short")
    _check_size(columns, rows, name)
    kind, samples = field("PhotometricInterpretation"), field("SamplesPerPixel") or "1"
    part, view = field("BodyPartExamined"), field("ViewPosition")
    across, *_, down = [*map(str, film.get("PatientOrientation") or ()), "", ""][:2]
    refusals = {
        f"of modality {field('Modality')}, no radiograph": field("Modality") not in RADIOGRAPHS,
        f"of another part of the body ({part})": ELSEWHERE.search(part) and not CHEST.search(part),
        f"of view {view or across}, not a frontal one": SIDEWAYS.search(view)
        or across[:1] in ("A", "P"),
        f"stored turned (orientation {across}/{down})": down[:1] not in ("F", ""),
        f"with {field('NumberOfFrames')} frames; save one": int(field("NumberOfFrames") or 1) > 1,
        f"of kind {kind or 'unknown'} with {samples} values a pixel, not a grey radiograph": (
            not kind.startswith(KINDS.get(samples, "?"))
            or (samples == "3" and film.BitsAllocated != 8)
        ),
    }
    if reason := next((reason for reason, holds in refusals.items() if holds), ""):
        raise FilmError(f"{name}: DICOM {reason}")
    return rows, columns, kind
