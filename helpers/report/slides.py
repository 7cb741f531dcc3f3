"""presentation.pdf: the study as a talk for a hospital's board, one finding a page.

Words stand in ``templates/presentation.typ``, beside the conditions under which they hold; the
numbers and pictures that it fills in are gathered here from the record.
"""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import typst
from PIL import Image

from helpers import config, explain, plotting, storage
from helpers.data import dataset
from helpers.experiments import shift
from helpers.models import lungs
from helpers.report import render
from helpers.shortcuts import acquisition
from helpers.training import record
from helpers.training.study import Study

SOURCE = Path(__file__).parent / "templates" / "presentation.typ"


def plain(value: Any) -> Any:
    """A frame or series by its index, as JSON has it; of an object its text."""
    if hasattr(value, "to_json"):
        return json.loads(value.to_json(orient="index", double_precision=15))
    return value.item() if hasattr(value, "item") else str(value)


def pictures(folder: Path) -> None:
    """Draw into ``folder``: example films, films of each acquisition group, and maps."""
    films, pixels = dataset.load(dataset.packaged(), config.SOURCE_SIZE)
    known = films.table.join(acquisition.read()["group"], on="film").reset_index(drop=True)
    train = known[known["part"] == "training"].drop_duplicates("patient")
    for subtype, rows in train.groupby("subtype"):
        for place, row in enumerate(rows.sample(4, random_state=config.SEED).index):
            Image.fromarray(pixels[row]).save(folder / f"{subtype}{place}.png")
    for group, share in shift.groups(shift.films())["pneumonia"].items():
        drawn = plotting.data.in_shares(train[train["group"] == group], 12, share)
        for place, row in enumerate(drawn.index):
            small = Image.fromarray(pixels[row]).resize((112, 112), Image.Resampling.BILINEAR)
            small.save(folder / f"group{group}-{place:02}-{drawn.loc[row, 'label']}.png")
    _maps(known[known["part"] == "test"], pixels, folder)


def _maps(table: pd.DataFrame, pixels: np.ndarray, folder: Path) -> None:
    """Two test films a subtype, and over each what spoke for the final network's call."""
    rows = table.groupby("subtype").sample(2, random_state=config.SEED)
    chosen = pixels[rows.index]
    found = lungs.find(record.load_network(config.RESULTS, lungs.NAME), chosen)
    drawn = explain.maps(Study().run("final").ensemble(), chosen, found)
    # To hundredths of the brightest: the last digits vary from run to run.
    drawn = np.round(drawn / drawn.max(axis=(1, 2), keepdims=True), 2)
    for place, subtype in enumerate(rows["subtype"]):
        name = f"{subtype}{place % 2}.png"
        Image.fromarray(chosen[place]).save(folder / f"test-{name}")
        figure = plt.figure(figsize=(2, 2), dpi=224)
        ax = figure.add_axes((0, 0, 1, 1), frameon=False)
        plotting.data.film(ax, chosen[place], mask=found.masks[place], heat=drawn[place])
        figure.savefig(folder / f"map-{name}", metadata={"Software": None})
        plt.close(figure)


def build(folder: Path, data: dict[str, Any], **form: Any) -> Any:
    """The slides as PDF, or in another ``form`` of typst's, from ``data`` and ``folder``'s PNGs."""
    found = sorted(path.name for path in folder.glob("*.png"))
    words = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    text = json.dumps({**data, "words": words, "pictures": found}, default=plain)
    # The fonts that matplotlib brings, so that every machine sets the same pages.
    fonts = typst.Fonts(False, False, [matplotlib.get_data_path() + "/fonts/ttf"])
    source = shutil.copy(SOURCE, folder)
    return typst.compile(source, font_paths=fonts, sys_inputs={"data": text}, **form)


def write(path: Path = config.SLIDES, results: Path = config.RESULTS) -> Path:
    """Write the slides; the same record and packages give the same bytes.

    RecordError, FilmError: no record or films; TypstError: a page's words no longer hold, which.
    """
    data = render.facts(results)
    with tempfile.TemporaryDirectory() as folder, storage.whole(path) as part:
        pictures(Path(folder))
        part.write_bytes(build(Path(folder), data))
    return path
