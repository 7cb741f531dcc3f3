"""A recipe's digest stands for everything that decides the result."""

import dataclasses
import json

import pytest

from helpers.data.augmentation import Augmentation
from helpers.training import recipes
from helpers.training.recipes import Recipe
from helpers.training.study import Study

BASE = Recipe(name="cnn_4", title="CNN 4", augmentation=Augmentation(rotation=10))

# Changing them leaves what is trained as it was.
PROSE = {"title", "short_epochs", "short_seeds", "recall_first"}


def other(value):
    """A value of the same kind that is not ``value``."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    return {str: f"{value}x", tuple: (7,)}.get(type(value))


@pytest.mark.parametrize("setting", [field.name for field in dataclasses.fields(Recipe)])
def test_the_digest_changes_with_any_setting_and_not_with_prose(setting):
    changed = dataclasses.replace(BASE, **{setting: other(getattr(BASE, setting))})
    assert changed != BASE
    assert (changed.digest() == BASE.digest()) == (setting in PROSE)


@pytest.mark.parametrize("setting", [field.name for field in dataclasses.fields(Augmentation)])
def test_the_digest_changes_with_any_change_of_the_films(setting):
    change = other(getattr(BASE.augmentation, setting))
    augmentation = dataclasses.replace(BASE.augmentation, **{setting: change})
    assert dataclasses.replace(BASE, augmentation=augmentation).digest() != BASE.digest()


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
    assert dataclasses.replace(cnn_5, name="cnn_4", title="CNN 4", keep_weights=False) == cnn_4


def test_an_unknown_recipe_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"no recipe 'resnet'; the study has dummy, .*final"):
        recipes.get("resnet")


def test_fields_that_came_later_leave_earlier_digests_as_they_were():
    """The digest recorded before the fields existed; a change would orphan the record."""
    assert recipes.get("residual").digest() == "2b2377a6d19b7e21"
    assert not set(recipes.LATER) & set(recipes.get("residual").settings())
    assert dataclasses.replace(BASE, view="box").settings()["view"] == "box"  # where it changes


def test_an_earlier_final_network_is_what_its_record_says():
    first, second = (Study().recorded(name).recipe for name in recipes.PAST)
    assert [first.views_of(seed) for seed in first.seeds] == [("box",), ("film",)] * 2
    assert (first.take, first.patience, first.digest()) == ("last", None, "a7fdb4fca5cca3f4")
    assert dataclasses.replace(first, recall_first="0.5").digest() == first.digest()
    final = recipes.get("final")
    assert dataclasses.replace(final, epochs=16).digest() == second.digest() == "9145972dbebd7fe4"
    assert not set(recipes.PAST) & set(recipes.STUDY)


def test_a_member_of_the_final_network_sees_both_views_and_leaves_a_fold_out():
    final = recipes.get("final")
    assert all(final.views_of(seed) == final.views for seed in final.seeds)
    assert len(final.views) == 2
    assert final.seeds == (1, 2, 3, 4, 5)
    assert (final.unseen, recipes.get("residual").unseen) == ("out-of-fold", "validation")
