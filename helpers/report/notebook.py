"""Executing the notebook from the command line: a page to read, progress on the terminal."""

import base64
import io
import logging
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbconvert import HTMLExporter
from PIL import Image

from helpers import config, storage

PAGE = Path(__file__).parent / "templates" / "page.html.j2"
# Limits (``[.979, .994]``), which no end of a line may tear; not those within a tag.
LIMITS = re.compile(r"(?<=[\d%] )\[[+−]?[\d.,]+, [+−]?[\d.,]+\](?![^<>]*>)")
FILMS = 150_000  # characters of base64: a larger figure holds films, which JPEG keeps better


class Runner(NotebookClient):
    """Execute a notebook; what it writes to standard error goes to the terminal, not the page."""

    def process_message(self, msg: dict, cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] == "stream" and msg["content"]["name"] == "stderr":
            sys.stderr.write(msg["content"]["text"])
            sys.stderr.flush()
            return None
        return super().process_message(msg, cell, cell_index)


def execute(
    notebook: Path = config.NOTEBOOK, settings: Mapping[str, str] | None = None
) -> nbformat.NotebookNode:
    """Run all cells in a fresh kernel; return the notebook with its outputs and cells' times.

    ``settings`` are environment variables. RuntimeError: a cell failed, or the kernel was stopped.
    """
    node = nbformat.read(notebook, as_version=4)
    runner = Runner(
        node,
        kernel_name="python3",
        coalesce_streams=True,
        extra_arguments=["--IPKernelApp.log_level=40"],  # errors, not advice on transports
        resources={"metadata": {"path": str(notebook.parent)}},
    )
    try:
        # The kernel's own standard error would repeat what Runner passes on.
        runner.execute(env={**os.environ, **(settings or {})}, stderr=subprocess.DEVNULL)
    except CellExecutionError as error:
        line = f"{notebook.name}: a cell failed with {error.ename}: {error.evalue}"
        raise RuntimeError(line) from error
    except (DeadKernelError, AssertionError) as error:
        # Ctrl-C, or the system for want of memory, ended the kernel: no word of unfinished tasks.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        line = f"{notebook.name}: stopped before its end; the same command goes on from here"
        raise RuntimeError(line) from error
    return node


def write_html(node: nbformat.NotebookNode, path: Path) -> Path:
    """Write an executed notebook as one HTML page that fetches nothing, whole or not at all."""
    template = PAGE.read_text(encoding="utf-8")
    exporter = HTMLExporter(template_name="lab", raw_template=template, embed_images=True)
    body, _ = exporter.from_notebook_node(node, resources={"metadata": {"name": path.stem}})
    storage.write_text(path, LIMITS.sub(r'<span class="ci">\g<0></span>', body))
    return path


def lighter(output: nbformat.NotebookNode) -> None:
    """Make a figure (PNG) smaller, unseen by the eye: 256 colours, or JPEG where it holds films."""
    picture, kind, small = output["data"]["image/png"], "image/png", io.BytesIO()
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    if len(picture) < FILMS:
        image.quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    else:
        kind = "image/jpeg"
        image.save(small, "JPEG", quality=90, subsampling=0, optimize=True)
    made = base64.b64encode(small.getvalue()).decode()
    if len(made) < len(picture):
        del output["data"]["image/png"]
        output["data"][kind] = made
        output["metadata"][kind] = output["metadata"].pop("image/png", {})


def write_notebook(node: nbformat.NotebookNode, path: Path = config.NOTEBOOK) -> Path:
    """Write an executed notebook back, without what differs from run to run."""
    for cell in node.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                lighter(output)
    node.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.validate(node)
    storage.write_text(path, nbformat.writes(node) + "\n")
    return path
