"""The benchmarks: known answers, a few drawn films through each script, the record kept whole."""

import dataclasses
import json

import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks import (
    common,
    feeding,
    films,
    frameworks,
    installation,
    prediction,
    replay,
    scale,
)
from helpers.data import dataset
from helpers.training import recipes

QUICK = dataclasses.replace(recipes.get("final"), network="dense", batch_size=4)


@pytest.mark.parametrize("script", [feeding, prediction, replay])
def test_each_script_gives_finite_numbers_and_is_recorded_whole(script, tmp_path):
    path, notebook = tmp_path / "record.json", tmp_path / "one.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]), notebook)
    some = dataset.packaged().table.query("part == 'test'").groupby("label").head(2)
    tiny = {feeding: (some, [QUICK], 1, 1), prediction: (some, [2], 1), replay: (notebook, 1)}
    rows = script.measure(*tiny[script])
    for number in pd.DataFrame(rows).select_dtypes("number").to_numpy().ravel():
        assert 0 < number < np.inf or np.isnan(number)  # what was not measured is null
    missed = common.line("b", "1", "at least 2", reached=False)
    common.write("another", [{"a": np.nan}], [missed], path)
    common.write("script", rows, script.lines(rows), path)
    found = json.loads(path.read_text())
    assert {"date", "commit", "machine", "rows", "lines"} == set(found["script"])
    assert (len(found["script"]["rows"]), found["another"]["rows"]) == (len(rows), [{"a": None}])
    assert found["another"]["lines"] == [missed]


def test_what_takes_long_is_told_by_must_and_measured():
    trained, said = ({"ratio": ratio} for ratio in (1.5, 0.5))
    assert [line["reached"] for line in frameworks.lines([trained, said])] == [True, False]
    seen = {"scheduler": 700, "scheduler_grows": 1.0, "client": 900, "client_grows": 1.2}
    rows = [{"films": 9, "films_a_second": 3, "not_once": 1, **seen}, {"films_a_second": 4}]
    once, memory, speed = scale.lines(rows)
    assert (once["value"], once["reached"], speed["reached"]) == ("1 not once", False, None)
    assert (memory["value"], memory["reached"]) == ("1.20 (700 and 900 MB)", False)
    rows = [{"what": f"make {target}", "seconds": 250} for target in ("setup", "run", "test")]
    rows += [{"what": what, "megabytes": 1000} for what in ("environment", "tensorflow")]
    run, test, size = installation.lines(rows)
    assert (run["reached"], test["value"], test["reached"]) == (True, "4.2 minutes", False)
    assert size["value"] == "1,000 MB; tensorflow 1,000"


def test_packages_are_weighed_by_their_files(tmp_path):
    (tmp_path / "heavy-1.dist-info").mkdir()
    (tmp_path / "heavy-1.dist-info" / "METADATA").write_text("Name: heavy\nVersion: 1\n")
    (tmp_path / "heavy-1.dist-info" / "RECORD").write_text("heavy.py,,\n")
    (tmp_path / "heavy.py").write_bytes(bytes(2_000_000))
    assert installation.weights(tmp_path) == {"heavy": 2.0}


def test_pairs_run_in_turn_and_give_the_median_ratio_with_its_range():
    calls, rates = [], iter([100.0, 200.0, 200.0, 100.0, 100.0, 150.0])
    one, other = (lambda name=name: calls.append(name) or next(rates) for name in "ab")
    found = common.in_turn(one, other, 3)
    assert "".join(calls) == "baabba"
    assert (found["ratio"], found["low"], found["high"], found["ours"]) == (2.0, 1.5, 2.0, 200.0)


def test_memory_is_that_of_a_process_and_its_children_and_failures_are_named():
    much = "x = bytearray(b'1' * 150_000_000)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {much!r}])"
    little, *peaks = (common.cost(["-c", code])[1] for code in ("", much, child))
    assert min(peaks) - little > 130
    with pytest.raises(RuntimeError, match="exit code 1: no such luck"):
        common.cost(["-c", "raise SystemExit('no such luck')"])


def test_films_are_as_large_as_the_originals_and_linked_over_again(drawn, tmp_path):
    large = films.enlarged(dataset.find(drawn).table.groupby("label").head(1), tmp_path / "large")
    for label, path in zip(large["label"], large["path"], strict=True):
        assert Image.open(path).size == films.ORIGINALS[label][:2]
    linked = films.linked(large, tmp_path / "linked", 5)
    assert [len(list((linked / label).iterdir())) for label in large["label"]] == [3, 2]
