"""A study replays its record, or trains and writes one only where it has the right to."""

import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest

from helpers import storage
from helpers.data import dataset, manifest
from helpers.data.dataset import FilmError
from helpers.models import classifiers, ensemble
from helpers.training import fit as training
from helpers.training import recipes, record
from helpers.training.recipes import Recipe
from helpers.training.record import Record, RecordError
from helpers.training.study import Study

SIDE = 16
SHORT = {"side": SIDE, "epochs": 2, "short_epochs": 1, "patience": None}
KEPT = {"average": True, "keep_weights": True, **SHORT}
RECIPES = {
    "dummy": recipes.STUDY["dummy"],
    "dense": Recipe(name="dense", title="Dense", seeds=(2, 1), **SHORT),
    "cnn_1": Recipe(name="cnn_1", title="CNN 1", seeds=(1, 2), **KEPT),
}


class Trainings(list):
    """What was trained, as (name, seed, epochs, films); ``stop`` names what is interrupted."""

    stop = None


@pytest.fixture(autouse=True)
def few_recipes(monkeypatch):
    monkeypatch.setattr(recipes, "STUDY", RECIPES)


def brightness(pictures):
    return pictures.mean(axis=(1, 2)) / 255


@pytest.fixture
def trainings(monkeypatch):
    """Trainings without training: every network answers with the brightness of a film."""
    done = Trainings()

    def fit(recipe, seed, train, validation, folder, report=None):
        if recipe.name == done.stop:
            raise KeyboardInterrupt
        done.append((recipe.name, seed, recipe.epochs, len(train[1])))
        model = classifiers.build(recipe.name, recipe.side)
        report(recipe.epochs, {"val_accuracy": 0.5})
        rows = [{"epoch": n + 1, "val_loss": 0.5} for n in range(recipe.epochs)]
        return training.Fitted(model, pd.DataFrame(rows), 10.0)

    monkeypatch.setattr(training, "fit", fit)
    monkeypatch.setattr(ensemble, "predict", lambda model, films: brightness(films))
    return done


@pytest.fixture
def complete(drawn, tiny):
    """Drawn films of which none is missing."""
    return dataset.find(drawn, tiny)


@pytest.fixture
def study(tmp_path):
    """Make a study that trains, with folders of its own."""

    def make(films, mode="train", schedule="full", results=tmp_path / "results"):
        return Study(mode, schedule, films, results, tmp_path / "build", tell=False)

    return make


@pytest.fixture
def official(tmp_path):
    """What stands where the committed record would; locks are dot files."""
    return lambda: sorted(path.name for path in (tmp_path / "results").glob("[!.]*"))


# -- settings ---------------------------------------------------------------------------------


def test_unknown_settings_and_recipes_are_refused(study, complete):
    for settings in ({"mode": "retrain"}, {"schedule": "long"}):
        with pytest.raises(ValueError, match=r"is none of"):
            Study(**settings)
    with pytest.raises(ValueError, match="no recipe 'resnet'"):
        study(complete).run("resnet")
    assert study(complete).names == ("dummy", "dense", "cnn_1")


@pytest.mark.parametrize("mode", ["train", "replay"])
@pytest.mark.parametrize("schedule", ["short", "full"])
def test_recipes_are_shortened_only_for_a_short_training(study, mode, schedule):
    recipe = study(None, mode, schedule).recipe("dense")
    shortened = (mode, schedule) == ("train", "short")
    assert (recipe.epochs, recipe.seeds) == ((1, (2,)) if shortened else (2, (2, 1)))


# -- replay -----------------------------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path, study, monkeypatch):
    """A study that replays records of two test films and a validation film, without films."""

    def absent():
        raise FilmError("replaying reads no films")

    monkeypatch.setattr(dataset, "at_hand", absent)
    facts = manifest.read()
    first = facts.groupby(["part", "label"])["film"].first()
    films = first.loc[[("test", "NORMAL"), ("test", "PNEUMONIA"), ("validation", "NORMAL")]]
    rows = films.reset_index().rename(columns={"part": "split"})
    answers = {1: [0.1, 0.4, 0.5], 2: [0.3, 0.8, 0.7]}
    found = Record(
        pd.concat([rows.assign(seed=s, probability=answer) for s, answer in answers.items()]),
        pd.DataFrame({"epoch": [1, 2, 1], "seed": [1, 1, 2], "val_loss": [0.5, 0.9, 0.6]}),
        {"films_digest": manifest.digest(facts)},
    )
    for name in ("dense", "cnn_1"):
        members = {seed: classifiers.build("cnn_1", SIDE) for seed in (1, 2)}
        keep = RECIPES[name].keep_weights
        record.write(tmp_path / "results", RECIPES[name], found, members if keep else None)
    return study(None, "replay")


def test_replaying_reads_the_record_once_and_no_films(recorded):
    assert list(recorded.run("dense").history["val_loss"]) == [0.5, 0.9, 0.6]
    assert recorded.run("dense") is recorded.run("dense")
    with pytest.raises(RecordError, match="make train"):
        recorded.run("dummy")


def test_the_seed_with_the_lowest_validation_loss_is_chosen_or_the_first(recorded):
    result = recorded.run("dense")
    assert result.chosen == 1
    nothing_trained = dataclasses.replace(result.record, history=pd.DataFrame())
    assert dataclasses.replace(result, record=nothing_trained).chosen == 2


def test_scores_are_the_chosen_seeds_or_the_mean_over_seeds_a_part_by_itself(recorded):
    table = recorded.run("dense").seeds("test")
    assert list(table.columns) == [1, 2]
    assert table.to_numpy().tolist() == [[0.1, 0.3], [0.4, 0.8]]
    assert list(recorded.run("dense").scores("test")["probability"]) == [0.1, 0.4]
    assert list(recorded.run("dense").scores("validation")["probability"]) == [0.5]
    probability = recorded.run("cnn_1").scores("test")["probability"]
    assert list(probability) == pytest.approx([0.2, 0.6])


def test_scores_bring_the_facts_of_each_film_and_pneumonia_is_the_class_1(recorded):
    scores = recorded.run("dense").scores("test")
    facts = manifest.read().set_index("film").loc[scores["film"]].reset_index()
    columns = ["film", "label", "y", "subtype", "series", "patient"]
    pd.testing.assert_frame_equal(scores[columns], facts[columns])
    assert list(scores["y"]) == list(scores["label"].eq("PNEUMONIA"))


def test_members_are_the_kept_networks_and_others_are_not_made_up(recorded):
    members = recorded.run("cnn_1").ensemble().members
    assert [(model.name, view) for model, view in members] == [("cnn_1", "film")] * 2
    with pytest.raises(RecordError, match="not kept"):
        recorded.run("dense").ensemble()


# -- training ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_just_the_validation_and_test_films_are_scored(study, complete, trainings, tiny, name):
    predictions = study(complete).run(name).record.predictions
    assert set(predictions["seed"]) == set(RECIPES[name].seeds)
    expected = tiny.loc[tiny["part"] != "training", ["film", "part"]].to_numpy().tolist()
    for _, rows in predictions.groupby("seed"):
        assert rows[["film", "split"]].sort_values("film").to_numpy().tolist() == expected


def test_every_film_gets_its_own_probability(study, complete, trainings):
    scores = study(complete).run("dense").scores("test")
    paths = complete.table.set_index("film").loc[scores["film"], "path"]
    pictures, _ = dataset.read_all(list(paths), SIDE)
    assert len(set(scores["probability"])) > 1
    np.testing.assert_allclose(scores["probability"], brightness(pictures), atol=1e-6)


def test_a_full_training_takes_all_recipes_in_order_and_writes_the_record_and_the_ledger(
    study, complete, trainings, official, tmp_path, tiny
):
    assert list(study(complete).run_all()) == ["dummy", "dense", "cnn_1"]
    films = (tiny["part"] == "training").sum()
    expected = ("dense", 2), ("dense", 1), ("cnn_1", 1), ("cnn_1", 2)
    assert trainings == [(*one, 2, films) for one in expected]
    assert official() == ["cnn_1", "dense", "dummy", record.LEDGER]
    assert not list((tmp_path / "build").glob("results*"))
    kept = {path.relative_to(tmp_path / "results").as_posix() for path in tmp_path.rglob("*.keras")}
    assert kept == {"cnn_1/seed_1.keras", "cnn_1/seed_2.keras"}  # where the recipe says so
    ledger = record.openings(tmp_path / "results")
    assert list(ledger["recipe"]) == ["dummy", "dense", "cnn_1"]
    assert set(ledger["films"]) == {(tiny["part"] == "test").sum()}


@pytest.mark.parametrize(
    ("whole", "schedule"), [(False, "full"), (False, "short"), (True, "short")]
)
def test_any_other_training_leaves_the_official_record_alone(
    study, trainings, official, tmp_path, drawn, tiny, whole, schedule
):
    films = dataset.find(drawn, tiny if whole else None)  # else: a few of the 5,856
    study(films, schedule=schedule).run_all()
    assert official() == []
    written = (tmp_path / "build" / f"results-{schedule}").glob("*/record.json")
    assert {path.parent.name for path in written} == set(RECIPES)
    assert list(tmp_path.rglob(record.LEDGER)) == []  # no opening of the test films


def test_a_film_that_cannot_be_read_leaves_the_official_record_alone(
    study, folder, tiny, trainings, official
):
    next((folder / "train" / "NORMAL").iterdir()).write_text("no film")
    with pytest.warns(UserWarning, match="1 of .* films left out"):
        study(dataset.find(folder, tiny)).run("dense")
    assert official() == []


def test_what_was_trained_is_replayed_or_read_without_training(
    study, complete, trainings, tiny, monkeypatch
):
    trained = study(complete).run("cnn_1").scores("test")
    trainings.clear()
    read = study(complete).recorded("cnn_1").scores("test")
    monkeypatch.setattr(manifest, "read", lambda: tiny.copy())
    replayed = study(None, "replay").run("cnn_1").scores("test")
    for again in (read, replayed):
        pd.testing.assert_frame_equal(again, trained)
    assert trainings == []


def test_the_record_tells_circumstances_and_seeds_apart(study, complete, trainings, tiny):
    result = study(complete).run("cnn_1")
    facts = result.record.facts
    assert facts["films"] == tiny["part"].value_counts().to_dict()
    assert (facts["source"], facts["schedule"]) == (complete.source, "full")
    assert facts["parameters"] == classifiers.build("cnn_1", SIDE).count_params()
    assert facts["training_seconds"] == {"1": 10.0, "2": 10.0}
    assert result.history[["seed", "epoch"]].to_numpy().tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]


def test_the_dummy_calls_every_film_pneumonia_and_trains_no_network(study, complete, trainings):
    result = study(complete).run("dummy")
    assert set(result.scores("test")["probability"]) == {1.0}
    assert (result.history.empty, trainings) == (True, [])


def test_a_network_is_trained_for_real_and_scores_as_recorded(study, complete, tiny):
    result = study(complete, schedule="short").run("cnn_1")
    ((network, _),) = result.ensemble().members
    paths = complete.table.loc[complete.table["part"] == "test", "path"]
    pictures, _ = dataset.read_all(list(paths), SIDE)
    recorded = result.scores("test")["probability"]
    np.testing.assert_allclose(ensemble.predict(network, pictures), recorded, atol=1e-6)
    assert len(result.history) == 1


# -- films that do not do ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dummy", "dense"])
@pytest.mark.parametrize(
    ("part", "absent"),
    [("training", "NORMAL"), ("training", "PNEUMONIA"), ("validation", "NORMAL")],
)
def test_films_of_one_class_are_refused(study, complete, trainings, name, part, absent):
    table = complete.table.query("not (part == @part and label == @absent)")
    films = dataset.Films("a folder", table.reset_index(drop=True))
    with pytest.raises(FilmError, match=f"a folder: the {part} films hold 1 of the two classes"):
        study(films).run(name)


# -- interruptions ----------------------------------------------------------------------------


@pytest.fixture
def interrupted(study, complete, trainings):
    """A study that was stopped when its third recipe was to be trained."""
    trainings.stop = "cnn_1"
    with pytest.raises(KeyboardInterrupt):
        study(complete).run_all()
    trainings.stop = None
    trainings.clear()


def test_finished_recipes_are_taken_from_where_they_were_written_and_opened_once(
    interrupted, study, complete, trainings, tmp_path
):
    results = study(complete).run_all()
    assert {name for name, *_ in trainings} == {"cnn_1"}
    written = record.read(tmp_path / "results", RECIPES["dense"], manifest.digest(complete.table))
    pd.testing.assert_frame_equal(results["dense"].record.predictions, written.predictions)
    assert list(record.openings(tmp_path / "results")["recipe"]) == ["dummy", "dense", "cnn_1"]


def test_other_settings_are_trained_afresh(interrupted, study, complete, trainings, monkeypatch):
    changed = dataclasses.replace(RECIPES["dense"], seeds=(5,))
    monkeypatch.setattr(recipes, "STUDY", RECIPES | {"dense": changed})
    study(complete).run("dense")
    assert [seed for _, seed, *_ in trainings] == [5]


@pytest.mark.parametrize("lost", ["a film", "the build folder"])
def test_other_films_or_a_lost_folder_are_trained_afresh(
    interrupted, study, folder, tiny, trainings, tmp_path, lost
):
    if lost == "a film":
        next((folder / "train" / "NORMAL").iterdir()).unlink()
    else:
        shutil.rmtree(tmp_path / "build")
    study(dataset.find(folder, tiny)).run("dense")
    assert {name for name, *_ in trainings} == {"dense"}


def test_a_finished_study_is_trained_afresh(study, complete, trainings):
    study(complete).run_all()
    once = list(trainings)
    study(complete).run_all()
    assert trainings == 2 * once


# -- several runs at once ----------------------------------------------------------------------


def test_the_same_training_is_not_run_twice_at_once(study, complete, trainings):
    other = study(complete)

    def meanwhile(*arguments, **options):
        with pytest.raises(storage.BusyError, match="another run is training"):
            other.run("dense")
        raise KeyboardInterrupt("met")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "fit", meanwhile)
        with pytest.raises(KeyboardInterrupt, match="met"):
            study(complete).run("dense")
    assert other.run("dense").recipe.name == "dense"


def test_closing_a_run_leaves_what_another_is_training(study, complete, trainings, tmp_path):
    mine = study(complete)
    mine.run("dense")
    work = next(path for path in tmp_path.glob("build/training/full/*") if path.is_dir())
    theirs = work.with_name("another-0000")
    theirs.mkdir()
    mine.close()
    assert (work.exists(), theirs.exists()) == (False, True)


def test_a_member_a_fold_answers_what_it_has_not_learnt(monkeypatch, study, complete, trainings):
    folded = dataclasses.replace(RECIPES["cnn_1"], folds=True, seeds=(1, 2, 3, 4, 5))
    monkeypatch.setattr(recipes, "STUDY", {"cnn_1": folded})
    result = study(complete).run("cnn_1")
    films, said = complete.table.set_index("film"), result.record.predictions
    own, test = (said[said["split"] == split] for split in ("out-of-fold", "test"))
    assert (own["seed"] == own["film"].map(films["fold"])).all()
    assert sorted(own["film"]) == sorted(films.index[films["part"] != "test"])
    assert len(said) - len(own) == len(test) == 5 * films["part"].eq("test").sum()
    learnt = [(films["fold"].gt(0) & films["fold"].ne(n)).sum() for n in folded.seeds]
    assert [count for *_, count in trainings] == learnt
    assert set(result.scores("validation")["film"]) == set(films.index[films["fold"] == 1])
    assert len(result.unseen) == len(own)
    assert result.record.facts["rule"].endswith("on out-of-fold films")
