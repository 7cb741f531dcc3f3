"""Fitting one recipe with one seed: optimiser, callbacks, and going on after an interruption."""

import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers import storage
from helpers.data import generators
from helpers.models import classifiers
from helpers.training.recipes import Recipe

# Called with the epochs done (a float: part of an epoch counts) and the latest logs.
Report = Callable[[float, dict[str, float]], None]


@dataclass(frozen=True)
class Fitted:
    """A trained network (best epoch's weights), its history (a row an epoch), its seconds."""

    model: keras.Model
    history: pd.DataFrame
    seconds: float


def learning_rate(recipe: Recipe, steps: int) -> float | keras.optimizers.schedules.CosineDecay:
    """The recipe's learning rate: constant, or warm-up and cosine decay over all its steps."""
    if not recipe.cosine:
        return recipe.learning_rate
    warmup = recipe.warmup_epochs * steps
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=recipe.learning_rate / 100,
        decay_steps=max(1, recipe.epochs * steps - warmup),
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup,
    )


def compiled(recipe: Recipe, steps: int, seed: int) -> keras.Model:
    """Build the recipe's network with seeded weights, ready to fit."""
    keras.utils.set_random_seed(seed)
    # Keras draws its layers' seeds by random.randint, from a generator that all threads share: in
    # a process that serves a cluster others would draw from it at the same time.
    common, random.randint = random.randint, random.Random(seed).randint
    try:
        model = classifiers.build(recipe.builder, recipe.side)
    finally:
        random.randint = common
    rate = learning_rate(recipe, steps)
    optimizer = keras.optimizers.Adam(rate)
    if recipe.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.BinaryCrossentropy(label_smoothing=recipe.label_smoothing),
        metrics=["accuracy", keras.metrics.Recall(name="recall")],
        jit_compile=False,  # XLA convolutions on a CPU are several times slower
    )
    return model


def class_weight(recipe: Recipe, labels: np.ndarray) -> dict[int, float] | None:
    """Weights for Keras: None, or such that both classes weigh the same in the loss."""
    if recipe.class_weights == "none":
        return None
    share = float(np.mean(labels))
    return {0: 0.5 / (1 - share), 1: 0.5 / share}


class Keeper(keras.callbacks.Callback):
    """Keep the run on disk after each epoch, so that it can go on where it stopped; report it.

    ``state.weights.h5`` holds weights and optimiser, whose step count tells the epoch;
    ``best.weights.h5`` the epoch with the lowest validation loss; ``history.json`` the rows.
    Each is written whole. Keras's ``BackupAndRestore`` forgets history and best epoch, its
    ``EarlyStopping`` the epochs before an interruption.
    """

    def __init__(self, recipe: Recipe, folder: Path, steps: int, report: Report | None) -> None:
        super().__init__()
        self.recipe, self.folder, self.steps = recipe, folder, steps
        self.report = report or (lambda epochs, logs: None)
        self.rows: list[dict[str, float]] = []
        self.start = time.perf_counter()

    def restore(self, model: keras.Model) -> int:
        """Load what an earlier run left; return the number of epochs it had finished."""
        state = self.folder / "state.weights.h5"
        if not state.is_file():
            return 0
        model.optimizer.build(model.trainable_variables)
        model.load_weights(state)
        done = int(model.optimizer.iterations.numpy()) // self.steps
        for layer in model.layers:
            if getattr(layer, "seed_generator", None):  # dropout draws once a step; not stored
                layer.seed_generator.state.assign_add([0, done * self.steps])
        self.rows = json.loads((self.folder / "history.json").read_text())[:done]
        self.start -= self.rows[-1]["seconds"]
        return done

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.report(len(self.rows) + (batch + 1) / self.steps, {})

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = {key: float(value) for key, value in logs.items()}
        better = logs["val_loss"] < min((row["val_loss"] for row in self.rows), default=math.inf)
        seconds = round(time.perf_counter() - self.start, 1)
        self.rows.append({"epoch": epoch + 1, **logs, "seconds": seconds})
        if better:
            self._save("best.weights.h5")
        storage.write_text(self.folder / "history.json", json.dumps(self.rows))
        self._save("state.weights.h5")
        self.report(epoch + 1, logs)
        self.model.stop_training = self.over

    @property
    def over(self) -> bool:
        """Whether the training has ended: at its last epoch, or with patience at its end."""
        rows, patience = self.rows, self.recipe.patience
        best = min(rows, key=lambda row: row["val_loss"])["epoch"] if rows else 0
        return len(rows) - best >= (patience or math.inf) or len(rows) >= self.recipe.epochs

    def _save(self, name: str) -> None:
        with storage.whole(self.folder / name) as part:
            self.model.save_weights(part)


def in_every_view(
    seen: dict[str, np.ndarray], y: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Films ``rows`` and their labels, one view after the other, as ``fit`` takes them."""
    pictures = np.concatenate([films[rows] for films in seen.values()])
    return pictures, np.tile(y[rows], len(seen))


def fit(
    recipe: Recipe,
    seed: int,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    folder: Path,
    report: Report | None = None,
) -> Fitted:
    """Train one network; go on from ``folder`` if an earlier run was interrupted there.

    ``train`` and ``validation`` are (pictures (n, side, side) uint8, labels (n,) 0 or 1). The
    recipe says of which epoch the network has the weights, of the best or the last.
    """
    steps = generators.steps_per_epoch(len(train[0]), recipe.batch_size)
    model = compiled(recipe, steps, seed)
    keeper = Keeper(recipe, folder, steps, report)
    done = keeper.restore(model)
    if not keeper.over:
        drawn = {"seed": seed, "augmentation": recipe.augmentation, "first_epoch": done}
        sizes = {"batch_size": recipe.batch_size, "epochs": recipe.epochs}
        model.fit(
            generators.train_set(*train, **sizes, **drawn),
            epochs=recipe.epochs,
            initial_epoch=done,
            steps_per_epoch=steps,
            validation_data=generators.val_set(*validation, batch_size=128),
            class_weight=class_weight(recipe, train[1]),
            callbacks=[keeper],
            shuffle=False,  # the generator shuffles
            verbose=0,
        )
    network, history = finished(recipe, seed, folder), pd.DataFrame(keeper.rows)
    return Fitted(network, history, keeper.rows[-1]["seconds"])


def finished(recipe: Recipe, seed: int, folder: Path) -> keras.Model:
    """The network of a training that has ended in ``folder``: of the best or the last epoch.

    It has no optimiser: a third the size. RuntimeError: there was no best epoch.
    """
    kept = folder / ("state.weights.h5" if recipe.take == "last" else "best.weights.h5")
    if not kept.is_file():
        reason = "the validation loss was never a number; lower the learning rate of recipe"
        raise RuntimeError(f"{recipe.title}, seed {seed}: {reason} {recipe.name}")
    network = classifiers.build(recipe.builder, recipe.side)
    network.load_weights(kept)
    return network


def epochs(what: str, count: int, silent: bool = False) -> tqdm:
    """A bar over ``count`` epochs of something, which may stand at part of one."""
    form = "{desc}: {bar:20} epoch {n:.1f} of {total}, {remaining} left{postfix}"
    return tqdm(total=count, desc=what, bar_format=form, disable=silent, mininterval=0.5)


def bar(recipe: Recipe, seed: int, names: Sequence[str], silent: bool = False) -> tqdm:
    """A bar over one training of a recipe, which is one of the study's ``names``."""
    place = f"{names.index(recipe.name) + 1} of {len(names)}"
    return epochs(f"{recipe.title}, seed {seed} ({place})", recipe.epochs, silent)


def report(bar: tqdm, epochs: float, logs: dict[str, float]) -> None:
    """Move the bar to ``epochs`` and show the validation accuracy of the last whole one."""
    if logs:
        bar.set_postfix_str(f"validation accuracy {logs['val_accuracy']:.3f}", refresh=False)
    bar.update(epochs - bar.n)
