"""Tasks give the same results wherever they run, and a lost worker loses none of them."""

import dataclasses
import operator
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import __main__ as command
from helpers import predict, tasks
from helpers.data import dataset
from helpers.training import recipes, record
from helpers.training.recipes import Recipe
from helpers.training.study import Study

# Three networks of moments for two workers: one is at work when another has its first epoch.
SMALL = Recipe(name="dense", title="", network="dense", side=16, epochs=3, seeds=(1, 2))
RECIPES = {
    "dummy": recipes.STUDY["dummy"],
    "dense": SMALL,
    "cnn_1": dataclasses.replace(SMALL, name="cnn_1", seeds=(3,), keep_weights=True),
}


@pytest.fixture(scope="module")
def train(drawn, tiny):
    """Train ``RECIPES`` on all of a few films, in a folder; yield the results."""

    def train(root, pool=None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(recipes, "STUDY", RECIPES)
            films = dataset.find(drawn, tiny)
            study = Study("train", "full", films, root / "results", root / "build", tell=False)
            yield from study.train(tuple(RECIPES), pool)

    return train


@pytest.fixture(scope="module")
def here(train, tmp_path_factory):
    """What the networks predict that this process trains."""
    return predictions(train(tmp_path_factory.mktemp("here")))


def predictions(results):
    return pd.concat({result.recipe.name: result.record.predictions for result in results})


def test_without_a_pool_a_task_runs_when_its_result_is_asked_for():
    done = []
    with tasks.pool() as pool:
        result = tasks.start(pool, done.append, 1)
        assert done == []
        result()
    assert done == [1]


def test_results_come_in_the_order_of_the_tasks_few_of_which_are_drawn_ahead():
    drawn = []

    def endless():
        for number in range(100):
            drawn.append(number)
            yield (0.01 * (number % 3), number)

    def late(seconds, number):
        time.sleep(seconds)
        return number

    with ThreadPoolExecutor(3) as pool:
        results = tasks.in_order(pool, late, endless(), ahead=4)
        assert next(results) == 0
        assert len(drawn) == 4
        assert list(results) == list(range(1, 100))


def test_processes_train_what_this_process_trains(train, here, tmp_path):
    with tasks.pool(jobs=2) as pool:
        there = predictions(train(tmp_path, pool))
        assert pool.submit(_threads).result() == max(1, (os.cpu_count() or 1) // 2)
    pd.testing.assert_frame_equal(there, here, atol=1e-5)


def _threads():
    import tensorflow as tf

    return tf.config.threading.get_intra_op_parallelism_threads()


def test_a_lost_process_ends_in_a_line_that_says_how_to_go_on():
    lost = pytest.raises(RuntimeError, match=r"a process was lost.*the same command goes on")
    with lost, tasks.pool(jobs=2) as pool:
        tasks.start(pool, os._exit, 1)()


def test_nobody_waits_for_a_task_after_control_c():
    def stopped():
        with tasks.pool(jobs=2) as pool:
            assert tasks.start(pool, operator.add, 1, 2)() == 3
            tasks.start(pool, time.sleep, 300)
            raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert time.monotonic() - start < 60


def test_all_recipes_are_tried_before_a_failure_is_raised(train, monkeypatch, tmp_path):
    def member(self, recipe, seed, work):
        raise RuntimeError(f"no number in {recipe.name}")

    monkeypatch.setattr(Study, "member", member)
    with ThreadPoolExecutor(2) as pool, pytest.raises(RuntimeError) as caught:
        list(train(tmp_path, pool))
    assert str(caught.value) == "dense: no number in dense; cnn_1: no number in cnn_1"


@pytest.fixture(scope="module")
def cluster():
    """A Dask scheduler and two workers on loopback."""
    distributed = pytest.importorskip("distributed")
    small = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**small) as cluster:
        yield cluster


def kill_a_busy_worker(cluster):
    """Kill a worker that has tasks, at once and without a word to anybody."""
    from distributed import Client

    with Client(cluster, set_as_default=False) as client:
        workers = client.run(os.getpid)
        for _ in range(1000):
            busy = [worker for worker, held in client.processing().items() if held]
            if busy:
                return os.kill(workers[busy[0]], signal.SIGKILL)
            time.sleep(0.01)
    raise AssertionError("no worker was at work")


def test_a_killed_worker_loses_no_training(cluster, train, here, tmp_path):
    def kill():
        while not list(tmp_path.rglob("*.weights.h5")):
            time.sleep(0.01)
        kill_a_busy_worker(cluster)

    with ThreadPoolExecutor(1) as aside, tasks.pool(dask=cluster.scheduler_address) as pool:
        killed = aside.submit(kill)
        there = list(train(tmp_path, pool))
        killed.result()
    assert [result.recipe.name for result in there] == list(RECIPES)
    assert list(record.openings(tmp_path / "results")["recipe"]) == list(RECIPES)
    pd.testing.assert_frame_equal(predictions(there), here, atol=1e-5)


def test_a_killed_worker_loses_no_film(cluster, monkeypatch, tmp_path):
    monkeypatch.setattr(predict, "BATCH", 4)
    paths = [Path(path) for path in dataset.packaged().table["path"].iloc[:24]]
    (tmp_path / "broken.png").write_text("no film")
    paths[7:7] = [tmp_path / "nowhere.png", tmp_path / "broken.png"]
    here = list(predict.predictor().answers(paths))
    with tasks.pool(dask=cluster.scheduler_address) as pool:
        answers = predict.predictor().answers(paths, pool=pool)
        there = [next(answers)]
        kill_a_busy_worker(cluster)
        there += answers
    assert [answer.path for answer in there] == [str(path) for path in paths]
    assert [answer.error for answer in there] == [answer.error for answer in here]
    said = [np.array([a.probability for a in answers], float) for answers in (here, there)]
    np.testing.assert_allclose(said[1], said[0], atol=1e-3)


def test_a_film_that_a_worker_cannot_see_is_no_refusal(monkeypatch):
    monkeypatch.setattr(predict.os.path, "exists", lambda path: False)
    with pytest.raises(RuntimeError, match=r"/far/film\.png: a worker cannot see it"):
        predict._judged_there(0.5, False, "/far", [("film.png", True)])


@pytest.mark.parametrize(
    ("modules", "said"),
    [({}, "tcp://127.0.0.1:9"), ({"distributed": None}, "pip install -r requirements-dask.txt")],
    ids=["no answer", "no Dask"],
)
def test_a_cluster_that_cannot_be_reached_is_one_line(monkeypatch, drawn, capsys, modules, said):
    monkeypatch.setenv("STUDY_DATA", str(drawn))
    monkeypatch.setattr(tasks, "PATIENCE", "0.5s")
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    assert command.main(["train", "--short", "--dask", "tcp://127.0.0.1:9"]) == 1
    assert said in capsys.readouterr().err.splitlines()[-1]
