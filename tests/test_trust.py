"""What was recorded of the two networks under doubt: complete, and true to what it says."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers

from helpers import config, explain
from helpers.data import manifest
from helpers.evaluation import decisions, metrics
from helpers.experiments import bench, trust, trust_tables
from helpers.models import classifiers, views
from helpers.models.ensemble import Ensemble
from helpers.models.lungs import SIDE, Found
from helpers.report import sentences
from helpers.shortcuts import perturbations
from helpers.training import recipes, record
from helpers.training.study import Study


@pytest.fixture(scope="module")
def changed():
    return {name: trust_tables.answers(name) for name in (trust.REFERENCE, "final")}


@pytest.fixture(scope="module")
def looks():
    return trust_tables.maps()


# -- the record ------------------------------------------------------------------------------


def test_every_test_film_has_an_answer_to_every_change(changed):
    facts = manifest.read()
    expected = set(bench.CORRUPTED) | set(bench.ABLATIONS)
    assert len(bench.CORRUPTED) == 8 * 5 + 2
    for table in changed.values():
        assert set(table.columns) == expected | {bench.PLAIN}
        assert set(table.index) == set(facts.loc[facts["part"] == "test", "film"])
        assert table.notna().all(axis=None)
        assert ((table >= 0) & (table <= 1)).all(axis=None)


def test_unchanged_films_get_what_the_final_network_was_recorded_to_say(changed):
    said = Study().run("final").scores("test").set_index("film")["probability"]
    np.testing.assert_allclose(
        changed["final"][bench.PLAIN], said[changed["final"].index], atol=2e-5
    )


def test_the_witness_is_cnn_5_as_it_is_defined_and_about_as_good(changed):
    facts, recipe = (
        record.read_facts(config.RESULTS / trust.FOLDER, trust.REFERENCE),
        recipes.get("cnn_5"),
    )
    assert facts["recipe_digest"] == recipe.digest()
    assert facts["network_digest"] == classifiers.fingerprint(recipe.builder, recipe.side)
    result = Study().run("cnn_5")
    assert facts["seed"] == result.chosen
    scores = trust_tables.scores("cnn_5")[bench.PLAIN]
    per_seed = metrics.by_seed(result.seeds("test"), result.scores("test"))["AUROC"]
    auroc = metrics.point(scores, 0.5)["AUROC"]
    assert per_seed.min() - 0.02 < auroc < per_seed.max() + 0.02


def test_every_opening_for_these_chapters_is_in_the_ledger():
    ledger = record.openings(config.RESULTS)
    noted = pd.Timestamp(record.read_facts(config.RESULTS / trust.FOLDER, trust.REFERENCE)["date"])
    after = ledger[pd.to_datetime(ledger["date"]) >= noted]
    assert set(after["recipe"]) >= {"cnn_5", "final"}


def test_all_drawn_lungs_and_all_test_films_were_looked_at(looks):
    drawn = looks.query("outline == 'drawn'").groupby(["network", "method"])["film"].nunique()
    assert set(drawn) == {299}
    assert len(drawn) == 4
    found = looks.query("outline == 'found'").groupby("network")["film"].nunique()
    assert set(found) == {624}
    told = looks.dropna(subset="inside")  # nothing on a film may speak for the call
    assert len(told) > 0.98 * len(looks)
    assert told["boxed"].max() < 1.0001
    assert (told["boxed"] + 1e-3 >= told["inside"]).all()


# -- tables and sentences --------------------------------------------------------------------


def test_a_network_that_changes_nothing_flips_nothing_and_loses_nothing(tmp_path, changed):
    folder = tmp_path / trust.FOLDER
    folder.mkdir()
    same = changed["final"].copy()
    for column in same:
        same[column] = same[bench.PLAIN]
    same.to_csv(folder / "final.csv")
    assert trust_tables.loss("final", tmp_path)["value"] == pytest.approx(0)
    table = trust_tables.robustness("final", 0.5, tmp_path)
    assert np.ptp(table["AUROC"]) == 0


def test_the_loss_of_a_network_that_guesses_is_known(tmp_path, changed):
    folder = tmp_path / trust.FOLDER
    folder.mkdir()
    blind = changed["final"].copy()
    for column in blind.columns.drop(bench.PLAIN):
        blind[column] = 0.5
    blind.to_csv(folder / "final.csv")
    plain = trust_tables.robustness("final", 0.5, tmp_path)["AUROC"].max()
    assert trust_tables.loss("final", tmp_path)["value"] == pytest.approx((plain - 0.5) / plain)


def test_what_is_not_recorded_is_named(tmp_path):
    for read in (
        lambda: trust_tables.answers("final", tmp_path),
        lambda: trust_tables.maps(tmp_path),
    ):
        with pytest.raises(record.RecordError, match="make trust"):
            read()


def test_the_verdict_tells_what_was_reached_from_what_was_not(looks):
    good, bad = pd.Series({"value": 0.001}), pd.Series({"value": 0.2})
    watched = trust_tables.maps_in_lungs(looks)
    curve = pd.DataFrame({"value": [0.99]}, index=[trust_tables.REFERRED])
    told = sentences.verdict_told({"a": bad, "b": good}, watched, {"x": curve})
    kept, missed = told.split("What cannot be claimed")
    assert "corrupted films" in kept
    assert "right on 97%" in kept
    told = sentences.verdict_told({"a": good, "b": bad}, watched, {"x": curve - 0.5})
    kept, missed = told.split("What cannot be claimed")
    assert "corrupted films" in missed
    assert "right on 97%" in missed


def test_the_errors_shown_are_errors_and_the_surest_first():
    final = Study().run("final")
    shown = manifest.read().set_index("film")["packaged"].astype(bool)
    table = trust_tables.error_films(final, shown, count=5)
    assert table["certainty"].is_monotonic_decreasing
    assert ((table["probability"] >= final.threshold) != (table["y"] == 1)).all()
    assert shown[table["film"]].all()
    assert table["remark"].str.startswith("group ").all()


def test_a_band_that_holds_on_one_side_is_told_so():
    row = {"value": 0.995, "low": 0.99, "high": 1.0}
    table = pd.DataFrame(dict.fromkeys(("referred", "sensitivity", "specificity"), row)).T
    low = table.copy()
    low.loc["specificity", "value"] = 0.5
    told = sentences.band_told(decisions.Band(0.1, 0.3), table, low)
    assert "Sensitivity holds on the test films, specificity does not." in told


# -- measuring -------------------------------------------------------------------------------


def bright(side: int = 32) -> keras.Model:
    """Says pneumonia the brighter the film is."""
    film = keras.Input(shape=(side, side, 1))
    x = layers.AveragePooling2D(4)(layers.Rescaling(1 / 255)(film))
    x = layers.Conv2D(1, 1, use_bias=False)(x)
    model = keras.Model(film, layers.Dense(1, activation="sigmoid")(layers.Flatten()(x)))
    model.layers[-2].get_weights()
    for layer in model.layers:
        if layer.get_weights():
            layer.set_weights([np.full_like(weight, 0.1) for weight in layer.get_weights()])
    return model


class Segmenter:
    """Finds the same two lungs on every film."""

    def predict(self, batches, verbose=0):
        count = sum(len(batch) for batch in batches)
        found = np.zeros((count, SIDE, SIDE, 1), np.float32)
        found[:, 30:100, 20:55], found[:, 30:100, 70:105] = 1, 1
        return found


@pytest.fixture
def few():
    rng = np.random.default_rng(0)
    pictures = rng.integers(60, 180, (12, 224, 224)).astype(np.uint8)
    table = pd.DataFrame(
        {
            "film": [f"film {n}" for n in range(12)],
            "part": ["training"] * 8 + ["test"] * 4,
            "label": ["NORMAL", "PNEUMONIA"] * 6,
            "margin": [0.01, 0.99] * 6,
            "marker": 1,
        }
    )
    return bench.Bench(table, pictures, Segmenter())


def test_measuring_resumes_where_it_was_interrupted(few, tmp_path):
    networks = {"a": Ensemble("a", "A", 32, 0.5, ((bright(), "film"),))}
    told: list[str] = []
    first = trust.measure_changes(few, networks, tmp_path, told.append)["a"]
    assert list(first.index) == ["film 8", "film 9", "film 10", "film 11"]
    assert len(told) == first.shape[1]
    assert first["lungs blacked out"].mean() < first[bench.PLAIN].mean()
    assert (first["inverted"] != first[bench.PLAIN]).all()
    first.drop(columns=["blur 3"]).to_csv(tmp_path / "a.csv")
    told.clear()
    again = trust.measure_changes(few, networks, tmp_path, told.append)["a"]
    assert len(told) == 1
    pd.testing.assert_frame_equal(again, first, check_exact=False, atol=1e-5)


def test_films_that_are_not_the_full_set_are_refused(drawn, tmp_path):
    from helpers.data import dataset

    films = dataset.find(drawn)
    with pytest.raises(dataset.FilmError, match="full set"):
        trust.measure(films, config.RESULTS, tmp_path, lambda text: None)


def test_a_painted_over_letter_is_gone_and_the_rest_stays():
    film = np.full((224, 224), 90, np.uint8)
    film[20:36, 12:15] = 250
    film[20:23, 12:20] = 250
    clean = perturbations.unmarked(film)
    assert clean.max() == 90
    np.testing.assert_array_equal(perturbations.unmarked(np.full_like(film, 90)), 90)
    assert film.max() == 250


def test_blackened_films_have_each_pixel_on_one_side():
    masks = np.zeros((1, SIDE, SIDE), bool)
    masks[0, 40:80, 40:80] = True
    found = Found(np.array([[0, 1, 0, 1]], np.float32), masks, np.array([True]))
    film = np.full((224, 224), 100, np.uint8)
    inside, outside = (views.blackened(film, found, 0, side) for side in (True, False))
    np.testing.assert_array_equal(inside.astype(int) + outside, 100)


def test_strengths_and_stages_are_as_told():
    assert perturbations.STRENGTHS == (1, 2, 3, 4, 5)
    assert explain.STAGES["all"] == 1.0
