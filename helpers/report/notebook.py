"""Executing the notebook from the command line: a page to read, progress on the terminal."""

from __future__ import annotations

import base64
import html
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
from helpers.report import colab

# Without it a phone draws the page as wide as a desk's and shrinks it.
VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1">'

# nbconvert's page without what it would fetch from elsewhere for widgets, formulas and diagrams,
# of which there are none.
TEMPLATE = """{% extends 'lab/index.html.j2' %}
{% block html_head_js %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
"""

# A column that can be read, a frame around the summary; on a phone no prompts, smaller tables, and
# what is too wide is scrolled where it stands.
STYLE = """<style>
main { max-width: 68rem; margin: 0 auto; }
.ci { white-space: nowrap; }
.jp-OutputArea-output.jp-RenderedMarkdown table { border: 2px solid #009E73; font-size: 15px; }
.jp-OutputArea-output.jp-RenderedMarkdown td[colspan] { text-align: left; }
.jp-OutputArea-output.jp-RenderedMarkdown td[align=center] { font-size: 18px; }
.jp-RenderedImage, .jp-RenderedHTML, .jp-RenderedMarkdown, .jp-OutputArea-output pre,
.highlight pre { overflow-x: auto; }
@media (max-width: 700px) {
  body.jp-Notebook { padding: .3rem; }
  .jp-InputPrompt, .jp-OutputPrompt { display: none; }
  .jp-OutputArea .jp-OutputArea-child { display: block; }
  .jp-OutputArea .jp-OutputArea-child .jp-OutputArea-output { display: block; margin-left: 0;
    box-sizing: border-box; overflow-x: auto; }
  .jp-Cell, .jp-RenderedHTMLCommon, .jp-RenderedMarkdown { padding: 2px; }
  .jp-RenderedHTMLCommon h1 { font-size: 1.5rem; }
  .jp-RenderedHTMLCommon table { font-size: 10px; margin-left: 0; }
  .jp-RenderedHTMLCommon td, .jp-RenderedHTMLCommon th { padding: 3px; }
  .jp-RenderedMarkdown table, .jp-OutputArea-output.jp-RenderedMarkdown table { font-size: 12px; }
  .jp-OutputArea-output.jp-RenderedMarkdown td[align=center] { font-size: 14px; }
  .jp-RenderedImage { border-right: 2px dotted #bbb; }
  .jp-RenderedImage img { min-width: 600px; }
  pre, .highlight pre { font-size: 11px; }
  ::-webkit-scrollbar { height: 6px; -webkit-appearance: none; }
  ::-webkit-scrollbar-thumb { background: #bbb; border-radius: 3px; }
}
</style>"""

# ``.987 [.979, .994]``: the limits, which must not be torn apart at the end of a line.
LIMITS = re.compile(r"(?<=[\d%] )\[[+−]?[\d.,]+, [+−]?[\d.,]+\]")


class Runner(NotebookClient):
    """Execute a notebook; what it writes to standard error goes to the terminal, not the page."""

    def process_message(self, msg: dict, cell: Any, cell_index: int) -> Any:
        """Divert the stderr stream (progress bars, warnings); let everything else through."""
        if msg["msg_type"] == "stream" and msg["content"]["name"] == "stderr":
            sys.stderr.write(msg["content"]["text"])
            sys.stderr.flush()
            return None
        return super().process_message(msg, cell, cell_index)


def execute(
    notebook: Path = config.NOTEBOOK,
    settings: Mapping[str, str] | None = None,
    timing: bool = False,
) -> nbformat.NotebookNode:
    """Run all cells of ``notebook`` in a fresh kernel and return it with its outputs.

    ``settings`` are environment variables for the kernel, for instance STUDY_MODE; with ``timing``
    each cell's metadata tells when it ran.

    Raises:
        RuntimeError: a cell failed, or the kernel was stopped; the message says which.
    """
    node = nbformat.read(notebook, as_version=4)
    for cell in node.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    runner = Runner(
        node,
        timeout=None,
        kernel_name="python3",
        record_timing=timing,
        coalesce_streams=True,
        extra_arguments=["--IPKernelApp.log_level=40"],  # errors, not advice on transports
        resources={"metadata": {"path": str(notebook.parent)}},
    )
    environment = {**os.environ, **(settings or {})}
    try:
        # The kernel's own standard error would repeat what Runner passes on.
        runner.execute(env=environment, stderr=subprocess.DEVNULL)
    except CellExecutionError as error:
        failed = f"{notebook.name}: a cell failed with {error.ename}: {error.evalue}"
        raise RuntimeError(failed) from error
    except (DeadKernelError, AssertionError) as error:
        # What nbclient raises when Ctrl-C, or the system for want of memory, ends the kernel. Its
        # unfinished tasks would be reported as well, after our line.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        failed = f"{notebook.name}: stopped before its end; the same command goes on from here"
        raise RuntimeError(failed) from error
    return node


def write_html(node: nbformat.NotebookNode, path: Path) -> Path:
    """Write an executed notebook as one HTML page that fetches nothing, whole or not at all."""
    exporter = HTMLExporter(template_name="lab", raw_template=TEMPLATE, embed_images=True)
    body, _ = exporter.from_notebook_node(node, resources={"metadata": {"name": path.stem}})
    body = body.replace(f'<img alt="Open in Colab" src="{colab.BADGE}"/>', "Open in Colab")
    body = LIMITS.sub(r'<span class="ci">\g<0></span>', body)
    # The template leaves out what a figure says in words; nbconvert then puts this in its place.
    nothing = 'alt="No description has been provided for this image"'
    for text in alt_texts(node):
        body = body.replace(nothing, f'alt="{html.escape(text)}"', 1)
    body = body.replace("<head>", f"<head>{VIEWPORT}", 1).replace("</head>", f"{STYLE}</head>", 1)
    storage.write_text(path, body)
    return path


def alt_texts(node: nbformat.NotebookNode) -> list[str]:
    """What each figure of a notebook says in words, in order."""
    told = []
    for cell in node.cells:
        for output in cell.get("outputs", []):
            for kind in {"image/png", "image/jpeg"} & set(output.get("data", {})):
                told.append(output.get("metadata", {}).get(kind, {}).get("alt", "a figure"))
    return told


# Above this size (characters of base64) a figure holds films, which JPEG keeps in a fifth of it.
FILMS = 150_000


def lighter(output: nbformat.NotebookNode) -> None:
    """Make a figure (PNG) in a cell's output smaller: 256 colours, or JPEG where it holds films.

    Figures have few colours, and films are grey: the eye sees no difference, a page loads sooner.
    """
    data, told = output["data"], output.get("metadata", {})
    picture = data["image/png"]
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    small = io.BytesIO()
    if len(picture) < FILMS:
        image.quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        kind = "image/png"
    else:
        image.save(small, "JPEG", quality=90, subsampling=0, optimize=True)
        kind = "image/jpeg"
        told[kind] = told.pop("image/png", {})
    made = base64.b64encode(small.getvalue()).decode()
    if len(made) < len(picture):
        del data["image/png"]
        data[kind] = made


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
