"""A training is a function of recipe, seed and films, however often it is interrupted."""

import collections
import dataclasses
import functools
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
DECAYING = {"optimizer": "adamw", "weight_decay": 0.01, "cosine": True, "warmup_epochs": 1}
CHANGED = {"augmentation": MILD_AND_TONE, "class_weights": "balanced", "label_smoothing": 0.05}
RECIPES = {
    "plain": PLAIN,
    "dropout": dataclasses.replace(PLAIN, name="cnn_2"),
    "augmented, decaying": dataclasses.replace(PLAIN, **DECAYING, **CHANGED),
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


def stopped(done, logs, after=0):
    """A report that stops a training as soon as ``after`` epochs are done."""
    if done >= after:
        raise StopError


def interrupt(recipe, folder, epochs, **settings):
    """Stop a training as soon as ``epochs`` are done."""
    with pytest.raises(StopError):
        fit(recipe, folder, functools.partial(stopped, after=epochs), **settings)


def figures(fitted):
    return fitted.history.drop(columns="seconds")


def answers(fitted):
    return ensemble.predict(fitted.model, VALIDATION[0])


# An uninterrupted training, where it was kept, and what it reported.
Run = collections.namedtuple("Run", "fitted folder reported")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Each recipe trained without an interruption, once."""

    @functools.cache
    def get(name):
        folder, reported = tmp_path_factory.mktemp("whole"), []
        fitted = fit(RECIPES[name], folder, lambda *one: reported.append(one))
        return Run(fitted, folder, reported)

    return get


@pytest.fixture
def halfway(tmp_path):
    """Folder of the plain training, interrupted after two epochs."""
    interrupt(PLAIN, tmp_path, 2)
    return tmp_path


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    """A training that patience ends."""
    folder = tmp_path_factory.mktemp("impatient")
    return Run(fit(IMPATIENT, folder, validation=CONTRARY), folder, None)


# -- settings ---------------------------------------------------------------------------------


def test_balanced_classes_weigh_the_same_in_the_loss():
    labels, balanced = np.array([0, 1, 1, 1]), dataclasses.replace(PLAIN, class_weights="balanced")
    assert training.class_weight(PLAIN, labels) is None
    assert training.class_weight(balanced, labels) == pytest.approx({0: 2.0, 1: 2 / 3})


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 2e-5), (10, (2e-5 + 2e-3) / 2), (20, 2e-3), (60, 1e-3), (100, 0.0), (150, 0.0)],
)
def test_a_cosine_warms_up_peaks_and_falls_to_zero(step, rate):
    recipe = dataclasses.replace(PLAIN, learning_rate=2e-3, cosine=True, warmup_epochs=2, epochs=10)
    schedule = training.learning_rate(recipe, steps=10)
    assert float(schedule(step)) == pytest.approx(rate, abs=1e-8)
    assert training.learning_rate(PLAIN, steps=10) == PLAIN.learning_rate  # without a cosine


@pytest.mark.parametrize(("optimizer", "decay"), [("adam", None), ("adamw", 0.01)])
def test_optimizer_and_smoothing_are_the_recipes(optimizer, decay):
    settings = {"optimizer": optimizer, "weight_decay": 0.01, "label_smoothing": 0.1}
    made = training.compiled(dataclasses.replace(PLAIN, **settings), steps=1, seed=1)
    kind = type(made.optimizer).__name__.lower()
    assert (kind, made.optimizer.weight_decay) == (optimizer, decay)
    expected = -(0.95 * np.log(0.8) + 0.05 * np.log(0.2))
    assert float(made.loss([[1.0]], [[0.8]])) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("seed", "same"), [(1, True), (2, False)])
def test_the_first_weights_are_the_seeds(seed, same):
    one, other = (training.compiled(PLAIN, steps=1, seed=s).get_weights()[0] for s in (1, seed))
    assert np.array_equal(one, other) == same


# -- a training -------------------------------------------------------------------------------


def test_the_history_has_a_row_an_epoch_and_seconds_add_up(whole):
    _, history, seconds = vars(whole("plain").fitted).values()
    assert list(history["epoch"]) == [1, 2, 3]
    figures = {"loss", "accuracy", "recall"}
    assert set(history) == {"epoch", "seconds"} | figures | {f"val_{name}" for name in figures}
    assert history["seconds"].is_monotonic_increasing
    assert seconds == history["seconds"].iloc[-1] > 0


def test_epochs_are_reported_with_their_figures_and_parts_of_them_without(whole):
    run = whole("plain")
    ends = {done: logs["val_loss"] for done, logs in run.reported if logs}
    assert ends == dict(run.fitted.history[["epoch", "val_loss"]].to_numpy())
    assert [done for done, logs in run.reported if not logs] == pytest.approx(np.arange(1, 10) / 3)


def test_films_are_augmented_and_drawn_by_the_trainings_seed_and_weighed(tmp_path, monkeypatch):
    recipe, seen = RECIPES["augmented, decaying"], {}

    def spy(model, batches, **settings):
        seen.update(settings, batch=next(batches.as_numpy_iterator()))
        raise StopError

    monkeypatch.setattr(keras.Model, "fit", spy)
    interrupt(recipe, tmp_path, 0, seed=7)
    settings = {"batch_size": 8, "epochs": 1, "seed": 7, "augmentation": MILD_AND_TONE}
    batches = generators.train_set(*TRAIN, **settings)
    for found, expected in zip(seen["batch"], next(batches.as_numpy_iterator()), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert seen["class_weight"] == training.class_weight(recipe, TRAIN[1])


# -- the best epoch ---------------------------------------------------------------------------


def test_patience_ends_a_training_and_the_network_is_that_of_the_lowest_loss(impatient):
    losses = impatient.fitted.history["val_loss"]
    assert len(losses) == losses.idxmin() + 1 + IMPATIENT.patience < IMPATIENT.epochs
    p, y = answers(impatient.fitted), CONTRARY[1]
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert loss == pytest.approx(losses.min(), abs=2e-5)
    assert getattr(impatient.fitted.model, "optimizer", None) is None  # a third the size


@pytest.mark.parametrize(
    ("best", "losses"),
    [("2", (0.5, 0.4, 0.6)), ("1", (0.5, 0.5)), ("1", (0.12345, 0.12346)), ("2", (0.2, 0.1999999))],
)
def test_the_weights_kept_are_those_of_the_lowest_loss_so_far(tmp_path, best, losses):
    keeper = training.Keeper(PLAIN, tmp_path, 1, None)
    for epoch, loss in enumerate(losses):
        save = functools.partial(Path.write_text, data=str(epoch + 1))
        keeper.set_model(types.SimpleNamespace(save_weights=save))
        keeper.on_epoch_end(epoch, {"val_loss": loss})
    assert (tmp_path / "best.weights.h5").read_text() == best


def test_patience_is_remembered_across_an_interruption(impatient, tmp_path):
    best = impatient.fitted.history["val_loss"].idxmin() + 1
    interrupt(IMPATIENT, tmp_path, best + 1, validation=CONTRARY)
    resumed = fit(IMPATIENT, tmp_path, validation=CONTRARY)
    pd.testing.assert_frame_equal(figures(resumed), figures(impatient.fitted))


# -- interruptions ----------------------------------------------------------------------------


def equal(resumed, expected):
    """Demand that two trainings ended alike."""
    pd.testing.assert_frame_equal(figures(resumed), figures(expected))
    np.testing.assert_allclose(answers(resumed), answers(expected), rtol=1e-6)


@pytest.mark.parametrize("name", ["dropout", "augmented, decaying"])
def test_an_interrupted_training_ends_as_an_uninterrupted_one(whole, tmp_path, name):
    interrupt(RECIPES[name], tmp_path, 2)
    equal(fit(RECIPES[name], tmp_path), whole(name).fitted)


@pytest.mark.parametrize("stops", [(0.1,), (2, 2.5)], ids=["in the first epoch", "a second one"])
def test_an_epoch_that_was_interrupted_is_repeated(whole, tmp_path, stops):
    for epochs in stops:
        interrupt(PLAIN, tmp_path, epochs)
    equal(fit(PLAIN, tmp_path), whole("plain").fitted)


def test_a_run_killed_between_two_files_goes_on_from_the_last_whole_state(whole, halfway):
    for name in ("history.json", "best.weights.h5"):
        shutil.copy(whole("plain").folder / name, halfway / name)
    equal(fit(PLAIN, halfway), whole("plain").fitted)


def test_seconds_count_what_was_spent_before_an_interruption(halfway):
    rows = json.loads((halfway / "history.json").read_text())
    rows[-1]["seconds"] = spent = 1000.0
    (halfway / "history.json").write_text(json.dumps(rows))
    assert spent < fit(PLAIN, halfway).seconds < spent + 100


@pytest.mark.parametrize("end", ["last epoch", "patience"])
def test_a_finished_training_is_not_repeated(whole, impatient, end):
    run, recipe = (whole("plain"), PLAIN) if end == "last epoch" else (impatient, IMPATIENT)
    again = fit(recipe, run.folder, stopped)
    pd.testing.assert_frame_equal(again.history, run.fitted.history)
    np.testing.assert_array_equal(answers(again), answers(run.fitted))


def test_probabilities_stand_in_the_order_of_the_films():
    model = classifiers.build("dense", SIDE)
    pictures, _ = films(300, 3)
    together = ensemble.predict(model, pictures)
    one_by_one = [float(model(pictures[i : i + 1, ..., None])[0, 0]) for i in (0, 127, 128, 299)]
    np.testing.assert_allclose(together[[0, 127, 128, 299]], one_by_one, rtol=1e-5)
    assert (together.shape, together.dtype) == ((300,), np.float64)


def test_a_training_that_diverges_at_once_says_so(tmp_path):
    wild = dataclasses.replace(PLAIN, epochs=1, learning_rate=float("nan"))
    with pytest.raises(RuntimeError, match="never a number"):
        fit(wild, tmp_path)
