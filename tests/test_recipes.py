"""A recipe's digest stands for everything that decides the result."""

from __future__ import annotations

import dataclasses
import json

import pytest

from helpers.data.augmentation import Augmentation
from helpers.training import recipes
from helpers.training.recipes import Recipe

BASE = Recipe(name="cnn_4", title="CNN 4", augmentation=Augmentation(rotation=10))

CHANGES = {
    "name": "cnn_5",
    "side": 128,
    "batch_size": 16,
    "epochs": 31,
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "cosine": True,
    "warmup_epochs": 1,
    "weight_decay": 1e-2,
    "label_smoothing": 0.1,
    "class_weights": "balanced",
    "patience": None,
    "augmentation": None,
    "seeds": (1, 2),
    "average": True,
    "keep_weights": True,
    "network": "final",
    "view": "box",
    "margins": "balanced",
    "take": "last",
    "mirrored": True,
    "rule": "stress",
    "ema": 0.9,
    "was": "cnn_6",  # stands for the name, which counts
}
PROSE = {"title": "Another title", "short_epochs": 2, "short_seeds": 3}

MOVEMENTS = {
    "rotation": 11.0,
    "shift": 0.1,
    "zoom": 0.1,
    "mirror": True,
    "flip": True,
    "brightness": 0.1,
    "contrast": 0.1,
    "gamma": 0.1,
    "noise": 0.1,
    "sharpness": 0.1,
    "letters": 0.1,
}


def names(kind):
    return {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize("setting", sorted(names(Recipe) - set(PROSE)))
def test_the_digest_changes_with_any_setting(setting):
    changed = dataclasses.replace(BASE, **{setting: CHANGES[setting]})
    assert changed.digest() != BASE.digest()


@pytest.mark.parametrize("setting", sorted(names(Augmentation)))
def test_the_digest_changes_with_any_movement(setting):
    movement = dataclasses.replace(BASE.augmentation, **{setting: MOVEMENTS[setting]})
    assert dataclasses.replace(BASE, augmentation=movement).digest() != BASE.digest()


@pytest.mark.parametrize("setting", PROSE)
def test_the_digest_does_not_change_with_prose(setting):
    assert dataclasses.replace(BASE, **{setting: PROSE[setting]}).digest() == BASE.digest()


def test_equal_settings_have_equal_digests_and_the_studys_recipes_differ():
    assert dataclasses.replace(BASE).digest() == BASE.digest()
    assert len({recipe.digest() for recipe in recipes.STUDY.values()}) == len(recipes.STUDY)


def test_settings_survive_being_written_down():
    written = json.loads(json.dumps(BASE.settings()))
    assert written["augmentation"]["rotation"] == 10
    assert written["seeds"] == [1]


@pytest.mark.parametrize("recipe", recipes.STUDY.values(), ids=lambda recipe: recipe.name)
def test_a_shortened_recipe_differs_in_fewer_epochs_and_seeds_only(recipe):
    short = recipe.shortened()
    assert dataclasses.replace(short, epochs=recipe.epochs, seeds=recipe.seeds) == recipe
    assert short.epochs <= recipe.epochs


def test_a_shortened_recipe_trains_its_short_epochs_and_first_seeds():
    recipe = dataclasses.replace(BASE, seeds=(3, 1, 2), epochs=30, short_epochs=4, short_seeds=2)
    assert (recipe.shortened().epochs, recipe.shortened().seeds) == (4, (3, 1))


def test_the_study_tells_its_story_in_order():
    first = ["dummy", "dense", "cnn_1", "cnn_2", "cnn_3", "cnn_4", "cnn_5"]
    assert list(recipes.STUDY) == [*first, "residual", "final"]


def test_cnn_4_and_cnn_5_differ_in_the_network_only():
    cnn_4, cnn_5 = recipes.get("cnn_4"), recipes.get("cnn_5")
    assert dataclasses.replace(cnn_5, name="cnn_4", title=cnn_4.title) == cnn_4


def test_an_unknown_recipe_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"no recipe 'resnet'; the study has dummy, .*final"):
        recipes.get("resnet")


def test_fields_that_came_later_leave_earlier_digests_as_they_were():
    """The digest recorded before the fields existed; a change would orphan the record."""
    assert recipes.get("residual").digest() == "2b2377a6d19b7e21"
    assert not set(recipes.LATER) & set(recipes.get("residual").settings())
    assert dataclasses.replace(BASE, view="box").settings()["view"] == "box"  # where it changes


def test_the_final_network_does_not_choose_by_ordinary_validation():
    final = recipes.get("final")
    assert (final.take, final.patience, final.rule) == ("last", None, "stress")
