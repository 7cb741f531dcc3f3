"""Other frameworks' networks are the same networks (skipped where they are not installed)."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import rivals
from helpers import predict
from helpers.data import augmentation
from helpers.models import classifiers
from helpers.training import recipes

# Broad patches: on mere noise a network that averages answers much the same.
PATCHES = np.random.default_rng(1).integers(0, 256, (5, 8, 8)).astype(np.uint8)
FILMS = np.kron(PATCHES, np.ones((16, 16), np.uint8))


def settled(name):
    """A Keras network whose moving averages and biases are not the first ones."""
    model = classifiers.build(name, recipes.get(name).side)
    draw = np.random.default_rng(2)
    for weight in model.weights:
        if "conv" not in weight.path and "kernel" not in weight.path:
            weight.assign(draw.uniform(0.5, 1.5, weight.shape))
    return model


def carried(model, network):
    """Keras's weights in the PyTorch network, layers of one kind and shape in order.

    Kernels are turned by 180 degrees where a normalisation follows: see ``rivals._convolve``.
    """
    import torch

    waiting, state = list(model.layers), {}
    for place, module in network.named_modules():
        if type(module).__name__ not in ("Conv2d", "Linear"):
            continue
        shape = tuple(module.weight.permute(*range(2, module.weight.ndim), 1, 0).shape)
        layer = next(each for each in waiting if each.weights and each.weights[0].shape == shape)
        waiting.remove(layer)
        kernel, *bias = layer.get_weights()
        if module.bias is None:
            kernel = kernel[::-1, ::-1]
            (node,) = layer._outbound_nodes
            above, number = place.rpartition(".")[::2]
            names = ("weight", "bias", "running_mean", "running_var")
            for name, value in zip(names, node.operation.get_weights(), strict=True):
                state[f"{above}.{int(number) + 1}.{name}"] = value
        if len(kernel) == 7 * 7 * 64:
            kernel = kernel.reshape(7, 7, 64, -1).transpose(2, 0, 1, 3).reshape(7 * 7 * 64, -1)
        state[f"{place}.weight"] = np.moveaxis(kernel, (-1, -2), (0, 1))
        state |= {f"{place}.bias": value for value in bias}
    ready = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
    missing = network.load_state_dict(ready, strict=False).missing_keys
    assert all(name.endswith("num_batches_tracked") for name in missing)
    return network.eval()


@pytest.mark.parametrize("name", ["cnn_4", "final"])
def test_the_pytorch_network_answers_as_keras_does(name):
    torch = pytest.importorskip("torch")
    recipe, model = recipes.get(name), settled(name)
    films = FILMS[:, : recipe.side, : recipe.side].astype(np.float32)
    network = carried(model, rivals.torch_network(recipe))
    shown = films[:, ::-1, ::-1].copy() if name == "final" else films
    with torch.no_grad():
        answer = torch.sigmoid(network(torch.from_numpy(shown)[:, None] / 255))
    wanted = np.asarray(model(films[..., None]))
    assert np.ptp(wanted) > 1e-4
    np.testing.assert_allclose(answer.numpy(), wanted, atol=1e-6)


def test_changes_in_pytorch_are_of_the_same_kind_and_size():
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    # A disc on grey; many times, so that means of draws can be compared.
    y, x = np.mgrid[:64, :64] - 31.5
    film = np.where(x**2 + y**2 < 200, 200.0, 80.0).astype(np.float32)
    many = np.repeat(film[None], 2000, axis=0)
    full = recipes.MILD_AND_LOOK
    kinds = ("sharpness", "gamma", "contrast", "brightness", "noise")
    alone = [augmentation.Augmentation(**{kind: getattr(full, kind)}) for kind in kinds]
    for change in (recipes.MILD, *alone):
        theirs = rivals.changed(torch.from_numpy(many)[:, None] / 255, change).numpy()[:, 0] * 255
        ours = augmentation.augment(many[..., None], change, (1, 2)).numpy()[..., 0]
        np.testing.assert_allclose(theirs.mean(axis=0), ours.mean(axis=0), atol=6)
        np.testing.assert_allclose(theirs.std(axis=0), ours.std(axis=0), atol=6)


def test_onnx_runtime_answers_as_keras_does_for_any_number_of_films():
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    model = settled("final")
    ask, keras_says = rivals.onnx_predictor(model), predict.swift(model)
    for count in (1, 2, 5):
        np.testing.assert_allclose(ask(FILMS[:count]), keras_says(FILMS[:count])[:, 0], atol=1e-4)


def test_a_rate_is_films_a_second():
    pytest.importorskip("torch")
    recipe = dataclasses.replace(recipes.get("cnn_4"), batch_size=4)
    for workers in (0, 1):
        assert rivals.torch_rate(recipe, FILMS[:, :64, :64], np.arange(5) % 2, 2, 1, workers) > 0


def test_a_network_without_a_rival_is_named():
    with pytest.raises(ValueError, match="no PyTorch network 'cnn_1'; there are cnn_4, final"):
        rivals.torch_network(recipes.get("cnn_1"))


def test_the_room_opens_without_the_rivals():
    code = (
        "import sys, benchmarks.rivals\n"
        "sys.exit(bool({'torch', 'onnxruntime', 'tf2onnx'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
