"""Any file to pixels: the study's films, anybody's, and named refusals of what is none."""

import io
import struct
import warnings
import zlib

import gdcm
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from helpers.data import dataset, images, levels
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


COLOUR = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}


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


def wide(film: np.ndarray) -> np.ndarray:
    """The film as it was before it was squashed: 700 x 900."""
    return np.asarray(Image.fromarray(film).resize((900, 700), Image.Resampling.BILINEAR))


def framed(film: np.ndarray, size: tuple[int, int], fill: object, **options) -> bytes:
    """The film in the middle of a canvas of one colour."""
    canvas = Image.new("RGB", size, fill)
    inner = Image.fromarray(film)
    inner.thumbnail(size)
    canvas.paste(inner, ((size[0] - inner.width) // 2, (size[1] - inner.height) // 2))
    return saved(canvas, **options)


def compressed(data: bytes, folder, syntax: int) -> bytes:
    """A DICOM file in another transfer syntax."""
    (folder / "plain.dcm").write_bytes(data)
    reader, writer = gdcm.ImageReader(), gdcm.ImageWriter()
    change = gdcm.ImageChangeTransferSyntax()
    reader.SetFileName(str(folder / "plain.dcm"))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(folder / "packed.dcm"))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return (folder / "packed.dcm").read_bytes()


SYNTAXES = {
    "JPEG lossless": gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    "JPEG-LS": gdcm.TransferSyntax.JPEGLSLossless,
    "JPEG 2000": gdcm.TransferSyntax.JPEG2000Lossless,
    "RLE": gdcm.TransferSyntax.RLELossless,
}


def disguises(film: np.ndarray, folder) -> dict[str, tuple[bytes, str]]:
    """One film in ways that hide it, and what is noted of each (a part of the first note)."""
    film, jpeg = wide(film), {"kind": "JPEG", "quality": 75}
    grey, stored = Image.fromarray(film), {"BitsStored": 12, "HighBit": 11}
    bits12, bits16 = (film * 16.0).astype(np.uint16), film.astype(float)
    one_over, own, trimmed = bits12.copy(), "film's own values", "bars or a frame trimmed"
    one_over[0, 0] = 4096
    tint = (film[..., None] * [0.93, 0.97, 1]).astype(np.uint8)
    padded = np.pad(bits12, ((0, 0), (60, 90)), constant_values=65535)
    bare, table = dicom(film), pydicom.Dataset()
    table.LUTDescriptor, table.LUTData = [256, 0, 16], np.arange(65535, -1, -257, "<u2").tobytes()
    start = 132 + 12 + int.from_bytes(bare[140:144], "little")
    return {
        "PNG, 0 to 20000": (saved(Image.fromarray((bits16 * 78).astype(np.uint16))), own),
        "PNG, from 20000": (saved(Image.fromarray((bits16 * 12 + 20000).astype(np.uint16))), own),
        "PNG, 12 bits and one pixel": (saved(Image.fromarray(one_over)), "12 bits"),
        "TIFF, 32 bits": (saved(Image.fromarray((bits16 * 100).astype(np.int32)), "TIFF"), own),
        "TIFF, below 0": (saved(Image.fromarray((bits16 - 90).astype(np.float32)), "TIFF"), own),
        "in white bars": (framed(film, (224, 224), "white"), trimmed),
        "in black bars, JPEG": (framed(film, (224, 224), "black", **jpeg), trimmed),
        "in a white frame, JPEG": (framed(film, (1200, 1000), "white", **jpeg), trimmed),
        "in a blue frame, JPEG": (framed(film, (1300, 1000), "navy", **jpeg), trimmed),
        "on a screen": (framed(film, (1600, 900), "black"), trimmed),
        "bar below": (saved(Image.fromarray(np.pad(film, ((0, 200), (0, 0))))), trimmed),
        "black edge": (saved(Image.fromarray(np.pad(film, ((6, 6), (0, 0))))), trimmed),
        "tinted": (saved(Image.fromarray(tint), "JPEG"), "tint taken off"),
        "WebP": (saved(grey, "WEBP"), ""),
        "AVIF": (saved(grey, "AVIF"), ""),
        "JPEG 2000": (saved(grey, "JPEG2000"), ""),
        "DICOM, signed": (dicom(bits12.astype(np.int16), PixelRepresentation=1), "12 bits"),
        "DICOM, from 20000": (dicom((bits16 * 16 + 20000).astype(np.uint16)), own),
        "DICOM, 65535 added": (dicom(padded, PixelPaddingValue=65535), "12 bits"),
        "DICOM, 65535 unsaid": (dicom(padded), "12 bits"),
        "DICOM, by a table": (dicom(255 - film, VOILUTSequence=[table]), ""),
        "DICOM, bare": (bare[start:], ""),
        "DICOM, RGB": (dicom(np.repeat(film[..., None], 3, 2), **COLOUR), ""),
        **{
            f"DICOM, window {width}": (
                dicom(bits12, WindowCenter=centre, WindowWidth=width, **stored),
                f"window of centre {centre} and width {width} ignored",
            )
            for centre, width in ((2048, 0), (2048, 1), (9000, 500), (2048, 100))
        },
        **{
            f"DICOM, {name}": (compressed(bare, folder, syntax), "")
            for name, syntax in SYNTAXES.items()
        },
    }


def test_a_film_is_known_again_in_every_disguise(film, tmp_path):
    for way, (data, note) in disguises(film, tmp_path).items():
        picture = images.read(data, way)
        assert note in "".join(picture.notes[:1]), (way, picture.notes)
        assert note or not picture.notes, (way, picture.notes)
        assert np.corrcoef(picture.pixels.ravel(), film.ravel())[0, 1] > 0.996, way
        # By the film's own values it may be brighter or darker than another program made it.
        assert apart(picture.pixels, film) < (25 if "own" in note else 3), way
        assert picture.doubts == (), way


def test_orientation_is_honoured(film):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned = saved(Image.fromarray(np.rot90(film).copy()), "JPEG", quality=95, exif=exif)
    assert apart(images.read(turned, "x").pixels, film) < 3


@pytest.mark.parametrize("level", [0, 90, 255])
@pytest.mark.parametrize("bars", [((20, 20), (20, 20)), ((0, 0), (60, 0)), ((4, 4), (0, 0))])
def test_bars_of_any_level_on_any_side_are_trimmed(film, level, bars):
    barred = Image.fromarray(np.pad(film, bars, constant_values=level))
    assert apart(images.read(saved(barred), "x").pixels, film) < 3


def test_the_studys_films_keep_their_bars_and_are_squashed_as_published(film, tmp_path):
    barred = tmp_path / "barred.png"
    Image.fromarray(np.pad(film, 20)).save(barred)
    for path in (barred, *dataset.packaged().table["path"][::400]):
        published = Image.open(path).convert("L").resize((224, 224), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(images.read_film(path, 224), published)


def test_notes_say_what_was_done_and_doubts_that_a_film_is_small(film, files_of_one_film):
    small = Image.fromarray(film).resize((160, 127))
    assert images.read(saved(small), "x").doubts == ("only 127 pixels wide or high",)
    notes = {kind: images.read(data, "x").notes for kind, data in files_of_one_film.items()}
    assert notes["16-bit PNG"] == ("16 bits brought to 8",)
    assert notes["padded"] == ("bars or a frame trimmed, 20%",)
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
    "a PDF": (b"%PDF-1.7 ...", "a PDF file, which is not read; save the film as PNG"),
    "a telephone's HEIC": (b"\0\0\0\x18ftypheic", "a HEIC file, which is not read"),
    "cut short": (saved(GREY.resize((900, 900)), "JPEG")[:4000], "cannot be decoded"),
    "too large": (promise(9100), "9100 x 9100 pixels is no film"),
    "a bomb": (promise(60000), "more pixels"),
    "colour": (saved(Image.fromarray(noise(64, 64, 3))), "colour picture, .* radiograph$"),
    "a strip": (saved(GREY.resize((3000, 20))), "strip"),
    "several": (saved(GREY, "TIFF", save_all=True, append_images=[GREY]), "2 pictures"),
    "a GIF": (saved(GREY, "GIF"), "a GIF file, which is not read"),
}
OTHERS = {
    "of 63 pixels": (saved(GREY.resize((300, 63))), "63 pixels wide or high; a film needs 64"),
    "in a frame, of 60 pixels": (saved(Image.fromarray(np.pad(SMALL[2:62], 99))), "60 pixels wide"),
    "all a bar but one line": (saved(Image.fromarray(np.pad(SMALL[:1], 99))), "1 pixels wide"),
    "blank": (saved(Image.new("L", (300, 300), 90)), "blank"),
    "DICOM in colour": (dicom(noise(64, 64, 3), **COLOUR), "colour picture"),
    "DICOM, grey of three values": (dicom(SMALL, SamplesPerPixel=3), "MONOCHROME2 with 3 values"),
    "DICOM of an ankle": (dicom(SMALL, BodyPartExamined="ANKLE"), r"another part .* \(ANKLE\)"),
    "DICOM of the spine": (dicom(SMALL, BodyPartExamined="TSPINE"), "another part"),
    "DICOM from the side": (dicom(SMALL, ViewPosition="LL"), "view LL, not a frontal one"),
    "DICOM from the side, else": (dicom(SMALL, PatientOrientation=["A", "F"]), "view A, not"),
    "DICOM, a CT": (dicom(SMALL, Modality="CT"), "modality CT, no radiograph"),
    "DICOM with frames": (dicom(np.vstack([SMALL] * 2), Rows=64, NumberOfFrames=2), "2 frames"),
    "DICOM turned": (dicom(SMALL, PatientOrientation=["F", "L"]), "turned"),
    "DICOM cut short": (dicom(SMALL)[:-2000], "DICOM cannot be decoded"),
    "DICOM, its head alone": (dicom(SMALL)[:300], "without pixels, or cut short"),
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


NUMBERS = st.one_of(st.integers(-70000, 70000), st.floats(-1e4, 1e4), st.sampled_from([0, 1, ""]))
FIELDS = {
    **dict.fromkeys(["WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept"], NUMBERS),
    "BitsStored": st.integers(0, 17),
    "PixelRepresentation": st.integers(0, 2),
    "PixelPaddingValue": st.integers(0, 32767),
    "Rows": st.integers(0, 400),
    "SamplesPerPixel": st.integers(0, 4),
    "PhotometricInterpretation": st.sampled_from(["MONOCHROME1", "RGB", "YBR_FULL", "", "X"]),
    "VOILUTFunction": st.sampled_from(["SIGMOID", "LINEAR_EXACT", "", "X"]),
    "PatientOrientation": st.sampled_from([["L", "F"], ["L"], "", ["A", "F"], ["", ""]]),
    "ViewPosition": st.sampled_from(["AP", "", "LL", "RAO"]),
}


@settings(max_examples=300, deadline=5000)
@given(
    fields=st.fixed_dictionaries({}, optional=FIELDS),
    sides=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    depth=st.sampled_from([np.uint8, np.uint16, np.int16]),
    levels=st.tuples(st.integers(0, 30000), st.integers(0, 30000)),
)
def test_no_header_size_or_depth_does_anything_but_be_refused_or_read(fields, sides, depth, levels):
    values = np.random.default_rng(1).integers(min(levels), max(levels) + 1, sides).astype(depth)
    with warnings.catch_warnings(action="ignore"):  # pydicom's, on what is written here
        refused_or_read(dicom(values, **fields))
    if depth != np.int16:
        refused_or_read(saved(Image.fromarray(values)))


@pytest.mark.parametrize("tone", [0, 128, 255])
@pytest.mark.parametrize("sides", [(0,), (1, 3), (0, 1, 2, 3)])
def test_plain_edges_mirror_what_is_beside_them_and_the_rest_stays(tone, sides):
    film = np.random.default_rng(0).integers(20, 120, (224, 224), np.uint8)
    np.testing.assert_array_equal(levels.filled(film[np.newaxis])[0], film)
    edged, kept = film.copy(), np.ones(film.shape, bool)
    for side in sides:
        np.rot90(edged, side)[:9] = tone
        np.rot90(kept, side)[:10] = False  # one line more, which may be mixed
    made = levels.filled(edged[np.newaxis])[0]
    np.testing.assert_array_equal(made[kept], film[kept])
    for side in sides:
        inside = np.rot90(made, side)
        np.testing.assert_array_equal(inside[:10], inside[20:10:-1])
    wide = np.where(np.arange(224) < 60, tone, film)[np.newaxis].astype(np.uint8)
    assert (levels.filled(wide)[0, :, 24:60] == tone).all(), "a tenth of the side at most"
