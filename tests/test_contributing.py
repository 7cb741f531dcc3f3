"""The worked example of CONTRIBUTING.md does what it says, and its rooms are the house's."""

from __future__ import annotations

import re

import pytest

from helpers import config, dataset, models, recipes

PAGE = config.ROOT / "CONTRIBUTING.md"


@pytest.fixture(scope="module")
def text():
    return PAGE.read_text(encoding="utf-8")


def test_the_example_trains_a_new_network(text, drawn, tmp_path, monkeypatch, capsys):
    example = re.search(r"<!-- example -->\n```python\n(.*?)```", text, flags=re.S).group(1)
    assert len(example.splitlines()) <= 25
    monkeypatch.setattr(models, "BUILDERS", dict(models.BUILDERS))
    monkeypatch.setattr(recipes, "STUDY", dict(recipes.STUDY))
    names = {"films": dataset.find(drawn), "build": tmp_path}
    exec(compile(example, str(PAGE), "exec"), names)
    assert names["result"].recipe.name == "tiny"
    assert "AUROC" in capsys.readouterr().out
    assert (tmp_path / "results-short" / "tiny" / "record.json").is_file()


def test_every_room_of_the_house_is_named(text):
    rooms = {path.stem for path in (config.ROOT / "helpers").glob("*.py")} - {"__init__"}
    table = text.split("## Add a network")[0]
    named = {word for cell in re.findall(r"`([a-z_ ]+)`", table) for word in cell.split()}
    assert rooms == named, "name new rooms in CONTRIBUTING.md"
