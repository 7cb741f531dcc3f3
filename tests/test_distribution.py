"""On several devices a training is what it is on one.

Two halves of the processor stand for two GPUs. TensorFlow can be halved only before its first use:
the trainings run in a process of their own, which is this file, and tell what came out in JSON.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from helpers import config
from helpers.models import classifiers
from helpers.training import fit as training
from helpers.training.recipes import Recipe
from tests.test_training import StopError, films

SIDE, SEEDS, TWO = 16, (1, 2), "CPU:0,CPU:1"
PLAIN = Recipe(
    name="x",
    title="",
    network="cnn_1",
    side=SIDE,
    batch_size=8,
    epochs=2,
    patience=None,
    optimizer="adamw",
    weight_decay=0.01,
    cosine=True,
    warmup_epochs=1,
    class_weights="balanced",
    label_smoothing=0.05,
    ema=0.8,
    take="last",
)
# Batch normalisation and dropout.
RESIDUAL = dataclasses.replace(PLAIN, network="final", epochs=5, ema=0.0, cosine=False)


def mirrored(weight):
    """Whether a weight has a value on each of several devices."""
    return isinstance(weight.value, tf.distribute.DistributedValues)


def distance(weight):
    """How far apart the values of a weight on two devices are at most."""
    one, two = (part.numpy() for part in weight.value.values)
    return float(np.abs(one - two).max())


# -- which devices ----------------------------------------------------------------------------


@pytest.fixture
def machine(monkeypatch):
    """Make TensorFlow see as many GPUs as one says."""

    def see(gpus):
        names = ["/device:CPU:0", *(f"/device:GPU:{number}" for number in range(gpus))]
        devices = [types.SimpleNamespace(name=name) for name in names]
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda: devices)

    return see


@pytest.mark.parametrize(
    ("gpus", "batch_size", "taken"), [(0, 32, 0), (1, 32, 0), (2, 32, 2), (3, 32, 2), (3, 12, 3)]
)
def test_several_gpus_are_taken_as_far_as_they_divide_a_batch(machine, gpus, batch_size, taken):
    machine(gpus)
    expected = tuple(f"GPU:{number}" for number in range(taken))
    assert training.devices(batch_size) == expected


@pytest.mark.parametrize(
    ("named", "taken"),
    [("GPU:0, GPU:2", ("GPU:0", "GPU:2")), ("GPU:0", ()), ("", ("GPU:0", "GPU:1"))],
)
def test_devices_can_be_named(machine, monkeypatch, named, taken):
    machine(3)
    monkeypatch.setenv("STUDY_DEVICES", named)
    assert training.devices(32) == taken


def test_a_device_that_is_not_there_is_named_with_those_that_are(machine, monkeypatch):
    machine(1)
    monkeypatch.setenv("STUDY_DEVICES", "GPU:0,GPU:1")
    with pytest.raises(ValueError, match=r"no GPU:1 here, only CPU:0, GPU:0"):
        training.devices(32)


def test_on_one_device_there_is_no_strategy():
    assert training.strategy(32) is None
    network = training.compiled(PLAIN, steps=1, seed=1)
    assert not any(map(mirrored, network.weights))


# -- trainings on two -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the trainings in a process with two devices came to."""
    folder = tmp_path_factory.mktemp("devices")
    settings = os.environ | {"PYTHONPATH": str(config.ROOT)}
    subprocess.run([sys.executable, __file__, str(folder)], env=settings, check=True, timeout=300)
    return json.loads((folder / "told.json").read_text())


def test_each_of_two_devices_takes_part(told):
    assert told["shares"] == 2


def alike(found, expected):
    """Demand the same weights and history, up to rounding."""
    np.testing.assert_allclose(found["weights"], expected["weights"], rtol=1e-4, atol=1e-5)
    for epoch, wanted in zip(found["history"], expected["history"], strict=True):
        assert epoch == pytest.approx(wanted, rel=1e-4)


def test_weights_and_history_are_those_of_one_device(told):
    alike(told["plain, two"], told["plain, one"])


def test_all_devices_end_every_epoch_with_the_same_weights(told):
    assert told["apart"] == [0.0] * RESIDUAL.epochs


def test_each_device_drops_units_of_its_own(told):
    assert told["seeds"][0] != told["seeds"][1]


def test_running_statistics_have_moved_and_are_numbers(told):
    statistics = np.array(told["statistics"])
    assert np.isfinite(statistics).all()
    assert (statistics != 0).all()
    assert (statistics != 1).all()


def test_the_residual_network_learns_as_on_one_device_give_or_take_a_seed(told):
    one = [told[f"residual, one, {seed}"] for seed in SEEDS]
    spread = max(one) - min(one)
    assert min(one) - spread < told["residual, two"]["history"][-1]["val_loss"] < max(one) + spread


def test_an_interrupted_training_ends_as_an_uninterrupted_one(told):
    assert told["kept"] == 1
    alike(told["resumed"], told["whole"])


def test_the_network_returned_is_on_one_device(told):
    assert told["mirrored"] is False


# -- the process with two devices -------------------------------------------------------------


def fit(recipe, devices, folder, seed=1, report=None):
    os.environ["STUDY_DEVICES"] = devices
    # An odd number of validation films, which no two devices can share alike.
    return training.fit(recipe, seed, films(60, 1), films(13, 2), folder, report)


def outcome(fitted):
    weights = np.concatenate([w.ravel() for w in fitted.model.get_weights()])
    history = fitted.history.drop(columns="seconds")
    return {"weights": weights.tolist(), "history": history.to_dict("records")}


def plain(folder):
    one, two = (fit(PLAIN, devices, folder / f"plain {devices}") for devices in ("", TWO))
    return {"plain, one": outcome(one), "plain, two": outcome(two)}


def residual_on_one(folder):
    losses = {seed: fit(RESIDUAL, "", folder / f"one {seed}", seed).history for seed in SEEDS}
    return {f"residual, one, {seed}": losses[seed]["val_loss"].iloc[-1] for seed in SEEDS}


def residual_on_two(folder):
    """Watched at the end of each epoch."""
    made, apart, build = [], [], training.compiled

    def watched(*args):
        made.append(build(*args))
        return made[0]

    def report(done, logs):
        if logs:
            apart.append(max(distance(weight) for weight in made[0].weights))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "compiled", watched)
        fitted = fit(RESIDUAL, TWO, folder / "two", report=report)
    return {
        "residual, two": outcome(fitted),
        "apart": apart,
        "shares": made[0].distribute_strategy.num_replicas_in_sync,
        "statistics": np.hstack([w.numpy() for w in made[0].non_trainable_weights]).tolist(),
        "seeds": [part[0].numpy().item() for part in next(training._draws(made[0])).values],
        "mirrored": any(map(mirrored, fitted.model.weights)),
    }


def small(side):
    """A convolution, batch normalisation and dropout, traced in a moment."""
    film = keras.Input(shape=(side, side, 1), name="film")
    x = layers.BatchNormalization(momentum=0.9)(layers.Conv2D(8, 3, strides=2)(film))
    x = layers.Dropout(rate=0.5)(layers.GlobalAveragePooling2D()(layers.ReLU()(x)))
    return keras.Model(film, layers.Dense(units=1, activation="sigmoid")(x))


def interrupted(folder):
    """At a stretch, and stopped after the first epoch and taken up again."""

    def stop(done, logs):
        if logs:
            raise StopError

    classifiers.BUILDERS["small"] = small
    recipe = dataclasses.replace(PLAIN, network="small")
    whole = fit(recipe, TWO, folder / "whole")
    with contextlib.suppress(StopError):
        fit(recipe, TWO, folder / "stopped", report=stop)
    kept = len(json.loads((folder / "stopped" / "history.json").read_text()))
    resumed = fit(recipe, TWO, folder / "stopped")
    return {"whole": outcome(whole), "kept": kept, "resumed": outcome(resumed)}


def main(folder):
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], halves)
    told = {}
    for trainings in (plain, residual_on_one, residual_on_two, interrupted):
        told |= trainings(folder)
    (folder / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
