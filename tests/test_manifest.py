"""The manifest states the data set's facts, and the split keeps children together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers import config
from helpers.data import manifest


@pytest.fixture(scope="module")
def facts():
    return manifest.read()


def table(films: pd.DataFrame, by: str = "split") -> dict[str, tuple[int, ...]]:
    """Counts of normal, bacterial and viral films."""
    counted = pd.crosstab(films[by], films["subtype"])
    counted = counted.reindex(columns=list(config.SUBTYPES), fill_value=0)
    return {name: tuple(row) for name, row in counted.iterrows()}


# -- the facts --------------------------------------------------------------------------------


def test_there_are_5856_films_of_unique_names(facts):
    assert len(facts) == 5856
    assert facts["film"].is_unique


def test_official_splits_have_the_published_counts(facts):
    assert table(facts) == {
        "train": (1341, 2530, 1345),
        "val": (8, 8, 0),
        "test": (234, 242, 148),
    }


def test_packaged_films_have_the_counts_of_the_package(facts):
    assert table(facts[facts["packaged"]]) == {
        "train": (1341, 966, 475),
        "val": (8, 2, 0),
        "test": (234, 81, 59),
    }


def test_masks_belong_to_247_training_and_52_test_films(facts):
    masked = facts[facts["mask"]]
    assert masked["split"].value_counts().to_dict() == {"train": 247, "test": 52}


def test_masks_belong_to_packaged_normal_films(facts):
    masked = facts[facts["mask"]]
    assert masked["packaged"].all()
    assert set(masked["label"]) == {"NORMAL"}


def test_every_row_says_what_its_file_name_tells(facts):
    told = pd.DataFrame([manifest.parse(film) for film in facts["film"]])
    assert told.eq(facts[list(told)]).all(axis=None)


def test_rows_stand_in_the_order_of_names(facts):
    assert list(facts["film"]) == sorted(facts["film"])


def test_reading_gives_a_copy_of_ones_own():
    spoilt = manifest.read()
    spoilt["film"] = "spoilt"
    assert "spoilt" not in set(manifest.read()["film"])


def test_an_absent_manifest_says_how_to_get_it_back(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"git checkout -- data/manifest\.csv"):
        manifest.read(tmp_path / "manifest.csv")


# -- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("film", "label", "subtype", "series", "patient"),
    [
        ("IM-0115-0001.jpeg", "NORMAL", "normal", "IM", "IM-115"),
        ("IM-0666-0001-0002.jpeg", "NORMAL", "normal", "IM", "IM-666"),
        ("NORMAL2-IM-0381-0001.jpeg", "NORMAL", "normal", "NORMAL2-IM", "NORMAL2-IM-381"),
        ("NORMAL2-IM-1094-0001-0003.jpeg", "NORMAL", "normal", "NORMAL2-IM", "NORMAL2-IM-1094"),
        ("person78_bacteria_378.jpeg", "PNEUMONIA", "bacterial", "bacteria", "bacteria-78"),
        ("person1_virus_11.jpeg", "PNEUMONIA", "viral", "virus", "virus-1"),
        ("person517_virus_1035_2.jpeg", "PNEUMONIA", "viral", "virus", "virus-517"),
    ],
)
def test_a_name_tells_label_subtype_series_and_patient(film, label, subtype, series, patient):
    expected = {"label": label, "subtype": subtype, "series": series, "patient": patient}
    assert manifest.parse(film) == expected


@pytest.mark.parametrize(
    "film",
    [
        "",
        "selfie.jpeg",
        "IM-0115-0001.jpg",
        "IM-0115.jpeg",
        "im-0115-0001.jpeg",
        "._IM-0115-0001.jpeg",
        "test/NORMAL/IM-0115-0001.jpeg",
        "IM-0115-0001.jpeg.jpeg",
        "IM-0115-0001.jpeg\n",
        "NORMAL3-IM-0115-0001.jpeg",
        "person_bacteria_378.jpeg",
        "person78_fungus_378.jpeg",
        "person78_bacteria.jpeg",
    ],
)
def test_another_name_is_refused_with_the_forms_expected(film):
    with pytest.raises(ValueError, match=r"expected IM-0001-0001\.jpeg"):
        manifest.parse(film)


def test_the_same_number_in_two_series_is_no_evidence_of_the_same_child():
    films = ("IM-0007-0001.jpeg", "NORMAL2-IM-0007-0001.jpeg")
    films += ("person7_bacteria_1.jpeg", "person7_virus_1.jpeg")
    assert len({manifest.parse(film)["patient"] for film in films}) == 4


def test_films_with_equal_content_are_grouped_under_the_first_name():
    hashes = {"d": "1", "b": "1", "a": "2", "c": "3", "e": "3"}
    assert manifest.duplicates(hashes) == {"b": "b", "d": "b", "c": "c", "e": "c"}


# -- the split --------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["patient", "duplicate"])
def test_nobody_and_no_picture_stands_in_two_parts(facts, column):
    assert facts[column].nunique() > 0
    assert facts.groupby(column)["part"].nunique().max() == 1


def test_no_patient_of_official_test_is_in_official_train_or_val(facts):
    in_test = facts["split"] == "test"
    assert not set(facts.loc[in_test, "patient"]) & set(facts.loc[~in_test, "patient"])


def test_the_official_test_films_are_the_test_films(facts):
    assert ((facts["split"] == "test") == (facts["part"] == "test")).all()


def test_a_fifth_of_the_other_films_validates(facts):
    ours = facts[facts["part"] != "test"]
    assert (ours["part"] == "validation").mean() == pytest.approx(0.2, abs=0.005)


def test_subtypes_have_the_same_share_in_training_and_validation(facts):
    shares = manifest.counts(facts)[list(config.SUBTYPES)]
    shares = shares.div(shares.sum(axis=1), axis=0)
    assert (shares.loc["training"] - shares.loc["validation"]).abs().max() < 0.01


def test_assigning_parts_reproduces_the_manifest(facts):
    assert manifest.assign_parts(facts).eq(facts["part"]).all()


def test_another_seed_assigns_other_parts(facts):
    assert not manifest.assign_parts(facts, seed=1).eq(facts["part"]).all()


def test_building_reproduces_the_manifest(facts):
    content = facts["duplicate"].fillna(facts["film"])
    built = manifest.build(
        films=dict(zip(facts["film"], facts["split"], strict=True)),
        hashes=dict(zip(facts["film"], content, strict=True)),
        packaged=set(facts.loc[facts["packaged"], "film"]),
        masks=set(facts.loc[facts["mask"], "film"]),
    )
    pd.testing.assert_frame_equal(built, facts, check_dtype=False)


def test_families_join_through_patients_and_duplicates():
    patients = ["A", "A", "B", "B", "C", "D", "E"]
    duplicate = [None, "x", "x", "y", "y", None, pd.NA]
    family = manifest.families(patients, duplicate)
    assert len(set(family[:5])) == 1
    assert len({family[0], family[5], family[6]}) == 3


def test_without_duplicates_a_family_is_a_patient():
    family = manifest.families(["B", "A", "B"], [None, None, None])
    np.testing.assert_array_equal(family == family[0], [True, False, True])


# -- digest and counts ------------------------------------------------------------------------


def test_the_digest_changes_when_a_film_changes_part(facts):
    moved = facts.copy()
    moved.loc[moved["part"].eq("validation").idxmax(), "part"] = "training"
    assert manifest.digest(moved) != manifest.digest(facts)


def test_the_digest_changes_when_a_film_is_left_out(facts):
    assert manifest.digest(facts.iloc[1:]) != manifest.digest(facts)


def test_the_digest_is_that_of_the_set_not_of_its_order(facts):
    assert manifest.digest(facts.sample(frac=1, random_state=1)) == manifest.digest(facts)


def test_counts_are_by_part_with_total_patients_and_prevalence(facts):
    counted = manifest.counts(facts)
    assert tuple(counted.index) == manifest.PARTS
    test = counted.loc["test"]
    assert tuple(test[["normal", "bacterial", "viral", "total"]]) == (234, 242, 148, 624)
    assert test["patients"] == facts.loc[facts["part"] == "test", "patient"].nunique()
    assert test["prevalence"] == pytest.approx(0.625)


def test_counts_by_split_keep_a_split_without_films(facts):
    counted = manifest.counts(facts[facts["split"] == "test"], by="split")
    assert list(counted["total"]) == [0, 0, 624]
