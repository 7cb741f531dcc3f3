"""Why validation and test differ: acquisition groups, groups held out, and what follows."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from helpers import config
from helpers.data import manifest
from helpers.evaluation import metrics, thresholds
from helpers.experiments import bench, trials
from helpers.shortcuts import acquisition

# What the final network is to reach on the test films at 0.5: (must, aim). All but AUROC's were set
# when its first version's was known; those of stability, when edges were known to move test films.
TARGETS = {
    "AUROC": (0.985, 0.991),
    "accuracy": (0.935, 0.960),
    "sensitivity": (0.970, 0.985),
    "specificity": (0.870, 0.920),
}
# And on validation films, under harmless changes: the most that may move and that may flip.
STABLE = {
    **dict.fromkeys([name for name in trials.DECIDING if "2%" in name], (0.05, 1.0)),
    **dict.fromkeys([name for name in trials.DECIDING if "4%" in name], (0.10, 0.015)),
    "mirrored": (1.0, 0.03),
}
FIRST_THRESHOLD = 0.139  # of the first version, by a rule that was given up: see chapter 7
FOUND = 0.95  # of the sick in the held-out groups: what the recall-first rule must find
# Of the margin's propensity; finer ones would hold hardly a normal validation film.
BINS = (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)


def films() -> pd.DataFrame:
    """The manifest and what a film's background tells (``acquisition.measure``)."""
    return manifest.read().join(acquisition.read().drop(columns="part"), on="film")


def groups(table: pd.DataFrame) -> pd.DataFrame:
    """Acquisition groups of the training films: films, children, pneumonia, marks and tones."""
    table = table[table["part"] == "training"]
    table = table.assign(height=table["marker_height"].where(table["marker"] > 0))
    columns = {
        "films": ("film", "size"),
        "children": ("patient", "nunique"),
        "pneumonia": ("y", "mean"),
        "letter found": ("marker", "mean"),
        "its height": ("height", "median"),
        "black": ("black", "mean"),
        "median tone": ("tone_50", "median"),
    }
    return table.groupby("group").agg(**columns)


def held_out(root: Path = config.RESULTS) -> pd.DataFrame:
    """What each candidate says without a group: candidate, group, seed, role, film, y, patient."""
    said = pd.read_csv(root / trials.FOLDER / trials.ANSWERS)
    own = said["film"].map(acquisition.read(root)["group"])
    said["role"] = np.where(own == said["group"], trials.HELD_OUT, trials.SOURCE)
    return said.join(manifest.read().set_index("film")[["y", "patient"]], on="film")


def auroc_by_group(said: pd.DataFrame) -> pd.DataFrame:
    """AUROC by candidate, role, seed (rows) and held-out group (columns)."""
    keys = ["candidate", "role", "seed", "group"]
    values = {key: sk.roc_auc_score(of["y"], of["probability"]) for key, of in said.groupby(keys)}
    return pd.Series(values).rename_axis(keys).unstack("group")


def called(said: pd.DataFrame, role: str = trials.HELD_OUT) -> pd.DataFrame:
    """Films of a role, a row a candidate, seed, group and film; a column a rule: called or not.

    A rule's threshold comes from the validation films of the groups that were learnt from; with
    the role ``trials.SOURCE`` it is judged on these very films.
    """
    tables = []
    for _, rows in said.groupby(["candidate", "seed", "group"]):
        judged, source = (rows[rows["role"] == one] for one in (role, trials.SOURCE))
        cuts = {name: rule(source) for name, rule in thresholds.RULES.items()}
        calls = {name: judged["probability"] >= cut for name, cut in cuts.items()}
        tables.append(judged.drop(columns=["role", "probability"]).assign(**calls))
    return pd.concat(tables, ignore_index=True)


def rules(calls: pd.DataFrame) -> pd.DataFrame:
    """Sensitivity and specificity of each rule (rows) by held-out group and pooled (columns).

    ``calls`` is ``called`` of one candidate, over whose seeds both are averaged. Columns (group or
    "pooled"; sensitivity or specificity; value, low, high), with intervals over patients.
    """
    found = {}
    groups = [*((f"group {n}", rows) for n, rows in calls.groupby("group")), ("pooled", calls)]
    for (group, rows), rule in itertools.product(groups, thresholds.RULES):
        for y, name in ((1, "sensitivity"), (0, "specificity")):
            films = rows[rows["y"] == y]
            found[rule, group, name] = metrics.proportion(films[rule] == y, films["patient"])
    table = pd.DataFrame(found).T.unstack([1, 2]).reorder_levels([1, 2, 0], axis=1)
    return table.sort_index(axis=1).loc[list(thresholds.RULES)]


def recall_first(table: pd.DataFrame) -> str:
    """The rule of ``rules`` with the best mean balanced accuracy over groups, if it finds FOUND."""
    values = table.xs("value", axis=1, level=-1)
    balanced = values.drop(columns="pooled", level=0).mean(axis=1)
    return balanced[values["pooled", "sensitivity"] >= FOUND].idxmax()


def missed(steady: pd.DataFrame) -> list[str]:
    """Changes (index of ``steady``; columns moved, flipped) that do more than STABLE allows."""
    limits = pd.DataFrame(STABLE, ["moved", "flipped"]).T
    return list(limits.index[(steady.loc[limits.index, limits.columns] > limits).any(axis=1)])


def choice(root: Path = config.RESULTS) -> pd.DataFrame:
    """What each candidate's trials say, a row a candidate, the simpler first.

    AUROC on validation films of the groups learnt from and on held-out groups (means over groups
    and seeds), ``spread`` of the latter between seeds; ``missed`` of the changes in STABLE; AUROC
    with lungs, and with all but the lungs, blacked out.
    """
    auroc = auroc_by_group(held_out(root)).mean(axis=1)
    seeds = auroc.xs(trials.HELD_OUT, level="role").groupby("candidate")
    steady = pd.read_csv(root / trials.FOLDER / trials.STABILITY)
    steady = steady.groupby(["candidate", "change"]).mean()
    table = auroc.groupby(["candidate", "role"]).mean().unstack()[[trials.SOURCE, trials.HELD_OUT]]
    table["spread"] = seeds.max() - seeds.min()
    table["missed"] = [len(missed(steady.loc[name])) for name in table.index]
    lungs = steady["AUROC"].unstack()[list(bench.BLACKENED)]
    order = [name for name in trials.CANDIDATES if name in table.index]
    return table.join(lungs).loc[order].rename_axis(columns=None)


def chosen(table: pd.DataFrame) -> str:
    """The candidate that the rule chooses from ``choice``.

    Of those that miss the fewest limits of stability the one with the highest AUROC on held-out
    groups; among those within the widest spread between seeds of it, the simplest.
    """
    steady = table[table["missed"] == table["missed"].min()]
    near = steady[trials.HELD_OUT] >= steady[trials.HELD_OUT].max() - table["spread"].max()
    return near.idxmax()


def on_test_films(root: Path = config.RESULTS) -> pd.DataFrame:
    """AUROC, sensitivity and specificity at 0.5 of each candidate scored on test films.

    Columns (figure; source validation, held out, test). On test films a seed's five networks
    answer together, else one at a time.
    """
    test = pd.read_csv(root / trials.FOLDER / trials.TEST).assign(role="test", group=0)
    known = manifest.read().set_index("film")[["y", "patient"]]
    said = pd.concat([held_out(root), test.join(known, on="film")])
    keys = ["candidate", "role", "seed", "group"]
    points = {key: metrics.point(of, thresholds.CONVENTION) for key, of in said.groupby(keys)}
    table = pd.DataFrame(points).T.rename_axis(keys)[["AUROC", "sensitivity", "specificity"]]
    means = table.groupby(["candidate", "role"]).mean().unstack()
    order = [name for name in trials.CANDIDATES if name in set(test["candidate"])]
    roles = [trials.SOURCE, trials.HELD_OUT, "test"]
    return means.loc[order].reindex(columns=roles, level="role")


def explained(before: pd.DataFrame, after: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Specificity on validation, on validation with the test films' margins, and on test films.

    The middle row counts normal validation films so that their margins are distributed (BINS) as
    on normal test films: what is left where only the background changed. Columns value, low, high.
    """
    margin = acquisition.read()["margin"]
    old, new = (scores[scores["y"] == 0].join(margin, on="film") for scores in (before, after))
    ours, theirs = (np.histogram(of["margin"], BINS)[0] / len(of) for of in (old, new))
    lift = np.divide(theirs, ours, out=np.zeros(len(ours)), where=ours > 0)
    weight = lift[np.digitize(old["margin"], BINS[1:-1])]

    def specificity(normal: pd.DataFrame, weight: np.ndarray | None = None) -> dict[str, float]:
        spared = normal["probability"] < threshold
        return metrics.bootstrap_mean(spared, normal["patient"], weight)

    rows = {
        "validation films": specificity(old),
        "validation films, with the test films' margins": specificity(old, weight),
        "test films": specificity(new),
    }
    return pd.DataFrame(rows).T


def doubtful(scores: pd.DataFrame) -> pd.Series:
    """Which labels confident learning doubts (Northcutt et al. 2021), bool, a film of ``scores``.

    ``scores`` must come from networks that have not learnt from the films: ``Result.unseen``.
    """
    from cleanlab.filter import find_label_issues  # a second, which nothing else here takes

    p = scores["probability"].to_numpy()
    settings = {"filter_by": "confident_learning", "n_jobs": 1}
    found = find_label_issues(scores["y"].to_numpy(), np.column_stack([1 - p, p]), **settings)
    return pd.Series(found, scores.index, name="doubtful")


def doubtful_by_kind(scores: pd.DataFrame) -> pd.DataFrame:
    """Films and share of doubtful labels by class, subtype and acquisition group."""
    known = _grouped(scores.assign(doubtful=doubtful(scores)))
    kinds = {kind: known.groupby(kind)["doubtful"] for kind in ("label", "subtype", "group")}
    tables = {
        kind: of.agg(films="size", doubtful="sum", share="mean") for kind, of in kinds.items()
    }
    return pd.concat(tables, names=["by", "films of"])


def errors(scores: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Share called correctly by subtype, series and acquisition group: value, low, high, films."""
    kinds, known = ("subtype", "series", "group"), _grouped(scores)
    tables = {kind: metrics.accuracy_by(known, threshold, kind) for kind in kinds}
    return pd.concat(tables, names=["by", "films of"])


def _grouped(scores: pd.DataFrame) -> pd.DataFrame:
    """``scores`` with class and acquisition group in words, as ``group``."""
    group = acquisition.read()["group"].reindex(scores["film"]).astype(str).to_numpy()
    return scores.assign(group=scores["label"].str.lower() + ", group " + group)
