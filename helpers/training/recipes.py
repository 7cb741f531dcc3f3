"""Every network's settings on one screen, as data with reasons."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Self

from helpers.data.augmentation import Augmentation

# A child may stand a little askew, nearer or farther: an X-ray room produces no more. Nobody is
# filmed upside down, so no vertical flip; the mirror is tried in notebooks_archive/02.
MILD = Augmentation(rotation=10, shift=0.08, zoom=0.1)
# Tone tells the apparatus, not the disease: the final network must not rely on it.
MILD_AND_TONE = dataclasses.replace(MILD, brightness=0.1, contrast=0.4, gamma=0.4, noise=0.04)
# Harder on tone, and on sharpness, which differs between apparatus as much.
MILD_AND_LOOK = dataclasses.replace(
    MILD, brightness=0.15, contrast=0.5, gamma=0.5, noise=0.05, sharpness=1.0
)
# And half of the films mirrored, as careless software stores them.
MIRRORED = dataclasses.replace(MILD_AND_LOOK, mirror=True)
FIVE = (1, 2, 3, 4, 5)  # seeds, or folds

# Fields that came after the first record. At their first value, which is their default, they
# change nothing: a digest leaves them out there, and what was recorded before stays valid.
LATER = ("network", "view", "take", "rule", "sharpness", "letters", "crop", "frame")
LATER += ("both", "folds")
# What is not part of what was trained: changing it leaves a record valid.
PROSE = ("title", "short_epochs", "short_seeds", "was", "recall_first")


@dataclass(frozen=True)
class Recipe:
    """Settings of one network; equal settings give equal digests.

    ``seeds`` lists one training each. With ``average`` the network is their mean probability,
    otherwise it is the one with the lowest validation loss, and the others show how much luck
    there is.
    """

    name: str
    title: str
    side: int = 64  # the first study's size
    batch_size: int = 32
    epochs: int = 30
    optimizer: str = "adam"  # or "adamw"
    learning_rate: float = 1e-3
    cosine: bool = False  # warm up for warmup_epochs, then fall to zero at the last epoch
    warmup_epochs: int = 0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    class_weights: str = "none"  # or "balanced"
    patience: int | None = 10  # epochs without a better validation loss; None trains all epochs
    augmentation: Augmentation | None = None
    seeds: tuple[int, ...] = (1,)
    average: bool = False
    keep_weights: bool = False
    network: str = ""  # its builder, where that is not the recipe's own name
    view: str = "film"  # what it sees (views.VIEWS); several are joined by "+"
    both: bool = False  # a member learns from all views, and answers with their mean
    folds: bool = False  # a seed is a fold: its member learns from all others (manifest.folds)
    take: str = "best"  # weights of the epoch with the lowest validation loss, or of the "last"
    rule: str = "sensitivity"  # as recorded; ``recall_first`` has taken its place
    recall_first: str = "98% of the sick"  # thresholds.RULES: how that operating point is found
    was: str = ""  # the name under which it was recorded
    short_epochs: int = 8
    short_seeds: int = 1

    @property
    def builder(self) -> str:
        """Name of the network's builder in ``models``."""
        return self.network or self.was or self.name

    @property
    def views(self) -> tuple[str, ...]:
        """What its members see."""
        return tuple(self.view.split("+"))

    def views_of(self, seed: int) -> tuple[str, ...]:
        """What the member trained with ``seed`` sees: all views, or one in turn."""
        return self.views if self.both else (self.views[self.seeds.index(seed) % len(self.views)],)

    @property
    def unseen(self) -> str:
        """Split of the record with answers to films that a member has not learnt from."""
        return "out-of-fold" if self.folds else "validation"

    def settings(self) -> dict[str, Any]:
        """Everything that decides the result, as plain data."""
        fields = {k: v for k, v in dataclasses.asdict(self).items() if k not in PROSE}
        if self.augmentation is not None:
            fields["augmentation"] = _without_defaults(fields["augmentation"], Augmentation)
        return _without_defaults(fields | {"name": self.was or self.name}, Recipe)

    def digest(self) -> str:
        """SHA-256 of the settings, the first 16 digits."""
        text = json.dumps(self.settings(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def shortened(self) -> Self:
        """The same network on a schedule of minutes: shows the way, is no result."""
        seeds = self.seeds[: self.short_seeds]
        return dataclasses.replace(self, epochs=self.short_epochs, seeds=seeds)


def _without_defaults(fields: dict[str, Any], kind: type) -> dict[str, Any]:
    """``fields`` of a ``kind``, less those of ``LATER`` that have their default."""
    return {k: v for k, v in fields.items() if k not in LATER or v != getattr(kind, k)}


# The first network against the shortcut: a larger film, and tone of no use.
RESIDUAL = Recipe(
    name="residual",
    was="final",  # what it was called when its test films were scored
    title="Residual net",
    side=128,  # opacities of a few millimetres vanish at 64
    optimizer="adamw",
    learning_rate=2e-3,
    epochs=24,
    cosine=True,
    warmup_epochs=2,
    weight_decay=1e-2,
    label_smoothing=0.05,  # graders err; keeps scores from saturating
    class_weights="balanced",  # no clinic has this data set's prevalence
    patience=None,  # the cosine needs all its epochs
    augmentation=MILD_AND_TONE,
    seeds=(1, 2, 3),
    average=True,
    keep_weights=True,
    short_epochs=6,
)
# What the trials chose (``experiments.shift.chosen``): four members learn a film, one judges it.
FINAL = dataclasses.replace(
    RESIDUAL,
    name="final",
    was="",
    title="Final",
    view="filled film+filled box",
    both=True,
    folds=True,
    take="last",  # ordinary validation loss rewards the acquisition group: it must not choose
    epochs=24,  # of two views, so 48 looks at each film: within 45 minutes on two cores
    augmentation=MIRRORED,
    seeds=FIVE,
    recall_first="97% of the sick",
    short_epochs=3,
    short_seeds=2,
)
# Earlier final networks, no longer trained: their records say how they were made.
PAST = {"first_version": "Final, first version", "second_version": "Final, second version"}

# Unweighted classes: with three pneumonia films to one normal film, an unsure network leans
# towards pneumonia, the side on which an error costs less.
STUDY: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(name="dummy", title="Dummy", epochs=0, short_epochs=0, patience=None),
        # Five seeds, because a training of so narrow layers may die: see the notebook.
        Recipe(name="dense", title="Dense", seeds=FIVE, short_seeds=5),
        Recipe(name="cnn_1", title="CNN 1"),
        Recipe(name="cnn_2", title="CNN 2"),
        Recipe(name="cnn_3", title="CNN 3"),
        # Five seeds each, so that ReLU against LeakyReLU is a comparison and not an anecdote.
        Recipe(name="cnn_4", title="CNN 4", augmentation=MILD, seeds=FIVE),
        # Its weights are set beside the final network's in chapter 9.
        Recipe(name="cnn_5", title="CNN 5", augmentation=MILD, seeds=FIVE, keep_weights=True),
        *(RESIDUAL, FINAL),
    )
}


def get(name: str) -> Recipe:
    """The recipe ``name``; ValueError where there is none of this name."""
    if name not in STUDY:
        raise ValueError(f"no recipe {name!r}; the study has {', '.join(STUDY)}")
    return STUDY[name]


def past(name: str, settings: dict[str, Any]) -> Recipe:
    """The recipe of an earlier final network, by the ``settings`` in its record."""
    known = {"name": name, "was": settings["name"], "title": PAST[name]}
    made = {"augmentation": Augmentation(**settings["augmentation"])}
    return Recipe(**settings | known | made | {"seeds": tuple(settings["seeds"])})
