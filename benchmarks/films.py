"""What the benchmarks read: films of any size and number, made from those at hand."""

import io
from pathlib import Path

import pandas as pd
from PIL import Image

# Mean width, height and bytes of the original files (data/README.md).
ORIGINALS = {"NORMAL": (1686, 1379, 551_000), "PNEUMONIA": (1195, 820, 85_000)}
QUALITIES = (75, 90, 93, 96, 100)  # to choose a JPEG file's length by


def linked(films: pd.DataFrame, root: Path, count: int) -> Path:
    """``count`` films as a folder a class, by links to ``path``; over again if they are too few."""
    for number in range(count):
        film = films.iloc[number % len(films)]
        place = root / film["label"] / f"{number:05d}{Path(film['path']).suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(Path(film["path"]).resolve())
    return root


def enlarged(
    films: pd.DataFrame, root: Path, size: tuple[int, int, int] | None = None
) -> pd.DataFrame:
    """The films as larger grey JPEG files: the table with their paths.

    ``size`` (width, height, bytes) is by default that of the mean original of a film's class.
    """
    root.mkdir(parents=True, exist_ok=True)
    paths = []
    for label, path in zip(films["label"], films["path"], strict=True):
        width, height, length = size or ORIGINALS[label]
        with Image.open(path) as copy:
            large = copy.convert("L").resize((width, height), Image.Resampling.BICUBIC)
        paths.append(str(root / f"{Path(path).stem}.jpeg"))
        Path(paths[-1]).write_bytes(near(large, length))
    return films.assign(path=paths)


def near(image: Image.Image, length: int) -> bytes:
    """The image as JPEG, of the quality whose length in bytes is nearest to ``length``."""
    made = []
    for quality in QUALITIES:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        made.append(file.getvalue())
    return min(made, key=lambda file: abs(len(file) - length))
