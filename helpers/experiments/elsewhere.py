"""The final network on films of another place: figures of those judged; those refused apart."""

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import config, storage
from helpers.evaluation import calibration, metrics
from helpers.models.ensemble import Ensemble
from helpers.models.lungs import Found
from helpers.training import record

FOLDER, FILMS, FINAL = "elsewhere", "films.csv", "final"
BATCH = 32  # films whose pixels are held at once
ADULT, VIEWS, WITHIN = 18, ("AP", "PA"), "within view"
ERROR = "expected calibration error"
Networks = Mapping[str, Ensemble]  # by name


def score(table: pd.DataFrame, answers: Iterable, networks: Networks | None = None) -> pd.DataFrame:
    """``table`` with y, error ("" if judged), refer, and a column of probabilities a network.

    ``answers``: ``Predictor.answers`` to its films, in order; they make the column FINAL. Other
    networks see the pixels kept in them. ValueError where there is not one answer a film.
    """
    waiting, said = iter(answers), []
    while batch := list(islice(waiting, BATCH)):
        rows = pd.DataFrame([{"error": one.error or "", "refer": one.refer} for one in batch])
        rows[FINAL] = np.array([one.probability for one in batch], float)
        judged, seen = rows["error"] == "", [one.seen for one in batch if one.error is None]
        for name, network in (networks or {}).items() if seen else ():
            pixels, lungs = zip(*seen, strict=True)
            parts = zip(*(vars(one).values() for one in lungs), strict=True)
            found = Found(*map(np.concatenate, parts))
            rows.loc[judged, name] = network.answers(np.array(pixels), found)
        said.append(rows)
    scores = pd.concat(said).set_index(table.index).round(4)
    return table.assign(y=table["label"].eq("PNEUMONIA").astype(int), **scores)


def answered(scores: pd.DataFrame, column: str = FINAL) -> pd.DataFrame:
    """Films judged, as ``evaluation`` takes them; age is a number or NaN, view in capitals."""
    films = pd.DataFrame({"age": np.nan, "view": ""} | dict(scores[scores["error"] == ""]))
    age, view = pd.to_numeric(films["age"], errors="coerce"), films["view"].astype(str).str.upper()
    return films.assign(age=age, view=view, probability=films[column]).reset_index(drop=True)


def judged(scores: pd.DataFrame, column: str = FINAL, threshold: float = 0.5) -> pd.DataFrame:
    """Figures of all films, by age, by view, and AUROC within views (rows); NaN where undefined.

    Columns films, healthy, sick (with ""), and AUROC and others with value, low, high.
    """
    films, rows = answered(scores, column), {}
    age, view = films["age"], films["view"]
    groups = {"all": films["error"].eq(""), f"under {ADULT}": age < ADULT}
    groups |= {f"{ADULT} and over": age >= ADULT} | {f"view {one}": view == one for one in VIEWS}
    for name, among in (groups | {WITHIN: view.isin(VIEWS)}).items():
        of, sick = films[among], int(films["y"][among].sum())
        if of.empty:
            continue
        if name == WITHIN:
            found = pd.DataFrame({"AUROC": metrics.auroc_within(of, "view")})
        else:
            found = metrics.estimate(of, threshold).T[["AUROC", "sensitivity", "specificity"]]
            found[ERROR] = calibration.calibration_error(of)
        counts = {"films": len(of), "healthy": len(of) - sick, "sick": sick}
        rows[name] = {(what, ""): count for what, count in counts.items()}
        rows[name] |= found.unstack().to_dict()
    return pd.DataFrame(rows).T


def set_aside(scores: pd.DataFrame) -> pd.DataFrame:
    """Share of films refused, and of those judged referred, by label and of all (rows).

    Columns refused and referred, each with value, low, high.
    """
    rows = {}
    for name, films in (("all", scores), *scores.groupby("label")):
        kept, refused = films[films["error"] == ""], films["error"].ne("")
        shares = {"refused": metrics.proportion(refused, films["patient"])}
        shares["referred"] = metrics.proportion(kept["refer"].eq(True), kept["patient"])
        rows[name] = pd.DataFrame(shares).unstack()
    return pd.DataFrame(rows).T


def view_auroc(scores: pd.DataFrame, column: str = FINAL) -> pd.Series:
    """How well answers to healthy films tell view AP from PA: AUROC as value, low, high."""
    films = answered(scores, column).query("y == 0 and view in @VIEWS")
    if films.empty:
        return pd.Series(np.nan, ["value", "low", "high"])
    return metrics.estimate(films.assign(y=films["view"].eq("AP") * 1), 0.5).loc["AUROC"]


def write(root: Path, scores: pd.DataFrame, facts: Mapping) -> Path:
    """Record ``score``'s table and ``facts`` about it under ``root``."""
    storage.write_text(root / FOLDER / FILMS, scores.to_csv(index=False, lineterminator="\n"))
    record.write_facts(root, FOLDER, {**facts, "films": len(scores), **record.circumstances()})
    return root / FOLDER


def read(root: Path = config.RESULTS) -> pd.DataFrame:
    """The recorded table, as ``score`` gave it; RecordError where there is none."""
    path, text = root / FOLDER / FILMS, dict.fromkeys(("film", "patient", "error"), "str")
    if not path.is_file():
        raise record.RecordError(f"{path}: not recorded; run `git checkout -- {path.parent}`")
    table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
    return table.fillna({"error": ""})
