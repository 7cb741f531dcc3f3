"""The same networks in other frameworks: PyTorch trains them, ONNX Runtime asks them.

For comparisons only, and nothing else imports it: neither is among the requirements, so both are
imported where they are used. ``pip install torch==2.13.0 onnx onnxruntime tf2onnx`` brings them.
"""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from helpers import config
from helpers.data import dataset
from helpers.data.augmentation import Augmentation
from helpers.models import classifiers
from helpers.training import recipes
from helpers.training.recipes import Recipe

if TYPE_CHECKING:
    import onnxruntime
    import torch
    from torch import nn

# Both cores of the study's machine, as PyTorch and TensorFlow take of their own accord.
THREADS = 2


def cnn_4() -> nn.Module:
    """``models.cnn_4`` for films of 64 pixels (n, 1, 64, 64) of 0..1; gives a logit."""
    from torch import nn

    parts: list[nn.Module] = []
    for before, filters in ((1, 32), (32, 64), (64, 64)):
        # Keras's padding "same" keeps an odd border as ``ceil_mode`` does.
        parts += [nn.Conv2d(before, filters, kernel_size=3), nn.ReLU()]
        parts += [nn.MaxPool2d(2, ceil_mode=True), nn.Dropout(0.25)]
    parts += [nn.Flatten(), nn.Linear(7 * 7 * 64, 64), nn.ReLU(), nn.Dropout(0.25)]
    return nn.Sequential(*parts, nn.Linear(64, 1))


def _convolve(before: int, filters: int, size: int, strides: int = 1) -> nn.Module:
    """Convolution without bias and batch normalisation, Keras's constants for both.

    Of stride 2 it starts a pixel earlier than Keras's: the same network on a film turned by 180
    degrees, and without a padding of its own, which would cost time.
    """
    from torch import nn

    convolution = nn.Conv2d(before, filters, size, strides, padding=size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(filters, eps=1e-3, momentum=0.1))


def _residual(before: int, filters: int) -> nn.Module:
    """``models._residual``."""
    from torch import nn

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shortcut = nn.Sequential(nn.AvgPool2d(2), _convolve(before, filters, 1))
            first, second = _convolve(before, filters, 3, 2), _convolve(filters, filters, 3)
            self.body = nn.Sequential(first, nn.ReLU(inplace=True), second)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.relu(self.body(x) + self.shortcut(x), inplace=True)

    return Residual()


def final() -> nn.Module:
    """``models.final`` for films (n, 1, side, side) of 0..1; gives a logit."""
    from torch import nn

    parts = [_convolve(1, 24, 5, 2), nn.ReLU(inplace=True)]
    parts += [_residual(*pair) for pair in ((24, 24), (24, 48), (48, 96), (96, 192))]
    parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5)]
    return nn.Sequential(*parts, nn.Linear(192, 1))


def has(package: str) -> bool:
    """Whether an optional package is installed."""
    return importlib.util.find_spec(package) is not None


TORCH: dict[str, Callable[[], nn.Module]] = {"cnn_4": cnn_4, "final": final}


def torch_network(recipe: Recipe) -> nn.Module:
    """The recipe's network in PyTorch, with as many parameters as Keras counts.

    Raises:
        ValueError: there is none, or it has other parameters than Keras's.
    """
    if recipe.builder not in TORCH:
        raise ValueError(f"no PyTorch network {recipe.builder!r}; there are {', '.join(TORCH)}")
    network = TORCH[recipe.builder]()
    # Keras counts the moving averages of batch normalisation too, but not how often they moved.
    count = sum(each.numel() for each in network.state_dict().values() if each.ndim)
    wanted = classifiers.build(recipe.builder, recipe.side).count_params()
    if count != wanted:
        raise ValueError(f"{recipe.builder}: {count} parameters in PyTorch, {wanted} in Keras")
    return network


def _uniform(count: int, most: float) -> torch.Tensor:
    """``count`` draws from [-most, most), shaped to act on (n, 1, side, side)."""
    import torch

    return (2 * torch.rand(count, 1, 1, 1) - 1) * most


def moved(films: torch.Tensor, change: Augmentation) -> torch.Tensor:
    """Each film rotated, zoomed and shifted, bilinear; what it uncovers is black."""
    import torch
    from torch.nn import functional

    angle = _uniform(len(films), math.radians(change.rotation))
    scale = torch.exp(_uniform(len(films), math.log1p(change.zoom)))
    # The grid's coordinates go from -1 to 1: a share of the side is twice as much there.
    dx, dy = (_uniform(len(films), 2 * change.shift) for _ in range(2))
    a, b = scale * torch.cos(angle), scale * torch.sin(angle)
    maps = torch.cat([a, -b, dx, b, a, dy], dim=1).reshape(-1, 2, 3)
    grid = functional.affine_grid(maps, list(films.shape), align_corners=False)
    return functional.grid_sample(films, grid, align_corners=False)


def sharpened(films: torch.Tensor, change: Augmentation) -> torch.Tensor:
    """Add or take away fine detail: what a 5 x 5 binomial filter removes."""
    import torch
    from torch.nn import functional

    # Four times the sum of neighbours: a convolution of one channel takes forty times as long.
    smooth = functional.pad(films, (2, 2, 2, 2), mode="reflect")
    for _ in range(4):
        smooth = smooth[:, :, 1:] + smooth[:, :, :-1]
    for _ in range(4):
        smooth = smooth[..., 1:] + smooth[..., :-1]
    amount = _uniform(len(films), change.sharpness)
    return torch.lerp(films, smooth / 256, -amount).clamp_(0, 1)


def retoned(films: torch.Tensor, change: Augmentation) -> torch.Tensor:
    """Gamma, contrast about the film's mean, brightness and noise, in this order."""
    import torch

    count = len(films)
    x = films.pow(torch.exp(_uniform(count, change.gamma)))
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    contrast = torch.exp(_uniform(count, change.contrast))
    # One pass over the pixels: the mean and the brightness are constants of a film.
    x = torch.addcmul(mean * (1 - contrast) + _uniform(count, change.brightness), x, contrast)
    strength = torch.rand(count, 1, 1, 1) * change.noise
    return x.addcmul_(torch.randn(x.shape), strength).clamp_(0, 1)


def changed(films: torch.Tensor, change: Augmentation | None) -> torch.Tensor:
    """A batch (n, 1, side, side) of 0..1 as ``augmentation.augment`` would draw it."""
    if change is None:
        return films
    films = moved(films, change) if any((change.rotation, change.shift, change.zoom)) else films
    films = sharpened(films, change) if change.sharpness else films
    return retoned(films, change) if change.tones or change.noise else films


class Batches:
    """What a ``DataLoader`` asks for changed batches: by the rows of a batch, not one by one."""

    def __init__(self, recipe: Recipe, pictures: np.ndarray, labels: np.ndarray) -> None:
        import torch

        self.films = torch.from_numpy(np.ascontiguousarray(pictures))
        self.labels = torch.from_numpy(np.asarray(labels, np.float32))
        self.change = recipe.augmentation

    def __len__(self) -> int:
        return len(self.films)

    def __getitem__(self, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        films = self.films[rows].unsqueeze(1).float() / 255
        return changed(films, self.change), self.labels[rows].unsqueeze(1)


def loader(
    recipe: Recipe, pictures: np.ndarray, labels: np.ndarray, steps: int, workers: int
) -> torch.utils.data.DataLoader:
    """Epochs of ``steps`` shuffled, changed batches, made by ``workers`` processes (0: here)."""
    from torch.utils import data

    batches = Batches(recipe, pictures, labels)
    films = data.RandomSampler(batches, num_samples=steps * recipe.batch_size)
    rows = data.BatchSampler(films, recipe.batch_size, drop_last=True)
    return data.DataLoader(
        batches, batch_size=None, sampler=rows, num_workers=workers, persistent_workers=workers > 0
    )


def _optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimiser at its first learning rate, with Keras's epsilon."""
    import torch

    # One kernel for all weights ("fused") is PyTorch's quickest.
    settings = {"lr": recipe.learning_rate, "eps": 1e-7, "fused": True}
    if recipe.optimizer == "adamw":
        decay = recipe.weight_decay
        return torch.optim.AdamW(network.parameters(), weight_decay=decay, **settings)
    return torch.optim.Adam(network.parameters(), **settings)


def trainer(recipe: Recipe, channels_last: bool) -> Callable[[torch.Tensor, torch.Tensor], None]:
    """One step of training on a batch: the recipe's network, loss and optimiser."""
    import torch
    from torch.nn import functional

    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = torch_network(recipe).to(memory_format=layout).train()
    optimizer, smoothing = _optimizer(recipe, network), recipe.label_smoothing

    def step(x: torch.Tensor, y: torch.Tensor) -> None:
        optimizer.zero_grad()
        logit = network(x.contiguous(memory_format=layout))
        target = y * (1 - smoothing) + smoothing / 2
        functional.binary_cross_entropy_with_logits(logit, target).backward()
        optimizer.step()

    return step


def torch_rate(
    recipe: Recipe,
    pictures: np.ndarray,
    labels: np.ndarray,
    steps: int,
    epochs: int = 1,
    workers: int = 0,
    channels_last: bool = True,
) -> float:
    """Films a second over ``epochs`` of ``steps`` steps in PyTorch, after one to warm up.

    The learning rate stays the recipe's first; metrics are not counted.
    """
    step = trainer(recipe, channels_last)
    batches, start = loader(recipe, pictures, labels, steps, workers), 0.0
    for epoch in range(1 + epochs):
        for x, y in batches:
            step(x, y)
        if epoch == 0:
            start = time.perf_counter()
    return recipe.batch_size * steps * epochs / (time.perf_counter() - start)


def rate_of(name: str, steps: int, epochs: int) -> float:
    """``torch_rate`` of a recipe by name on the packaged films: for a process of its own."""
    recipe = recipes.get(name)
    table = dataset.packaged().table.query("part == 'training'")
    films = table.sample(steps * recipe.batch_size, random_state=config.SEED)
    pictures, _ = dataset.read_all(list(films["path"]), recipe.side)
    labels = (films["label"] == "PNEUMONIA").to_numpy().astype(int)
    return torch_rate(recipe, pictures, labels, steps, epochs)


def onnx_bytes(model: keras.Model) -> bytes:
    """The network as an ONNX file, for any number of films (tf2onnx)."""
    import tf2onnx

    films = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="film")
    call = tf.function(lambda film: model(film, training=False), input_signature=[films])
    made, _ = tf2onnx.convert.from_function(call, input_signature=[films])
    return made.SerializeToString()


def onnx_session(model: keras.Model, threads: int = THREADS) -> onnxruntime.InferenceSession:
    """The network in ONNX Runtime on the processor, ``threads`` of them for an operation."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait by spinning would hinder the next of several sessions.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        onnx_bytes(model), options, providers=["CPUExecutionProvider"]
    )


def onnx_predictor(
    model: keras.Model, threads: int = THREADS
) -> Callable[[np.ndarray], np.ndarray]:
    """Probability of pneumonia for films (n, side, side) uint8, (n,), any n: ONNX Runtime's."""
    session = onnx_session(model, threads)
    (name,) = (each.name for each in session.get_inputs())

    def predict(films: np.ndarray) -> np.ndarray:
        return session.run(None, {name: films[..., np.newaxis].astype(np.float32)})[0][:, 0]

    return predict
