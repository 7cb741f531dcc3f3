"""presentation.pdf, a talk for a hospital's board: what ``templates/presentation.typ`` fills in."""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import typst
from PIL import Image

from helpers import config, plotting, storage
from helpers.data import dataset, images
from helpers.experiments import shift
from helpers.report import render
from helpers.shortcuts import acquisition

SOURCE = Path(__file__).parent / "templates" / "presentation.typ"


def plain(value: Any) -> Any:
    """A frame or series by its index, as JSON has it; of an object its text."""
    if hasattr(value, "to_json"):
        return json.loads(value.to_json(orient="index", double_precision=15))
    return value.item() if hasattr(value, "item") else str(value)


def pictures(folder: Path) -> None:
    """Put example films and films of each acquisition group into ``folder``; read no others."""
    known, chosen = dataset.packaged().table.join(acquisition.read()["group"], on="film"), {}
    train = known[known["part"] == "training"].drop_duplicates("patient")
    for subtype, rows in train.groupby("subtype"):
        drawn = rows["path"].sample(2, random_state=config.SEED)
        chosen |= {f"{subtype}{place}.png": path for place, path in enumerate(drawn)}
    for group, share in shift.groups(shift.films())["pneumonia"].items():
        drawn = plotting.data.in_shares(train[train["group"] == group], 8, share)
        for place, row in enumerate(drawn.itertuples()):
            chosen[f"group{group}-{place}-{row.label}.png"] = row.path
    for name, path in chosen.items():
        Image.fromarray(images.read_film(path, config.SOURCE_SIZE)).save(folder / name)


def build(folder: Path, data: dict[str, Any]) -> bytes:
    """The slides as PDF, from ``data`` and ``folder``'s PNGs."""
    found = sorted(path.name for path in folder.glob("*.png"))
    words = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    text = json.dumps({**data, "words": words, "pictures": found}, default=plain)
    # The fonts that typst brings, so that every machine sets the same pages.
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)
    source = shutil.copy(SOURCE, folder)
    return typst.compile(source, font_paths=fonts, sys_inputs={"data": text})


def write(path: Path = config.SLIDES, results: Path = config.RESULTS) -> Path:
    """Write the slides; the same record and packages give the same bytes.

    RecordError, FilmError: no record or films; TypstError: a page's words no longer hold, which.
    """
    data = render.facts(results)
    with tempfile.TemporaryDirectory() as folder, storage.whole(path) as part:
        pictures(Path(folder))
        part.write_bytes(build(Path(folder), data))
    return path
