"""The committed record: complete, of the full films, true to recipes and networks of today."""

from __future__ import annotations

import pandas as pd
import pytest

from helpers import config, manifest, models, recipes, record
from helpers.study import Study


@pytest.fixture(scope="module")
def results():
    return Study().run_all()


@pytest.mark.parametrize("name", recipes.STUDY)
def test_the_record_belongs_to_the_network_as_it_is_defined_now(results, name):
    recipe, facts = results[name].recipe, results[name].record.facts
    assert facts["network_digest"] == models.fingerprint(recipe.name, recipe.side), (
        f"data/results/{name} was recorded with another definition of the network: `make train`"
    )


@pytest.mark.parametrize("name", recipes.STUDY)
def test_every_validation_and_test_film_has_a_probability_from_every_seed(results, name):
    facts = manifest.read().set_index("film")
    table = results[name].record.predictions
    for part in ("validation", "test"):
        films = set(facts.index[facts["part"] == part])
        for seed in results[name].recipe.seeds:
            rows = table[(table["split"] == part) & (table["seed"] == seed)]
            assert set(rows["film"]) == films
            assert rows["film"].is_unique
    assert table["probability"].between(0, 1).all()


@pytest.mark.parametrize("name", recipes.STUDY)
def test_the_record_was_made_on_all_films_with_the_full_schedule(results, name):
    facts = results[name].record.facts
    assert facts["schedule"] == "full"
    assert sum(facts["films"].values()) == len(manifest.read())


def test_every_recipe_left_a_line_in_the_ledger():
    ledger = record.openings(config.RESULTS)
    for name, recipe in recipes.STUDY.items():
        assert recipe.digest() in set(ledger.loc[ledger["recipe"] == name, "recipe_digest"])
    assert pd.to_datetime(ledger["date"]).is_monotonic_increasing


def test_the_study_trains_within_an_hour_and_keeps_little(results):
    seconds = sum(sum(r.record.facts["training_seconds"].values()) for r in results.values())
    assert seconds < 3600
    kept = [path.stat().st_size for path in config.RESULTS.glob("*/*.keras")]
    assert len(kept) == len(recipes.get("final").seeds)
    assert sum(kept) < 10_000_000
