"""What breaks a network, where it looks: measured on the full films, read back as tables.

Two networks side by side: the final one, and CNN 5 as a reference.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import config, explain, storage
from helpers.data import dataset, manifest
from helpers.evaluation import metrics
from helpers.evaluation.thresholds import CONVENTION
from helpers.experiments import trials
from helpers.experiments.bench import BLACKENED, CHANGES, PLAIN, Bench, prepare
from helpers.models import ensemble, lungs
from helpers.models.ensemble import Ensemble
from helpers.shortcuts import perturbations
from helpers.training import recipes, record
from helpers.training.study import Result, Study

FOLDER, MAPS, SANITY_CHECK = "trust", "looks.csv", "likeness.csv"  # of the record
STABILITY = "stability.csv"
REFERENCE = "cnn_5"
SANE = 100  # films for the sanity check: its correlations differ by far more than their error
# Rounding differs between processors in the sixth digit; a thousandth means another network.
TOLERANCE = 1e-3
# What was to be reached, fixed before it was measured: relative loss of AUROC on corrupted films,
# accuracy with a share referred; Grad-CAM's share inside the lungs.
LOSS, DECIDED, REFERRED, INSIDE = 0.03, 0.97, 0.20, 0.60
Tell = Callable[[str], object]
Networks = Mapping[str, Ensemble]  # by recipe name


def titles() -> dict[str, str]:
    """The two networks' titles by name, CNN 5 first."""
    return {name: recipes.get(name).title for name in (REFERENCE, "final")}


def ensembles(root: Path = config.RESULTS) -> dict[str, Ensemble]:
    """CNN 5 and the final network; RecordError where weights are absent."""
    study = Study(results=root)
    return {name: study.run(name).ensemble() for name in (REFERENCE, "final")}


def measure_changes(bench: Bench, network: Ensemble, tell: Tell) -> pd.DataFrame:
    """A network's probability (columns: CHANGES) for each test film (rows)."""
    rows, said = bench.rows("test"), {}
    for number, change in enumerate(CHANGES, start=1):
        tell(f"{network.title}, change {number} of {len(CHANGES)}: {change}")
        said[change] = network.answers(*bench.changed(change, rows))
    return pd.DataFrame(said, bench.table["film"].iloc[rows]).round(5)


def measure_stability(bench: Bench, final: Result, tell: Tell) -> Iterator[pd.DataFrame]:
    """The final network's probability for films under HARMLESS changes, of which PLAIN is none.

    Validation films by the member that has not learnt from them, test films by all. Columns film,
    change, probability.
    """
    for part, seeds in (("validation", (1,) if final.recipe.folds else None), ("test", None)):
        rows, network = bench.rows(part), final.ensemble(seeds)
        for change in (PLAIN, *perturbations.HARMLESS):
            tell(f"{part} films: {change}")
            said = network.answers(*bench.changed(change, rows))
            yield bench.table.iloc[rows][["film"]].assign(change=change, probability=said)


def measure_maps(bench: Bench, networks: Networks, tell: Tell) -> Iterator[pd.DataFrame]:
    """Share of each map inside the lungs that people outlined, on normal films.

    Columns film, lung (share of the film that the lungs cover), network, inside (share of the map
    in the lungs).
    """
    rows, drawn = lungs.masks(bench.table)
    masks = lungs.resized(drawn.astype(np.uint8) * 255, lungs.SIDE) > 127
    films, found = bench.pictures[rows], bench.found.of(rows)
    facts = bench.table.iloc[rows][["film"]].assign(lung=masks.mean(axis=(1, 2)))
    for name, network in networks.items():
        tell(f"Grad-CAM of {network.title} on {len(rows)} films")
        inside = explain.inside(explain.maps(network, films, found), masks)
        yield facts.assign(network=name, inside=inside)


def measure_sanity_check(bench: Bench, networks: Networks, tell: Tell) -> Iterator[pd.DataFrame]:
    """Rank correlation of Grad-CAM with that after weights were randomised: a row a film.

    Columns film, network, stage (``explain.STAGES``), correlation; validation films.
    """
    drawn = bench.table[bench.table["part"] == "validation"].sample(SANE, random_state=config.SEED)
    films, found = bench.pictures[drawn.index], bench.found.of(drawn.index)
    each = itertools.product(networks.items(), explain.STAGES.items())
    for (name, network), (stage, share) in each:
        tell(f"sanity check of {network.title}: {stage}")
        alike = explain.sanity_check(network, films, found, share, config.SEED)
        yield drawn[["film"]].assign(network=name, stage=stage, correlation=alike)


def measure(films: dataset.Films, root: Path, tell: Tell) -> Path:
    """Measure all of the above for the two networks, unless it is recorded.

    FilmError where the films are not the full set; RecordError where the final network or the
    network that finds lungs is not recorded.
    """
    bench, folder, final = prepare(films, root), root / FOLDER, Study(results=root).run("final")
    networks = ensembles(root)
    for name, network in networks.items():
        if not (path := folder / f"{name}.csv").is_file():
            record.note_opening(root, recipes.get(name), len(bench.rows("test")))
            table = measure_changes(bench, network, tell)
            storage.write_text(path, table.to_csv(lineterminator="\n"))
    steps = (STABILITY, measure_stability, final), (SANITY_CHECK, measure_sanity_check, networks)
    for name, of, asked in (*steps, (MAPS, measure_maps, networks)):
        if not (folder / name).is_file():
            table = pd.concat(of(bench, asked, tell)).round(4)
            storage.write_text(folder / name, table.to_csv(index=False, lineterminator="\n"))
    return folder


def check(root: Path = config.RESULTS, films: dataset.Films | None = None) -> str:
    """Score the test films with every kept member; say how far it is from the record.

    Nothing is learnt that the record does not say already, so the ledger gets no line. FilmError
    where test films are missing; RuntimeError where a probability is off by more than TOLERANCE.
    """
    final, films = Study(results=root).run("final"), films or dataset.at_hand()
    recipe, recorded = final.recipe, final.seeds("test")
    table = films.table[films.table["film"].isin(recorded.index)].reset_index(drop=True)
    if len(table) < len(recorded):
        few = f"{films.source}: {len(table)} of the {len(recorded)} test films at hand"
        raise dataset.FilmError(f"{few}; set STUDY_DATA to the full set, or run `make data`")
    test, seen = Study(films=dataset.Films(films.source, table), results=root).pictures(recipe)
    said = {
        seed: ensemble.mean_over_views(model, {view: seen[view] for view in recipe.views_of(seed)})
        for seed, model in ((seed, final.load(seed)) for seed in recipe.seeds)
    }
    wanted = recorded.loc[test.table["film"], list(said)].to_numpy()
    worst = np.abs(np.column_stack(list(said.values())) - wanted).max()
    if not worst <= TOLERANCE:  # nor may it be no number
        differs = f"the committed final network differs from its record by up to {worst:.2g}"
        raise RuntimeError(f"{differs}; run `make train`, or restore data/results with git")
    return f"{len(table)} test films, {len(said)} networks: as recorded, within {worst:.1g}"


def _recorded(file: str, root: Path) -> pd.DataFrame:
    """A file of the record; RecordError where it is absent."""
    path = root / FOLDER / file
    if not path.is_file():
        raise record.RecordError(f"{path}: not recorded; run `make trust`")
    return pd.read_csv(path)


def answers(name: str, root: Path = config.RESULTS) -> pd.DataFrame:
    """Recorded probabilities of one network: test films (rows) by change (columns)."""
    return _recorded(f"{name}.csv", root).set_index("film")[list(CHANGES)]


def scores(name: str, root: Path = config.RESULTS) -> dict[str, pd.DataFrame]:
    """One network's scores, as ``evaluation`` takes them, for each change."""
    table = answers(name, root)
    facts = manifest.read().set_index("film").loc[table.index, ["y", "patient"]].reset_index()
    return {change: facts.assign(probability=table[change].to_numpy()) for change in table}


def robustness(name: str, root: Path = config.RESULTS) -> pd.DataFrame:
    """AUROC, sensitivity, specificity under each (corruption, strength); 0 is the film as it is."""
    points = {change: metrics.point(of, CONVENTION) for change, of in scores(name, root).items()}
    rows = {key: points[change] for change, key in perturbations.CORRUPTED.items()}
    rows |= {(corruption, 0): points[PLAIN] for corruption, _ in rows}
    table = pd.DataFrame(rows).T.rename_axis(index=["corruption", "strength"])
    return table[["AUROC", "sensitivity", "specificity"]].sort_index()


def loss(name: str, root: Path = config.RESULTS) -> pd.Series:
    """Mean relative loss of AUROC over the eight corruptions at five strengths: value, low, high.

    (AUROC as it is - AUROC corrupted) / AUROC as it is; paired bootstrap over patients.
    """
    scored = scores(name, root)
    weights = metrics.with_draws(scored[PLAIN]["patient"])[:501]  # 500 draws do
    columns = [c for c in perturbations.CORRUPTED if c not in perturbations.STORAGE_ERRORS]
    found = {c: metrics.weighted_metrics(scored[c], CONVENTION, weights) for c in (PLAIN, *columns)}
    auroc = pd.DataFrame({change: table["AUROC"] for change, table in found.items()})
    relative = 1 - auroc[columns].mean(axis=1) / auroc[PLAIN]
    return pd.Series(metrics.limits(relative))


def stability(part: str = "validation", root: Path = config.RESULTS) -> pd.DataFrame:
    """What harmless changes do to the final network on films of a part: moved, flipped, AUROC."""
    said = _recorded(STABILITY, root).pivot(index="film", columns="change", values="probability")
    films = manifest.read().query("part == @part").set_index("film")
    said = said.loc[films.index, [PLAIN, *perturbations.HARMLESS]]
    return trials.stability(said, films["y"]).set_index("change")


def ablations() -> pd.DataFrame:
    """AUROC, decisions that flip, films called sick (network, figure) after each ablation."""
    columns = {}
    for name, title in titles().items():
        called, scored = answers(name)[[PLAIN, *BLACKENED]] >= CONVENTION, scores(name)
        auroc = {change: metrics.point(scored[change], CONVENTION)["AUROC"] for change in called}
        figures = {"AUROC": auroc, "flips": called.ne(called[PLAIN], axis=0).mean()}
        columns[title] = pd.DataFrame(figures | {"called sick": called.mean()})
    return pd.concat(columns, axis=1)


def maps_in_lungs(root: Path = config.RESULTS) -> pd.DataFrame:
    """Share of each Grad-CAM inside the drawn lungs: inside, low, high by network.

    lung is the lungs' share of the film; films counts.
    """
    patients, rows = manifest.read().set_index("film")["patient"], {}
    for key, of in _recorded(MAPS, root).dropna(subset="inside").groupby("network"):
        mean = metrics.bootstrap_mean(of["inside"], of["film"].map(patients))
        share = {"inside": mean.pop("value"), **mean, "lung": of["lung"].mean(), "films": len(of)}
        rows[key] = share
    return pd.DataFrame(rows).T.rename_axis(index="network")


def sanity_check() -> pd.DataFrame:
    """Mean rank correlation with the map of randomised weights: stage by network."""
    table = _recorded(SANITY_CHECK, config.RESULTS)
    wide = table.pivot_table("correlation", "stage", "network").loc[list(explain.STAGES)]
    return wide.rename(columns=titles()).rename_axis(index="fresh weights in", columns=None)
