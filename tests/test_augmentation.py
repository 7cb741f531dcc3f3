"""Augmentation is what scipy and numpy make of the same draws, and a function of its seed."""

import numpy as np
import pytest
from scipy import ndimage, stats

from helpers.data.augmentation import DRAWS, EDGES, Augmentation, augment, draw
from helpers.training import recipes

COUNT, SIDE, SEED = 12, 24, [1, 1000]
MOVES = {"rotation": 40, "shift": 0.3, "zoom": 0.5, "mirror": True, "flip": True}
TONES = {"gamma": 0.8, "contrast": 0.7, "brightness": 0.2}
STRONG = Augmentation(**MOVES, **TONES, sharpness=1.0, noise=0.3, letters=0.5)


@pytest.fixture(scope="module")
def films():
    """Films of two channels without sharp edges, where interpolation would round."""
    drawn = np.random.default_rng(1).integers(0, 256, (COUNT, SIDE, SIDE, 2)).astype(float)
    return ndimage.gaussian_filter(drawn, (0, 1.5, 1.5, 0)).astype(np.float32)


def drawn(count=COUNT):
    """What is drawn for ``count`` films, by name."""
    return {name: values.numpy().ravel() for name, values in draw(count, SEED).items()}


def changed(films, seed=SEED, **settings):
    return augment(films, Augmentation(**settings), seed).numpy()


def affine(film, change, d):
    """One film (side, side, channels) moved by scipy; ``d`` are its draws."""
    angle = np.radians(change.rotation) * d["rotation"]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    sides = [-1 if getattr(change, name) and d[name] < 0 else 1 for name in ("mirror", "flip")]
    across_down = np.diag(sides) @ turn * (1 + change.zoom) ** d["zoom"]
    matrix, centre = across_down[::-1, ::-1], np.full(2, (SIDE - 1) / 2)
    offset = centre - matrix @ centre + change.shift * SIDE * np.array([d["down"], d["shift"]])
    moved = [
        ndimage.affine_transform(channel, matrix, offset, order=1, mode="grid-constant")
        for channel in np.moveaxis(film, -1, 0)
    ]
    return np.stack(moved, axis=-1)


@pytest.mark.parametrize("names", [*((name,) for name in MOVES), tuple(MOVES)], ids=" ".join)
def test_films_move_as_scipy_moves_them(films, names):
    settings, d = {name: MOVES[name] for name in names}, drawn()
    each = ({name: values[row] for name, values in d.items()} for row in range(COUNT))
    change = Augmentation(**settings)
    expected = [affine(film, change, of) for film, of in zip(films, each, strict=True)]
    after = changed(films, **settings)
    np.testing.assert_allclose(after, expected, atol=0.1)
    assert abs(after - films).max() > 20


def test_draws_fill_their_range_and_know_nothing_of_one_another():
    rows = np.array(list(drawn(2000).values()))
    assert len(rows) == len(DRAWS)
    np.testing.assert_allclose(rows.min(axis=1), -1, atol=0.02)
    np.testing.assert_allclose(rows.max(axis=1), 1, atol=0.02)
    assert abs(np.corrcoef(rows) - np.eye(len(rows))).max() < 0.1


def test_no_recipe_films_children_upside_down_and_the_final_one_alone_mirrors_them():
    changes = {r.name: r.augmentation for r in recipes.STUDY.values() if r.augmentation}
    assert not any(change.flip for change in changes.values())
    assert [name for name, change in changes.items() if change.mirror] == ["final"]


def test_a_cut_side_is_gone_and_the_rest_is_stretched():
    ramp = np.tile(np.arange(48, dtype=np.float32), (20, 48, 1))[..., np.newaxis]
    cut = {edge: 0.2 * np.maximum(-values, 0) for edge, values in drawn(20).items()}
    after = changed(ramp, crop=0.2)[:, 24, :, 0]
    np.testing.assert_allclose(after[:, 0], 47 * cut["left"], atol=0.05)
    np.testing.assert_allclose(after[:, -1], 47 * (1 - cut["right"]), atol=0.05)
    np.testing.assert_allclose(np.diff(after, 2), 0, atol=0.01)


def test_a_frame_is_black_or_white_as_wide_as_drawn_and_the_rest_stays():
    grey = np.full((40, 48, 48, 1), 90, np.float32)
    after, d = changed(grey, frame=0.25)[..., 0], drawn(40)
    kind, u = abs(d["frame"]), np.array([d[edge] for edge in EDGES])
    share = np.where(kind > 0.75, abs(u), (kind > 0.5) * np.maximum(0, 2 * u - 1))
    for row, film in enumerate(after):
        left, right, top, bottom = (48 * 0.25 * share[:, row]).round().astype(int)
        inside = film[top : 48 - bottom, left : 48 - right]
        assert (inside == 90).all()
        assert (film == 90).sum() == inside.size
        assert set(np.unique(film)) <= {90, 0 if d["frame"][row] < 0 else 255}
    assert 0.4 < (after == 90).all(axis=(1, 2)).mean() < 0.8


def sharpened(films, amount):
    soft = films
    for axis in (1, 2):
        soft = ndimage.convolve1d(soft, np.array([1, 4, 6, 4, 1]) / 16, axis, mode="reflect")
    return np.clip(films + amount * (films - soft), 0, 255)


def retoned(films, gamma, contrast, brightness):
    x = (films / 255) ** np.exp(gamma)
    mean = x.mean(axis=(1, 2, 3), keepdims=True)
    return 255 * np.clip((x - mean) * np.exp(contrast) + mean + brightness, 0, 1)


@pytest.mark.parametrize("names", [*((name,) for name in TONES), tuple(TONES)], ids=" ".join)
def test_tones_are_gamma_contrast_about_the_mean_and_brightness(films, names):
    settings, d = {name: TONES[name] for name in names}, drawn()
    by = [settings.get(name, 0) * d[name].reshape(-1, 1, 1, 1) for name in TONES]
    np.testing.assert_allclose(changed(films, **settings), retoned(films, *by), atol=0.01)


def test_fine_detail_is_added_and_taken_before_tones_change(films):
    d = {name: values.reshape(-1, 1, 1, 1) for name, values in drawn().items()}
    sharp = sharpened(films, d["sharpness"])
    np.testing.assert_allclose(changed(films, sharpness=1.0), sharp, atol=0.01)
    expected = retoned(sharp, 0.8 * d["gamma"], 0, 0)
    np.testing.assert_allclose(changed(films, sharpness=1.0, gamma=0.8), expected, atol=0.01)


def test_noise_is_normal_grain_of_at_most_its_strength():
    grey = np.full((40, 48, 48, 1), 128, np.float32)
    grain = (changed(grey, noise=0.1) - grey)[..., 0] / 255
    strength = 0.1 * abs(drawn(40)["noise"])
    np.testing.assert_allclose(grain.std(axis=(1, 2)), strength, rtol=0.06)
    standard = grain / strength[:, None, None]
    assert abs(standard.mean()) < 0.02
    assert abs(stats.skew(standard, axis=None)) < 0.05
    assert abs(stats.kurtosis(standard, axis=None)) < 0.1
    neighbours = np.corrcoef(standard[:, :-1].ravel(), standard[:, 1:].ravel())
    assert abs(neighbours[0, 1]) < 0.02
    films = np.corrcoef(standard.reshape(40, -1)) - np.eye(40)
    assert abs(films).max() < 0.12  # each film has grain of its own


def test_letters_are_stamped_on_about_the_share_asked_for_and_change_nothing_else():
    films = np.full((64, 96, 96, 1), 80, np.float32)
    stamped = changed(films, letters=0.5)
    marked = (stamped > 81).any(axis=(1, 2, 3))
    assert 0.3 < marked.mean() < 0.7
    assert 80 <= stamped.min() < stamped.max() <= 255
    assert (stamped != films).mean() < 0.03
    assert stamped[marked].max(axis=(1, 2, 3)).min() > 100


def test_no_change_asked_gives_none_the_same_seed_the_same_and_another_another(films):
    np.testing.assert_array_equal(changed(films), films)
    whole = films.round()
    np.testing.assert_array_equal(*(augment(x, STRONG, SEED) for x in (whole, whole.astype("u1"))))
    first, again, other = (augment(films, STRONG, seed) for seed in (SEED, SEED, [2, 1000]))
    np.testing.assert_array_equal(first, again)
    assert (np.isclose(first, other).mean(axis=(1, 2, 3)) < 0.9).all()


@pytest.mark.parametrize("step", range(3))
def test_intensities_stay_between_black_and_white(films, step):
    extremes = np.where(films > 128, 255, 0).astype(np.uint8)
    after = augment(extremes, STRONG, [1, step]).numpy()
    assert (after.shape, after.dtype) == (films.shape, np.float32)
    assert 0 <= after.min() < after.max() <= 255
