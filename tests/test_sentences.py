"""Sentences follow the numbers they read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers import config
from helpers.data import dataset, manifest
from helpers.evaluation import decisions
from helpers.models.lungs import SIDE
from helpers.report import sentences, tables
from helpers.training import recipes, record
from helpers.training.study import Study

HIGH, LOW = (0.96, 0.94, 0.98), (0.60, 0.55, 0.65)
UP, DOWN, NONE = (0.02, 0.01, 0.03), (-0.02, -0.03, -0.01), (0.0, -0.01, 0.01)


def row(value, low, high):
    return pd.Series({"value": value, "low": low, "high": high})


def differences(accuracy, recall):
    return pd.DataFrame({"accuracy": row(*accuracy), "sensitivity": row(*recall)}).T


def estimates(specificity, sensitivity=(0.98, 0.96, 0.99)):
    rows = {"AUROC": (0.98, 0.97, 0.99), "sensitivity": sensitivity, "specificity": specificity}
    return pd.DataFrame(rows, index=["value", "low", "high"]).T


def test_a_difference_carries_its_sign_and_is_clear_when_its_interval_leaves_out_zero():
    assert tables.signed(row(0.012, -0.003, 0.027)) == "+.012 [−.003, +.027]"
    assert sentences.clear(row(0.1, 0.02, 0.2))
    assert sentences.clear(row(-0.1, -0.2, -0.02))
    assert not sentences.clear(row(0.1, -0.01, 0.2))
    assert not sentences.clear(row(0.1, 0.0002, 0.2)), "printed as +.000"


@pytest.mark.parametrize(
    ("accuracy", "recall", "said"),
    [
        (DOWN, UP, ["lower accuracy holds", "higher sensitivity holds"]),
        (NONE, DOWN, ["lower accuracy is not borne out", "higher sensitivity is contradicted"]),
    ],
)
def test_what_the_first_study_saw_is_judged_by_the_intervals(accuracy, recall, said):
    text = sentences.leaky(differences(accuracy, recall), seeds=5, films=100)
    assert all(part in text for part in said)


def test_the_gap_counts_the_networks_whose_specificity_fell_beyond_chance():
    before = {"A": estimates(HIGH), "B": estimates((0.80, 0.70, 0.90))}
    after = {"A": estimates((0.70, 0.65, 0.75)), "B": estimates((0.75, 0.68, 0.82))}
    text = sentences.gap(before, after)
    assert "For 1 of 2 networks" in text
    assert "specificity −.260 to −.050" in text


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (estimates((0.70, 0.65, 0.75)), "a fall beyond chance"),
        (estimates((0.95, 0.93, 0.97)), "within what chance allows"),
        (estimates((0.9, 0.8, 0.95), (0.97, 0.95, 0.985)), "is compatible with"),
        (estimates((0.9, 0.8, 0.95), (0.90, 0.88, 0.92)), "is broken"),
        (estimates((0.9, 0.8, 0.95), (0.995, 0.985, 1.0)), "is exceeded"),
    ],
)
def test_the_conclusion_says_whether_validations_two_promises_were_kept(after, said):
    assert said in sentences.conclusion({"Final": estimates(HIGH)}, {"Final": after})


def test_subtypes_say_whether_the_intervals_overlap():
    bacterial, viral = row(0.99, 0.98, 1), row(0.9, 0.85, 0.95)
    apart = pd.DataFrame({"bacterial": bacterial, "viral": viral}).T.assign(films=[242, 148])
    assert "do not overlap" in sentences.subtypes(apart)
    apart.loc["viral", "high"] = 0.99
    assert "the intervals overlap" in sentences.subtypes(apart)


def test_the_ledger_sentence_names_recipes_scored_more_than_once():
    dates = ["2026-01-02", "2026-01-01", "2026-01-03"]
    ledger = pd.DataFrame({"date": dates, "recipe": ["a", "b", "a"]})
    text = sentences.openings(ledger)
    assert "3 scorings" in text
    assert "2026-01-01" in text
    assert "(a 2 times)" in text


def test_what_was_known_beforehand_is_read_from_the_ledger():
    early, late = recipes.get("residual"), recipes.get("final")
    dates = ["2026-01-01T10:00:00+00:00", "2026-01-02T11:30:00+00:00"]
    ledger = pd.DataFrame({"date": dates, "recipe_digest": [early.digest(), late.digest()]})
    text = sentences.known_before(ledger, early, late)
    assert "10:00 on 2026-01-01" in text
    assert "11:30 on 2026-01-02" in text
    assert "not a blind first one" in text
    swapped = ledger.assign(date=dates[::-1])
    assert "not a blind" not in sentences.known_before(swapped, early, late)
    assert "does not say" in sentences.known_before(ledger[:1], early, late)


def test_the_rule_says_that_the_final_network_has_another():
    text = sentences.rule(final := Study().run("final"))
    assert "98%" in text
    assert f"{final.threshold:.3f}".removeprefix("0") in text


def test_the_split_sentence_counts_what_the_manifest_holds():
    counts = manifest.counts(films := manifest.read())
    assert f"training {counts.loc['training', 'total']:,} films" in sentences.split(films)


def test_peers_end_with_our_network_and_its_interval():
    metrics = ("accuracy", "sensitivity", "specificity", "AUROC")
    ours = pd.DataFrame({name: row(0.9, 0.85, 0.95) for name in metrics}).T
    table = tables.peers(ours)
    assert table.iloc[-1]["AUROC"] == ".900 [.850, .950]"
    assert len(table) == len(pd.read_csv(config.PEERS)) + 1


def test_an_overview_without_a_record_or_with_a_broken_one_says_so(tmp_path):
    assert "No recorded result" in sentences.overview(tmp_path)
    (tmp_path / "final").mkdir()
    (tmp_path / "final" / "record.json").write_text("{")
    (tmp_path / "final" / "predictions.csv").write_text("")
    assert "damaged" in sentences.overview(tmp_path)
    assert issubclass(record.RecordError, RuntimeError)


def test_the_first_studys_figures_are_placed_by_our_interval():
    accuracy = {"CNN 4": row(0.78, 0.74, 0.82), "CNN 5": row(0.87, 0.84, 0.90)}
    ours = {name: pd.DataFrame({"accuracy": value}).T for name, value in accuracy.items()}
    text = sentences.against_first_study(ours)
    assert "CNN 4 has an accuracy of .780 [.740, .820] here and .888 there, above" in text
    assert "CNN 5 has an accuracy of .870 [.840, .900] here and .873 there, within" in text


def test_the_setting_says_where_results_come_from(tiny):
    everything = dataset.Films("a disk", tiny)
    few = dataset.Films("a disk", tiny, missing=("x",))
    assert "recorded study" in sentences.setting(Study())
    assert "become the record" in sentences.setting(Study("train", "full", everything))
    for study in (Study("train", "full", few), Study("train", "short", everything)):
        text = sentences.setting(study)
        assert "not the study's" in text
        assert f"{len(tiny)} films from a disk" in text


@pytest.mark.parametrize(
    ("kept", "said"), [(LOW, "less than validation promised"), (HIGH, "about what validation")]
)
def test_the_overview_says_whether_validations_promise_was_kept(kept, said):
    promised = {"Dense": estimates(HIGH), "Final": estimates(HIGH)}
    text = sentences.closing_overview(promised, {"Dense": estimates(LOW), "Final": estimates(kept)})
    assert said in text
    assert ".980 [.970, .990]" in text
    assert "one step before" in text


def scores(shift):
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    p = np.clip(rng.normal(0.4 + shift * y, 0.2), 0, 1)
    return pd.DataFrame({"film": range(200), "patient": range(200), "y": y, "probability": p})


def test_ideas_are_sorted_by_whether_they_moved_auroc_beyond_chance():
    weak, strong = scores(0.05), scores(0.5)
    text = sentences.closing_models({"Dense": weak, "CNN 1": strong, "CNN 2": strong})
    seen, unseen = text.split("beyond chance;")
    assert "neighbourhoods (+" in seen
    assert "dropout (+.000" in unseen


def test_the_test_chapter_counts_networks_whose_specificity_fell():
    before = {"A": estimates(HIGH), "B": estimates(HIGH)}
    text = sentences.closing_tested(before, {"A": estimates(LOW), "B": estimates(HIGH)})
    assert "for 1 of them" in text
    assert "specificity from .600 [.550, .650] (A) to .960 [.940, .980] (B)" in text


@pytest.mark.parametrize(
    ("best", "said"), [(100.0, "must be checked"), (950.0, "which chance may explain")]
)
def test_the_operating_points_price_is_said_with_its_limits(best, said):
    limits = {"value": [1000.0, best], "low": [900.0, best], "high": [1100.0, best]}
    curve = pd.DataFrame(limits, index=[0.1, 0.6])
    stakes = decisions.Stakes(miss=1000, alarm=50, prevalence=0.2)
    text = sentences.closing_threshold(curve, stakes, 0.1)
    assert "USD 1,000 [900, 1,100]" in text
    assert said in text


@pytest.mark.parametrize(
    ("limits", "said"),
    [((0.02, 0.01, 0.03), "travel better"), ((0.02, -0.01, 0.05), "no sure difference")],
)
def test_the_study_closes_with_what_the_lungs_brought(limits, said):
    apart = pd.DataFrame({"AUROC": limits}, index=["value", "low", "high"]).T
    text = sentences.closing_study(estimates(HIGH), estimates(LOW), apart)
    assert said in text
    assert "60.0% [55.0, 65.0] here" in text
    assert "did not hold" in text
    assert "did not hold" not in sentences.closing_study(estimates(HIGH), estimates(HIGH), apart)


def test_the_ceiling_is_one_for_a_mask_of_whole_fields_and_lower_for_a_ragged_one():
    assert sentences.ceiling(np.ones((1, SIDE, SIDE), bool))[0] == pytest.approx(1)
    stripe = np.zeros((1, SIDE, SIDE), bool)
    stripe[:, :, 60:64] = True
    assert sentences.ceiling(stripe)[0] < 0.3
