"""The manifest states the data set's facts, and the split keeps children together."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import config
from helpers.data import dataset, manifest


@pytest.fixture(scope="module")
def facts():
    return manifest.read()


def test_films_have_unique_names_in_order_and_the_published_counts(facts):
    assert len(facts) == 5856
    assert list(facts["film"]) == sorted(set(facts["film"]))
    published = [[1341, 2530, 1345], [8, 8, 0], [234, 242, 148]]  # train, val, test
    packaged = [[1341, 966, 475], [8, 2, 0], [234, 81, 59]]
    for films, expected in ((facts, published), (facts[facts["packaged"]], packaged)):
        counted = manifest.counts(films, by="split")
        assert counted[list(config.SUBTYPES)].to_numpy().tolist() == expected
    masked = facts[facts["mask"]]
    assert masked["split"].value_counts().to_dict() == {"train": 247, "test": 52}
    assert masked["packaged"].all()
    assert set(masked["label"]) == {"NORMAL"}


def test_every_row_agrees_with_its_file_name(facts):
    parsed = pd.DataFrame([manifest.parse(film) for film in facts["film"]])
    assert parsed.eq(facts[list(parsed)]).all(axis=None)


def test_packaged_films_of_equal_content_are_those_named_as_duplicates():
    films = dataset.packaged().table
    content = films["path"].map(lambda path: hashlib.sha256(Path(path).read_bytes()).hexdigest())
    alike = films[content.duplicated(keep=False)].groupby(content)["film"].apply(set)
    named = films.groupby("duplicate")["film"].apply(set)
    assert sorted(map(sorted, alike)) == sorted(sorted(group) for group in named if len(group) > 1)
    assert len(alike) == 9


def test_reading_gives_a_copy_of_ones_own_or_says_how_to_get_the_file_back(tmp_path):
    spoilt = manifest.read()
    spoilt["film"] = "spoilt"
    assert "spoilt" not in set(manifest.read()["film"])
    with pytest.raises(FileNotFoundError, match=r"git checkout -- data/manifest\.csv"):
        manifest.read(tmp_path / "manifest.csv")


NAMES = {
    "IM-0115-0001.jpeg": "NORMAL normal IM IM-115",
    "IM-0666-0001-0002.jpeg": "NORMAL normal IM IM-666",
    "NORMAL2-IM-0381-0001.jpeg": "NORMAL normal NORMAL2-IM NORMAL2-IM-381",
    "NORMAL2-IM-0115-0001-0003.jpeg": "NORMAL normal NORMAL2-IM NORMAL2-IM-115",
    "person78_bacteria_378.jpeg": "PNEUMONIA bacterial bacteria bacteria-78",
    "person78_virus_11.jpeg": "PNEUMONIA viral virus virus-78",
    "person517_virus_1035_2.jpeg": "PNEUMONIA viral virus virus-517",
}


@pytest.mark.parametrize("film", NAMES)
def test_a_name_gives_label_subtype_series_and_patient(film):
    expected = zip(("label", "subtype", "series", "patient"), NAMES[film].split(), strict=True)
    assert manifest.parse(film) == dict(expected)


BAD = ["", "selfie.jpeg", "IM-0115-0001.jpg", "IM-0115.jpeg", "im-0115-0001.jpeg"]
BAD += ["IM-0115-0001.jpeg\n", "IM-0115-0001.jpeg.jpeg", "NORMAL3-IM-0115-0001.jpeg"]
BAD += ["._IM-0115-0001.jpeg", "test/NORMAL/IM-0115-0001.jpeg", "person78_bacteria.jpeg"]
BAD += ["person_bacteria_378.jpeg", "person78_fungus_378.jpeg"]


@pytest.mark.parametrize("film", BAD)
def test_another_name_is_refused_with_the_forms_expected(film):
    with pytest.raises(ValueError, match=r"expected IM-0001-0001\.jpeg"):
        manifest.parse(film)


def test_nobody_and_no_picture_stands_in_two_parts(facts):
    for column in ("patient", "duplicate"):
        assert facts[column].nunique() > 0
        assert facts.groupby(column)["part"].nunique().max() == 1
    in_test = facts["split"] == "test"
    assert (in_test == (facts["part"] == "test")).all()
    assert not set(facts.loc[in_test, "patient"]) & set(facts.loc[~in_test, "patient"])


def test_a_fifth_of_the_other_films_validates_with_the_same_share_of_subtypes(facts):
    ours = facts[facts["part"] != "test"]
    assert (ours["part"] == "validation").mean() == pytest.approx(0.2, abs=0.005)
    shares = manifest.counts(facts)[list(config.SUBTYPES)]
    shares = shares.div(shares.sum(axis=1), axis=0)
    assert (shares.loc["training"] - shares.loc["validation"]).abs().max() < 0.01


def test_assigning_parts_reproduces_the_manifest_with_its_seed_alone(facts):
    assert manifest.assign_parts(facts).eq(facts["part"]).all()
    assert not manifest.assign_parts(facts, seed=1).eq(facts["part"]).all()


def test_folds_are_by_child_and_reproduce_the_manifest(facts):
    fold = manifest.folds(facts)
    assert fold.eq(facts["fold"]).all()
    assert (fold.eq(1) == facts["part"].eq("validation")).all()
    ours = facts.assign(fold=fold)[facts["part"] != "test"]
    assert ours["fold"].value_counts(normalize=True).sub(0.2).abs().max() < 0.005
    for column in ("patient", "duplicate"):
        assert ours.groupby(column)["fold"].nunique().max() == 1


def test_families_join_through_patients_and_duplicates():
    patients = ["A", "A", "B", "B", "C", "D", "E"]
    family = manifest.families(patients, [None, "x", "x", "y", "y", None, pd.NA])
    assert len(set(family[:5])) == 1
    assert len({family[0], family[5], family[6]}) == 3
    alone = manifest.families(["B", "A", "B"], [None, None, None])
    np.testing.assert_array_equal(alone == alone[0], [True, False, True])


def test_the_digest_is_that_of_the_films_and_their_parts_whatever_their_order(facts):
    digest = manifest.digest(facts)
    moved = facts.copy()
    moved.loc[moved["part"].eq("validation").idxmax(), "part"] = "training"
    assert len({digest, manifest.digest(moved), manifest.digest(facts.iloc[1:])}) == 3
    assert manifest.digest(facts.sample(frac=1, random_state=1)) == digest


def test_counts_are_by_part_with_total_patients_and_prevalence(facts):
    counted = manifest.counts(facts)
    assert tuple(counted.index) == manifest.PARTS
    test = counted.loc["test"]
    assert tuple(test[["normal", "bacterial", "viral", "total"]]) == (234, 242, 148, 624)
    assert test["patients"] == facts.loc[facts["part"] == "test", "patient"].nunique()
    assert test["prevalence"] == pytest.approx(0.625)
    empty = manifest.counts(facts[facts["split"] == "test"], by="split")
    assert list(empty["total"]) == [0, 0, 624]
