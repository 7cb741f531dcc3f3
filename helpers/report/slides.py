"""presentation.pdf: the study as a talk for a hospital's board, one finding a page.

Words stand in ``templates/presentation.typ``, beside the conditions under which they hold; the
numbers and pictures that it fills in are gathered here from the record.
"""

from __future__ import annotations

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
from helpers.data import dataset, manifest
from helpers.evaluation import decisions as costs
from helpers.evaluation import metrics
from helpers.experiments import shift, trust
from helpers.models import lungs
from helpers.report import tables
from helpers.shortcuts import acquisition
from helpers.training import record
from helpers.training.study import Study

SOURCE = Path(__file__).parent / "templates" / "presentation.typ"


def numbers(results: Path = config.RESULTS) -> dict[str, Any]:
    """Every number on the slides; estimates as frames with columns value, low, high."""
    found = Study(results=results).run_all()
    final, films, maps = found["final"], manifest.read(), trust.maps()
    scores, titles = final.scores("test"), {t: name for name, t in shift.EVIDENCE.items()}
    return {
        "record": record.state(results),
        "films": manifest.counts(films),
        "children": films["patient"].nunique(),
        "networks": {
            name: {
                "title": result.recipe.title,
                "parameters": result.record.facts["parameters"],
                "validation": result.estimate("validation"),
                "test": result.estimate("test"),
            }
            for name, result in found.items()
        },
        "threshold": final.threshold,
        "counts": metrics.confusion(scores, final.threshold),
        "groups": shift.groups(shift.films())["pneumonia"],
        "without_lungs": shift.background_evidence(shift.films()).rename(titles),
        "explained": tables.explained(found),
        "crop": shift.compare_views(final).loc["AUROC"],
        "scorings": len(record.openings(results)),
        "targets": tables.targets(final),
        "peers": pd.read_csv(config.PEERS).astype(object).replace(np.nan, None),
        "errors": shift.errors(scores, final.threshold).droplevel("by"),
        "inside": trust.maps_in_lungs(maps).loc["Grad-CAM"],
        "inside_called": trust.maps_by_call(maps).xs("pneumonia", level="call"),
        "at_half": metrics.estimate(scores, 0.5),
        "costs": costs.cost_curve(scores, costs.ASSUMED, [final.threshold, 0.5]).set_axis(
            ["rule", "half"]
        ),
        "stakes": vars(costs.ASSUMED),
        "referred": trust.REFERRED,
        "decided": tables.referred(final),
    }


def _plain(value: Any) -> Any:
    """A frame by its rows, a series or a number, as JSON has them."""
    if isinstance(value, pd.DataFrame):
        return value.to_dict("index")
    return value.to_dict() if isinstance(value, pd.Series) else value.item()


def pictures(folder: Path) -> None:
    """Draw into ``folder``: example films, films of each acquisition group, and maps."""
    films, pixels = dataset.load(dataset.packaged(), config.SOURCE_SIZE)
    known = films.table.join(acquisition.read()["group"], on="film").reset_index(drop=True)
    train = known[known["part"] == "training"].drop_duplicates("patient")
    for subtype, rows in train.groupby("subtype"):
        for place, row in enumerate(rows.sample(4, random_state=config.SEED).index):
            Image.fromarray(pixels[row]).save(folder / f"{subtype}{place}.png")
    for group, share in shift.groups(shift.films())["pneumonia"].items():
        drawn = plotting.shortcuts.in_shares(train[train["group"] == group], 12, share)
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
        plotting.film(ax, chosen[place], mask=found.masks[place], heat=drawn[place])
        figure.savefig(folder / f"map-{name}", metadata={"Software": None})
        plt.close(figure)


def build(folder: Path, data: dict[str, Any], **form: Any) -> Any:
    """The slides as PDF, or in another ``form`` of typst's, from ``data`` and ``folder``'s PNGs."""
    found = sorted(path.name for path in folder.glob("*.png"))
    text = json.dumps({**data, "words": words(), "pictures": found}, default=_plain)
    # The fonts that matplotlib brings, so that every machine sets the same pages.
    types = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fonts = typst.Fonts(False, False, [str(types)])
    source = shutil.copy(SOURCE, folder)
    return typst.compile(source, font_paths=fonts, sys_inputs={"data": text}, **form)


def words() -> str:
    """Digest of the slides' source, which the PDF carries beside the record's."""
    return hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]


def write(path: Path = config.SLIDES, results: Path = config.RESULTS) -> Path:
    """Write the slides; the same record and packages give the same bytes.

    Raises:
        RecordError: the study is not recorded under ``results``.
        FilmError: the packaged films are not installed.
        TypstError: the words on a page no longer hold; the message says which.
    """
    data = numbers(results)
    with tempfile.TemporaryDirectory() as folder, storage.whole(path) as part:
        pictures(Path(folder))
        part.write_bytes(build(Path(folder), data))
    return path
