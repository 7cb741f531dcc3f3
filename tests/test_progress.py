"""A person who waits sees how far a training is and how long it will still take."""

import pytest

from helpers.training import fit
from helpers.training.recipes import Recipe

RECIPE = Recipe(name="dense", title="Dense", epochs=10, seeds=(1, 2))
NAMES = ("dummy", "dense", "final")


@pytest.fixture
def shown(capsys):
    """Report to a fresh bar; give what it shows, where it stands, and what was printed."""

    def show(*reports, silent=False):
        with fit.bar(RECIPE, 2, NAMES, silent=silent) as bar:
            for epochs, logs in reports:
                fit.report(bar, epochs, logs)
            text, n = str(bar), bar.n
        return text, n, capsys.readouterr()

    return show


def test_the_bar_names_network_seed_place_part_of_an_epoch_and_the_last_whole_ones_accuracy(shown):
    assert "accuracy" not in shown((0.5, {}))[0]
    text, n, _ = shown((1, {"val_accuracy": 0.91234}), (2.25, {}))
    assert text.startswith("Dense, seed 2 (2 of 3): ")
    assert n == 2.25
    assert "epoch 2.2 of 10" in text
    assert text.endswith(" left, validation accuracy 0.912")


def test_time_left_follows_the_speed_so_far(monkeypatch):
    now = [0.0]
    with fit.bar(RECIPE, 1, NAMES) as bar:
        bar._time = lambda: now[0]
        bar.start_t = bar.last_print_t = 0.0
        now[0] = 60.0
        fit.report(bar, 2.5, {})
        assert "03:00 left" in str(bar)


def test_a_bar_writes_to_standard_error_only_and_a_silent_one_nowhere(shown):
    *_, loud = shown((5, {}))
    *_, silent = shown((5, {}), silent=True)
    assert loud.out == ""
    assert "Dense" in loud.err
    assert silent == ("", "")
