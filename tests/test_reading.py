"""Films in every file they come in, and named refusals of what is none."""

from __future__ import annotations

import io
import struct
import time
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
from helpers.data.dataset import FilmError


@pytest.fixture(scope="module")
def film():
    """A packaged radiograph, 224 x 224 uint8."""
    return dataset.read_film(dataset.packaged().table["path"].iloc[0], 224)


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


# -- the same film --------------------------------------------------------------------------


def original(film: np.ndarray, width: int, height: int) -> Image.Image:
    """A film of original size of which ``film`` is the small copy.

    Enlarging blurs; so what the small copy of the enlarged film lacks is added, a few times over.
    """
    small, side = film.astype(np.float32), len(film)

    def resized(values: np.ndarray, size: tuple[int, int], how: int) -> np.ndarray:
        return np.asarray(Image.fromarray(values).resize(size, how))

    large = resized(small, (width, height), Image.Resampling.BICUBIC)
    for _ in range(6):
        lacking = small - resized(large, (side, side), Image.Resampling.BILINEAR)
        large = large + resized(lacking, (width, height), Image.Resampling.BICUBIC)
    return Image.fromarray(np.clip(np.rint(large), 0, 255).astype(np.uint8))


def ways(film: np.ndarray) -> dict[str, bytes]:
    """One film as files of many kinds."""
    grey = Image.fromarray(film)
    deep = film.astype(np.uint16) * 257
    large = original(film, 1200, 960)
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
        "DICOM, 12 bits": dicom(
            (film.astype(np.uint32) * 4095 // 255).astype(np.uint16), BitsStored=12
        ),
        "DICOM, MONOCHROME1": dicom(255 - film, PhotometricInterpretation="MONOCHROME1"),
        "DICOM, windowed": dicom(film.astype(np.uint16) * 4, WindowCenter=510.5, WindowWidth=1021),
        "DICOM, rescaled": dicom(film, RescaleSlope=2, RescaleIntercept=-100),
    }


WAYS = list(ways(np.zeros((224, 224), np.uint8)))


@pytest.fixture(scope="module")
def files_of_one_film(film):
    return ways(film)


@pytest.mark.parametrize("way", WAYS)
def test_the_same_film_gives_the_same_pixels_whichever_way_it_comes(way, film, files_of_one_film):
    read = images.read(files_of_one_film[way], "film").pixels
    assert read.shape == (224, 224)
    assert read.dtype == np.uint8
    assert apart(read, film) < 2.5


def test_a_file_read_from_disk_is_what_the_study_reads(tmp_path, film):
    path = tmp_path / "film.png"
    Image.fromarray(film).save(path)
    np.testing.assert_array_equal(images.read(path).pixels, dataset.read_film(path, 224))


def test_orientation_is_honoured(film):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned = saved(Image.fromarray(np.rot90(film).copy()), "JPEG", quality=95, exif=exif)
    assert apart(images.read(turned, "x").pixels, film) < 3


def test_a_film_that_is_square_by_nature_keeps_its_margins(film):
    frame = np.zeros_like(film)
    frame[20:-20, 20:-20] = film[20:-20, 20:-20]  # black all around: a collimated film
    np.testing.assert_array_equal(images.read(saved(Image.fromarray(frame)), "x").pixels, frame)


def test_notes_tell_what_was_done(film):
    told = {way: images.read(data, "x").notes for way, data in ways(film).items()}
    assert told["16-bit PNG"] == ("16 bits brought to 8",)
    assert told["padded"] == ("bars that made it square taken off",)
    assert told["RGBA"] == ("transparency laid on black",)
    assert "MONOCHROME1" in told["DICOM, MONOCHROME1"][0]
    assert told["PNG"] == ()


# -- refusals -------------------------------------------------------------------------------


def bomb() -> bytes:
    """A PNG of a few hundred bytes that says it has 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 10000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def refusals() -> dict[str, tuple[bytes, str]]:
    rng = np.random.default_rng(0)
    grey = Image.fromarray(rng.integers(0, 255, (64, 64)).astype(np.uint8))
    colour = Image.fromarray(rng.integers(0, 255, (64, 64, 3)).astype(np.uint8))
    frames = io.BytesIO()
    grey.save(frames, "TIFF", save_all=True, append_images=[grey])
    small = rng.integers(0, 255, (64, 64)).astype(np.uint8)
    many = dicom(np.concatenate([small, small]), Rows=64, NumberOfFrames=2)
    return {
        "nothing": (b"", "empty"),
        "text": (b"this is no picture", "not an image"),
        "a PDF": (b"%PDF-1.7 ...", "not an image"),
        "cut short": (saved(grey.resize((900, 900)), "JPEG")[:4000], "cannot be decoded"),
        "a bomb": (bomb(), "no film|more pixels"),
        "colour": (saved(colour), "colour"),
        "blank": (saved(Image.new("L", (300, 300), 90)), "blank"),
        "a strip": (saved(grey.resize((3000, 20))), "strip"),
        "several": (frames.getvalue(), "2 pictures"),
        "a GIF": (saved(grey, "GIF"), "not an image"),
        "DICOM in colour": (dicom(small, SamplesPerPixel=3), "colour DICOM"),
        "DICOM with frames": (many, "2 frames"),
        "DICOM turned": (dicom(small, PatientOrientation=["F", "L"]), "turned"),
        "DICOM cut short": (dicom(small)[:-2000], "cannot be decoded"),
        "DICOM, one value": (dicom(np.full_like(small, 7)), "blank"),
        "DICOM of another kind": (dicom(small, PhotometricInterpretation="PALETTE COLOR"), "kind"),
    }


@pytest.mark.parametrize("what", refusals())
def test_what_is_no_film_is_refused_by_name(what):
    data, reason = refusals()[what]
    with pytest.raises(FilmError, match=reason) as told:
        images.read(data, "it.png")
    assert str(told.value).startswith("it.png: ")


def test_paths_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(FilmError, match=r"gone\.png: cannot be opened"):
        images.read(tmp_path / "gone.png")
    with pytest.raises(FilmError, match="a folder"):
        images.read(tmp_path)
    with pytest.raises(FilmError, match="cannot be opened"):
        images.read("a\0b.png")


def test_a_deflated_dicom_is_refused_before_it_is_inflated(film):
    packed = b"\0" * 128 + b"DICM" + b"1.2.840.10008.1.2.1.99" + b"\0" * 100
    with pytest.raises(FilmError, match="deflated"):
        images.read(packed, "it.dcm")
    assert not images.deflated(dicom(film))


# -- byte strings nobody thought of ---------------------------------------------------------

STARTS = [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"BM"]
STARTS += [b"\0" * 128 + b"DICM"]


@settings(max_examples=300, deadline=5000)
@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=2000))
def test_no_byte_string_does_anything_but_be_refused_or_read(start, rest):
    begun = time.perf_counter()
    try:
        assert images.read(start + rest, "bytes").pixels.shape == (224, 224)
    except FilmError as error:
        reason = str(error)
    else:
        reason = "bytes: read"
    assert reason.startswith("bytes: ")
    assert time.perf_counter() - begun < 5


@settings(max_examples=300, deadline=5000)
@given(data=st.data())
def test_no_damage_to_a_film_does_anything_but_be_refused_or_read(data, files_of_one_film):
    whole = bytearray(files_of_one_film[data.draw(st.sampled_from(WAYS))])
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, min(len(whole) - 1, 1500)))] = data.draw(st.integers(0, 255))
    try:
        told = images.read(bytes(whole), "damaged")
    except FilmError:
        return
    assert told.pixels.shape == (224, 224)
