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


def _filtered(film: np.ndarray, change: ImageFilter.Filter) -> np.ndarray:
    return np.asarray(Image.fromarray(film).filter(change))


def exposure(film: np.ndarray, strength: int, number: int) -> np.ndarray:
    """Over- or underexposed: intensities to the power of gamma, or of its inverse."""
    gamma = (1.2, 1.4, 1.7, 2.0, 2.5)[strength - 1]
    return _whole(255 * (film / 255) ** (gamma if number % 2 else 1 / gamma))


def contrast(film: np.ndarray, strength: int, number: int) -> np.ndarray:
    """Flat: the distance of each pixel from the film's mean shrunk."""
    return _whole(film.mean() + (0.8, 0.65, 0.5, 0.4, 0.3)[strength - 1] * (film - film.mean()))


def blur(film: np.ndarray, strength: int, number: int) -> np.ndarray:
    """Out of focus or moved: Gaussian blur, standard deviation in pixels of 224."""
    return _filtered(film, ImageFilter.GaussianBlur((0.5, 1.0, 1.5, 2.0, 3.0)[strength - 1]))


def noise(film: np.ndarray, strength: int, number: int) -> np.ndarray:
    """Too few quanta: Gaussian noise, standard deviation in grey levels."""
    grain = np.random.default_rng([strength, number]).normal(size=film.shape)
    return _whole(film + (4, 8, 12, 18, 25)[strength - 1] * grain)


def jpeg(film: np.ndarray, strength: int, number: int) -> np.ndarray:
    """Compressed hard: saved as JPEG of low quality."""
    quality = (60, 40, 25, 15, 8)[strength - 1]
    return saved(film, quality)


def resolution(film: np.ndarray, strength: int, number: int) -> np.ndarray:
    """Sent small: brought to fewer pixels and back."""
    side = (160, 112, 80, 64, 48)[strength - 1]
    small = Image.fromarray(film).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small.resize(film.shape[::-1], Image.Resampling.BILINEAR))


def rotation(film: np.ndarray, strength: int, number: int) -> np.ndarray:
    """Askew, to either side; degrees. What is uncovered is black."""
    angle = (3, 6, 9, 12, 15)[strength - 1] * (1 if number % 2 else -1)
    return np.asarray(Image.fromarray(film).rotate(angle, Image.Resampling.BILINEAR))


def shift(film: np.ndarray, strength: int, number: int) -> np.ndarray:
    """Off centre, cut on one of four sides; shares of the side. What is uncovered is black."""
    step = round((0.03, 0.06, 0.09, 0.12, 0.15)[strength - 1] * len(film))
    return ndimage.shift(film, ((0, step), (0, -step), (step, 0), (-step, 0))[number % 4], order=0)


CORRUPTIONS: dict[str, Callable[..., np.ndarray]] = {
    change.__name__: change
    for change in (exposure, contrast, blur, noise, jpeg, resolution, rotation, shift)
}
# No unit takes such films, but software stores them. One strength each.
STORAGE_ERRORS: dict[str, Callable[..., np.ndarray]] = {
    "mirrored": lambda film, strength, number: film[:, ::-1],
    "inverted": lambda film, strength, number: 255 - film,
}


def edged(film: np.ndarray, share: float, tone: int, sides: Sequence[int]) -> np.ndarray:
    """The film with a strip of ``tone`` over a share of its height or width on some sides."""
    changed, width = film.copy(), round(share * len(film))
    for side in sides:  # a view on the film, so that a strip on top lands on each side in turn
        np.rot90(changed, side)[:width] = tone
    return changed


def cropped(film: np.ndarray, share: float) -> np.ndarray:
    """The film less a share of its height and width on each side, stretched to its old size."""
    width = round(share * len(film))
    inside = Image.fromarray(film[width:-width, width:-width])
    return np.asarray(inside.resize(film.shape[::-1], Image.Resampling.BILINEAR))


def letterboxed(film: np.ndarray, tone: int, share: float = 0.75) -> np.ndarray:
    """The film between two bars, as a screen of 4:3 shows it; ``share`` is left to the film."""
    height, page = round(share * len(film)), np.full_like(film, tone)
    top = (len(film) - height) // 2
    small = Image.fromarray(film).resize((len(film), height), Image.Resampling.BILINEAR)
    page[top : top + height] = small
    return page


def saved(film: np.ndarray, quality: int) -> np.ndarray:
    """The film saved as JPEG and read again."""
    Image.fromarray(film).save(kept := io.BytesIO(), "JPEG", quality=quality)
    return np.asarray(Image.open(kept))


# Changes that leave the chest as it is: no answer should move. (film, its number) to film.
EDGES = {
    f"{name} edge of {share}%, {sides}": functools.partial(
        lambda film, n, share, tone, sides: edged(film, share / 100, tone, sides or (n % 4,)),
        share=share,
        tone=tone,
        sides=range(4) if sides == "all sides" else (),
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


def corrupt(name: str, strength: int, pictures: np.ndarray) -> np.ndarray:
    """Films (n, 224, 224) uint8 with one corruption; ValueError: no such corruption or strength."""
    known = CORRUPTIONS | STORAGE_ERRORS
    if name not in known:
        raise ValueError(f"no corruption {name!r}; there are {', '.join(known)}")
    if strength not in STRENGTHS:
        raise ValueError(f"{name}: strength {strength} is none of {STRENGTHS}")
    made = [known[name](film, strength, number) for number, film in enumerate(pictures)]
    return np.array(made, dtype=np.uint8)
