"""What is done to a film on purpose: corruptions, and changes that do no harm.

Films are (224, 224) uint8. The number of a film decides where a corruption has two directions.
"""

import functools
import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage

STRENGTHS = (1, 2, 3, 4, 5)


def _whole(film: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(film), 0, 255).astype(np.uint8)


def exposure(film: np.ndarray, number: int, strength: int) -> np.ndarray:
    """Over- or underexposed: intensities to the power of gamma, or of its inverse."""
    gamma = (1.2, 1.4, 1.7, 2.0, 2.5)[strength - 1]
    return _whole(255 * (film / 255) ** (gamma if number % 2 else 1 / gamma))


def contrast(film: np.ndarray, number: int, strength: int) -> np.ndarray:
    """Flat: the distance of each pixel from the film's mean shrunk."""
    return _whole(film.mean() + (0.8, 0.65, 0.5, 0.4, 0.3)[strength - 1] * (film - film.mean()))


def blur(film: np.ndarray, number: int, strength: int) -> np.ndarray:
    """Out of focus or moved: Gaussian blur, standard deviation in pixels of 224."""
    soft = ImageFilter.GaussianBlur((0.5, 1.0, 1.5, 2.0, 3.0)[strength - 1])
    return np.asarray(Image.fromarray(film).filter(soft))


def noise(film: np.ndarray, number: int, strength: int) -> np.ndarray:
    """Too few quanta: Gaussian noise, standard deviation in grey levels."""
    grain = np.random.default_rng([strength, number]).normal(size=film.shape)
    return _whole(film + (4, 8, 12, 18, 25)[strength - 1] * grain)


def jpeg(film: np.ndarray, number: int, strength: int) -> np.ndarray:
    """Compressed hard: saved as JPEG of low quality."""
    return saved(film, (60, 40, 25, 15, 8)[strength - 1])


def resolution(film: np.ndarray, number: int, strength: int) -> np.ndarray:
    """Sent small: brought to fewer pixels and back."""
    side = (160, 112, 80, 64, 48)[strength - 1]
    small = Image.fromarray(film).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small.resize(film.shape[::-1], Image.Resampling.BILINEAR))


def rotation(film: np.ndarray, number: int, strength: int) -> np.ndarray:
    """Askew, to either side; degrees. What is uncovered is black."""
    angle = (3, 6, 9, 12, 15)[strength - 1] * (1 if number % 2 else -1)
    return np.asarray(Image.fromarray(film).rotate(angle, Image.Resampling.BILINEAR))


def shift(film: np.ndarray, number: int, strength: int) -> np.ndarray:
    """Off centre, cut on one of four sides; shares of the side. What is uncovered is black."""
    step = round((0.03, 0.06, 0.09, 0.12, 0.15)[strength - 1] * len(film))
    return ndimage.shift(film, ((0, step), (0, -step), (step, 0), (-step, 0))[number % 4], order=0)


CORRUPTIONS: dict[str, Callable[..., np.ndarray]] = {
    change.__name__: change
    for change in (exposure, contrast, blur, noise, jpeg, resolution, rotation, shift)
}
# No unit takes such films, but software stores them. One strength each.
STORAGE_ERRORS: dict[str, Callable[..., np.ndarray]] = {
    "mirrored": lambda film, number, strength: film[:, ::-1],
    "inverted": lambda film, number, strength: 255 - film,
}
# Column of the record: corruption and strength.
CORRUPTED = {f"{name} {s}": (name, s) for name in CORRUPTIONS for s in STRENGTHS}
CORRUPTED |= {name: (name, 1) for name in STORAGE_ERRORS}


def edged(
    film: np.ndarray, number: int, share: float, tone: int, sides: Sequence[int]
) -> np.ndarray:
    """The film with a strip of ``tone`` over a share of its height or width on sides, or on one."""
    changed, width = film.copy(), round(share * len(film))
    for side in sides or (number % 4,):  # on a view of the film, turned so that it is the top
        np.rot90(changed, side)[:width] = tone
    return changed


def cropped(film: np.ndarray, share: float) -> np.ndarray:
    """The film less a share of its height and width on each side, stretched to its old size."""
    width = round(share * len(film))
    inside = Image.fromarray(film[width:-width, width:-width])
    return np.asarray(inside.resize(film.shape[::-1], Image.Resampling.BILINEAR))


def letterboxed(film: np.ndarray, tone: int) -> np.ndarray:
    """The film between two bars, as a screen of 4:3 shows it."""
    side, bar = len(film), len(film) // 8
    small = Image.fromarray(film).resize((side, side - 2 * bar), Image.Resampling.BILINEAR)
    return np.pad(small, ((bar, bar), (0, 0)), constant_values=tone)


def saved(film: np.ndarray, quality: int) -> np.ndarray:
    """The film saved as JPEG and read again."""
    Image.fromarray(film).save(kept := io.BytesIO(), "JPEG", quality=quality)
    return np.asarray(Image.open(kept))


# Changes that leave the chest as it is: no answer should move. (film, its number) to film.
EDGES = {
    f"{name} edge of {share}%, {sides}": functools.partial(
        edged, share=share / 100, tone=tone, sides=range(4) if sides == "all sides" else ()
    )
    for share in (1, 2, 4)
    for name, tone in (("black", 0), ("white", 255))
    for sides in ("one side", "all sides")
}
HARMLESS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = EDGES | {
    "crop of 4%": lambda film, n: cropped(film, 0.04),
    "crop of 8%": lambda film, n: cropped(film, 0.08),
    "mirrored": lambda film, n: film[:, ::-1],
    "rotated by 5 degrees": lambda film, n: np.asarray(
        Image.fromarray(film).rotate((-5, 5)[n % 2], Image.Resampling.BILINEAR)
    ),
    "JPEG quality 30": lambda film, n: saved(film, 30),
    "letterbox": lambda film, n: letterboxed(film, (0, 255)[n % 2]),
    "brightness": lambda film, n: _whole(film + (-20.0, 20.0)[n % 2]),
    "contrast": lambda film, n: _whole(film.mean() + (0.8, 1.25)[n % 2] * (film - film.mean())),
}


def changed(change: str, films: np.ndarray) -> np.ndarray:
    """Films (n, 224, 224) uint8 after one of CORRUPTED or HARMLESS."""
    if change in CORRUPTED:
        kind, strength = CORRUPTED[change]
        alter = functools.partial((CORRUPTIONS | STORAGE_ERRORS)[kind], strength=strength)
    else:
        alter = HARMLESS[change]
    return np.array([alter(film, number) for number, film in enumerate(films)])
