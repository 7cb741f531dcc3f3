"""The benchmarks: known answers, a few drawn films through each script, the record kept whole."""

import dataclasses
import json

import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks import common, feeding, films, prediction, replay
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
    missed = common.line("another", "b", "1", "at least 2", reached=False)
    common.write("another", [{"a": np.nan}], [missed], path)
    common.write("script", rows, script.lines(rows), path)
    found = json.loads(path.read_text())
    assert {"date", "commit", "machine", "rows"} == set(found["script"]) == set(found["another"])
    assert (len(found["script"]["rows"]), found["another"]["rows"]) == (len(rows), [{"a": None}])
    assert found["readme"][0] == missed | {"must": "at least 2, missed"}


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
