"""What ``python -m helpers predict`` and ``elsewhere`` print and write."""

import argparse
import contextlib
import csv
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import matplotlib.pyplot as plt
import pandas as pd
from tqdm import tqdm

from helpers import config, storage, tasks
from helpers.data import dataset
from helpers.evaluation import calibration, metrics, thresholds
from helpers.predict import COLUMNS, DRAWING, TABLE, Answer, Predictor, films_in, predictor

HEAD = f"{'probability':>11}  {'decision':<9}  {'refer':<5}  film"
FEW = 10  # films of a class: with fewer, intervals leave nearly everything open

Sink = Callable[[Answer], None]


def line(answer: Answer) -> str:
    """One answer as a line of the table."""
    if answer.error is not None:
        reason = answer.error.removeprefix(f"{Path(answer.path).name}: ")
        return f"{'–':>11}  {'refused':<9}  {'':<5}  {answer.path}: {reason}"
    doubts = f"  ({'; '.join(answer.warnings)})" if answer.warnings else ""
    refer = "yes" if answer.refer else "no"
    return f"{answer.probability:>11.3f}  {answer.decision:<9}  {refer:<5}  {answer.path}{doubts}"


def _printer(out: TextIO, as_json: bool = False) -> Sink:
    """Lines of JSON, or of a table."""
    if as_json:
        return lambda answer: print(json.dumps(answer.facts()), file=out, flush=True)
    print(HEAD, file=out)
    return lambda answer: print(_plain(line(answer)), file=out, flush=True)


def _plain(text: str) -> str:
    """Without control characters and lone surrogates, which a file's name may hold."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _in_the_way(table: str | None, folder: str | None, films: list[str]) -> str | None:
    """Why answers cannot go where they should: nothing of the user's is ever overwritten."""
    if "" in (table, folder):
        return "--csv and --explain need the name of a file and of a folder"
    writable = folder is None or (os.path.isdir(folder) and os.access(folder, os.W_OK))
    if not writable and os.path.lexists(folder):
        return f"--explain {folder}: no folder that can be written to"
    if table is None or not os.path.lexists(path := os.path.realpath(table)):
        return None
    if path in map(os.path.realpath, films):
        return f"--csv {table}: one of the films named; name another file for the table"
    if not os.path.isfile(path):
        return f"--csv {table}: no regular file, which a table needs"
    if any(os.path.samestat(os.stat(path), os.fstat(stream)) for stream in range(3)):
        return f"--csv {table}: in use as standard input or output"
    with open(path, "rb") as file:
        if file.read(len(TABLE)) not in (b"", TABLE):
            return f"--csv {table}: there already, and no table of answers; name another file"
    return None


@contextlib.contextmanager
def _csv(path: str) -> Iterator[Sink]:
    """Rows of a CSV file, each written at once: they stay, whatever ends the run."""
    os.makedirs(os.path.dirname(os.path.realpath(path)), exist_ok=True)
    with open(path, "w", 1, "utf-8", "replace", newline="") as file:
        rows = csv.DictWriter(file, COLUMNS)
        rows.writeheader()
        yield lambda one: rows.writerow(one.facts() | {"warnings": "; ".join(one.warnings)})


def _explainer(folder: str, predictor: Predictor) -> Sink:
    """A PNG a film into ``folder``, with a number where there is a file of its name already."""
    os.makedirs(folder, exist_ok=True)

    def draw(answer: Answer) -> None:
        if answer.seen is None:
            return
        stem = Path(folder, Path(answer.path).stem)
        numbered = (f"{stem}-{number}.png" for number in itertools.count(2))
        names = itertools.chain([f"{stem}.png"], numbered)
        figure = picture(answer, predictor)
        with storage.whole(next(itertools.filterfalse(os.path.lexists, names))) as part:
            figure.savefig(part, dpi=110, metadata={"Software": DRAWING.decode()})
        plt.close(figure)

    return draw


def picture(answer: Answer, predictor: Predictor) -> plt.Figure:
    """A film, its lungs and box, where the network looked; ValueError: no pixels in ``answer``."""
    from helpers import explain  # and seaborn: half a second, which answers alone do not take
    from helpers.plotting import decisions, style

    if answer.seen is None:
        raise ValueError(f"{answer.path}: no picture of it ({answer.error or 'pixels not kept'})")
    style.use_style()
    pixels, found = answer.seen
    heat, facts = explain.maps(predictor.ensemble, pixels[None], found)[0], answer.facts()
    return decisions.answer(pixels, found, heat, facts, predictor.threshold)[0].figure


def predict(arguments: argparse.Namespace) -> int:
    """Judge all films named; return the exit code: 0 all judged, 1 some were not, 2 wrong use."""
    if sys.stdout is None:
        raise OSError("standard output is closed; send the answers to a file, or to /dev/null")
    passed: list[Answer] = []
    named = films_in(arguments.paths, getattr(sys.stdin, "buffer", None), passed)
    problem = _in_the_way(arguments.csv, arguments.explain, arguments.paths)
    if problem or (first := next(named, None)) is None:
        nothing = ["no film in what was named", *(answer.error for answer in passed)]
        print("predict:", _plain(problem or "; ".join(nothing)), file=sys.stderr)
        return 2
    network, keep = predictor(arguments.threshold, arguments.sensitivity), bool(arguments.explain)
    draw = _explainer(arguments.explain, network) if keep else lambda answer: None
    # Lines on the screen are progress enough.
    bar = tqdm(unit=" films", disable=not sys.stderr.isatty() or sys.stdout.isatty())
    table = _csv(arguments.csv) if arguments.csv else contextlib.nullcontext(lambda answer: None)
    with tasks.pool(dask=arguments.dask) as pool, table as write, bar:
        show, refused = _printer(sys.stdout, arguments.json), []
        answers = network.answers(itertools.chain([first], named), keep, pool)
        for answer in itertools.chain(answers, passed):
            for sink in (write, show, draw):
                sink(answer)
            refused += [answer.path] * (answer.error is not None)
            bar.update()
    if refused:
        names = _plain(", ".join(refused[:3])) + ", …" * (len(refused) > 3)
        print(f"predict: {len(refused):,} not judged: {names}", file=sys.stderr)
    return 1 if refused else 0


def elsewhere(arguments: argparse.Namespace) -> str:
    """Judge a folder of labelled films; write scores and calibration, return the figures as text.

    FilmError where the folder or its table cannot be used, or a class was refused to the last film.
    """
    from helpers.experiments import elsewhere
    from helpers.plotting import decisions, style

    folder = Path(arguments.folder).resolve()
    target = (config.BUILD / "elsewhere" / folder.name).resolve()
    if target.is_relative_to(folder):
        raise dataset.FilmError(f"{folder}: holds {target}; put the films in a folder of their own")
    table, network = dataset.read_table(folder), predictor()
    answers = network.answers(folder / film for film in table["film"])
    scores = elsewhere.score(table, tqdm(answers, total=len(table), unit=" films", disable=None))
    for label, films in (("", scores), *scores.groupby("label")):
        if films["error"].ne("").all():
            many = " ".join(filter(None, ("all", f"{len(films):,}", label, "films were refused")))
            raise dataset.FilmError(f"{folder}: {many}, the first so: {films['error'].iloc[0]}")
    storage.write_text(target / "scores.csv", scores.to_csv(index=False, lineterminator="\n"))
    films = elsewhere.answered(scores)
    style.use_style()
    seen = {f"Final network on {len(films):,} films": calibration.reliability(films)}
    figure = decisions.reliability(seen)[0].figure
    with storage.whole(target / "calibration.png") as part:
        figure.savefig(part)
    plt.close(figure)
    few = films["y"].value_counts().min() < FEW
    notes = [f"fewer than {FEW} films of a class: the intervals are wide"] * bool(few)
    notes += ["the last threshold was chosen on these films: try it on others", str(target)]
    return "\n".join((*_figures(scores, films, arguments.sensitivity), *notes))


def _figures(scores: pd.DataFrame, films: pd.DataFrame, sensitivity: float) -> list[str]:
    """As text: who was set aside, the groups at 0.5, all films judged at three thresholds."""
    from helpers.experiments import elsewhere
    from helpers.training.study import Study

    def written(table: pd.DataFrame, *names: str) -> pd.DataFrame:
        return pd.DataFrame({name: metrics.written(table[name]) for name in names})

    aside, groups = elsewhere.set_aside(scores), elsewhere.judged(scores)
    aside = written(aside, "refused", "referred")
    aside.insert(0, "films", [len(scores), *scores.groupby("label").size()])
    figures = written(groups, "AUROC", "sensitivity", "specificity", elsewhere.ERROR)
    figures.insert(0, "judged", groups["films"].astype(int))
    points = {
        "0.5": thresholds.CONVENTION,
        "recall first": Study().run("final").recall_first,
        f"finds {100 * sensitivity:g}% here": thresholds.operating_threshold(films, sensitivity),
    }
    found = {name: metrics.written(metrics.estimate(films, cut)) for name, cut in points.items()}
    cuts = pd.DataFrame(found).T[["sensitivity", "specificity"]]
    cuts.insert(0, "threshold", [metrics.short(cut) for cut in points.values()])
    return [f"{table.to_string()}\n" for table in (aside, figures, cuts)]
