"""Trainings side by side: order, and what is told of them."""

from __future__ import annotations

import math
import subprocess
import sys
import threading

import pytest

from helpers.training import jobs


@pytest.fixture
def started(monkeypatch):
    """Commands and settings of the processes started; ``cnn_1`` fails, the others say nothing."""
    seen = []

    def run(command, stdout, stderr, env):
        name = command[command.index("train") + 1]
        seen.append((name, command, env))
        stdout.write(f"epoch 1\repoch 2\n{name}: no films\n\n")
        return subprocess.CompletedProcess(command, int(name == "cnn_1"))

    monkeypatch.setattr(jobs.subprocess, "run", run)
    return seen


def test_the_longest_start_first_and_those_of_unknown_length_before_them():
    seconds = {"short": 1.0, "long": 9.0, "new": math.nan, "middle": 5.0}
    assert jobs.longest_first(seconds) == ["new", "long", "middle", "short"]


@pytest.mark.parametrize(("cores", "count", "each"), [(2, 1, 2), (2, 2, 1), (2, 4, 1), (8, 3, 2)])
def test_the_processes_share_the_cores(monkeypatch, cores, count, each):
    monkeypatch.setattr(jobs.os, "cpu_count", lambda: cores)
    assert jobs.threads(count) == each


def test_each_recipe_is_trained_by_the_command_line_in_a_process_of_its_own(started, tmp_path):
    told = []
    jobs.side_by_side(["cnn_2", "cnn_3"], 2, tmp_path / "logs", told.append, ("--short",))
    assert sorted(told) == ["cnn_2: trained", "cnn_3: trained"]
    for name, command, settings in started:
        assert command[:4] == [sys.executable, "-m", "helpers", "train"]
        assert command[4:] == [name, "--keep", "--short"]
        assert settings["STUDY_THREADS"] == str(jobs.threads(2))
        assert (tmp_path / "logs" / f"{name}.log").read_text().startswith("epoch 1")


def test_a_failure_is_told_with_its_reason_after_the_others_were_tried(started, tmp_path):
    told = []
    with pytest.raises(RuntimeError, match=r"^cnn_1: cnn_1: no films \(.*cnn_1\.log\)$"):
        jobs.side_by_side(["cnn_1", "cnn_2"], 1, tmp_path, told.append)
    assert told == ["cnn_2: trained"]
    assert [name for name, *_ in started] == ["cnn_1", "cnn_2"]


def test_side_by_side_means_as_many_at_a_time_as_asked_for(monkeypatch, tmp_path):
    both = threading.Barrier(2, timeout=10)  # breaks unless two wait at it together

    def run(command, **_):
        both.wait()
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(jobs.subprocess, "run", run)
    jobs.side_by_side(["a", "b", "c", "d"], 2, tmp_path, lambda line: None)
