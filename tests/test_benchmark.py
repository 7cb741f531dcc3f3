"""What the benchmark measures with and what it tells: known answers, and verdicts that can fail."""

from __future__ import annotations

import dataclasses
import json

import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks import benchmark, peaks, speed, ways
from helpers import config
from helpers.data import dataset
from helpers.data.augmentation import Augmentation
from helpers.training import recipes

DENSE = dataclasses.replace(recipes.get("dense"), side=8, batch_size=4)


# -- ways ---------------------------------------------------------------------------------------


def test_links_fill_a_folder_a_class_and_begin_again_where_films_end(drawn, tmp_path):
    films = dataset.find(drawn).table
    folder = ways.linked(films, tmp_path / "linked", 2 * len(films))
    found = sorted(path.parent.name for path in folder.rglob("*.jpeg"))
    assert found == sorted(2 * list(films["label"]))


def test_enlarged_films_have_the_size_of_the_originals(drawn, tmp_path):
    films = dataset.find(drawn).table.groupby("label").head(1)
    for row in ways.enlarged(films, tmp_path / "large").itertuples():
        width, height, _ = config.ORIGINALS[row.label]
        with Image.open(row.path) as film:
            assert (film.size, film.mode) == ((width, height), "L")


def test_a_file_is_as_near_to_the_wanted_length_as_quality_goes():
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64), dtype=np.uint8))
    small, large = (len(ways._near(noise, size)) for size in (0, 10**6))
    assert small < len(ways._near(noise, (small + large) // 2)) < large


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("dense", 4096 * 20 + 20 * 7 + 7 * 5 + 5),
        ("cnn_1", 62**2 * 9 * 32 + 29**2 * 9 * 32 * 64 + 14**2 * 64 * 64 + 64),
    ],
)
def test_multiply_adds_are_those_counted_by_hand(name, wanted):
    assert ways.multiply_adds(ways.network(recipes.get(name))) == wanted


def test_every_way_feeds_films_of_one_shape_and_trains(drawn, tmp_path):
    films = dataset.find(drawn).table
    folder = ways.linked(films, tmp_path / "linked", len(films))
    recipe = dataclasses.replace(
        DENSE,
        augmentation=Augmentation(rotation=10, shift=0.1, zoom=0.1, brightness=0.1, noise=0.01),
    )
    pictures = np.zeros((12, 8, 8), np.uint8)
    feeds = [
        ways.image_data_generator(recipe, folder),
        ways.image_dataset(recipe, folder),
        ways.ours(recipe, pictures, np.arange(12) % 2),
        ways.constant(recipe),
    ]
    for batches in feeds:
        x, y = next(iter(batches))
        assert (tuple(x.shape), len(y)) == ((4, 8, 8, 1), 4)
        assert ways.rate(ways.network(recipe), batches, 4, steps=2, epochs=1) > 0


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("StatefulPartitionedCall/a/Relu:_MklNativeFusedConv2D", "convolutions"),
        (
            "StatefulPartitionedCall/a:_MklNativeConv2DBackpropFilterWithBias",
            "gradients of filters",
        ),
        ("StatefulPartitionedCall/a:Conv2DBackpropInput", "gradients of inputs"),
        ("StatefulPartitionedCall/a:FusedBatchNormGradV3", "batch normalisation"),
        ("StatefulPartitionedCall/a:StatelessRandomUniformV2", "random numbers of dropout"),
        ("StatefulPartitionedCall/a:AddV2", "all else"),
        ("ExecutorState::Process", None),
    ],
)
def test_kernels_are_sorted_by_what_they_do(event, kind):
    assert ways._kind(event) == kind


# -- costs of processes -------------------------------------------------------------------------


def test_the_memory_of_a_process_is_its_own_peak():
    little = peaks.cost(["-c", "print('little')"])
    much = peaks.cost(["-c", "x = bytearray(b'1' * 150_000_000)"])
    assert little.told == "little\n"
    assert much.peak - little.peak > 140
    assert much.seconds > 0


def test_the_memory_of_its_children_counts():
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', {!r}])"
    cost = peaks.cost(["-c", child.format("x = bytearray(b'1' * 150_000_000)")])
    assert cost.peak > 140


def test_a_process_that_fails_is_named_with_its_last_line():
    with pytest.raises(RuntimeError, match="no such luck"):
        peaks.cost(["-c", "import sys; print('no such luck'); sys.exit(3)"])


def test_films_are_multiplied_by_links(drawn, tmp_path):
    films = dataset.find(drawn)
    more = peaks.many(films, 5, 3, tmp_path / "many")
    assert len(more.table) == len(set(more.table["film"])) == 15
    _, pictures = dataset.load(more, 8, tmp_path / "cache")
    np.testing.assert_array_equal(pictures[:5], pictures[10:])


# -- the record ---------------------------------------------------------------------------------


def test_parts_are_written_as_they_are_measured_and_the_others_kept(tmp_path, monkeypatch):
    path = tmp_path / "benchmark.json"
    path.write_text(json.dumps({"memory": {"kept": True}}))
    monkeypatch.setitem(benchmark.PARTS, "result", lambda: {"peers": {"a": 1 / 3}})
    told = []
    benchmark.run(["result"], path, told.append)
    found = json.loads(path.read_text())
    assert found["memory"] == {"kept": True}
    assert found["result"]["peers"] == {"a": 0.3333}
    assert {"cores", "date", "processor", "versions", "took"} <= set(found["result"])
    assert told == ["result …"]


def test_an_unknown_part_is_named(tmp_path):
    with pytest.raises(ValueError, match="no part speed; there are training"):
        benchmark.run(["speed"], tmp_path / "benchmark.json", print)


def test_without_another_checkout_there_is_nothing_to_compare(tmp_path):
    benchmark.run(["before"], tmp_path / "benchmark.json", lambda line: None)
    assert not (tmp_path / "benchmark.json").exists()


def test_seconds_of_cells_come_from_their_timing():
    when = {
        "iopub.execute_input": "2026-01-01T00:00:01.000000+00:00",
        "shell.execute_reply": "2026-01-01T00:00:03.500000+00:00",
    }
    cell = nbformat.v4.new_code_cell("\nx = 1\ny", execution_count=4, metadata={"execution": when})
    node = nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_markdown_cell("said")])
    assert benchmark.cells(node) == [{"cell": 4, "line": "x = 1", "seconds": 2.5}]


# -- what is told -------------------------------------------------------------------------------


@pytest.fixture
def measured():
    """Pairs in which ours is twice as fast as each other way, but for one of three pairs."""
    rows = [
        {"recipe": name, "way": way, "source": source, "repeat": k, "rate": 100.0, "ours": ours}
        for name in benchmark.RECIPES
        for way, source in speed.WAYS
        for k, ours in enumerate((200.0, 200.0, 150.0))
    ]
    return {"training": {"pairs": rows}}


def test_the_table_has_a_line_a_way_and_the_median_ratio_with_its_range(measured):
    lines = speed.table(measured).splitlines()
    assert len(lines) == 2 + len(speed.WAYS)
    assert lines[2].endswith("| 100 | 2.00 [1.50, 2.00] | 100 | 2.00 [1.50, 2.00] |")


def test_a_way_that_was_not_measured_has_no_line(measured):
    rows = [row for row in measured["training"]["pairs"] if row["way"] != "torch"]
    assert "PyTorch" not in speed.table({"training": {"pairs": rows}})


def test_what_was_missed_is_called_missed(measured):
    told = speed.musts_told(measured)
    assert told.count("missed") == 2  # 2.2 times the first study's generator, for both networks
    assert told.count("reached") == 4


@pytest.mark.parametrize(("peak", "verdict"), [(1090.0, "flat"), (1200.0, "grown by 20%")])
def test_memory_that_grows_is_said_to_grow(peak, verdict):
    rows = [
        {"what": "predict", "times": times, "megabytes": value}
        for times, value in ((1, 1000.0), (100, peak))
    ]
    rows.append({"what": "train, as an array", "times": 100, "megabytes": 5000.0})
    found = {"memory": {"peaks": rows}, "notebook": {"runs": [{"megabytes": 900.0}]}}
    assert speed.memory_told(found).count(verdict) == 1


def test_onnx_runtime_is_told_only_where_it_was_measured():
    part = {"cold": [9.0], "warm": [0.03], "folder": {"films": 624, "seconds": 20.0}, "onnx": []}
    assert "ONNX" not in speed.prediction_told({"prediction": part})
    rows = [("ours", 3.0), ("onnx", 1.0), ("ours", 3.0), ("onnx", 1.0)]
    part["onnx"] = [{"films": 1, "by": name, "seconds": seconds} for name, seconds in rows]
    assert "1 at once 3.00 (at most 1.5: missed)" in speed.prediction_told({"prediction": part})


def test_the_processors_limit_is_three_times_the_forward_work(measured):
    limit = {
        "multiply_adds": 10**6,
        "matrix_rate": 96e6,
        "milliseconds": {"step": 2000.0, "a": 9.0},
    }
    measured["training"]["limit"] = dict.fromkeys(benchmark.RECIPES, limit)
    assert "would take 1000 ms" in speed.limit_told(measured)
    assert "takes 2000 ms, 50% of the limit" in speed.limit_told(measured)


def test_what_is_recorded_can_be_told():
    found = speed.read()
    assert set(found) >= {"training", "result", "prediction", "memory", "notebook"}
    asked = pd.DataFrame(found["prediction"]["onnx"])
    assert asked.empty or asked.groupby("films")["told"].agg(np.ptp).max() < 1e-4
