"""What a film gives away without its lungs: marker, margin, tone, and the group it belongs to."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage
from sklearn.cluster import KMeans
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from helpers import config, storage
from helpers.data import dataset, manifest
from helpers.evaluation import calibration
from helpers.models import lungs

FOLDER, TABLE = "shift", "films.csv"  # of the record
GROUPS = 5  # acquisition groups; with eight, one has fewer than ten films
FOLDS = 5

# Features that need no look at the lungs, and those that describe the whole picture.
MARGIN = ("marker", "marker_height", "marker_width", "marker_y", "marker_x", "marker_white")
MARGIN += ("top", "bottom", "left", "right", "black", "white")
PICTURE = ("tone_5", "tone_25", "tone_50", "tone_75", "tone_95", "sharpness")


def edge_scores(films: dataset.Films, pictures: np.ndarray) -> pd.DataFrame:
    """Score validation films by a logistic regression that sees their outermost pixels only.

    ``pictures`` (n, side, side) uint8 in the order of ``films.table``; fitted on the training
    films among them. Returns scores as ``evaluation`` takes them.
    """
    edge, table = dataset.border(pictures, width=2) / 255, films.table
    seen = table["part"] == "training"
    # A weak penalty: there are several times as many films as pixels.
    model = LogisticRegression(C=0.1, max_iter=1000).fit(edge[seen], table.loc[seen, "y"])
    scored = table.assign(probability=model.predict_proba(edge)[:, 1])
    return scored[scored["part"] == "validation"].reset_index(drop=True)


def marker(film: np.ndarray) -> tuple[slice, slice] | None:
    """Where a burnt-in letter stands in the left margin of a film (224, 224) uint8; None if none.

    A letter is small, thin (below 9 pixels) and much brighter than what surrounds it: what a white
    top-hat keeps. The brightest candidate of a letter's size wins.
    """
    hat = ndimage.white_tophat(film.astype(np.float32), size=(9, 9))
    zone = np.zeros(film.shape, dtype=bool)
    zone[:150, :60] = True
    parts, _ = ndimage.label((hat > 60) & zone, structure=np.ones((3, 3)))
    letters = []
    for number, place in enumerate(ndimage.find_objects(parts), start=1):
        height, width = (edge.stop - edge.start for edge in place)
        if 5 <= height <= 28 and 2 <= width <= 16 and (parts[place] == number).sum() >= 8:
            letters.append(place)
    return max(letters, key=lambda place: hat[place].max(), default=None)


def features(film: np.ndarray) -> dict[str, float]:
    """Marker, margins, tone and sharpness of one film (224, 224) uint8."""
    side, place, grey = len(film), marker(film), film.astype(np.float32)
    found = dict.fromkeys(MARGIN[:6], 0.0)
    if place is not None:
        (top, bottom), (left, right) = ((edge.start, edge.stop) for edge in place)
        middle = ((top + bottom) / 2 / side, (left + right) / 2 / side)
        values = (1, bottom - top, right - left, *middle, film[place].max())
        found = dict(zip(MARGIN[:6], values, strict=True))
    strips = (grey[:6], grey[-6:], grey[:, :6], grey[:, -6:])
    found |= dict(zip(MARGIN[6:10], map(np.median, strips), strict=True))
    found |= {"black": (film < 8).mean(), "white": (film > 247).mean()}
    middle = grey[40:200, 30:194]
    found |= {f"tone_{q}": np.percentile(middle, q) for q in (5, 25, 50, 75, 95)}
    normed = (middle - middle.mean()) / (middle.std() + 1)
    found["sharpness"] = np.log(ndimage.gaussian_laplace(normed, 0.7).std() + 1e-6)
    return {name: float(value) for name, value in found.items()}


def groups(table: pd.DataFrame, known: pd.DataFrame) -> np.ndarray:
    """Acquisition group of each film by marker, margin, tone and sharpness; labels unseen.

    ``table`` needs part, ``known`` the features in the same order. K-means fitted on training
    films; groups are numbered from 1 by the number of training films in them, largest first.
    """
    seen = (table["part"] == "training").to_numpy()
    features = known[[*MARGIN, *PICTURE]]
    spread = StandardScaler().fit(features[seen]).transform(features)
    kinds = KMeans(GROUPS, n_init=10, random_state=config.SEED).fit(spread[seen])
    number = kinds.predict(spread)
    order = np.argsort(-np.bincount(number[seen], minlength=GROUPS))
    return np.argsort(order)[number] + 1


def propensity(table: pd.DataFrame, margin: np.ndarray) -> np.ndarray:
    """Probability of pneumonia from the margin alone, (n,): boosted trees, Platt scaling.

    ``table`` needs y, part, patient. Official training films get an out-of-fold value (folds
    by patient), test films that of a model fitted on all official training films. Among films of
    value e a share of about e has pneumonia.
    """
    y = table["y"].to_numpy()
    known = (table["part"] != "test").to_numpy()
    trees = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=6, min_samples_leaf=40, l2_regularization=5, random_state=0
    )
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=config.SEED)
    data = {"X": margin[known], "y": y[known], "groups": table.loc[known, "patient"]}
    unseen = cross_val_predict(trees, **data, cv=folds, method="predict_proba")[:, 1]
    trees.fit(margin[known], y[known])
    scores = table.assign(probability=trees.predict_proba(margin)[:, 1])
    scores.loc[known, "probability"] = unseen
    odds = calibration.logit(scores["probability"])[:, np.newaxis]
    return calibration.platt(scores[known]).predict_proba(odds)[:, 1]


def without(table: pd.DataFrame, group: int) -> tuple[np.ndarray, np.ndarray]:
    """Films to learn from and films to judge on, each (n,) bool, where ``group`` is held out.

    ``table`` needs group, patient and duplicate. Children with a film in the group are in neither
    but for these films. scikit-learn's LeaveOneGroupOut is the same, less the care for children.
    """
    held = table["group"].eq(group).to_numpy()
    family = manifest.families(table["patient"], table["duplicate"])
    return ~np.isin(family, family[held]), held


def measure(films: dataset.Films) -> pd.DataFrame:
    """Describe each film's background: film, part, features, group, margin.

    ``margin`` is the propensity from the margin, ``group`` the acquisition group (1 the most
    frequent).
    """
    films, pictures = dataset.load(films, config.SOURCE_SIZE)
    with ThreadPoolExecutor() as pool:
        known = pd.DataFrame(list(pool.map(features, pictures)))
    table = films.table[["film", "part", "y", "patient"]].reset_index(drop=True)
    edge = dataset.border(lungs.resized(pictures, 32), width=2) / 255
    margin = propensity(table, np.hstack([edge, known[list(MARGIN)].to_numpy()]))
    facts = {"group": groups(table, known), "margin": margin.round(4)}
    return table[["film", "part"]].assign(**facts).join(known.round(3))


def write(root: Path, table: pd.DataFrame) -> Path:
    """Record what ``measure`` found, under ``root``."""
    path = root / FOLDER / TABLE
    storage.write_text(path, table.to_csv(index=False, lineterminator="\n"))
    return path


def read(root: Path = config.RESULTS) -> pd.DataFrame:
    """What ``measure`` found, as recorded; indexed by film."""
    return pd.read_csv(root / FOLDER / TABLE, index_col="film")
