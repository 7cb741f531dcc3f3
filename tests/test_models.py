"""The networks are those the story tells of."""

import ast
import functools
import inspect

import keras
import numpy as np
import pytest

from helpers.experiments import trials
from helpers.models import classifiers
from helpers.training import recipes

# Parameters and layers. C: convolution 3 x 3, valid, stride 1; P: pooling 2 x 2 and its padding;
# Dr: dropout; D: dense; activations by name.
FIRST_STUDY = {
    "dense": "82133 Flatten D20 relu D7 relu D5 relu D1 sigmoid",
    "cnn_1": "821761 C32 relu Pvalid C64 relu Pvalid Flatten D64 relu D1 sigmoid",
    "cnn_2": "821761 C32 relu Pvalid Dr0.25 C64 relu Pvalid Dr0.25 "
    "Flatten D64 relu Dr0.25 D1 sigmoid",
    "cnn_3": "256577 C32 relu Psame C64 relu Psame Dr0.25 C64 relu Psame Dr0.25 "
    "Flatten D64 relu Dr0.25 D1 sigmoid",
    "cnn_4": "256577 C32 relu Psame Dr0.25 C64 relu Psame Dr0.25 C64 relu Psame Dr0.25 "
    "Flatten D64 relu Dr0.25 D1 sigmoid",
    "cnn_5": "256577 C32 leaky0.3 Psame Dr0.25 C64 leaky0.3 Psame Dr0.25 C64 leaky0.3 Psame Dr0.25 "
    "Flatten D64 leaky0.3 Dr0.25 D1 sigmoid",
}


@functools.cache
def network(name):
    """Each network once, at the side that its recipe has."""
    return classifiers.build(name, recipes.get(name).side)


def code(layer):
    """A layer in the shorthand of ``FIRST_STUDY``; an activation of its own follows."""
    activation = getattr(layer, "activation", None)
    follows = "" if activation in (None, keras.activations.linear) else f" {activation.__name__}"
    match layer:
        case keras.layers.Conv2D(kernel_size=(3, 3), padding="valid", strides=(1, 1)):
            return f"C{layer.filters}{follows}"
        case keras.layers.Dense():
            return f"D{layer.units}{follows}"
        case keras.layers.Dropout():
            return f"Dr{layer.rate}"
        case keras.layers.MaxPooling2D(pool_size=(2, 2), strides=(2, 2)):
            return f"P{layer.padding}"
        case keras.layers.ReLU():
            return "relu"
        case keras.layers.LeakyReLU():
            return f"leaky{layer.negative_slope:.1f}"
    return type(layer).__name__


@pytest.mark.parametrize("name", FIRST_STUDY)
def test_networks_have_the_first_studys_parameters_and_layers_and_are_written_out_whole(name):
    film, scale, *rest = network(name).layers
    assert [type(film).__name__, type(scale).__name__] == ["InputLayer", "Rescaling"]
    written = [str(network(name).count_params()), *map(code, rest)]
    assert " ".join(written) == FIRST_STUDY[name]
    source = ast.parse(inspect.getsource(classifiers.BUILDERS[name]))
    names = {node.id for node in ast.walk(source) if isinstance(node, ast.Name)}
    assert names == {"side", "int", "keras", "layers", "film", "x", "sick"}


@pytest.mark.parametrize("name", [*FIRST_STUDY, "final"])
def test_a_network_takes_intensities_0_to_255_and_gives_one_probability_a_film(name):
    model = network(name)
    assert model.name == name
    films = np.random.default_rng(1).integers(0, 256, (3, *model.input_shape[1:]))
    films[0], films[1] = 0, 255
    answer = np.asarray(model(films.astype(np.float32)))
    assert answer.shape == (3, 1)
    assert ((answer > 0) & (answer < 1)).all()
    np.testing.assert_allclose(model.layers[1](np.array([0.0, 255.0])), [0, 1])


def test_the_dummy_calls_every_film_by_the_most_frequent_class_and_there_are_no_others():
    dummy = classifiers.build("dummy", 64).fit(np.zeros((3, 1)), [1, 0, 1])
    assert list(dummy.predict(np.zeros((2, 1)))) == [1, 1]
    with pytest.raises(ValueError, match=r"no network 'resnet'; there are dummy, dense, .*final"):
        classifiers.build("resnet", 64)


def test_every_recipe_has_a_network_and_every_network_a_recipe():
    wanted = [*recipes.STUDY.values(), *trials.CANDIDATES.values()]
    assert {recipe.builder for recipe in wanted} == set(classifiers.BUILDERS)


def test_the_final_network_is_small_whatever_the_side_of_the_film():
    parameters = network("final").count_params()
    assert parameters < network("cnn_1").count_params()
    assert parameters * 4 * len(recipes.get("final").seeds) < 20e6
    assert parameters == classifiers.build("final", 64).count_params()


@pytest.mark.parametrize("name", [*FIRST_STUDY, "final"])
def test_a_network_is_shown_as_it_is_built(name):
    shown = classifiers.source(name).removeprefix("```python\n").removesuffix("```")
    names = {"keras": keras, "layers": keras.layers}
    exec(compile(f"from __future__ import annotations\n{shown}", name, "exec"), names)
    models = (names[name](64), classifiers.build(name, side=64))
    shown, built = ([(type(x), x.output.shape, x.count_params()) for x in m.layers] for m in models)
    assert shown == built
