"""Films of another place: figures counted by hand, scored once, what the command writes."""

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from helpers import __main__ as command
from helpers import config
from helpers.data import dataset
from helpers.evaluation import calibration
from helpers.experiments import elsewhere
from helpers.models.lungs import SIDE, Found
from helpers.predict import Answer
from helpers.training import record


def grey(pixels, found):
    """A network's answers: what stands in a film's pixels."""
    assert len(found.boxes) == len(found.masks) == len(pixels) <= elsewhere.BATCH
    return pixels[:, 0, 0] / 1000


@pytest.fixture(scope="module")
def made():
    """200 films of some patients, AP mostly if sick; answers, every tenth a refusal; scores."""
    rng = np.random.default_rng(3)
    y, age, patient = (rng.integers(0, most, 200) for most in (2, 60, 120))
    view = np.where(rng.random(200) < 0.3 + 0.4 * y, "AP", "pa")
    table = {"film": range(200), "label": np.take(config.LABELS, y), "patient": patient, "age": age}
    table = pd.DataFrame(table).astype(str).assign(view=view, notes="none")
    said = np.clip(rng.normal(0.4 + 0.2 * y + 0.2 * (view == "AP"), 0.2), 0, 1)
    lungs = Found(np.zeros((1, 4)), np.zeros((1, SIDE, SIDE)), np.array([True]))
    pixels = map(np.full, [(2, 2)] * 200, range(200))
    answers = [Answer("", p, "", p > 0.5, seen=(next(pixels), lungs)) for p in said]
    answers[3::10] = [Answer("", error="no film")] * 20
    networks = {"cnn_5": SimpleNamespace(answers=grey)}
    return table, answers, elsewhere.score(table, iter(answers), networks)


def test_every_network_answers_for_the_films_that_were_judged(made):
    table, answers, scores = made
    refused, sick = scores["error"] == "no film", scores["label"] == "PNEUMONIA"
    assert list(np.flatnonzero(refused)) == list(range(3, 200, 10))
    assert scores.loc[refused, ["final", "cnn_5", "refer"]].isna().all(axis=None)
    assert list((1000 * scores["cnn_5"])[~refused].round()) == list(np.flatnonzero(~refused))
    aside, called = elsewhere.set_aside(scores).xs("value", axis=1, level=1), scores["final"] > 0.5
    assert aside.loc["PNEUMONIA", "refused"] == refused[sick].mean()
    assert aside.loc["NORMAL", "referred"] == pytest.approx(called[~refused & ~sick].mean())
    with pytest.raises(ValueError, match="199"):
        elsewhere.score(table, answers[1:])


def test_figures_by_age_and_view_are_those_counted_by_hand(made):
    table, films = elsewhere.judged(made[2], "final", 0.6), elsewhere.answered(made[2])
    adult, view, y = films["age"] >= 18, films["view"], films["y"]
    groups = {"all": y >= 0, "under 18": ~adult, "18 and over": adult, "view PA": view == "PA"}
    for name, of in ((name, films[among]) for name, among in groups.items()):
        row, bins = table.loc[name].xs("value", level=1), calibration.reliability(of)
        assert row["AUROC"] == pytest.approx(roc_auc_score(of["y"], of["final"]))
        assert row["specificity"] == (of["final"] < 0.6)[of["y"] == 0].mean()
        error = np.average((bins["said"] - bins["value"]).abs(), weights=bins["films"])
        assert row[elsewhere.ERROR] == pytest.approx(error)
    pairs = films[y == 1].merge(films[y == 0], "cross").query("view_x == view_y")
    ordered = (np.sign(pairs["final_x"] - pairs["final_y"]).mean() + 1) / 2
    within = table.loc["within view"]["AUROC"]
    assert within["low"] < within["value"] < within["high"]
    assert within["value"] == pytest.approx(ordered)
    told = roc_auc_score(view[y == 0] == "AP", films["final"][y == 0])
    assert elsewhere.view_auroc(made[2])["value"] == pytest.approx(told)
    # What is undefined is no error.
    sick = made[2].query("y == 1").drop(columns="age")
    assert set(groups) - set(elsewhere.judged(sick).index) == {"under 18", "18 and over"}
    assert elsewhere.judged(sick)[["AUROC", "specificity"]].isna().all(axis=None)
    assert elsewhere.view_auroc(sick).isna().all()


def test_what_is_written_is_read_back(made, tmp_path):
    with pytest.raises(record.RecordError, match="not recorded; run `git checkout"):
        elsewhere.read(tmp_path)
    table = elsewhere.read(elsewhere.write(tmp_path, made[2], {"digest": "1"}).parent)
    pd.testing.assert_frame_equal(elsewhere.judged(table), elsewhere.judged(made[2]))
    assert record.read_facts(tmp_path, elsewhere.FOLDER)["digest"] == "1"


def test_the_command_writes_beside_the_folder_or_says_why_not(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(config, "BUILD", tmp_path / "build")
    (tmp_path / "ward").mkdir()
    some = dataset.packaged().table.query("part == 'validation'").groupby("label").head(3)
    for path in [*some["path"], record.__file__]:
        shutil.copy(path, tmp_path / "ward")
    for films, code, said in ((some[3:], 1, "all 1 NORMAL"), (some, 0, "fewer than 10 films")):
        table = films[["film", "label"]].to_csv(index=False) + "record.py,NORMAL\n"
        (tmp_path / "ward" / "films.csv").write_text(table)
        assert command.main(["elsewhere", str(tmp_path / "ward"), "--sensitivity", "0.6"]) == code
        assert said in "".join(capsys.readouterr())
    assert len(list((tmp_path / "ward").iterdir())) == 8
    plot, scores = sorted((tmp_path / "build" / "elsewhere" / "ward").iterdir())
    assert (plot.name, pd.read_csv(scores)["error"].notna().sum()) == ("calibration.png", 1)
    assert command.main(["elsewhere", str(tmp_path)]) == 1  # it holds build
