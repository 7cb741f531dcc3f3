"""Grad-CAM and occlusion on networks whose answer is known by construction."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from helpers import explain
from helpers.models.ensemble import Ensemble
from helpers.models.lungs import SIDE, Found

WHERE = (slice(0, 16), slice(0, 16))  # the upper left quarter of 32 pixels


def corner_network(side: int = 32) -> keras.Model:
    """Says pneumonia where the upper left quarter is bright, and looks nowhere else."""
    film = keras.Input(shape=(side, side, 1))
    x = layers.AveragePooling2D(pool_size=side // 8)(film)
    x = layers.Conv2D(filters=1, kernel_size=1, name="copy")(x)
    x = layers.Flatten()(x)
    model = keras.Model(film, layers.Dense(1, activation="sigmoid")(x))
    model.get_layer("copy").set_weights([np.full((1, 1, 1, 1), 1 / 255), np.zeros(1)])
    weight = np.zeros((8, 8))
    weight[:4, :4] = 1.0
    model.layers[-1].set_weights([weight.reshape(64, 1), np.array([-4.0])])
    return model


def films(count: int = 2) -> np.ndarray:
    """Films bright in the upper left quarter, half as bright elsewhere at the lower right."""
    made = np.zeros((count, 224, 224), np.uint8)
    made[:, :112, :112], made[:, 112:, 112:] = 220, 110
    return made


def whole(count: int = 2) -> Found:
    boxes = np.tile(np.array([0.0, 1.0, 0.0, 1.0], np.float32), (count, 1))
    return Found(boxes, np.zeros((count, SIDE, SIDE), bool), np.ones(count, bool))


def boxed(count: int = 2) -> Found:
    boxes = np.tile(np.array([0.0, 0.5, 0.0, 0.5], np.float32), (count, 1))
    return Found(boxes, np.zeros((count, SIDE, SIDE), bool), np.ones(count, bool))


@pytest.fixture(scope="module")
def committee():
    return Ensemble("corner", "Corner", 32, 0.5, ((corner_network(), "film"),))


def test_grad_cam_is_the_weighted_map_where_it_speaks_for_the_call():
    network = corner_network()
    film = np.zeros((1, 32, 32), np.uint8)
    film[0][WHERE] = 255
    seen = explain.grad_cam(network, film, np.array([1]))
    # Mean gradient over 64 places of which 16 have weight 1: a quarter of the feature map.
    expected = np.zeros((8, 8))
    expected[:4, :4] = 16 / 64
    np.testing.assert_allclose(seen[0], expected, atol=1e-6)
    assert explain.grad_cam(network, film, np.array([-1])).max() == 0


def test_grad_cam_refuses_a_network_without_a_map():
    small = keras.Input(shape=(4, 4, 1))
    tiny = keras.Model(small, layers.Dense(1)(layers.Flatten()(layers.Conv2D(1, 1)(small))))
    with pytest.raises(ValueError, match="no feature map"):
        explain.grad_cam(tiny, np.zeros((1, 4, 4), np.uint8), np.array([1]))


def test_a_map_sums_to_one_and_follows_the_bright_parts(committee):
    maps = explain.maps(committee, films(), whole())
    assert maps.shape == (2, SIDE, SIDE)
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), 1, rtol=1e-5)
    half = SIDE // 2
    assert maps[0, :half, half:].sum() < 0.05
    # One weight a channel: Grad-CAM cannot tell the quarter the network ignores. That is its limit.
    assert maps[0, half:, half:].sum() > 0.2


def test_occlusion_finds_the_only_part_that_counts(committee):
    told = explain.occlusion(committee, films()[0], whole(), 0)
    half = SIDE // 2
    assert told.sum() == pytest.approx(1)
    assert told[:half, :half].sum() == pytest.approx(1)


def test_a_member_that_sees_a_box_has_its_map_inside_the_box():
    committee = Ensemble("corner", "Corner", 32, 0.5, ((corner_network(), "box"),))
    maps = explain.maps(committee, films(), boxed())
    half = SIDE // 2
    np.testing.assert_allclose(maps[:, :half, :half].sum(axis=(1, 2)), 1, rtol=1e-5)


def test_the_share_inside_is_the_mass_on_the_mask():
    maps = np.full((3, SIDE, SIDE), 1 / SIDE**2)
    maps[2] = 0
    mask = np.zeros((3, SIDE, SIDE), bool)
    mask[:, : SIDE // 4] = True
    share = explain.inside(maps, mask)
    assert share[0] == pytest.approx(0.25)
    assert np.isnan(share[2])


def test_the_ceiling_is_one_for_a_mask_of_whole_fields_and_lower_for_a_ragged_one():
    everything = np.ones((1, SIDE, SIDE), bool)
    assert explain.ceiling(everything)[0] == pytest.approx(1)
    stripe = np.zeros((1, SIDE, SIDE), bool)
    stripe[:, :, 60:64] = True
    assert explain.ceiling(stripe)[0] < 0.3


def test_randomising_leaves_the_lower_layers_and_the_trained_network_alone():
    network = corner_network()
    copy = explain.randomised(network, share=0.0, seed=1)
    before = [weight.copy() for weight in network.get_weights()]
    np.testing.assert_array_equal(
        copy.get_layer("copy").get_weights()[0], network.get_layer("copy").get_weights()[0]
    )
    assert not np.allclose(copy.layers[-1].get_weights()[0], network.layers[-1].get_weights()[0])
    everything = explain.randomised(network, share=1.0, seed=1)
    assert not np.allclose(
        everything.get_layer("copy").get_weights()[0], network.get_layer("copy").get_weights()[0]
    )
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_map_that_depends_on_weights_changes_when_they_are_randomised(committee):
    noisy = np.random.default_rng(1).integers(0, 255, (4, 224, 224)).astype(np.uint8)
    noisy[:, :112, :112] //= 2
    noisy[:, :112, :112] += 128
    alike = explain.sanity_check(committee, noisy, whole(4), share=1.0, seed=3)
    assert alike.shape == (4,)
    assert (np.abs(alike) <= 1).all()


def test_the_call_decides_what_is_explained(committee):
    assert list(explain.signs(committee, np.array([0.2, 0.5, 0.9]))) == [-1, 1, 1]
