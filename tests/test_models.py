"""The networks are those the story tells of."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from helpers.experiments import trials
from helpers.models import classifiers
from helpers.training import recipes

NETWORKS = ("dense", "cnn_1", "cnn_2", "cnn_3", "cnn_4", "cnn_5", "final")

# C: convolution, P: pooling, Dr: dropout, D: dense; activations by name.
SEQUENCES = {
    "dense": "Flatten D20 relu D7 relu D5 relu D1 sigmoid",
    "cnn_1": "C32 relu P C64 relu P Flatten D64 relu D1 sigmoid",
    "cnn_2": "C32 relu P Dr0.25 C64 relu P Dr0.25 Flatten D64 relu Dr0.25 D1 sigmoid",
    "cnn_3": "C32 relu P C64 relu P Dr0.25 C64 relu P Dr0.25 Flatten D64 relu Dr0.25 D1 sigmoid",
    "cnn_4": "C32 relu P Dr0.25 C64 relu P Dr0.25 C64 relu P Dr0.25 "
    "Flatten D64 relu Dr0.25 D1 sigmoid",
    "cnn_5": "C32 leaky P Dr0.25 C64 leaky P Dr0.25 C64 leaky P Dr0.25 "
    "Flatten D64 leaky Dr0.25 D1 sigmoid",
}


@pytest.fixture(scope="module")
def network():
    """Build each network once, at the side that its recipe has."""
    built = {}

    def get(name):
        if name not in built:
            built[name] = classifiers.build(name, recipes.get(name).side)
        return built[name]

    return get


def of_kind(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


def code(layer):
    """A layer in the shorthand of ``SEQUENCES``; an activation of its own follows."""
    activation = getattr(layer, "activation", None)
    follows = "" if activation in (None, keras.activations.linear) else f" {activation.__name__}"
    match layer:
        case keras.layers.Conv2D():
            return f"C{layer.filters}{follows}"
        case keras.layers.Dense():
            return f"D{layer.units}{follows}"
        case keras.layers.Dropout():
            return f"Dr{layer.rate}"
        case keras.layers.MaxPooling2D():
            return "P"
        case keras.layers.ReLU():
            return "relu"
        case keras.layers.LeakyReLU():
            return "leaky"
    return type(layer).__name__


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("dense", 82_133),
        ("cnn_1", 821_761),
        ("cnn_2", 821_761),
        ("cnn_3", 256_577),
        ("cnn_4", 256_577),
        ("cnn_5", 256_577),
    ],
)
def test_networks_have_the_first_studys_parameters(network, name, parameters):
    assert network(name).count_params() == parameters


@pytest.mark.parametrize("name", SEQUENCES)
def test_networks_have_the_first_studys_layers(network, name):
    _, scale, *rest = network(name).layers
    assert isinstance(scale, keras.layers.Rescaling)
    assert " ".join(code(layer) for layer in rest) == SEQUENCES[name]


@pytest.mark.parametrize("name", ["cnn_1", "cnn_2", "cnn_3", "cnn_4", "cnn_5"])
def test_convolutions_are_3_by_3_without_padding(network, name):
    convolutions = of_kind(network(name), keras.layers.Conv2D)
    assert {(c.kernel_size, c.padding, c.strides) for c in convolutions} == {
        ((3, 3), "valid", (1, 1))
    }


@pytest.mark.parametrize(
    ("name", "padding"),
    [
        ("cnn_1", "valid"),
        ("cnn_2", "valid"),
        ("cnn_3", "same"),
        ("cnn_4", "same"),
        ("cnn_5", "same"),
    ],
)
def test_pooling_halves_and_keeps_odd_borders_from_cnn_3_on(network, name, padding):
    poolings = of_kind(network(name), keras.layers.MaxPooling2D)
    assert {(p.pool_size, p.strides, p.padding) for p in poolings} == {((2, 2), (2, 2), padding)}


def test_leaky_units_have_the_slope_of_the_first_study(network):
    leaking = of_kind(network("cnn_5"), keras.layers.LeakyReLU)
    assert [layer.negative_slope for layer in leaking] == pytest.approx([0.3] * 4)


def test_only_cnn_5_leaks(network):
    leaking = [name for name in NETWORKS if of_kind(network(name), keras.layers.LeakyReLU)]
    assert leaking == ["cnn_5"]


@pytest.mark.parametrize("name", NETWORKS)
def test_an_answer_is_one_probability_a_film(network, name):
    model = network(name)
    films = np.random.default_rng(1).integers(0, 256, (3, *model.input_shape[1:]))
    films[0], films[1] = 0, 255
    answer = np.asarray(model(films.astype(np.float32)))
    assert answer.shape == (3, 1)
    assert ((answer > 0) & (answer < 1)).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_intensities_0_to_255_are_scaled_to_0_to_1(network, name):
    (scale,) = of_kind(network(name), keras.layers.Rescaling)
    np.testing.assert_allclose(scale(np.array([0.0, 255.0])), [0, 1])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_bears_the_name_it_is_built_by(network, name):
    assert network(name).name == name


def test_the_dummy_calls_every_film_by_the_most_frequent_class():
    dummy = classifiers.build("dummy", 64).fit(np.zeros((3, 1)), [1, 0, 1])
    assert list(dummy.predict(np.zeros((2, 1)))) == [1, 1]


def test_an_unknown_network_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"no network 'resnet'; there are dummy, dense, .*final"):
        classifiers.build("resnet", 64)


def test_every_recipe_has_a_network_and_every_network_a_recipe():
    wanted = [*recipes.STUDY.values(), *trials.TRIALS.values(), trials.BACKGROUND]
    assert {recipe.builder for recipe in wanted} == set(classifiers.BUILDERS)


def test_the_final_networks_weights_stay_under_twenty_megabytes(network):
    final = recipes.get("final")
    assert network("final").count_params() * 4 * len(final.seeds) < 20e6


def test_the_final_network_has_fewer_parameters_than_cnn_1(network):
    assert network("final").count_params() < network("cnn_1").count_params()


def test_the_final_network_takes_films_of_another_side():
    assert (
        classifiers.build("final", 64).count_params()
        == classifiers.build("final", 128).count_params()
    )


def test_a_summary_lists_layers_with_output_and_parameters_and_their_total(network):
    table = classifiers.summary(network("dense"))
    assert list(table["output"][["Flatten", "whole network"]]) == ["4096", ""]
    assert list(table["parameters"].iloc[-5:]) == [4096 * 20 + 20, 147, 40, 6, 82_133]


def test_a_summary_of_some_kinds_keeps_the_whole_networks_total(network):
    table = classifiers.summary(network("cnn_1"), kinds=("Conv2D",))
    assert list(table.index) == ["Conv2D", "Conv2D", "whole network"]
    assert list(table["output"]) == ["62 × 62 × 32", "29 × 29 × 64", ""]
    assert table["parameters"].iloc[-1] == 821_761
