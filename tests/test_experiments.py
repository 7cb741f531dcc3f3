"""Trials, what explains the shift, and what was measured of two networks: complete and true."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from keras import Input, Model, layers
from sklearn.model_selection import LeaveOneGroupOut

from helpers import config
from helpers.data import dataset, manifest
from helpers.evaluation import thresholds
from helpers.experiments import bench, shift, trials, trust
from helpers.models import ensemble, views
from helpers.models.ensemble import Ensemble
from helpers.models.lungs import SIDE, Found
from helpers.shortcuts import acquisition, perturbations
from helpers.training import fit, recipes, record
from helpers.training.study import Study


def test_each_rule_gives_the_threshold_that_its_name_says():
    y = np.repeat([0, 1], 100)
    scores = pd.DataFrame({"y": y, "probability": [*range(100), *range(50, 150)]}) / [1, 150]
    found = {name: rule(scores) * 150 for name, rule in thresholds.RULES.items()}
    shares = {95: 54.5, 97: 52.5, 98: 51.5}
    expected = {"0.5": 75} | {f"{share}% of the sick": cut for share, cut in shares.items()}
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=0.01)
    assert 49 < found["Youden's index"] <= 100  # between these, both shares change alike
    sure = scores.assign(probability=np.where(y == 1, 0.9, 0.2))
    assert thresholds.youden_threshold(sure) == pytest.approx(0.55)


def test_who_has_a_film_in_the_group_is_not_learnt_from():
    table = acquisition.read().join(manifest.read().set_index("film")[["patient", "duplicate"]])
    splits = LeaveOneGroupOut().split(table, groups=table["group"])
    for group, (without, within) in zip(trials.GROUPS, splits, strict=True):
        learnt, held = acquisition.without(table, group)
        assert set(np.flatnonzero(learnt)) <= set(without)
        assert list(np.flatnonzero(held)) == list(within)
        assert not set(table["patient"][learnt]) & set(table["patient"][held])
        assert learnt.sum() > 0.5 * len(without)


@pytest.fixture(scope="module")
def said():
    return shift.held_out()


@pytest.mark.parametrize("name", trials.recorded())
def test_a_recorded_candidate_is_what_it_is_and_saw_no_test_film(name, said):
    films = manifest.read().set_index("film")
    ours, facts = said[said["candidate"] == name], trials.recorded()[name]
    assert not ours["film"].map(films["part"]).eq("test").any()
    held, source = (ours[ours["role"] == role] for role in (trials.HELD_OUT, trials.SOURCE))
    assert not ours.duplicated(["seed", "group", "film"]).any()
    assert held.groupby("seed")["film"].nunique().eq((films["part"] != "test").sum()).all()
    assert set(source["film"].map(films["part"])) == {"validation"}
    assert facts["digest"] == trials.CANDIDATES[name].digest()
    assert len(facts["training_seconds"]) == 2 * acquisition.GROUPS
    assert facts["films_digest"] == manifest.digest(films.query("part != 'test'").reset_index())


def test_the_whole_film_alone_is_passed_over_for_what_a_crop_does_to_it():
    steady = pd.read_csv(config.RESULTS / trials.FOLDER / trials.STABILITY)
    means = steady.groupby(["candidate", "change"]).mean()
    assert shift.missed(means.loc["filled_film"]) == ["crop of 4%"]


def test_rules_are_judged_where_they_were_not_made():
    y = [0, 0, 1, 1] * 2
    table = pd.DataFrame({"candidate": "a", "seed": 1, "y": y, "film": "f", "patient": range(8)})
    table["role"] = [trials.SOURCE] * 4 + [trials.HELD_OUT] * 4
    table["probability"] = [0.1, 0.2, 0.7, 0.8, 0.1, 0.6, 0.47, 0.9]
    calls = shift.called(pd.concat([table.assign(group=1), table.assign(group=2)]))
    found = shift.rules(calls).xs("value", axis=1, level=-1)
    assert found.loc["0.5"].eq(0.5).all()
    rates = found.loc["95% of the sick", "pooled"]  # at .45
    assert rates.to_dict() == {"sensitivity": 1.0, "specificity": 0.5}
    assert list(found.columns.get_level_values(0).unique()) == ["group 1", "group 2", "pooled"]


def test_the_recall_first_rule_finds_enough_and_alarms_least():
    rates = {"sensitivity": [0.94, 0.96, 0.99], "specificity": [0.99, 0.90, 0.80]}
    columns = {(at, name, "value"): rates[name] for at in (1, "pooled") for name in rates}
    assert shift.recall_first(pd.DataFrame(columns, ["a", "b", "c"])) == "b"


def test_what_harmless_changes_do_is_counted():
    said = pd.DataFrame({bench.PLAIN: [0.1, 0.48, 0.52, 0.9], "a": [0.16, 0.52, 0.53, 0.9]})
    found = trials.stability(said, np.array([0, 0, 1, 1])).set_index("change")
    assert found.loc["a"].to_dict() == {"moved": 0.25, "flipped": 0.25, "AUROC": 1.0}
    assert found.loc[bench.PLAIN, ["moved", "flipped"]].eq(0).all()


def test_a_candidate_resumes_and_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "GROUPS", (1, 2))
    films = manifest.read().query("part != 'test'").groupby(["part", "label"]).head(8)
    films = films.assign(group=[1, 2] * 16).reset_index(drop=True)
    pictures = np.random.default_rng(0).integers(60, 180, (len(films), 224, 224), np.uint8)
    ready, said = bench.Bench(films, pictures, Segmenter()), []
    new = {"network": "dense", "side": 32, "epochs": 1, "warmup_epochs": 0, "seeds": (1,)}
    trial = dataclasses.replace(trials.BASE, augmentation=None, **new)
    seen = trials.prepare(trial, ready)
    trials.run(trial, ready, seen, tmp_path, said.append)
    assert len(said) == 2
    (trials.folders(trial, tmp_path)[1, 2] / trials.KEPT[1]).unlink()
    trials.run(trial, ready, seen, tmp_path, said.append)
    assert len(said) == 3
    trials.write(trial, films, tmp_path, tmp_path)
    trials.write(trial, films, tmp_path, tmp_path)  # in place of what was there
    assert set(trials.recorded(tmp_path)) == {trial.name}
    acquisition.write(tmp_path, films[["film", "group"]])
    said = shift.held_out(tmp_path)
    held = said[said["role"] == trials.HELD_OUT].groupby("group")["film"].agg(set)
    assert dict(held) == dict(films.groupby("group")["film"].agg(set))
    assert not said.duplicated(["seed", "group", "film"]).any()
    assert said.groupby("group").size().ge(16).all()
    network = fit.finished(trial, 1, trials.folders(trial, tmp_path)[1, 2])
    again = pd.Series(ensemble.mean_over_views(network, seen[0]), films["film"])
    said = said[said["group"] == 2].set_index("film")["probability"]
    np.testing.assert_allclose(again[said.index], said, atol=1e-4)


def test_the_simplest_of_the_steady_and_nearly_best_is_chosen():
    columns = [trials.HELD_OUT, "spread", "missed"]
    rows = (0.99, 0.001, 2), (0.97, 0.001, 0), (0.978, 0.001, 0), (0.98, 0.003, 0)
    assert shift.chosen(pd.DataFrame(rows, list("abcd"), columns)) == "c"
    table, final = shift.choice(), recipes.get("final")
    chosen = trials.CANDIDATES[shift.chosen(table)]
    assert chosen.name in table.index[table["missed"] == table["missed"].min()]
    assert (chosen.view, chosen.both) == (final.view, final.both)
    assert chosen.augmentation == final.augmentation
    limits = pd.DataFrame(shift.STABLE, ["moved", "flipped"]).T
    assert shift.missed(limits) == []
    assert shift.missed(limits.assign(flipped=limits["flipped"] + 0.001)) == list(limits.index)


def test_labels_that_contradict_sure_answers_are_doubtful():
    films = manifest.read().query("part == 'training'").reset_index(drop=True)
    said = films.assign(probability=np.where(films["y"] == 1, 0.985, 0.015))
    said["probability"] += np.random.default_rng(0).uniform(-0.005, 0.005, len(said))
    wrong = said.index[::100]
    said.loc[wrong, "probability"] = 1 - said.loc[wrong, "probability"]
    assert set(said.index[shift.doubtful(said)]) == set(wrong)
    table = shift.doubtful_by_kind(said)
    assert table.groupby("by")[["films", "doubtful"]].sum().eq([len(said), len(wrong)]).all(None)


def test_an_unknown_trial_is_refused_before_films_are_read(tmp_path):
    nothing = dataset.Films("none", pd.DataFrame())
    with pytest.raises(ValueError, match="no candidate nonsense; there are plain, "):
        trials.run_all(nothing, tmp_path, tmp_path, ["nonsense"], print)


def scores(part, rule):
    """Films of a part scored by ``rule``, a function of the films' table."""
    films = shift.films().query("part == @part")
    return films[["film", "patient", "y"]].assign(probability=rule(films)).reset_index(drop=True)


def test_equal_margins_explain_nothing():
    same = scores("validation", lambda films: films["margin"])
    assert np.ptp(shift.explained(same, same, 0.5)["value"]) == 0


def test_a_reader_of_margins_falls_by_its_margins_alone():
    before, after = (scores(part, lambda films: films["margin"]) for part in ("validation", "test"))
    value = shift.explained(before, after, 0.5)["value"]
    assert value.iloc[1] == pytest.approx(value.iloc[2], abs=1e-9)
    assert value.iloc[0] > value.iloc[2]


def test_who_does_not_see_margins_falls_by_something_else():
    perfect = scores("validation", lambda films: films["y"].astype(float))
    value = shift.explained(perfect, perfect.assign(probability=1.0), 0.5)["value"]
    assert list(value) == [1.0, 1.0, 0.0]


@pytest.fixture(scope="module")
def answers():
    return {name: trust.answers(name) for name in (trust.REFERENCE, "final")}


def test_every_test_film_has_an_answer_to_every_change(answers):
    assert len(perturbations.CORRUPTED) == 8 * 5 + 2
    for table in answers.values():
        assert tuple(table.columns) == bench.CHANGES
        assert set(table.index) == set(manifest.read().query("part == 'test'")["film"])
        assert ((table >= 0) & (table <= 1)).all(axis=None)


@pytest.mark.parametrize("name", ["cnn_5", "final"])
def test_unchanged_films_get_what_the_network_was_recorded_to_say(name, answers):
    said = Study().run(name).scores("test").set_index("film")["probability"]
    plain = answers[name][bench.PLAIN]
    np.testing.assert_allclose(plain, said[plain.index], atol=2e-5)


def test_maps_were_measured_on_all_drawn_lungs():
    table = trust.maps_in_lungs()
    assert list(table.index) == ["cnn_5", "final"]
    assert (table["films"] > 290).all()  # nothing on a film may speak for the call
    assert (table["low"].le(table["inside"]) & table["inside"].le(table["high"])).all()
    assert table["high"].lt(1).all()


@pytest.mark.parametrize("guesses", [False, True])
def test_the_loss_of_a_network_that_never_changes_or_only_guesses_is_known(
    guesses, answers, tmp_path
):
    table = answers["final"].copy()
    for column in bench.CHANGES[1:]:
        table[column] = 0.5 if guesses else table[bench.PLAIN]
    (tmp_path / trust.FOLDER).mkdir()
    table.to_csv(tmp_path / trust.FOLDER / "final.csv")
    auroc = trust.robustness("final", tmp_path)["AUROC"]
    expected = (auroc.max() - 0.5) / auroc.max() if guesses else 0
    assert trust.loss("final", tmp_path)["value"] == pytest.approx(expected)
    assert np.ptp(auroc) == (auroc.max() - 0.5 if guesses else 0)


@pytest.mark.parametrize("read", [lambda at: trust.answers("final", at), trust.maps_in_lungs])
def test_what_is_not_recorded_is_named(read, tmp_path):
    with pytest.raises(record.RecordError, match="make trust"):
        read(tmp_path)


def bright(side: int = 32) -> Model:
    """Says pneumonia the brighter the film is."""
    film = Input(shape=(side, side, 1))
    x = layers.AveragePooling2D(4)(layers.Rescaling(1 / 255)(film))
    x = layers.Flatten()(layers.Conv2D(1, 1, use_bias=False)(x))
    model = Model(film, layers.Dense(1, activation="sigmoid")(x))
    model.set_weights([np.full_like(weight, 0.1) for weight in model.get_weights()])
    return model


class Segmenter:
    """Finds the same two lungs on every film."""

    def predict(self, batches, verbose=0):
        count = sum(len(batch) for batch in batches)
        found = np.zeros((count, SIDE, SIDE, 1), np.float32)
        found[:, 30:100, 20:55], found[:, 30:100, 70:105] = 1, 1
        return found


def test_every_change_of_every_test_film_is_measured():
    table = pd.DataFrame({"film": [f"film {n}" for n in range(12)]})
    table["part"] = ["training"] * 8 + ["test"] * 4
    table[["label", "y"]] = [["NORMAL", 0], ["PNEUMONIA", 1]] * 6
    pictures = np.random.default_rng(0).integers(60, 180, (12, 224, 224), np.uint8)
    films = bench.Bench(table, pictures, Segmenter())
    network = Ensemble("a", "A", 32, 0.5, ((bright(), "film"),))
    said: list[str] = []
    first = trust.measure_changes(films, network, said.append)
    assert list(first.index) == ["film 8", "film 9", "film 10", "film 11"]
    assert len(said) == first.shape[1]
    assert first["lungs blacked out"].mean() < first[bench.PLAIN].mean()
    assert (first["inverted"] != first[bench.PLAIN]).all()


def test_films_that_are_not_the_full_set_are_refused(drawn):
    with pytest.raises(dataset.FilmError, match="full set"):
        trust.measure(dataset.find(drawn), config.RESULTS, print)


def test_blackened_films_have_each_pixel_on_one_side():
    masks = np.zeros((1, SIDE, SIDE), bool)
    masks[0, 40:80, 40:80] = True
    found = Found(np.array([[0, 1, 0, 1]], np.float32), masks, np.array([True]))
    film = np.full((224, 224), 100, np.uint8)
    inside, outside = (views.blackened(film, found, 0, side) for side in (True, False))
    np.testing.assert_array_equal(inside.astype(int) + outside, 100)
