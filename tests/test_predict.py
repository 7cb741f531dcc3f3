"""Anybody's film: the same answer whichever way it comes, refusals by name, streams, exit codes."""

from __future__ import annotations

import io
import json
import shutil

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers import __main__ as commands
from helpers import config, predict
from helpers.data import dataset, images
from helpers.models import classifiers, ensemble, input_check
from helpers.predict import Answer, Predictor
from helpers.report import console
from helpers.training import record
from helpers.training.study import Study
from tests.test_reading import OTHERS, REFUSALS, kinds


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


def saved(folder, pictures):
    """PNG files of ``pictures`` in ``folder``."""
    paths = [folder / f"{number}.png" for number, _ in enumerate(pictures)]
    for path, pixels in zip(paths, pictures, strict=True):
        Image.fromarray(np.ascontiguousarray(pixels)).save(path)
    return paths


def test_an_inverted_film_is_put_right_and_says_so(predictor, some, tmp_path):
    film = images.read_film(some["path"].iloc[0], 224)
    plain, inverted = predictor.answers(saved(tmp_path, [film, 255 - film]))
    assert inverted.probability == pytest.approx(plain.probability, abs=1e-3)
    assert inverted.refer
    assert inverted.warnings == ("black and white were exchanged",)


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


def test_photographs_are_refused(predictor, tmp_path):
    answers = list(predictor.answers(saved(tmp_path, input_check.photographs().values())))
    assert len(answers) >= 20
    assert all(answer.error for answer in answers)


def test_the_recorded_check_refuses_hardly_a_film_and_nearly_all_else():
    facts = record.read_facts(config.RESULTS, input_check.NAME)
    assert facts["test_films"] == 624
    refused = facts["refused"]
    assert refused["films"] <= 0.01
    others = {what: share for what, share in refused.items() if what != "films"}
    assert min(others.values()) >= 0.95, others
    assert set(others) >= {"turned left", "turned right", "upside down", "noise", "photographs"}


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
    facts = {"refused": {"films": 0.0, "photographs": 1.0}, "test_films": 624, "photographs": 26}
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
    np.testing.assert_array_equal(pictures[20:30], 255 - films[::2])


# -- the command line -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory, some):
    """Three films, one text file named as a picture, and what is passed over."""
    root = tmp_path_factory.mktemp("films")
    (root / "below").mkdir()
    for place, path in zip(("b.jpeg", "a.jpeg", "below/c.jpeg"), some["path"], strict=False):
        shutil.copy(path, root / place)
    (root / "broken.png").write_text("no picture")
    (root / "notes.txt").write_text("passed over")
    (root / "._a.jpeg").write_text("what macOS leaves")
    return root


def run(capsys, *words):
    code = commands.main(["predict", *map(str, words)])
    return code, *capsys.readouterr()


def test_a_folder_is_judged_in_order_and_the_code_tells_of_refusals(capsys, folder):
    code, out, _ = run(capsys, folder)
    lines = out.splitlines()
    assert code == 1
    assert lines[0] == console.HEAD
    named = [line.split("/")[-1].split(":")[0] for line in lines[1:]]
    assert named == ["a.jpeg", "b.jpeg", "broken.png", "c.jpeg"]
    assert {".jpeg", ".png", ".dcm"} <= images.SUFFIXES
    assert "refused" in lines[3]
    assert "not an image file" in lines[3]
    assert run(capsys, folder / "a.jpeg")[0] == 0


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


def test_a_list_on_standard_input(capsys, folder, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{folder / 'a.jpeg'}\n\n{folder / 'b.jpeg'}\r\n"))
    code, out, _ = run(capsys, "-")
    assert (code, len(out.splitlines())) == (0, 3)


@pytest.mark.parametrize("words", [[], ["--threshold", "0"], ["--sensitivity", "2", "x"]])
def test_wrong_use_is_told_and_has_its_code(words):
    with pytest.raises(SystemExit) as stop:
        commands.main(["predict", *words])
    assert stop.value.code == 2


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
    np.testing.assert_allclose(predict.together(members)(seen), alone, atol=1e-5)
