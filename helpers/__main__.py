"""Command line: ``python -m helpers COMMAND``; the make targets call it.

Exit code 0: done; 1: something at hand does not allow it (one line says what); 2: wrong use.
"""

import argparse
import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence

from tqdm import tqdm

from helpers import config, tasks

# Before TensorFlow is imported anywhere.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

CLUSTER = """scheduler of a Dask cluster (tcp://HOST:8786); its workers must see this folder and the
films under the same paths, on a shared file system; needs requirements-dask.txt"""


def data(arguments: argparse.Namespace) -> str:
    """Download, verify and unpack the full data set."""
    from helpers.data import download

    return download.fetch().describe()


def train(arguments: argparse.Namespace) -> str:
    """Train the whole study, or the recipes named, on the films at hand; resumes."""
    from helpers.report import tables
    from helpers.training.study import Study

    study = Study(mode="train", schedule="short" if arguments.short else "full")
    _tell(study.films.describe())
    names = arguments.recipes or study.names
    with tasks.pool(arguments.jobs, arguments.dask) as pool:
        for result in study.train(names, pool):
            _tell(tables.line(result))
    study.close()
    return f"the record of {len(names)} networks is in {study.root.relative_to(config.ROOT)}"


def trials(arguments: argparse.Namespace) -> str:
    """Try the candidates for the final network, or those named; needs the full set; resumes."""
    from helpers.data import dataset
    from helpers.experiments import trials

    names, build = arguments.recipes, config.BUILD / "trials"
    if arguments.score_test:
        trials.score_test(dataset.at_hand(), config.RESULTS, build, _tell)
        return f"{config.RESULTS / trials.FOLDER / trials.TEST}: after the choice"
    trials.run_all(dataset.at_hand(), config.RESULTS, build, names, _tell)
    return f"{len(names or trials.CANDIDATES)} candidates are in data/results/trials"


def trust(arguments: argparse.Namespace) -> str:
    """Record what breaks CNN 5 and the final network and where they look; resumes."""
    from helpers.data import dataset
    from helpers.experiments import trust

    return str(trust.measure(dataset.at_hand(), config.RESULTS, _tell))


def input_check(arguments: argparse.Namespace) -> str:
    """Train and record the input check; needs the full set (benchmarks.checking judges it)."""
    from helpers.data import dataset, manifest
    from helpers.experiments import bench
    from helpers.models import input_check
    from helpers.training import record

    ready = bench.prepare(dataset.at_hand())
    model, facts = input_check.learn(ready.table, ready.pictures, ready.segmenter)
    facts |= {"films_digest": manifest.digest(ready.table), **record.circumstances()}
    record.write_facts(config.RESULTS, input_check.NAME, facts, model)
    return str(config.RESULTS / input_check.NAME)


def predict(arguments: argparse.Namespace) -> int:
    """Say of films (files, folders, - for a list) whether they show pneumonia, or why not."""
    from helpers.report import console

    return console.predict(arguments)


def elsewhere(arguments: argparse.Namespace) -> str:
    """Judge the final network on a folder of films and its films.csv (film,label)."""
    from helpers.report import console

    return console.elsewhere(arguments)


def run(arguments: argparse.Namespace) -> str:
    """Train every network on a shortened schedule and write build/final_notebook.html."""
    from helpers.report import notebook as page
    from helpers.report import tables
    from helpers.training.study import Study

    # oneDNN is twice as fast; numbers depend on it, but in this mode none are compared.
    settings = {"STUDY_MODE": "train", "STUDY_SCHEDULE": "short", "TF_ENABLE_ONEDNN_OPTS": "1"}
    study = Study(mode="train", schedule="short")
    _tell(f"{study.films.describe()}; {len(study.names)} networks on a shortened schedule")
    node = page.execute(config.NOTEBOOK, settings)
    path = page.write_html(node, config.BUILD / "final_notebook.html")
    return f"{path}: {tables.line(study.recorded('final'), part='test')}"


def notebook(arguments: argparse.Namespace) -> str:
    """Execute final_notebook.ipynb in place from the record (after a change)."""
    from helpers.report import notebook as page

    settings = {"STUDY_MODE": "replay", "TF_ENABLE_ONEDNN_OPTS": "0"}
    return str(page.write_notebook(page.execute(settings=settings)))


def images(arguments: argparse.Namespace) -> str:
    """Draw images/ from the record and the packaged films."""
    from helpers.report import render

    return "\n".join(str(path) for path in render.write_images())


def readme(arguments: argparse.Namespace) -> str:
    """Fill in the numbers of README.md, MODEL_CARD.md and docs/ from the record."""
    from helpers.report import render

    return "\n".join(str(path) for path in render.write())


def slides(arguments: argparse.Namespace) -> str:
    """Write presentation.pdf from the record."""
    from helpers.report import slides

    return str(slides.write())


def check(arguments: argparse.Namespace) -> str:
    """Score the test films with the committed final network and compare with the record."""
    from helpers.experiments import trust

    return trust.check()


COMMANDS: dict[str, Callable[[argparse.Namespace], str | int]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        *(data, train, trials, trust, input_check),
        *(predict, elsewhere, run, notebook, images, readme, slides, check),
    )
}


def _tell(text: str) -> None:
    tqdm.write(text, file=sys.stderr)  # above a bar that is being drawn


def parser() -> argparse.ArgumentParser:
    """The command line's parser."""
    top = argparse.ArgumentParser(prog="python -m helpers", description=__doc__.split("\n")[0])
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    subs = {
        name: commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        for name, function in COMMANDS.items()
    }
    for name in ("train", "trials"):
        subs[name].add_argument("recipes", nargs="*", metavar="RECIPE", help="default: all of them")
    learn, judge = subs["train"], subs["predict"]
    learn.add_argument("--short", action="store_true", help="the schedule of `make run`")
    where = learn.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=int, default=1, help="processes that train")
    for command in (where, judge):
        command.add_argument("--dask", metavar="ADDRESS", help=CLUSTER)
    judge.add_argument("paths", nargs="+", metavar="PATH", help="film, folder, or - for a list")
    judge.add_argument("--json", action="store_true", help="one JSON object a line")
    judge.add_argument("--csv", metavar="FILE", help="write the answers there as well")
    judge.add_argument("--explain", metavar="DIR", help="a PNG a film: lungs and where it looked")
    point = judge.add_mutually_exclusive_group()
    point.add_argument("--threshold", type=_share, help="call pneumonia from this probability on")
    point.add_argument("--sensitivity", type=_share, help="threshold that keeps it on validation")
    test = "score the test films with the recorded candidates; only after the choice"
    subs["trials"].add_argument("--score-test", action="store_true", help=test)
    subs["elsewhere"].add_argument("folder", metavar="FOLDER", help="never written to")
    wanted = "give the threshold that finds this share of the sick there"
    subs["elsewhere"].add_argument("--sensitivity", type=_share, default=0.95, help=wanted)
    return top


def _share(text: str) -> float:
    """A number between 0 and 1, for argparse."""
    if not 0 < float(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} does not lie between 0 and 1")
    return float(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    while os.open(os.devnull, os.O_RDWR) < 3:  # else a file would take a closed stream's place
        pass
    sys.stderr = sys.stderr or os.fdopen(2, "w")
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="replace")  # what the terminal's encoding lacks
    arguments = parser().parse_args(argv)
    predicting = arguments.command in ("predict", "elsewhere")
    try:
        # A film is small: networks side by side, a thread each, answer sooner than in turn.
        config.import_tensorflow(threads=1 if predicting else None)
        outcome = COMMANDS[arguments.command](arguments)
        if isinstance(outcome, int):
            return outcome
        print(outcome)
        return 0
    except KeyboardInterrupt:
        kept = {"predict": "what was done is kept", "elsewhere": "nothing is kept"}
        _tell(f"stopped; {kept.get(arguments.command, 'the same command goes on from here')}")
        return 130
    except (ValueError, RuntimeError, OSError) as error:
        if not isinstance(error, BrokenPipeError):  # as `head` leaves it when it has seen enough
            _tell(f"{arguments.command}: {' '.join(str(error).split())}")
        if getattr(error, "errno", None) in (errno.EPIPE, errno.ENOSPC):  # drop what nobody takes
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 1


if __name__ == "__main__":
    # As Ctrl-C, so that what is half done is tidied up.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    sys.exit(main())
