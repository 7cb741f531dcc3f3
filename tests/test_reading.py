"""Any file to pixels: the study's films, anybody's, and named refusals of what is none."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from helpers.data import dataset, images
from helpers.data.images import FilmError


@pytest.fixture(scope="module")
def film():
    """A packaged radiograph, 224 x 224 uint8."""
    return images.read_film(dataset.packaged().table["path"].iloc[0], 224)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def saved(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    kept = io.BytesIO()
    picture.save(kept, kind, **options)
    return kept.getvalue()


def dicom(pixels: np.ndarray, **fields) -> bytes:
    """A DICOM radiograph with these pixels; ``fields`` set or replace elements."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
    made.Rows, made.Columns = pixels.shape[:2]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    bits = 8 * pixels.dtype.itemsize
    made.BitsAllocated = made.BitsStored = bits
    made.HighBit, made.PixelRepresentation = bits - 1, 0
    made.PixelData = pixels.tobytes()
    for name, value in fields.items():
        setattr(made, name, value)
    kept = io.BytesIO()
    pydicom.dcmwrite(kept, made, enforce_file_format=True)
    return kept.getvalue()


def apart(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(float) - second).mean())


@pytest.mark.parametrize("size", [64, 128, 224])
def test_a_film_has_the_pixels_of_its_published_copy_from_whatever_source(tmp_path, size):
    original = Image.fromarray(noise(500, 700))
    copy = original.resize((224, 224), Image.Resampling.BILINEAR)
    sources = {"original": original, "copy": copy, "colour": original.convert("RGB")}
    expected = copy if size == 224 else copy.resize((size, size), Image.Resampling.BILINEAR)
    for name, source in sources.items():
        source.save(tmp_path / f"{name}.png")
        read = images.read_film(tmp_path / f"{name}.png", size)
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, np.asarray(expected))
    Image.fromarray(noise(40, 50).astype(np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(FilmError, match=r"^deep\.png: has more than 8 bits"):
        images.read_film(tmp_path / "deep.png", size)


def test_many_films_are_read_in_order_and_failures_named_by_position(drawn, tmp_path):
    paths = sorted(str(path) for path in drawn.rglob("*.jpeg"))
    paths.insert(1, str(tmp_path / "bad.jpeg"))
    (tmp_path / "bad.jpeg").write_text("no film")
    pictures, problems = dataset.read_all(paths, 32)
    assert problems == {1: "bad.jpeg: not an image file"}
    for path, picture in list(zip(paths, pictures, strict=True))[2:]:
        np.testing.assert_array_equal(picture, images.read_film(path, 32))


def kinds(film: np.ndarray) -> dict[str, bytes]:
    """One film as files of many kinds."""
    grey = Image.fromarray(film)
    deep = film.astype(np.uint16) * 257
    large = grey.resize((1200, 960), Image.Resampling.LANCZOS)
    square = Image.new("L", (1200, 1200))
    square.paste(large, (0, 120))
    return {
        "PNG": saved(grey),
        "JPEG": saved(grey, "JPEG", quality=95),
        "BMP": saved(grey, "BMP"),
        "TIFF": saved(grey, "TIFF"),
        "RGB": saved(grey.convert("RGB")),
        "RGBA": saved(grey.convert("RGBA")),
        "LA": saved(grey.convert("LA")),
        "palette": saved(grey.convert("P")),
        "16-bit PNG": saved(Image.fromarray(deep)),
        "16-bit TIFF": saved(Image.fromarray(deep), "TIFF"),
        "original size": saved(large, "JPEG", quality=92),
        "padded": saved(square, "JPEG", quality=95),
        "DICOM": dicom(film),
        "DICOM, 16 bits": dicom(deep),
        "DICOM, 12 bits": dicom((film * 16.0).astype(np.uint16), BitsStored=12),
        "DICOM, MONOCHROME1": dicom(255 - film, PhotometricInterpretation="MONOCHROME1"),
        "DICOM, windowed": dicom(film.astype(np.uint16) * 4, WindowCenter=510.5, WindowWidth=1021),
        "DICOM, rescaled": dicom(film, RescaleSlope=2, RescaleIntercept=-100),
    }


KINDS = list(kinds(np.zeros((224, 224), np.uint8)))


@pytest.fixture(scope="module")
def files_of_one_film(film):
    return kinds(film)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_film_gives_the_same_pixels_from_every_kind_of_file(kind, film, files_of_one_film):
    read = images.read(files_of_one_film[kind], "film").pixels
    assert (read.shape, read.dtype) == ((224, 224), np.uint8)
    assert apart(read, film) < 2.5


def test_orientation_is_honoured(film):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned = saved(Image.fromarray(np.rot90(film).copy()), "JPEG", quality=95, exif=exif)
    assert apart(images.read(turned, "x").pixels, film) < 3


def test_a_film_that_is_square_by_nature_keeps_its_margins(film):
    frame = np.zeros_like(film)
    frame[20:-20, 20:-20] = film[20:-20, 20:-20]  # black all around: a collimated film
    np.testing.assert_array_equal(images.read(saved(Image.fromarray(frame)), "x").pixels, frame)


def test_notes_say_what_was_done(files_of_one_film):
    notes = {kind: images.read(data, "x").notes for kind, data in files_of_one_film.items()}
    assert notes["16-bit PNG"] == ("16 bits brought to 8",)
    assert notes["padded"] == ("bars that made it square taken off",)
    assert notes["RGBA"] == ("transparency laid on black",)
    assert "MONOCHROME1" in notes["DICOM, MONOCHROME1"][0]
    assert notes["PNG"] == ()


def promise(side: int) -> bytes:
    """A PNG of a few hundred bytes that says it has side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"\0" * 10000))
    return b"\x89PNG\r\n\x1a\n" + head + data + chunk(b"IEND", b"")


SMALL = noise(64, 64)
GREY = Image.fromarray(SMALL)
REFUSALS = {
    "nothing": (b"", "empty"),
    "text": (b"this is no picture", "not an image"),
    "a PDF": (b"%PDF-1.7 ...", "not an image"),
    "cut short": (saved(GREY.resize((900, 900)), "JPEG")[:4000], "cannot be decoded"),
    "too large": (promise(9100), "9100 x 9100 pixels is no film"),
    "a bomb": (promise(60000), "more pixels"),
    "colour": (saved(Image.fromarray(noise(64, 64, 3))), "colour picture"),
    "a strip": (saved(GREY.resize((3000, 20))), "strip"),
    "several": (saved(GREY, "TIFF", save_all=True, append_images=[GREY]), "2 pictures"),
    "a GIF": (saved(GREY, "GIF"), "not an image"),
}
OTHERS = {
    "blank": (saved(Image.new("L", (300, 300), 90)), "blank"),
    "DICOM in colour": (dicom(SMALL, SamplesPerPixel=3), "colour DICOM"),
    "DICOM with frames": (dicom(np.vstack([SMALL] * 2), Rows=64, NumberOfFrames=2), "2 frames"),
    "DICOM turned": (dicom(SMALL, PatientOrientation=["F", "L"]), "turned"),
    "DICOM cut short": (dicom(SMALL)[:-2000], "DICOM cannot be decoded"),
    "DICOM, one value": (dicom(np.full_like(SMALL, 7)), "blank"),
    "DICOM of another kind": (dicom(SMALL, PhotometricInterpretation="PALETTE COLOR"), "kind"),
    "DICOM, deflated": (b"\0" * 128 + b"DICM1.2.840.10008.1.2.1.99" + b"\0" * 100, "deflated"),
}


@pytest.mark.parametrize("what", REFUSALS | OTHERS)
def test_what_is_no_film_is_refused_by_name(what, tmp_path):
    data, reason = (REFUSALS | OTHERS)[what]
    (tmp_path / "it.png").write_bytes(data)
    readers = [lambda path: images.read(path), lambda path: images.read(data, path.name)]
    if what in REFUSALS:  # the study reads no DICOM
        readers.append(lambda path: images.read_film(path, 64))
    for read in readers:
        with pytest.raises(FilmError, match=rf"^it\.png: .*{reason}"):
            read(tmp_path / "it.png")


@pytest.mark.parametrize("read", [images.read, lambda path: images.read_film(path, 64)])
def test_paths_that_cannot_be_read_are_refused(tmp_path, read):
    with pytest.raises(FilmError, match=r"^gone\.png: cannot be opened"):
        read(tmp_path / "gone.png")
    with pytest.raises(FilmError, match="a folder"):
        read(tmp_path)
    with pytest.raises(FilmError, match="cannot be opened"):
        read("a\0b.png")


STARTS = [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"BM"]
STARTS += [b"\0" * 128 + b"DICM"]


def refused_or_read(data: bytes) -> None:
    reason = "bytes: read"
    try:
        assert images.read(data, "bytes").pixels.shape == (224, 224)
    except FilmError as error:
        reason = str(error)
    assert reason.startswith("bytes: ")


@settings(max_examples=300, deadline=5000)
@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=2000))
def test_no_byte_string_does_anything_but_be_refused_or_read(start, rest):
    refused_or_read(start + rest)


@settings(max_examples=300, deadline=5000)
@given(data=st.data())
def test_no_damage_to_a_film_does_anything_but_be_refused_or_read(data, files_of_one_film):
    whole = bytearray(files_of_one_film[data.draw(st.sampled_from(KINDS))])
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, min(len(whole) - 1, 1500)))] = data.draw(st.integers(0, 255))
    refused_or_read(bytes(whole))
