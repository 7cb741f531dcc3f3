"""What a film gives away without its lungs, and films changed on purpose."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from helpers import config
from helpers.data import dataset, manifest
from helpers.evaluation import metrics
from helpers.experiments import shift
from helpers.shortcuts import acquisition, perturbations
from tests.conftest import draw_film


@pytest.fixture(scope="module")
def recorded():
    return shift.films()


@pytest.mark.parametrize(("edge", "low", "high"), [(True, 0.99, 1.0), (False, 0.3, 0.7)])
def test_only_what_stands_at_the_edge_of_validation_films_is_found(edge, low, high):
    """Noise, with the label written into the edge or into the middle."""
    table = manifest.read().sample(1500, random_state=0).reset_index(drop=True)
    pictures = np.random.default_rng(0).integers(0, 100, (len(table), 8, 8)).astype(np.uint8)
    sick = (table["label"] == "PNEUMONIA").to_numpy()
    place = (slice(None), 0) if edge else (slice(2, 6), slice(2, 6))
    pictures[(sick, *place)] += 100
    scores = acquisition.edge_scores(dataset.Films("drawn", table), pictures)
    assert low <= metrics.point(scores, 0.5)["AUROC"] <= high
    assert set(scores["part"]) == {"validation"}


def test_under_overlap_weights_the_background_is_worth_nothing():
    """Known by construction: with e calibrated, weighted AUROC of e itself is a half."""
    weights = acquisition.overlap_weights([1, 1, 0, 0], [0.9, 0.2, 0.9, 0.2])
    assert weights == pytest.approx([0.1, 0.8, 0.9, 0.2])
    rng = np.random.default_rng(0)
    e = rng.beta(0.5, 0.5, 100_000)
    y = (rng.random(e.size) < e).astype(int)
    assert roc_auc_score(y, e) > 0.85
    weight = acquisition.overlap_weights(y, e)
    assert roc_auc_score(y, e, sample_weight=weight) == pytest.approx(0.5, abs=0.01)


def test_the_recorded_background_says_much_and_nothing_once_weighted(recorded):
    test = recorded["part"] == "test"
    assert recorded.loc[test, "background"].isna().all()  # nothing is asked of test films
    y, e = (recorded.loc[~test, column] for column in ("y", "background"))
    assert roc_auc_score(y, e) > 0.9
    weight = acquisition.overlap_weights(y, e)
    assert roc_auc_score(y, e, sample_weight=weight) == pytest.approx(0.5, abs=0.05)


def test_only_training_children_are_held_out_and_they_wholly(recorded):
    held = recorded[recorded["held_out"]]
    assert set(held["part"]) == {"training"}
    training = recorded[recorded["part"] == "training"]
    assert not set(held["patient"]) & set(training.loc[~training["held_out"], "patient"])
    assert held["label"].nunique() == 2


def test_groups_do_not_depend_on_labels(recorded):
    known = recorded[[*acquisition.MARGIN, *acquisition.PICTURE]]
    one = acquisition.groups(recorded, known)
    turned = recorded.assign(label=recorded["label"].iloc[::-1].to_numpy())
    assert np.array_equal(one, acquisition.groups(turned, known))
    assert set(one) == set(range(1, acquisition.GROUPS + 1))


def test_the_record_keeps_its_columns_and_is_read_back(tmp_path):
    path = acquisition.write(tmp_path, acquisition.read().reset_index())
    assert path.read_text() == (config.RESULTS / path.relative_to(tmp_path)).read_text()
    assert acquisition.read(tmp_path).equals(acquisition.read())


GREY = np.full((224, 224), 90, np.uint8)


def with_letter(top=20, left=12):
    film = GREY.copy()
    film[top : top + 16, left : left + 3] = 250
    film[top : top + 3, left : left + 8] = 250
    return film


def test_a_burnt_in_letter_is_found_where_it_stands():
    assert acquisition.marker(with_letter()) == (slice(20, 36), slice(12, 20))
    assert acquisition.marker(GREY) is None
    assert acquisition.marker(with_letter(100, 120)) is None  # in the middle: no letter


def test_a_donors_letter_stands_on_the_film_and_nothing_else_changes():
    changed = perturbations.marker(GREY, with_letter())
    assert (changed[20:36, 12:15] == 250).all()
    changed[20:36, 12:20] = 90
    assert np.array_equal(changed, GREY)


def test_a_painted_over_letter_is_gone_and_the_rest_stays():
    film = with_letter()
    np.testing.assert_array_equal(perturbations.unmarked(film), GREY)
    np.testing.assert_array_equal(perturbations.unmarked(GREY), GREY)
    np.testing.assert_array_equal(film, with_letter())


def test_a_border_comes_from_the_donor_and_the_middle_stays():
    changed = perturbations.border(GREY, np.full_like(GREY, 10))
    assert changed[0, 0] == 10
    assert (changed[12:-12, 12:-12] == 90).all()


def test_tones_reach_from_the_donors_darkest_to_its_brightest():
    rng = np.random.default_rng(0)
    film, donor = (rng.integers(*span, GREY.shape, np.uint8) for span in ((0, 100), (100, 250)))
    changed = perturbations.tone(film, donor)
    assert np.percentile(changed, [2, 98]) == pytest.approx(np.percentile(donor, [2, 98]), abs=2)


def test_sharpness_moves_towards_the_donors():
    rough = np.random.default_rng(0).integers(0, 255, GREY.shape, np.uint8)
    smooth = np.tile(np.linspace(0, 250, 224), (224, 1)).astype(np.uint8)
    softened = perturbations.sharpness(rough, smooth)
    assert acquisition.features(softened)["sharpness"] < acquisition.features(rough)["sharpness"]


def test_donors_are_typical_training_films_of_the_other_class(recorded):
    ours = recorded[recorded["part"] != "test"].reset_index(drop=True)
    donors = ours.iloc[perturbations.donors(ours)]
    assert (donors["label"].to_numpy() != ours["label"].to_numpy()).all()
    assert set(donors["part"]) == {"training"}
    assert donors["marker"].all()


@pytest.fixture(scope="module")
def films():
    drawn = [draw_film(seed, seed % 2 == 0).resize((224, 224)) for seed in range(4)]
    grain = np.random.default_rng(0).normal(0, 6, (4, 224, 224))  # films have fine detail
    return np.clip(np.array([np.asarray(film) for film in drawn]) + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", [*perturbations.CORRUPTIONS, *perturbations.STORAGE_ERRORS])
def test_a_corrupted_film_has_shape_and_type_of_the_film_and_the_film_stays(name, films):
    kept = films.copy()
    made = perturbations.corrupt(name, 3, films)
    assert (made.shape, made.dtype) == (films.shape, np.uint8)
    np.testing.assert_array_equal(films, kept)
    np.testing.assert_array_equal(made, perturbations.corrupt(name, 3, films))
    assert (made != films).any()


@pytest.mark.parametrize("name", perturbations.CORRUPTIONS)
def test_a_greater_strength_changes_the_film_more(name, films):
    made = (perturbations.corrupt(name, s, films).astype(float) for s in perturbations.STRENGTHS)
    assert (np.diff([np.abs(changed - films).mean() for changed in made]) >= 0).all()


def test_corruptions_have_known_values(films):
    for name in perturbations.STORAGE_ERRORS:
        twice = perturbations.corrupt(name, 1, perturbations.corrupt(name, 1, films))
        np.testing.assert_array_equal(twice, films)
    flat = np.full((1, 224, 224), 100, np.uint8)
    flat[0, 0, 0] = 200
    assert perturbations.corrupt("contrast", 3, flat)[0, 0, 0] == 150
    assert perturbations.corrupt("inverted", 1, flat)[0, 1, 1] == 155
    moved = perturbations.corrupt("shift", 1, flat)[0]
    assert (moved[:, :7] == 0).all()
    assert (moved[1:, 8:] == 100).all()
    # Number 0 is brightened, number 1 darkened.
    both = perturbations.corrupt("exposure", 5, np.full((2, 224, 224), 128, np.uint8))[:, 0, 0]
    assert list(both) == [round(255 * (128 / 255) ** gamma) for gamma in (0.4, 2.5)]


def test_unknown_corruptions_are_refused(films):
    with pytest.raises(ValueError, match="no corruption"):
        perturbations.corrupt("rain", 1, films)
    with pytest.raises(ValueError, match="strength 6"):
        perturbations.corrupt("blur", 6, films)
