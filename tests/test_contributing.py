"""The worked example of CONTRIBUTING.md does what it says."""

import re

from helpers import config
from helpers.data import dataset
from helpers.models import classifiers
from helpers.training import recipes

PAGE = config.ROOT / "CONTRIBUTING.md"


def test_the_example_trains_a_new_network(drawn, tmp_path, monkeypatch, capsys):
    text = PAGE.read_text(encoding="utf-8")
    example = re.search(r"<!-- example -->\n```python\n(.*?)```", text, flags=re.S).group(1)
    assert len(example.splitlines()) <= 25
    monkeypatch.setattr(classifiers, "BUILDERS", dict(classifiers.BUILDERS))
    monkeypatch.setattr(recipes, "STUDY", dict(recipes.STUDY))
    names = {"films": dataset.find(drawn), "build": tmp_path}
    exec(compile(example, str(PAGE), "exec"), names)
    assert names["result"].recipe.name == "tiny"
    assert "AUROC" in capsys.readouterr().out
    assert (tmp_path / "results-short" / "tiny" / "record.json").is_file()
