"""The command line, the page it writes, and the check of the committed network."""

import nbformat
import numpy as np
import pandas as pd
import pytest

from helpers import __main__ as command
from helpers.data import dataset, manifest
from helpers.experiments import trust
from helpers.models import classifiers, ensemble
from helpers.report import notebook as page
from helpers.training import recipes, record
from helpers.training.study import Study


@pytest.fixture
def notebook(tmp_path):
    """A notebook of two cells: one warns and prints, one shows a setting."""
    said = "import sys; print('said'); print('aside', file=sys.stderr)"
    return written(tmp_path / "small.ipynb", said, "import os; os.environ['STUDY_MODE']")


def written(path, *cells):
    """A notebook of code cells in ``path``."""
    cells = [nbformat.v4.new_code_cell(source) for source in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_a_page_holds_outputs_and_the_terminal_what_was_said_aside(notebook, tmp_path, capsys):
    node = page.execute(notebook, {"STUDY_MODE": "train"})
    streams = [o for o in node.cells[0].outputs if o.output_type == "stream"]
    assert [o.text for o in streams] == ["said\n"]
    assert "aside" in capsys.readouterr().err
    assert node.cells[1].outputs[0]["data"]["text/plain"] == "'train'"
    html = page.write_html(node, tmp_path / "build" / "page.html").read_text(encoding="utf-8")
    assert "said" in html
    assert "aside" not in html.split("<body", 1)[1].replace("aside&#39;", "").split("Out[", 1)[1]


FAILURES = {"1 / 0": "a cell failed with ZeroDivisionError"}
FAILURES["import os; os._exit(1)"] = "stopped before its end"


@pytest.mark.parametrize(("source", "reason"), FAILURES.items())
def test_a_notebook_that_fails_is_told_in_one_line(tmp_path, source, reason):
    with pytest.raises(RuntimeError, match=rf"broken\.ipynb: {reason}"):
        page.execute(written(tmp_path / "broken.ipynb", source))


def test_a_notebook_written_back_is_the_same_on_the_next_run(notebook):
    first, again = (
        page.write_notebook(page.execute(notebook, {"STUDY_MODE": "x"}), notebook).read_bytes()
        for _ in range(2)
    )
    assert first == again


WRONG = ["no-such-command", "predict", "predict --threshold 0", "predict --sensitivity 2 x"]


@pytest.mark.parametrize("words", WRONG)
def test_wrong_use_exits_with_two(words, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(words.split())
    assert stop.value.code == 2
    assert words.split()[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "data", "said"),
    [(name, "nowhere", ["nowhere", "make data"]) for name in ("train", "check")]
    + [("train --short cnn_9", "drawn", ["cnn_9"]), ("train --jobs 0", "drawn", ["--jobs 0"])],
)
def test_what_is_missing_or_unknown_is_one_line(words, data, said, drawn, monkeypatch, capsys):
    monkeypatch.setenv("STUDY_DATA", str(drawn) if data == "drawn" else f"/{data}")
    assert command.main(words.split()) == 1
    *above, line = capsys.readouterr().err.splitlines()
    assert len(above) == (data == "drawn")  # what is at hand
    assert [word for word in said if word not in line] == []


@pytest.fixture
def committed(monkeypatch, tmp_path, tiny, drawn):
    """A record of an untrained final network, true to its predictions on drawn films."""
    monkeypatch.setattr(manifest, "read", lambda *_: tiny.copy())
    recipe, films = recipes.get("final"), dataset.find(drawn, tiny)
    films, pictures = Study(films=films).pictures(recipe)
    scored = films.table["part"].isin(["validation", "test"]).to_numpy()
    members = {seed: classifiers.build("final", recipe.side) for seed in recipe.seeds}
    known = films.table.loc[scored, ["film", "part"]].rename(columns={"part": "split"})
    seen = {seed: pictures[recipe.views_of(seed)[0]][scored] for seed in members}
    said = {seed: ensemble.predict(model, seen[seed]) for seed, model in members.items()}
    rows = pd.concat([known.assign(seed=seed, probability=of) for seed, of in said.items()])
    history = pd.DataFrame({"epoch": 1, "seed": list(recipe.seeds), "val_loss": 0.5})
    found = record.Record(rows, history, {"films_digest": manifest.digest(tiny)})
    record.write(tmp_path, recipe, found, members)
    return tmp_path, films


def test_the_committed_network_gives_its_recorded_probabilities(committed):
    results, films = committed
    assert "as recorded" in trust.check(results, films)


def test_another_network_than_the_recorded_one_is_noticed(committed):
    results, films = committed
    final = recipes.get("final")
    found = Study(results=results).run("final").record
    moved = found.predictions.assign(probability=lambda rows: np.abs(rows["probability"] - 0.01))
    members = {seed: record.load_member(results, final, seed) for seed in final.seeds}
    record.write(results, final, record.Record(moved, found.history, found.facts), members)
    with pytest.raises(RuntimeError, match="differs from its record"):
        trust.check(results, films)


def test_the_check_needs_all_test_films(committed):
    results, films = committed
    few = dataset.Films("a few films", films.table[films.table["part"] == "test"].head(2))
    with pytest.raises(dataset.FilmError, match="2 of the"):
        trust.check(results, few)
