"""How far a training is, for a person who waits: a bar on standard error."""

import sys
from collections.abc import Sequence

from tqdm import tqdm

from helpers.training.recipes import Recipe


def epochs(what: str, count: int, silent: bool = False) -> tqdm:
    """A bar over ``count`` epochs of something, which may stand at part of one."""
    return tqdm(
        total=count,
        desc=what,
        bar_format="{desc}: {bar:20} epoch {n:.1f} of {total}, {remaining} left{postfix}",
        file=sys.stderr,
        disable=silent,
        mininterval=0.5,
    )


def bar(recipe: Recipe, seed: int, names: Sequence[str], silent: bool = False) -> tqdm:
    """A bar over one training of a recipe, which is one of the study's ``names``."""
    place = f"{names.index(recipe.name) + 1} of {len(names)}"
    return epochs(f"{recipe.title}, seed {seed} ({place})", recipe.epochs, silent)


def report(bar: tqdm, epochs: float, logs: dict[str, float]) -> None:
    """Move the bar to ``epochs`` and show the validation accuracy of the last whole one."""
    if logs:
        bar.set_postfix_str(f"validation accuracy {logs['val_accuracy']:.3f}", refresh=False)
    bar.update(epochs - bar.n)
