"""Anybody's film: the same answer whichever way it comes, refusals by name, streams, exit codes."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import product
from unittest import mock

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks import checking
from helpers import __main__ as commands
from helpers import config, predict
from helpers.data import dataset, images
from helpers.models import classifiers, ensemble, input_check, lungs
from helpers.predict import Answer, Predictor
from helpers.report import console
from helpers.training import record
from helpers.training.study import Study
from tests.test_reading import OTHERS, REFUSALS, disguises, kinds


@pytest.fixture(scope="module")
def predictor():
    return predict.predictor()


@pytest.fixture(scope="module")
def some():
    """Packaged test films, every seventh."""
    return dataset.packaged().table.query("part == 'test'").iloc[::7]


# -- what it says ---------------------------------------------------------------------------


def test_it_says_of_test_films_what_the_record_says_and_refers_the_band(predictor, some):
    answers = list(predictor.answers(some["path"]))
    recorded = Study().run("final").scores("test").set_index("film")["probability"]
    said = np.array([answer.probability for answer in answers], float)
    apart = np.abs(said - recorded[some["film"]].to_numpy())
    # The packaged copies were saved as JPEG of another quality than the recorded ones.
    assert np.median(apart) < 0.02
    assert apart.max() < 0.2
    for answer in answers:
        inside = predictor.band.low <= answer.probability < predictor.band.high
        # The answer's probability is rounded to four digits.
        edge = min(abs(answer.probability - e) for e in (predictor.band.low, predictor.band.high))
        assert answer.refer >= inside or edge < 1e-4


def test_the_same_film_gives_the_same_answer_whichever_way_it_comes(predictor, some, tmp_path):
    """Probabilities within .05 for 95% of the films, the same decision for 98%."""
    rows = []
    for number, path in enumerate(some["path"]):
        film = images.read_film(path, 224)
        for way, data in kinds(film).items():
            if way.startswith("DICOM, ") and way != "DICOM, 16 bits":
                continue
            name = tmp_path / f"{number}-{len(rows)}"
            name.write_bytes(data)
            rows.append({"film": number, "way": way, "path": name})
    answers = [answer.facts() for answer in predictor.answers(row["path"] for row in rows)]
    table = pd.DataFrame(rows).join(pd.DataFrame(answers)[["probability", "decision"]])
    assert table["probability"].notna().all()
    films = table.groupby("film")
    spread = films["probability"].agg(np.ptp)
    assert (spread <= 0.05).mean() >= 0.95, spread.describe()
    same = films["decision"].agg(lambda decisions: len(set(decisions)) == 1)
    assert same.mean() >= 0.98, table[table["film"].isin(same.index[~same])]


@pytest.mark.parametrize("row", [0, -1])
def test_a_film_in_any_disguise_gets_its_answer(predictor, some, tmp_path, row):
    film = images.read_film(some["path"].iloc[row], 224)
    (tmp_path / "plain").write_bytes(kinds(film)["PNG"])
    ways = disguises(film, tmp_path)
    for way, (data, _) in ways.items():
        (tmp_path / way).write_bytes(data)
    plain, *others = predictor.answers(tmp_path / name for name in ("plain", *ways))
    apart = {
        way: abs(a.probability - plain.probability) for way, a in zip(ways, others, strict=True)
    }
    assert {way: by for way, by in apart.items() if by > 0.05} == {}


def saved(folder, pictures):
    """PNG files of ``pictures`` in ``folder``."""
    paths = [folder / f"{number}.png" for number, _ in enumerate(pictures)]
    for path, pixels in zip(paths, pictures, strict=True):
        Image.fromarray(np.ascontiguousarray(pixels)).save(path)
    return paths


def test_an_inverted_film_is_put_right_and_a_small_one_judged_both_with_a_warning(
    predictor, some, tmp_path
):
    film = images.read_film(some["path"].iloc[0], 224)
    small = images.read_film(some["path"].iloc[-1], 127)
    plain, inverted, small = predictor.answers(saved(tmp_path, [film, 255 - film, small]))
    assert inverted.probability == pytest.approx(plain.probability, abs=1e-3)
    assert inverted.warnings == ("black and white were exchanged",)
    assert small.probability is not None
    assert "only 127 pixels wide or high" in small.warnings
    assert [inverted.refer, small.refer] == [True, True]


def test_the_operating_point_decides():
    recorded = Study().run("final")
    assert predict.predictor().threshold == recorded.threshold
    assert Predictor(threshold=0.7).threshold == 0.7
    keen = Predictor(sensitivity=0.999).threshold
    assert keen < Predictor(sensitivity=0.9).threshold
    for wrong in ({"threshold": 0.5, "sensitivity": 0.9}, {"threshold": 1.5}, {"sensitivity": 0}):
        with pytest.raises(ValueError, match="not both, between 0 and 1"):
            Predictor(**wrong)


def test_an_example_needs_no_path():
    answer = predict.predict()
    assert answer.error is None
    assert 0 <= answer.probability <= 1
    assert console.picture(answer, predict.predictor()) is not None


# -- what it refuses ------------------------------------------------------------------------


def test_refusals_carry_their_reason_and_the_others_are_judged(predictor, some, tmp_path):
    paths = [some["path"].iloc[0]]
    for name, (data, _) in (REFUSALS | OTHERS).items():
        (tmp_path / name).write_bytes(data)
        paths.append(tmp_path / name)
    paths.append(some["path"].iloc[1])
    answers = list(predictor.answers(paths))
    refused = len(REFUSALS | OTHERS)
    assert [answer.error is None for answer in answers] == [True, *[False] * refused, True]
    assert all(answer.probability is None for answer in answers[1:-1])


def test_a_turned_film_is_refused(predictor, some, tmp_path):
    films = [images.read_film(path, 224) for path in some["path"].iloc[:12]]
    turned = [np.rot90(film, times) for film in films for times in (1, 2, 3)]
    answers = predictor.answers(saved(tmp_path, [*turned, *(film[::-1] for film in films)]))
    reasons = {answer.error.split(": ")[1] for answer in answers}
    assert reasons == {"not an upright frontal chest film"}


@pytest.mark.parametrize("box", [(0, 0.5, 0, 1), (0.5, 1, 0, 1), (0, 1, 0, 0.5), (0, 1, 0.5, 1)])
def test_a_half_film_is_refused_or_referred(predictor, some, tmp_path, box):
    films = [lungs.cut(images.read_film(path, 224), box, 224) for path in some["path"].iloc[:24]]
    answers = list(predictor.answers(saved(tmp_path, films)))
    assert sum(answer.refer is not False for answer in answers) >= 23


def test_photographs_are_refused(predictor, tmp_path):
    answers = list(predictor.answers(saved(tmp_path, checking.photographs().values())))
    assert len(answers) >= 20
    assert all(answer.error for answer in answers)


def test_the_recorded_check_refuses_hardly_a_film_and_nearly_all_else():
    facts = record.read_facts(config.RESULTS, input_check.NAME)
    assert facts["test_films"] == 624
    refused, warned = pd.Series(facts["refused"]), pd.Series(facts["warned"])
    assert refused[["films", "whitest films", "framed in white", "inverted"]].max() <= 0.01
    assert refused[["turned left", "turned right", "upside down", "flipped"]].min() == 1
    assert refused[["noise", "pages of text", "photographs"]].min() == 1
    halves = [f"{which} half" for which in ("upper", "lower", "left", "right")]
    assert (refused + warned)[halves].min() >= 0.95
    assert facts["recognised_inverted"] >= 0.99
    assert refused["other radiographs"] >= 0.98  # a lateral chest is let in, and a frontal one
    assert (refused + warned)["other radiographs"] >= 0.99
    assert refused["nih external"] <= 0.03
    assert set(facts["tried"]) == {"film", "sure", "distance"}


QUIETLY = {
    "deadline": 5000,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
STARTS = [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"BM"]


@settings(max_examples=100, **QUIETLY)
@given(start=st.sampled_from(STARTS), rest=st.binary())
def test_no_byte_string_gets_a_probability(predictor, tmp_path, start, rest):
    path = tmp_path / "bytes"
    path.write_bytes(start + rest)
    answer = next(predictor.answers([path]))
    assert answer.probability is None
    assert answer.error


@settings(max_examples=60, **QUIETLY)
@given(seed=st.integers(0, 2**32 - 1), side=st.integers(2, 300), smooth=st.booleans())
def test_no_picture_of_noise_gets_a_probability(predictor, tmp_path, seed, side, smooth):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (side, side)).astype(np.uint8)
    image = Image.fromarray(pixels)
    path = tmp_path / "noise.png"
    (image.resize((400, 300), Image.Resampling.BICUBIC) if smooth else image).save(path)
    assert next(predictor.answers([path])).probability is None


def test_refusals_are_told_with_limits():
    pictures = {"films": 624, "photographs": 26}
    facts = {"refused": {"films": 0.0, "photographs": 1.0}, "pictures": pictures}
    table = input_check.refusal_table(facts)
    assert table.loc["films", "high"] == pytest.approx(1 - 0.025 ** (1 / 624))
    assert table.loc["photographs", "low"] == pytest.approx(0.025 ** (1 / 26))


# -- the input check ------------------------------------------------------------------------


@pytest.mark.parametrize("maker", input_check.MAKERS, ids=lambda maker: maker.__name__)
def test_what_is_made_is_a_picture_and_not_the_film(maker):
    film = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    made = maker(film, np.random.default_rng(0))
    assert (made.shape, made.dtype) == ((64, 64), np.uint8)
    assert (made != film).any()


def test_a_lesson_holds_all_kinds_and_is_the_same_each_time():
    films = np.random.default_rng(0).integers(0, 256, (20, 64, 64)).astype(np.uint8)
    pictures, kinds = input_check.lesson(films)
    again, _ = input_check.lesson(films)
    np.testing.assert_array_equal(pictures, again)
    assert set(kinds) == {0, 1, 2}
    np.testing.assert_array_equal(pictures[:20], films)
    np.testing.assert_array_equal(pictures[60:65], 255 - films[::4])


ACCEPTED = {"film": 1.0, "sure": 0.9, "lungs": 2, "cut": 0.0, "distance": 9.0}
LIMITS = {"film": 0.5, "sure": 0.7, "distance": 40.0}


@pytest.mark.parametrize(
    ("sign", "said"),
    [
        ({}, ""),
        ({"film": 0.4, "sure": 0.5}, input_check.REFUSED[0]),
        ({"sure": 0.5, "lungs": 1}, input_check.REFUSED[1]),
        ({"lungs": 1, "cut": 0.3}, input_check.REFUSED[2]),
        ({"cut": 0.3, "distance": 50.0}, input_check.WARNED[0]),
        ({"distance": 50.0}, input_check.WARNED[1]),
    ],
)
def test_the_first_sign_beyond_its_limit_gives_the_verdict(sign, said):
    assert input_check.verdicts(pd.DataFrame([ACCEPTED | sign]), LIMITS) == [said]


def test_signs_tell_two_whole_lungs_from_one_that_is_cut_off():
    lung = np.full((3, 64, 64), 0.02)
    lung[0, 10:50, 8:28] = lung[0, 10:50, 36:56] = lung[1, 24:, 8:28] = 0.99
    lung[2, 10:50, 8:56] = 0.6
    seen = input_check.signs(np.tile([0.9, 0.05, 0.05, 3.0], (3, 1)), lung)
    assert seen["lungs"].tolist() == [2, 1, 1]
    assert seen["cut"].tolist() == [0, 20 / 64, 0]
    assert seen["sure"].round(2).tolist() == [0.98, 0.98, 0.2]
    assert seen[["film", "distance"]].to_numpy().tolist() == [[0.9, 3.0]] * 3


def test_the_distance_is_that_of_mahalanobis():
    films = np.random.default_rng(0).integers(0, 256, (150, 64, 64)).astype(np.uint8)
    keras.utils.set_random_seed(1)
    model = input_check.measured(input_check.network(), films)
    answers = model.predict(films[..., np.newaxis], verbose=0)
    assert answers.shape == (150, 4)
    np.testing.assert_allclose(answers[:, :3].sum(axis=1), 1, rtol=1e-5)
    # The mean over its own films is their number of features, less for what steadies the inverse.
    assert 0 < answers[:, 3].mean() < 64


# -- the command line -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory, some):
    """Three films, one without a suffix; a text file named as a picture; what is passed over."""
    root = tmp_path_factory.mktemp("films")
    (root / "below").mkdir()
    for place, path in zip(("b", "a.jpeg", "below/c.jpeg"), some["path"], strict=False):
        shutil.copy(path, root / place)
    (root / "broken.png").write_text("no picture")
    (root / "._a.jpeg").write_text("what macOS leaves")
    return root


def run(capsys, *words):
    code = commands.main(["predict", *map(str, words)])
    return code, *capsys.readouterr()


def names(out):
    """The files named in the lines of the table."""
    lines = out.splitlines()
    assert lines[0] == console.HEAD
    return [line.split(": ")[0].split()[-1].split("/")[-1] for line in lines[1:]]


def test_a_folder_is_judged_in_order_and_the_code_tells_of_refusals(capsys, folder):
    code, out, err = run(capsys, folder)
    assert code == 1
    assert names(out) == ["a.jpeg", "b", "broken.png", "c.jpeg"]
    assert "refused" in out.splitlines()[3]
    assert "not an image file" in out.splitlines()[3]
    assert err == f"predict: 1 not judged: {folder / 'broken.png'}\n"
    code, _, err = run(capsys, folder / "a.jpeg")
    assert (code, err) == (0, "")


def test_what_a_folder_holds_is_judged_or_named_with_the_reason(capsys, folder, tmp_path):
    shutil.copy(folder / "a.jpeg", tmp_path / ".hidden")
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").mkdir()
    code, out, err = run(capsys, tmp_path, tmp_path / "empty", "a" * 5000)
    assert code == 1
    assert names(out) == [".hidden", "gone.png", "pipe", "a" * 5000, "link", "empty"]
    reasons = "No such file", "a device", "too long", "a link to a folder", "without films"
    assert all(why in line for why, line in zip(reasons, out.splitlines()[2:], strict=True))
    assert "predict: 5 not judged: " in err


def test_json_is_one_object_a_line_and_a_csv_holds_the_same(capsys, folder, tmp_path):
    code, out, _ = run(capsys, "--json", folder, "--csv", tmp_path / "out.csv")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [list(one) for one in lines] == [list(console.COLUMNS)] * 4
    assert lines[0]["decision"] in config.LABELS
    assert lines[2]["probability"] is None
    assert lines[2]["error"] == "broken.png: not an image file"
    table = pd.read_csv(tmp_path / "out.csv")
    assert list(table.columns) == list(console.COLUMNS)
    assert [one["path"] for one in lines] == list(table["path"])
    assert table["probability"].notna().sum() == 3


def test_explain_writes_a_picture_for_each_film(capsys, folder, tmp_path):
    shutil.copy(folder / "a.jpeg", tmp_path / "a.jpeg")
    made = tmp_path / "made"
    run(capsys, folder, tmp_path / "a.jpeg", "--explain", made)
    assert {path.name for path in made.iterdir()} == {"a-2.png", "a.png", "b.png", "c.png"}
    assert Image.open(made / "a.png").size[0] > 500


def test_drawings_and_tables_beside_the_films_leave_them_and_are_not_judged(capsys, some, tmp_path):
    film, link = tmp_path / "film.png", tmp_path / "film-2.png"
    Image.open(some["path"].iloc[0]).save(film)
    link.symlink_to(film)
    before = film.read_bytes()
    for _ in range(2):
        code, out, _ = run(capsys, tmp_path, "--explain", tmp_path, "--csv", tmp_path / "out")
        assert (code, names(out)) == (0, ["film-2.png", "film.png"])
        assert film.read_bytes() == before
        assert link.is_symlink()
    assert len(list(tmp_path.glob("film*.png"))) == 6


def test_a_table_goes_where_a_link_leads_and_replaces_an_earlier_table(capsys, folder, tmp_path):
    link = tmp_path / "link.csv"
    link.symlink_to("below/table.csv")
    for words in ([folder], [folder / "a.jpeg"]):
        run(capsys, *words, "--csv", link)
    assert link.is_symlink()
    assert list(pd.read_csv(tmp_path / "below" / "table.csv")["path"]) == [str(folder / "a.jpeg")]


NO_TABLES = ["a", "notes", "link", "loop", "pipe", "/dev/null", ""]
NO_OUTPUT = [("--csv", "."), *product(["--csv", "--explain"], NO_TABLES)]


@pytest.mark.parametrize(("option", "what"), NO_OUTPUT)
def test_what_is_no_table_or_folder_is_refused_first(capsys, tmp_path, monkeypatch, option, what):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delattr(console, "predictor")
    texts = {"a": "a film", "b": "a film", "notes": f"{','.join(console.COLUMNS)},mine\r\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, newline="")
    os.mkfifo("pipe")
    (tmp_path / "link").symlink_to("b")
    (tmp_path / "loop").symlink_to("loop")
    code, out, err = run(capsys, "a", "b", option, what)
    assert (code, out) == (2, "")
    assert f"{option} {what}".strip() in err
    assert {name: (tmp_path / name).read_bytes().decode() for name in texts} == texts


def piped(data):
    """``data`` on standard input, which is closed where there is none."""
    stream = data and io.TextIOWrapper(io.BufferedReader(io.BytesIO(data)))
    return mock.patch("sys.stdin", stream)


def test_a_list_on_standard_input(capsys, folder):
    with piped(f"\ufeff{folder / 'a.jpeg'}\n\n{folder / 'below'}\r\n-\n".encode()):
        code, out, _ = run(capsys, "-")
    assert (code, names(out)) == (1, ["a.jpeg", "c.jpeg", "-"])


@pytest.mark.parametrize("kind", [None, "PNG", "JPEG", "DICOM", "TIFF", "BMP"])
def test_standard_input_that_is_closed_or_a_film_is_told_in_one_line(capsys, kind):
    with piped(kind and kinds(np.zeros((224, 224), np.uint8))[kind]):
        code, out, err = run(capsys, "-")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert ("no list of paths" if kind else "standard input is closed") in err


def test_standard_output_that_is_closed_is_told_in_one_line(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    assert commands.main(["predict", "a.jpeg"]) == 1
    assert "standard output is closed" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["cp437", "latin-1", "ascii", "cp932"])
def test_every_film_gets_its_line_in_any_encoding(folder, tmp_path, monkeypatch, encoding):
    shutil.copy(folder / "a.jpeg", tmp_path / "é肺.jpeg")
    out = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr("sys.stdout", out)
    assert commands.main(["predict", str(tmp_path / "gone.txt"), str(tmp_path)]) == 1
    _, first, second = out.buffer.getvalue().decode(encoding).splitlines()
    assert "refused" in first
    assert second.endswith(".jpeg")


def test_a_stopped_process_leaves_the_rows_of_films_judged(some, tmp_path):
    """Its home folder is not to be had, and its standard error is closed."""
    table = tmp_path / "out.csv"
    words = [sys.executable, "-m", "helpers", "predict", "-", "--csv", str(table)]
    settings = {"env": os.environ | {"HOME": "/nowhere"}, "cwd": config.ROOT}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}
    shell = ["sh", "-c", 'exec "$@" 2>&-', "sh", *words]
    with subprocess.Popen(shell, **pipes, **settings) as process:
        process.stdin.write(f"{some['path'].iloc[0]}\n".encode() * 2 * predict.BATCH)
        process.stdin.flush()  # and more to come
        while process.poll() is None and not (table.exists() and table.read_text().count("\n") > 9):
            time.sleep(0.1)
        process.terminate()
    assert process.returncode == 128 + signal.SIGTERM
    assert len(pd.read_csv(table)) >= 9
    assert list(tmp_path.iterdir()) == [table]


def test_a_folder_without_films_is_wrong_use(capsys, tmp_path):
    code, out, err = run(capsys, tmp_path)
    assert (code, out) == (2, "")
    assert "no film" in err


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt, 130), (RuntimeError("lost"), 1)])
def test_control_c_or_a_lost_worker_leaves_what_was_done(folder, tmp_path, monkeypatch, stop, code):
    answers = [Answer("a", 0.5, "PNEUMONIA", False), Answer("b", 0.1, "NORMAL", False)]

    def stopped(self, paths, keep=False, pool=None):
        yield from answers
        raise stop

    monkeypatch.setattr(Predictor, "answers", stopped)
    assert commands.main(["predict", str(folder), "--csv", str(tmp_path / "out.csv")]) == code
    assert list(pd.read_csv(tmp_path / "out.csv")["path"]) == ["a", "b"]
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_films_are_streamed(predictor, some):
    """The first answers come before the last paths are asked for."""
    asked = []

    def endless():
        for number in range(10 * predict.BATCH):
            asked.append(number)
            yield some["path"].iloc[0]

    next(predictor.answers(endless()))
    assert len(asked) <= 3 * predict.BATCH


def test_names_that_cannot_be_shown_do_no_harm(capsys):
    answer = Answer("a\x1b[31m\nb\udcff.png", error="x: y")
    console._printer(io.StringIO())(answer)
    assert console._plain("a\x1b\nb") == "a??b"
    arguments = commands.parser().parse_args(["predict", "gone\x1b.png"])
    assert console.predict(arguments) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_members_asked_together_answer_as_each_alone():
    keras.utils.set_random_seed(1)
    members = [(classifiers.build("final", 32), view) for view in ("box", "film", "box")]
    rng = np.random.default_rng(1)
    seen = {view: rng.integers(0, 256, (5, 32, 32), dtype=np.uint8) for view in ("box", "film")}
    alone = [ensemble.predict(model, seen[view]) for model, view in members]
    asked = predict.together(members)
    for _ in range(2):  # compiled from the second call on
        np.testing.assert_allclose(asked(seen)[..., 0], alone, atol=1e-5)
