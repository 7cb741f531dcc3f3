"""The final network beside the same in PyTorch (training) and ONNX Runtime (prediction).

``python -m benchmarks.frameworks``: needs ``pip install torch onnx onnxruntime tf2onnx``. Each way
runs in a process of its own, in turn with ours, on one batch in memory, for feeding is another
question.
"""

import argparse
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import common
from helpers import config

BATCH, STEPS, WARM = 32, 40, 10
LEVEL, SLOWER = 1.0, 1.5  # ours at least as fast in training; at most so much slower in prediction


def batch(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise as films (BATCH, side, side, 1) and as many of each class, float32."""
    films = np.random.default_rng(1).integers(0, 256, (BATCH, side, side, 1))
    return films.astype(np.float32), np.arange(BATCH, dtype=np.float32)[:, np.newaxis] % 2


def rate(step: Callable[[], Any], steps: int) -> float:
    """Films a second over ``steps`` steps, after some to warm up."""
    for _ in range(min(WARM, steps)):
        step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return steps * BATCH / (time.perf_counter() - start)


def keras_trains(steps: int) -> float:
    """Ours: the recipe's own compiled step."""
    from helpers.training import fit, recipes

    recipe = recipes.get("final")
    model, known = fit.compiled(recipe, 1000, seed=1), batch(recipe.side)
    return rate(lambda: model.train_on_batch(*known), steps)


def torch_trains(steps: int) -> float:
    """The same layers, loss and optimiser in PyTorch."""
    import torch
    from torch import nn

    from helpers.training import recipes

    def convolve(inside: int, filters: int, size: int = 3, strides: int = 1) -> nn.Sequential:
        convolution = nn.Conv2d(inside, filters, size, strides, size // 2, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(filters, eps=1e-3))

    class Residual(nn.Module):
        def __init__(self, inside: int, filters: int) -> None:
            super().__init__()
            self.short = nn.Sequential(nn.AvgPool2d(2), convolve(inside, filters, 1))
            first = convolve(inside, filters, strides=2)
            self.long = nn.Sequential(first, nn.ReLU(), convolve(filters, filters))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.relu(self.short(x) + self.long(x))

    widths = (24, 24, 48, 96, 192)
    blocks = [Residual(*pair) for pair in itertools.pairwise(widths)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(192, 1)]
    model = nn.Sequential(convolve(1, 24, 5, 2), nn.ReLU(), *blocks, *head)
    model = model.to(memory_format=torch.channels_last)
    optimizer, loss = torch.optim.AdamW(model.parameters()), nn.BCEWithLogitsLoss()
    x, y = (torch.from_numpy(of) for of in batch(recipes.get("final").side))
    x = (x.permute(0, 3, 1, 2) / 255).contiguous(memory_format=torch.channels_last)

    def step() -> None:
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    return rate(step, steps)


def keras_predicts(steps: int) -> float:
    """Ours: a member as ``predict`` asks it."""
    from helpers import predict

    model = _member()
    ask, films = predict.together([(model, "film")]), batch(model.input_shape[1])[0][..., 0]
    return rate(lambda: ask({"film": films}), steps)


def onnx_predicts(steps: int) -> float:
    """The same member in ONNX Runtime; RuntimeError where its answers are others."""
    import onnxruntime
    import tensorflow as tf
    import tf2onnx

    model = _member()
    films = batch(model.input_shape[1])[0]
    wanted = [tf.TensorSpec((None, *films.shape[1:]), tf.float32, name="film")]
    made, _ = tf2onnx.convert.from_function(
        tf.function(lambda film: model(film, training=False)), input_signature=wanted
    )
    session = onnxruntime.InferenceSession(made.SerializeToString())
    said = session.run(None, {"film": films})[0]
    if not np.allclose(said, model(films, training=False), atol=1e-4):
        raise RuntimeError("ONNX Runtime answers otherwise than Keras")
    return rate(lambda: session.run(None, {"film": films}), steps)


def _member() -> Any:
    """The first member of the recorded final network."""
    from helpers.training.study import Study

    return Study().run("final").ensemble().members[0][0]


WAYS = {"training": (keras_trains, torch_trains), "prediction": (keras_predicts, onnx_predicts)}


def elsewhere(way: Callable[[int], float], steps: int) -> float:
    """The rate of a way in a process of its own."""
    code = f"from benchmarks import frameworks; print(frameworks.{way.__name__}({steps}))"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=config.ROOT, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(pairs: int, steps: int) -> list[dict[str, Any]]:
    """A row a question: films a second of the other framework, ours beside it, the ratio."""
    rows = []
    for what, (ours, other) in WAYS.items():
        first, second = (lambda way=way: elsewhere(way, steps) for way in (ours, other))
        rows.append({"what": what, "other": other.__name__, **common.in_turn(first, second, pairs)})
    return rows


def lines(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table's lines: what has to be reached, and whether it was."""
    training, prediction = (row["ratio"] for row in rows)
    torch = "Training the final network, times as fast as the same in PyTorch"
    onnx = "A member's answers to 32 X-rays, times ONNX Runtime's time"
    return [
        common.line(torch, f"{training:.2f}", f"at least {LEVEL:g}", training >= LEVEL),
        common.line(onnx, f"{1 / prediction:.2f}", f"at most {SLOWER}", 1 / prediction <= SLOWER),
    ]


def main() -> None:
    """Measure and write the record."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--pairs", type=int, default=5)
    rows = measure(options.parse_args().pairs, STEPS)
    common.write("frameworks", rows, lines(rows))


if __name__ == "__main__":
    main()
