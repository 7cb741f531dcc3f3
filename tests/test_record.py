"""A record is read back as it was written, or a message says what is wrong with it."""

import contextlib
import dataclasses
import datetime
import json
import os

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from helpers import storage
from helpers.data.augmentation import Augmentation
from helpers.training import record
from helpers.training.recipes import Recipe
from helpers.training.record import Record, RecordError

RECIPE = Recipe(name="dense", title="Dense", seeds=(1, 2), augmentation=Augmentation(rotation=5))
DIGEST = "f" * 64


def make(probability=0.25):
    films = {"film": ["a.jpeg", "b.jpeg"] * 2, "split": ["validation", "test"] * 2}
    said = {"seed": [1, 1, 2, 2], "probability": [probability, 0.75, 0.123456, 1.0]}
    predictions = pd.DataFrame(films | said)
    history = pd.DataFrame({"epoch": [1, 2, 1], "seed": [1, 1, 2], "val_loss": [0.5, 0.4, 0.6]})
    return Record(predictions, history, {"films_digest": DIGEST, "schedule": "full"})


def network(seed=1):
    keras.utils.set_random_seed(seed)
    film = keras.Input((4, 4, 1))
    answer = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Flatten()(film))
    model = keras.Model(film, answer)
    model.compile("adam", "binary_crossentropy")
    return model


def answers(model):
    films = np.random.default_rng(1).random((5, 4, 4, 1), dtype=np.float32)
    return np.asarray(model(films))


@pytest.fixture
def root(tmp_path):
    """A folder with one record."""
    record.write(tmp_path, RECIPE, make())
    return tmp_path


@pytest.fixture
def folder(root):
    return root / "dense"


def read(root, recipe=RECIPE, digest=DIGEST):
    return record.read(root, recipe, digest)


def test_a_record_comes_back_as_it_was_written(root, folder):
    found = read(root)
    pd.testing.assert_frame_equal(found.predictions, make().predictions)
    pd.testing.assert_frame_equal(found.history, make().history)
    assert found.facts["schedule"] == "full"
    assert found.facts["recipe"] == json.loads(json.dumps(RECIPE.settings()))
    # Git may have converted the ends of the lines.
    text = (folder / "predictions.csv").read_bytes()
    (folder / "predictions.csv").write_bytes(text.replace(b"\n", b"\r\n"))
    pd.testing.assert_frame_equal(read(root).predictions, make().predictions)


def test_writing_again_replaces_the_record_whose_probabilities_have_six_digits(root):
    record.write(root, RECIPE, dataclasses.replace(make(1 / 3), history=pd.DataFrame()))
    assert read(root).predictions["probability"][0] == 0.333333
    assert read(root).history.empty


def test_circumstances_tell_date_processor_and_versions():
    facts = record.circumstances()
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(facts["date"])
    assert abs(age) < datetime.timedelta(minutes=1)
    assert facts["processor"]
    versions = facts["versions"]
    assert (versions["tensorflow"], versions["keras"]) == (tf.__version__, keras.__version__)


@pytest.mark.parametrize("name", ["record.json", "predictions.csv"])
def test_half_a_record_is_absent_and_says_what_to_run(root, folder, name):
    (folder / name).unlink()
    with pytest.raises(RecordError, match=rf"dense/{name}: no such record; run `make train`"):
        read(root)


def test_other_settings_or_films_are_noticed_and_the_folder_named(root, folder):
    with pytest.raises(RecordError, match="recorded with other settings") as caught:
        read(root, dataclasses.replace(RECIPE, epochs=31))
    assert f"git checkout -- {folder}" in str(caught.value)
    with pytest.raises(RecordError, match="recorded on other films or another split"):
        read(root, digest="e" * 64)
    read(root, dataclasses.replace(RECIPE, title="Another"))


def test_a_changed_probability_is_noticed_in_the_state_of_the_record_too(root, folder):
    before, path = record.state(root), folder / "predictions.csv"
    path.write_text(path.read_text().replace("0.750000", "0.950000"))
    with pytest.raises(RecordError, match=r"predictions\.csv is not the one"):
        read(root)
    assert record.state(root) != before
    with pytest.raises(RecordError, match="nothing is recorded"):
        record.state(root / "nowhere")


DAMAGED = [b"", b"{", b"[]", b"null", b"\x00", b'{"schedule": "full"}']


@pytest.mark.parametrize(
    ("name", "content"),
    [*(("record.json", content) for content in DAMAGED), ("predictions.csv", b"\xff\xfe\x00")],
)
def test_a_damaged_record_is_noticed(root, folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(RecordError, match="damaged"):
        read(root)


def full(*_):
    raise OSError(28, "No space left on device")


def disk_full_at(monkeypatch, name):
    """From now on, ``name`` cannot be put in its place."""
    put = os.replace
    replace = {name: full}
    monkeypatch.setattr(storage.os, "replace", lambda a, b: replace.get(b.name, put)(a, b))


def test_a_write_that_fails_leaves_the_old_record_or_is_noticed(root, monkeypatch):
    with monkeypatch.context() as patch:
        disk_full_at(patch, "predictions.csv")
        with pytest.raises(OSError, match="No space"):
            record.write(root, RECIPE, make(0.5))
    pd.testing.assert_frame_equal(read(root).predictions, make().predictions)
    disk_full_at(monkeypatch, "record.json")
    with pytest.raises(OSError, match="No space"):
        record.write(root, RECIPE, make(0.5))
    with pytest.raises(RecordError, match=r"predictions\.csv is not the one"):
        read(root)


def test_new_weights_are_not_taken_for_those_of_the_old_record(tmp_path, monkeypatch):
    record.write(tmp_path, RECIPE, make(), {1: network(1)})
    disk_full_at(monkeypatch, "predictions.csv")
    with pytest.raises(OSError, match="No space"):
        record.write(tmp_path, RECIPE, make(0.5), {1: network(2)})
    with contextlib.suppress(RecordError):  # noticed
        read(tmp_path)
        kept = record.load_member(tmp_path, RECIPE, 1)
        np.testing.assert_array_equal(answers(kept), answers(network(1)))


def test_a_network_that_cannot_be_saved_leaves_everything_as_it_was(tmp_path, monkeypatch):
    folder = record.write(tmp_path, RECIPE, make(), {1: network(1)})
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(keras.Model, "save", full)
    with pytest.raises(OSError, match="No space"):
        record.write(tmp_path, RECIPE, make(0.5), {1: network(2)})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_kept_network_gives_the_same_answers_and_has_no_optimizer(tmp_path):
    record.write(tmp_path, RECIPE, make(), {1: network(1), 2: network(2)})
    kept = record.load_member(tmp_path, RECIPE, 2)
    np.testing.assert_allclose(answers(kept), answers(network(2)), rtol=1e-6)
    assert getattr(kept, "optimizer", None) is None


def test_weights_that_are_not_kept_say_how_to_make_them_and_leave(tmp_path):
    record.write(tmp_path, RECIPE, make(), {1: network(1), 2: network(2)})
    folder = record.write(tmp_path, RECIPE, make(), {2: network(2)})
    assert [path.name for path in folder.glob("*.keras")] == ["seed_2.keras"]
    with pytest.raises(RecordError, match=r"seed_1\.keras: .* not kept; `make train`"):
        record.load_member(tmp_path, RECIPE, 1)


@pytest.mark.parametrize("damage", [b"", b"no network", b"PK\x03\x04 no zip"])
def test_damaged_weights_are_noticed(tmp_path, damage):
    folder = record.write(tmp_path, RECIPE, make(), {1: network()})
    (folder / "seed_1.keras").write_bytes(damage)
    with pytest.raises(RecordError, match=r"seed_1\.keras"):
        record.load_member(tmp_path, RECIPE, 1)


def test_an_opening_is_one_line_and_leaves_earlier_lines_alone(tmp_path):
    with pytest.raises(RecordError, match="no ledger"):
        record.openings(tmp_path)
    record.note_opening(tmp_path, RECIPE, 624)
    (line,) = record.openings(tmp_path).itertuples(index=False)
    assert (line.recipe, line.recipe_digest) == ("dense", RECIPE.digest())
    assert (line.seeds, line.films) == ("1 2", 624)
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(line.date)
    assert abs(age) < datetime.timedelta(minutes=1)
    before = (tmp_path / record.LEDGER).read_text()
    record.note_opening(tmp_path, dataclasses.replace(RECIPE, name="cnn_1", seeds=(3,)), 10)
    assert (tmp_path / record.LEDGER).read_text().startswith(before)
    assert list(record.openings(tmp_path)["recipe"]) == ["dense", "cnn_1"]
