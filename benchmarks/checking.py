"""What does the input check refuse? Test films, what is made of them, photographs, folders.

``python -m benchmarks.checking [FOLDER ...]``: needs the full set (STUDY_DATA); adds what it finds
to the record of the input check. Nothing is learnt or chosen here.
"""

import argparse
import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from helpers import config
from helpers.data import dataset, images, manifest
from helpers.models import input_check, lungs
from helpers.training import record


def photographs() -> dict[str, np.ndarray]:
    """Grey squares (224, 224) uint8 of the pictures in scikit-image, by name; none without it."""
    spec = importlib.util.find_spec("skimage")
    paths = Path(spec.origin).with_name("data").glob("*.[pj][np]g") if spec else ()
    grey = {path.name: Image.open(path).convert("L") for path in sorted(paths)}
    square, bilinear = (config.SOURCE_SIZE, config.SOURCE_SIZE), Image.Resampling.BILINEAR
    return {name: np.asarray(image.resize(square, bilinear)) for name, image in grey.items()}


def shown(films: np.ndarray) -> dict[str, np.ndarray]:
    """Films (n, s, s) uint8, and by name what of them is still a film, is a half, is none."""
    rng, side = np.random.default_rng(7), films.shape[1]
    small = lungs.resized(films, input_check.SIDE)
    light, edge = films.mean(axis=(1, 2)), [side // 10] * 2
    framed = np.pad(films, [(0, 0), edge, edge], constant_values=255)
    halves = {"upper half": (0, 0.5, 0, 1), "lower half": (0.5, 1, 0, 1)}
    halves |= {"left half": (0, 1, 0, 0.5), "right half": (0, 1, 0.5, 1)}
    made = {
        "drawn limbs": input_check.limb,
        "noise": input_check.noise,
        "pages of text": input_check.page,
    }
    return {
        "films": films,
        "whitest films": films[light >= np.quantile(light, 0.95)],
        "framed in white": lungs.resized(framed, side),
        "inverted": 255 - films,
        "turned left": np.rot90(films, 1, (1, 2)),
        "turned right": np.rot90(films, 3, (1, 2)),
        "upside down": np.rot90(films, 2, (1, 2)),
        "flipped": films[:, ::-1],
        **{
            name: np.array([lungs.cut(f, box, side) for f in films]) for name, box in halves.items()
        },
        **{name: np.array([maker(f, rng) for f in small]) for name, maker in made.items()},
        "photographs": np.array(list(photographs().values())),
    }


def judge(seen: Mapping[str, pd.DataFrame], limits: Mapping[str, float]) -> dict[str, object]:
    """Shares of each kind of picture refused, warned of, and refused by one sign alone (tried).

    Alone, a sign refuses as many of the validation films as the network does.
    """
    said, tried = {what: input_check.verdicts(of, limits) for what, of in seen.items()}, {}
    for sign, way in {"film": -1, "sure": -1, "distance": 1}.items():
        least = np.quantile(way * seen["validation"][sign], 1 - input_check.BEYOND["film"])
        tried[sign] = {what: float((way * of[sign] > least).mean()) for what, of in seen.items()}
    shares = {
        name: {what: float(np.isin(of, reasons).mean()) for what, of in said.items()}
        for name, reasons in {"refused": input_check.REFUSED, "warned": input_check.WARNED}.items()
    }
    return {"pictures": {what: len(of) for what, of in said.items()}, **shares, "tried": tried}


def measure(folders: list[str]) -> dict[str, object]:
    """Judge the recorded check by test films, what is made of them, photographs and ``folders``."""
    films, pictures = dataset.load(dataset.at_hand(), config.SOURCE_SIZE)
    if not films.complete:  # else figures of other films would take the place of the record's
        raise dataset.FilmError(f"{films.source}: this needs the full set; run `make data`")
    known, test = (pictures[films.table["part"] == part] for part in ("validation", "test"))
    others = {
        Path(folder).name.replace("_", " "): np.array(
            [images.read(path).pixels for path in sorted(Path(folder).glob("*.jp*g"))]
        )
        for folder in folders
    }
    check = record.load_network(config.RESULTS, input_check.NAME)
    segmentation = record.load_network(config.RESULTS, lungs.NAME)
    facts = record.read_facts(config.RESULTS, input_check.NAME)
    rng = np.random.default_rng(input_check.SEED)  # as the limits were found
    away = np.array([input_check.elsewhere(film, rng) for film in known])
    judged = {"validation": known, "elsewhere": away, **shown(test), **others}
    seen = {what: input_check.look(check, segmentation, of) for what, of in judged.items()}
    facts |= {
        "test_films": len(test),
        "photographs": len(judged["photographs"]),
        "recognised_inverted": float(seen["inverted"]["inverted"].mean()),
        "films_digest": manifest.digest(films.table),
        **judge(seen, facts["limits"]),
    }
    record.write_facts(config.RESULTS, input_check.NAME, facts)
    return facts


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folders", nargs="*", metavar="FOLDER", help="more pictures to judge")
    found = measure(arguments.parse_args().folders)
    print(input_check.refusal_table(found).to_string())
