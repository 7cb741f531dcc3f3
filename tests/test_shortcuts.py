"""What a film gives away without its lungs, and films changed on purpose."""

import numpy as np
import pytest

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


@pytest.fixture(scope="module")
def films():
    drawn = [draw_film(seed, seed % 2 == 0).resize((224, 224)) for seed in range(4)]
    grain = np.random.default_rng(0).normal(0, 6, (4, 224, 224))  # films have fine detail
    return np.clip(np.array([np.asarray(film) for film in drawn]) + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", [*perturbations.CORRUPTED, *perturbations.HARMLESS])
def test_a_changed_film_has_shape_and_type_of_the_film_and_the_film_stays(name, films):
    kept = films.copy()
    made = perturbations.changed(name, films)
    assert (made.shape, made.dtype) == (films.shape, np.uint8)
    np.testing.assert_array_equal(films, kept)
    np.testing.assert_array_equal(made, perturbations.changed(name, films))
    assert (made != films).any(axis=(1, 2)).all()


@pytest.mark.parametrize("name", perturbations.CORRUPTIONS)
def test_a_greater_strength_changes_the_film_more(name, films):
    made = [perturbations.changed(f"{name} {s}", films) for s in perturbations.STRENGTHS]
    assert (np.diff([np.abs(changed - films.astype(float)).mean() for changed in made]) >= 0).all()


def test_corruptions_have_known_values(films):
    for name in perturbations.STORAGE_ERRORS:
        twice = perturbations.changed(name, perturbations.changed(name, films))
        np.testing.assert_array_equal(twice, films)
    flat = np.full((1, 224, 224), 100, np.uint8)
    flat[0, 0, 0] = 200
    assert perturbations.changed("contrast 3", flat)[0, 0, 0] == 150
    assert perturbations.changed("inverted", flat)[0, 1, 1] == 155
    moved = perturbations.changed("shift 1", flat)[0]
    assert (moved[:, :7] == 0).all()
    assert (moved[1:, 8:] == 100).all()
    # Number 0 is brightened, number 1 darkened.
    both = perturbations.changed("exposure 5", np.full((2, 224, 224), 128, np.uint8))[:, 0, 0]
    assert list(both) == [round(255 * (128 / 255) ** gamma) for gamma in (0.4, 2.5)]


def test_harmless_changes_have_known_values():
    def changed(name):
        return perturbations.changed(name, np.array([GREY] * 4))

    all_round = changed("white edge of 4%, all sides")[0]
    assert (all_round[:9] == 255).all()
    assert (all_round[9:-9, 9:-9] == 90).all()
    sides = changed("black edge of 2%, one side") == 0
    assert sides.sum(axis=(1, 2)).tolist() == [4 * 224] * 4
    assert sides.sum(axis=0)[[0, -1, 100, 100], [100, 100, 0, -1]].tolist() == [1] * 4
    assert (changed("crop of 8%") == 90).all()
    boxed = changed("letterbox")[1]
    assert (boxed[:28] == 255).all()
    assert (boxed[28:196] == 90).all()
    assert changed("brightness")[:2, 0, 0].tolist() == [70, 110]
