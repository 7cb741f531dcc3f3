"""A training is a function of recipe, seed and films, however often it is interrupted."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
import types
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from helpers.data import generators
from helpers.models import classifiers, ensemble
from helpers.training import fit as training
from helpers.training.recipes import MILD_AND_TONE, Recipe

SIDE, EPOCHS = 16, 3
PLAIN = Recipe(name="dense", title="", side=SIDE, batch_size=8, epochs=EPOCHS, patience=None)
RECIPES = {
    "plain": PLAIN,
    "dropout": dataclasses.replace(PLAIN, name="cnn_2"),
    "augmented, decaying": dataclasses.replace(
        PLAIN,
        augmentation=MILD_AND_TONE,
        optimizer="adamw",
        weight_decay=0.01,
        cosine=True,
        warmup_epochs=1,
        class_weights="balanced",
        label_smoothing=0.05,
    ),
}

IMPATIENT = dataclasses.replace(PLAIN, epochs=8, patience=2)


class StopError(Exception):
    """What stops a training in these tests."""


def films(count, seed):
    """Noisy films, the second class a little brighter, and their labels."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 3 > 0).astype(int)
    pictures = rng.integers(0, 150, (count, SIDE, SIDE)) + 40 * labels[:, None, None]
    return pictures.astype(np.uint8), labels


TRAIN, VALIDATION = films(20, 1), films(12, 2)


# Validation films whose labels contradict the training films: learning makes their loss grow.
CONTRARY = VALIDATION[0], 1 - VALIDATION[1]


def fit(recipe, folder, report=None, seed=1, validation=VALIDATION):
    return training.fit(recipe, seed, TRAIN, validation, folder, report)


def stop_at(epochs):
    """A report that interrupts as soon as ``epochs`` are done."""

    def report(done, logs):
        if done >= epochs:
            raise StopError

    return report


def interrupt(recipe, folder, epochs, **settings):
    with pytest.raises(StopError):
        fit(recipe, folder, stop_at(epochs), **settings)


def never(done, logs):
    """A report for trainings that have nothing left to do."""
    raise AssertionError("trained again")


def figures(fitted):
    return fitted.history.drop(columns="seconds")


def answers(fitted):
    return ensemble.predict(fitted.model, VALIDATION[0])


@pytest.fixture(scope="module", autouse=True)
def slow():
    """A clock by which a second passes at every look, so that every batch is reported."""
    with pytest.MonkeyPatch.context() as patch:
        seconds = types.SimpleNamespace(perf_counter=itertools.count(1.0).__next__)
        patch.setattr(training, "time", seconds)
        yield


@dataclasses.dataclass
class Run:
    """An uninterrupted training, where it was kept, and what it told."""

    fitted: training.Fitted
    folder: Path
    told: list[tuple[float, dict[str, float]]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Each recipe trained without an interruption, once."""
    runs = {}

    def get(name):
        if name not in runs:
            folder, told = tmp_path_factory.mktemp("whole"), []
            fitted = fit(RECIPES[name], folder, lambda done, logs: told.append((done, logs)))
            runs[name] = Run(fitted, folder, told)
        return runs[name]

    return get


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Folder of the plain training, interrupted after two epochs; do not change it."""
    folder = tmp_path_factory.mktemp("stopped")
    interrupt(PLAIN, folder, 2)
    return folder


@pytest.fixture
def halfway(stopped, tmp_path):
    """A copy of ``stopped`` to go on in."""
    return shutil.copytree(stopped, tmp_path / "halfway")


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    """A training that patience ends."""
    folder = tmp_path_factory.mktemp("impatient")
    return Run(fit(IMPATIENT, folder, validation=CONTRARY), folder, [])


# -- settings ---------------------------------------------------------------------------------


def test_without_weights_classes_count_as_they_are():
    assert training.class_weight(PLAIN, np.array([0, 1, 1, 1])) is None


def test_balanced_classes_weigh_the_same_in_the_loss():
    recipe = dataclasses.replace(PLAIN, class_weights="balanced")
    weights = training.class_weight(recipe, np.array([0, 1, 1, 1]))
    assert weights == {0: pytest.approx(2.0), 1: pytest.approx(2 / 3)}


def test_a_constant_learning_rate_is_the_recipes():
    assert training.learning_rate(PLAIN, steps=10) == 1e-3


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 2e-5), (10, (2e-5 + 2e-3) / 2), (20, 2e-3), (60, 1e-3), (100, 0.0), (150, 0.0)],
    ids=["start", "warming up", "peak", "half way down", "end", "after the end"],
)
def test_a_cosine_warms_up_peaks_and_falls_to_zero(step, rate):
    recipe = dataclasses.replace(PLAIN, learning_rate=2e-3, cosine=True, warmup_epochs=2, epochs=10)
    schedule = training.learning_rate(recipe, steps=10)
    assert float(schedule(step)) == pytest.approx(rate, abs=1e-8)


@pytest.mark.parametrize(("optimizer", "decay"), [("adam", None), ("adamw", 0.01)])
def test_the_optimizer_is_the_recipes(optimizer, decay):
    recipe = dataclasses.replace(PLAIN, optimizer=optimizer, weight_decay=0.01)
    made = training.compiled(recipe, steps=1, seed=1).optimizer
    assert (type(made).__name__.lower(), made.weight_decay) == (optimizer, decay)


def test_the_loss_smooths_labels_as_the_recipe_says():
    recipe = dataclasses.replace(PLAIN, label_smoothing=0.1)
    loss = training.compiled(recipe, steps=1, seed=1).loss
    expected = -(0.95 * np.log(0.8) + 0.05 * np.log(0.2))
    assert float(loss([[1.0]], [[0.8]])) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("seed", "same"), [(1, True), (2, False)])
def test_the_first_weights_are_the_seeds(seed, same):
    one, other = (training.compiled(PLAIN, steps=1, seed=s).get_weights()[0] for s in (1, seed))
    assert np.array_equal(one, other) == same


# -- a training -------------------------------------------------------------------------------


def test_the_history_has_a_row_an_epoch(whole):
    history = whole("plain").fitted.history
    assert list(history["epoch"]) == [1, 2, 3]
    told = {"loss", "accuracy", "recall"}
    assert set(history) == {"epoch", "seconds"} | told | {f"val_{name}" for name in told}


def test_seconds_add_up_over_the_epochs(whole):
    fitted = whole("plain").fitted
    assert fitted.history["seconds"].is_monotonic_increasing
    assert fitted.seconds == fitted.history["seconds"].iloc[-1] > 0


def test_every_epoch_is_told_with_its_figures(whole):
    run = whole("plain")
    ends = [(done, logs["val_loss"]) for done, logs in run.told if logs]
    assert ends == list(zip([1, 2, 3], run.fitted.history["val_loss"], strict=True))


def test_parts_of_an_epoch_are_told_without_figures(whole):
    parts = [done for done, logs in whole("plain").told if not logs]
    assert parts == pytest.approx(np.arange(1, 10) / 3)


@pytest.fixture
def handed(tmp_path, monkeypatch):
    """The first batch and the class weights that Keras is handed for the augmented recipe."""
    seen = {}

    def spy(model, batches, **settings):
        seen.update(settings, batch=next(batches.as_numpy_iterator()))
        raise StopError

    monkeypatch.setattr(keras.Model, "fit", spy)
    with pytest.raises(StopError):
        fit(RECIPES["augmented, decaying"], tmp_path, seed=7)
    return seen


def test_films_are_augmented_and_drawn_by_the_trainings_seed(handed):
    batches = generators.train_set(
        *TRAIN, batch_size=8, epochs=1, seed=7, augmentation=MILD_AND_TONE
    )
    for found, expected in zip(handed["batch"], next(batches.as_numpy_iterator()), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_classes_weigh_as_the_recipe_says(handed):
    expected = training.class_weight(RECIPES["augmented, decaying"], TRAIN[1])
    assert handed["class_weight"] == expected


# -- the best epoch ---------------------------------------------------------------------------


def test_the_network_returned_is_that_of_the_lowest_validation_loss(impatient):
    losses = impatient.fitted.history["val_loss"]
    assert losses.idxmin() < len(losses) - 1
    p, y = answers(impatient.fitted), CONTRARY[1]
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert loss == pytest.approx(losses.min(), abs=2e-5)


def test_the_network_returned_comes_without_its_optimizer(whole):
    assert getattr(whole("plain").fitted.model, "optimizer", None) is None


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ((0.5, 0.4, 0.6), "2"),
        ((0.5, 0.5, 0.5), "1"),
        ((0.123456, 0.123458), "1"),
        ((0.123458, 0.123456), "2"),
    ],
)
def test_the_weights_kept_are_those_of_the_lowest_loss_so_far(tmp_path, losses, best):
    keeper = training.Keeper(tmp_path, steps=1)
    for epoch, loss in enumerate(losses):
        network = types.SimpleNamespace(
            save_weights=lambda path, number=epoch + 1: path.write_text(str(number))
        )
        keeper.set_model(network)
        keeper.on_epoch_end(epoch, {"val_loss": loss})
    assert (tmp_path / "best.weights.h5").read_text() == best


# -- patience ---------------------------------------------------------------------------------


def test_patience_ends_a_training_after_as_many_epochs_without_a_better_loss(impatient):
    losses = impatient.fitted.history["val_loss"]
    assert len(losses) == losses.idxmin() + 1 + 2
    assert len(losses) < IMPATIENT.epochs


def test_patience_is_remembered_across_an_interruption(impatient, tmp_path):
    best = impatient.fitted.history["val_loss"].idxmin() + 1
    interrupt(IMPATIENT, tmp_path, best + 1, validation=CONTRARY)
    resumed = fit(IMPATIENT, tmp_path, validation=CONTRARY)
    pd.testing.assert_frame_equal(figures(resumed), figures(impatient.fitted))


def test_a_training_that_patience_ended_does_not_go_on(impatient):
    again = fit(IMPATIENT, impatient.folder, never, validation=CONTRARY)
    pd.testing.assert_frame_equal(again.history, impatient.fitted.history)
    np.testing.assert_array_equal(answers(again), answers(impatient.fitted))


# -- interruptions ----------------------------------------------------------------------------


def equal(resumed, expected):
    """Demand that two trainings ended alike."""
    pd.testing.assert_frame_equal(figures(resumed), figures(expected))
    np.testing.assert_allclose(answers(resumed), answers(expected), rtol=1e-6)


@pytest.mark.parametrize("name", ["dropout", "augmented, decaying"])
def test_an_interrupted_training_ends_as_an_uninterrupted_one(whole, tmp_path, name):
    interrupt(RECIPES[name], tmp_path, 2)
    equal(fit(RECIPES[name], tmp_path), whole(name).fitted)


def test_an_interruption_in_the_first_epoch_starts_afresh(whole, tmp_path):
    interrupt(PLAIN, tmp_path, 0.1)
    equal(fit(PLAIN, tmp_path), whole("plain").fitted)


def test_a_second_interruption_within_an_epoch_repeats_that_epoch(whole, halfway):
    interrupt(PLAIN, halfway, 2.5)
    equal(fit(PLAIN, halfway), whole("plain").fitted)


def test_a_run_killed_between_two_files_goes_on_from_the_last_whole_state(whole, halfway):
    for name in ("history.json", "best.weights.h5"):
        shutil.copy(whole("plain").folder / name, halfway / name)
    equal(fit(PLAIN, halfway), whole("plain").fitted)


def test_seconds_count_what_was_spent_before_an_interruption(halfway):
    spent = json.loads((halfway / "history.json").read_text())[-1]["seconds"]
    fitted = fit(PLAIN, halfway)
    assert fitted.seconds > spent > 0
    assert len(fitted.history) == EPOCHS


def test_a_finished_training_is_not_repeated(whole):
    run = whole("plain")
    again = fit(PLAIN, run.folder, never)
    pd.testing.assert_frame_equal(again.history, run.fitted.history)
    np.testing.assert_array_equal(answers(again), answers(run.fitted))


# -- prediction -------------------------------------------------------------------------------


def test_probabilities_stand_in_the_order_of_the_films():
    model = classifiers.build("dense", SIDE)
    pictures, _ = films(300, 3)
    together = ensemble.predict(model, pictures)
    one_by_one = [float(model(pictures[i : i + 1, ..., None])[0, 0]) for i in (0, 127, 128, 299)]
    np.testing.assert_allclose(together[[0, 127, 128, 299]], one_by_one, rtol=1e-5)


def test_predictions_are_one_double_a_film():
    made = ensemble.predict(classifiers.build("dense", SIDE), films(5, 3)[0])
    assert (made.shape, made.dtype) == ((5,), np.float64)


def test_a_training_that_diverges_at_once_says_so(tmp_path):
    wild = dataclasses.replace(PLAIN, epochs=1, learning_rate=float("nan"))
    with pytest.raises(RuntimeError, match="never a number"):
        fit(wild, tmp_path)


def test_averaged_weights_are_the_mean_of_the_path_and_not_its_end(tmp_path):
    settings = {"epochs": 2, "patience": None, "take": "last", "side": 16, "network": "final"}
    rng = np.random.default_rng(0)
    films = rng.integers(0, 255, (32, 16, 16)).astype(np.uint8), np.arange(32) % 2
    fitted = {}
    for ema in (0.0, 0.9):
        recipe = Recipe(name="x", title="X", ema=ema, **settings)
        fitted[ema] = training.fit(recipe, 1, films, films, tmp_path / str(ema)).model
    plain, averaged = (model.get_weights()[0] for model in fitted.values())
    start = training.compiled(Recipe(name="x", title="X", **settings), 2, 1)
    first = start.get_weights()[0]
    assert not np.allclose(plain, averaged)
    # The average lags behind, so it lies between the beginning and the end.
    assert np.abs(averaged - first).mean() < np.abs(plain - first).mean()
