"""Films that stay on disk give the same pictures, batches and answers as films in memory."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest

from helpers.data import dataset, generators, shelf
from helpers.data.generators import Augmentation
from helpers.data.shelf import Shelf
from helpers.models import ensemble
from helpers.training import fit, recipes
from helpers.training.study import Study

COUNT, SIDE = 20, 8


@pytest.fixture
def pictures():
    return np.random.default_rng(1).integers(0, 256, (COUNT, SIDE, SIDE), dtype=np.uint8)


@pytest.fixture
def shelved(pictures, tmp_path):
    shelf.write(tmp_path / "films.npy", [pictures[:7], pictures[7:]], pictures.shape)
    return Shelf.open(tmp_path / "films.npy")


@pytest.fixture
def tight(monkeypatch, tmp_path):
    """So little memory that no film fits it as an array; a cache of its own."""
    monkeypatch.setenv("STUDY_MEMORY", "0.0001")
    monkeypatch.setenv("STUDY_CACHE", str(tmp_path / "cache"))


def test_a_shelf_holds_what_was_written_and_numpy_can_read_it(shelved, pictures, tmp_path):
    np.testing.assert_array_equal(np.asarray(shelved), pictures)
    np.testing.assert_array_equal(np.load(tmp_path / "films.npy"), pictures)
    assert (shelved.shape, shelved.dtype, len(shelved)) == (pictures.shape, np.uint8, COUNT)


@pytest.mark.parametrize(
    "rows", [np.arange(COUNT) % 3 == 0, slice(4, 9), np.array([5, 2, 2]), slice(0, 0)]
)
def test_rows_of_a_shelf_are_those_of_the_array(shelved, pictures, rows):
    np.testing.assert_array_equal(np.asarray(shelved[rows]), pictures[rows])
    np.testing.assert_array_equal(np.asarray(shelved[::-1][rows]), pictures[::-1][rows])


def test_a_row_is_a_picture_and_a_walk_gives_all(shelved, pictures):
    np.testing.assert_array_equal(shelved[3], pictures[3])
    np.testing.assert_array_equal(np.array(list(shelved[10:])), pictures[10:])


def test_pieces_follow_one_another(shelved, pictures, monkeypatch):
    monkeypatch.setattr(shelf, "PIECE", 6)
    made = list(shelf.pieces(shelved))
    assert [len(piece) for piece in made] == [6, 6, 6, 2]
    np.testing.assert_array_equal(np.concatenate(made), pictures)


def test_a_writer_leaves_no_file(pictures, tmp_path):
    writer = shelf.Writer(SIDE, tmp_path / "new")
    writer.add(pictures[:12])
    writer.add(pictures[12:])
    np.testing.assert_array_equal(np.asarray(writer.shelf()), pictures)
    assert not os.listdir(tmp_path / "new")


@pytest.mark.parametrize(
    ("array", "match"),
    [(np.zeros((2, 3, 4), np.uint8), "square"), (np.zeros((2, 3, 3)), "float64")],
)
def test_what_is_no_pictures_is_refused(tmp_path, array, match):
    np.save(tmp_path / "other.npy", array)
    with pytest.raises(ValueError, match=match):
        Shelf.open(tmp_path / "other.npy")


def test_a_file_cut_short_is_refused(shelved, tmp_path):
    path = tmp_path / "films.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="cut short"):
        Shelf.open(path)


def test_memory_can_be_set_and_a_share_of_it_is_films(monkeypatch):
    assert shelf.memory() > 2**28
    monkeypatch.setenv("STUDY_MEMORY", "8")
    assert shelf.memory() == 8 * 2**20
    assert shelf.fits(256, 64)
    assert not shelf.fits(257, 64)


# -- the same study ---------------------------------------------------------------------------


def test_films_read_in_pieces_are_the_films_read_at_once(drawn, tight, monkeypatch):
    monkeypatch.setattr(shelf, "PIECE", 9)
    films = dataset.find(drawn)
    _, read = dataset.load(films, 16, stream=True)
    _, kept = dataset.load(films, 16, stream=True)  # from the cache
    whole, _ = dataset.read_all(list(films.table["path"]), 16)
    assert isinstance(read, Shelf)
    assert isinstance(kept, Shelf)
    np.testing.assert_array_equal(np.asarray(read), whole)
    np.testing.assert_array_equal(np.asarray(kept), whole)


def test_who_does_not_ask_for_a_stream_gets_an_array(drawn, tight):
    films = dataset.find(drawn)
    for stream in (True, False):
        _, pictures = dataset.load(films, 16, stream=stream)
        assert isinstance(pictures, Shelf if stream else np.ndarray)


def test_a_film_that_cannot_be_read_is_left_out_and_nothing_kept(folder, tight, tmp_path):
    films = dataset.find(folder)
    (broken := sorted(folder.rglob("*.jpeg"))[3]).write_bytes(b"no film")
    with pytest.warns(UserWarning, match=broken.name):
        left, pictures = dataset.load(films, 16, stream=True)
    assert len(left.table) == len(pictures) == len(films.table) - 1
    whole, _ = dataset.read_all(list(left.table["path"]), 16)
    np.testing.assert_array_equal(np.asarray(pictures), whole)
    assert not list((tmp_path / "cache").glob("*.npy"))


def test_a_cache_that_is_a_file_is_named(drawn, tight, tmp_path):
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(dataset.FilmError, match="STUDY_CACHE"):
        dataset.load(dataset.find(drawn), 16, stream=True)


def test_batches_and_predictions_do_not_depend_on_where_films_are(shelved, pictures):
    change = Augmentation(rotation=20, noise=0.1)
    settings = {"batch_size": 6, "epochs": 2, "seed": 1, "augmentation": change}
    labels = np.arange(COUNT) % 2
    rows = np.arange(COUNT) > 4
    made = [
        generators.train_set(films[rows], labels[rows], **settings) for films in (pictures, shelved)
    ]
    for one, two in zip(*(batches.as_numpy_iterator() for batches in made), strict=True):
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[1], two[1])
    recipe = dataclasses.replace(recipes.get("dense"), side=SIDE)
    model = fit.compiled(recipe, steps=1, seed=1)
    for mirrored in (False, True):
        answers = [ensemble.predict(model, films, mirrored) for films in (pictures, shelved)]
        np.testing.assert_array_equal(*answers)


def test_every_view_of_the_final_network_is_the_same_from_disk(drawn, monkeypatch, tmp_path):
    study = Study(mode="replay", films=dataset.find(drawn), build=tmp_path / "build")
    recipe = recipes.get("final")
    _, seen = study.pictures(recipe)
    monkeypatch.setenv("STUDY_MEMORY", "0.0001")
    monkeypatch.setenv("STUDY_CACHE", str(tmp_path / "cache"))
    _, shelved = Study(mode="replay", films=dataset.find(drawn)).pictures(recipe)
    for view in recipe.views:
        assert isinstance(shelved[view], Shelf)
        np.testing.assert_array_equal(np.asarray(shelved[view]), seen[view])


def test_a_training_from_disk_gives_the_record_of_one_from_memory(drawn, tight, tmp_path):
    def run(build):
        study = Study(
            mode="train", schedule="short", films=dataset.find(drawn), build=build, tell=False
        )
        return study.run("cnn_1").scores("test")["probability"]

    shelved = run(tmp_path / "disk")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("STUDY_MEMORY")
        patch.setenv("STUDY_CACHE", str(tmp_path / "other"))
        whole = run(tmp_path / "memory")
    np.testing.assert_allclose(shelved, whole, atol=1e-4)
