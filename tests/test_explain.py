"""Grad-CAM on networks whose answer is known by construction."""

import keras
import numpy as np
import pytest
from keras import layers

from helpers import explain
from helpers.models.ensemble import Ensemble
from helpers.models.lungs import SIDE, Found

HALF = SIDE // 2
CORNER = np.kron([[1, 0], [0, 0]], np.ones((4, 4)))  # the upper left of 8 x 8 places
FILMS = np.zeros((2, 224, 224), np.uint8)
FILMS[:, :112, :112], FILMS[:, 112:, 112:] = 220, 110  # brightest in the upper left quarter


@pytest.fixture(scope="module")
def network():
    """Says pneumonia where the upper left quarter is bright, and looks nowhere else."""
    film = keras.Input(shape=(32, 32, 1))
    x = layers.AveragePooling2D(pool_size=4)(film)
    x = layers.Conv2D(filters=1, kernel_size=1, name="copy")(x)
    model = keras.Model(film, layers.Dense(1, activation="sigmoid")(layers.Flatten()(x)))
    model.get_layer("copy").set_weights([np.full((1, 1, 1, 1), 1 / 255), np.zeros(1)])
    model.layers[-1].set_weights([CORNER.reshape(64, 1), np.array([-4.0])])
    return model


@pytest.fixture(scope="module")
def ensemble(network):
    return Ensemble("corner", "Corner", 32, 0.5, ((network, "film"),))


def found(edge=1.0, count=2):
    """Lungs in boxes from the upper left corner to ``edge``."""
    boxes = np.tile(np.float32([0, edge, 0, edge]), (count, 1))
    return Found(boxes, np.zeros((count, SIDE, SIDE), bool), np.ones(count, bool))


def test_grad_cam_is_the_weighted_map_where_it_speaks_for_the_call_and_needs_a_map(network):
    film = np.kron(255 * CORNER, np.ones((1, 4, 4))).astype(np.uint8)
    seen = explain.grad_cam(network, film, np.array([1]))
    # Mean gradient over 64 places of which 16 have weight 1: a quarter of the feature map.
    np.testing.assert_allclose(seen[0], CORNER * 16 / 64, atol=1e-6)
    assert explain.grad_cam(network, film, np.array([-1])).max() == 0
    small = keras.Input(shape=(4, 4, 1))
    tiny = keras.Model(small, layers.Dense(1)(layers.Flatten()(layers.Conv2D(1, 1)(small))))
    with pytest.raises(ValueError, match="no feature map"):
        explain.grad_cam(tiny, np.zeros((1, 4, 4), np.uint8), np.array([1]))


def test_a_map_sums_to_one_and_follows_the_bright_parts_that_a_member_sees(network, ensemble):
    boxed = Ensemble("corner", "Corner", 32, 0.5, ((network, "box"),))
    filled = Ensemble("corner", "Corner", 32, 0.5, ((network, "filled film"),))
    inside = explain.maps(boxed, FILMS, found(edge=0.5))[:, :HALF, :HALF]
    maps = explain.maps(ensemble, FILMS, found())
    assert explain.maps(filled, FILMS, found(edge=0.5))[:, HALF:].sum() > 0.2
    assert maps.shape == (2, SIDE, SIDE)
    assert [inside.sum(axis=(1, 2)), maps.sum(axis=(1, 2))] == pytest.approx(np.ones((2, 2)))
    assert maps[0, :HALF, HALF:].sum() < 0.05
    # One weight a channel: Grad-CAM cannot tell the quarter the network ignores. That is its limit.
    assert maps[0, HALF:, HALF:].sum() > 0.2


def test_the_share_inside_is_the_mass_on_the_mask():
    maps, mask = np.full((3, SIDE, SIDE), 1 / SIDE**2), np.zeros((3, SIDE, SIDE), bool)
    maps[2], mask[:, : SIDE // 4] = 0, True
    np.testing.assert_allclose(explain.inside(maps, mask), [0.25, 0.25, np.nan])


@pytest.mark.parametrize(("share", "renewed"), [(0.0, [False, True]), (1.0, [True, True])])
def test_randomising_goes_from_the_output_down_and_leaves_the_trained_network(
    network, share, renewed
):
    before = network.get_weights()
    copy = explain.randomised(network, share=share, seed=1).get_weights()
    # Kernels of the convolution and of the output; their biases start at 0 and are no sign.
    assert [not np.allclose(copy[at], before[at]) for at in (0, 2)] == renewed
    assert all(map(np.array_equal, network.get_weights(), before))


def test_the_sanity_check_correlates_ranks_and_gives_none_for_a_constant_map(ensemble):
    noisy = np.random.default_rng(1).integers(0, 255, (4, 224, 224), np.uint8)
    noisy[:, :112, :112] = 128 + noisy[:, :112, :112] // 2
    alike = explain.sanity_check(ensemble, noisy, found(count=4), share=1.0, seed=3)
    assert alike.shape == (4,)
    assert (np.abs(alike) <= 1).all()
    assert list(explain.sanity_check(ensemble, 0 * FILMS, found(), share=1.0, seed=3)) == [0, 0]
