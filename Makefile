# Two commands on a bare machine: `make run` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 1
CHROME ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
AXE := 4.14.1
AXE_FILE := build/axe-core-$(AXE)/node_modules/axe-core/axe.min.js
export TF_CPP_MIN_LOG_LEVEL := 3

.DEFAULT_GOAL := help
.PHONY: help setup run test lint unit notebook-check data train notebook images slides readme check clean trials trust benchmark page accessible

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# Each made last, so that an interrupted installation is taken up again.
$(VENV)/made:
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "needs Python 3.11 to 3.13; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: requirements.txt $(VENV)/made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# What the page needs of it, where nothing is computed.
$(VENV)/installed-page: requirements.txt $(VENV)/made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep -E '^(jupyter|pillow|filelock)~' requirements.txt)
	@touch $@

# What only a cluster needs, for its tests.
$(VENV)/installed-dask: requirements-dask.txt $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dask.txt
	@touch $@

setup: $(VENV)/installed ## make .venv with all that is needed

run: setup ## train every network in minutes on the films at hand; a page to read
	$(BIN)/python -m helpers run

test: setup lint unit notebook-check ## style, unit tests, and the notebook against its record

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@for d in helpers tests benchmarks; do echo "$$d: $$(find $$d -name '*.py' | xargs cat | wc -l) lines"; done

unit: $(VENV)/installed-dask
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder tests

notebook-check: setup
	STUDY_MODE=replay STUDY_SCHEDULE=full $(BIN)/python -m pytest -q --nbval final_notebook.ipynb

data: setup ## get the full data set (1.2 GB) into data/chest_xray
	$(BIN)/python -m helpers data

train: setup ## train the whole study on the full set and write its record (JOBS=2: in two processes)
	$(BIN)/python -m helpers train --jobs $(JOBS)

trials: setup ## what led to the final network, on the full set (hours; resumes)
	$(BIN)/python -m helpers trials

trust: setup ## what breaks the final network and where it looks, on the full set 
	$(BIN)/python -m helpers trust

notebook: setup ## execute final_notebook.ipynb in place, from the record
	$(BIN)/python -m helpers notebook

# By its path, since the package around it brings TensorFlow.
page: $(VENV)/installed-page ## the committed notebook as build/final_notebook.html, nothing executed
	$(BIN)/python -c "import runpy; page = runpy.run_path('helpers/report/notebook.py'); config = page['config']; print(page['write_html'](page['nbformat'].read(config.NOTEBOOK, 4), config.BUILD / 'final_notebook.html'))"

$(AXE_FILE):
	npm install --silent --ignore-scripts --prefix build/axe-core-$(AXE) axe-core@$(AXE)

accessible: page $(AXE_FILE) ## axe-core on that page; needs npm and Chromium or Chrome (CHROME=path)
	$(BIN)/python benchmarks/accessible.py build/final_notebook.html $(AXE_FILE) "$(or $(CHROME),$(error no Chromium or Chrome on the path; make accessible CHROME=/path/to/it))"

benchmark: setup ## speed and memory of training, prediction and the notebook
	$(BIN)/python -m benchmarks.feeding
	$(BIN)/python -m benchmarks.prediction
	$(BIN)/python -m benchmarks.replay

images: setup ## draw images/
	$(BIN)/python -m helpers images

slides: setup ## write presentation.pdf
	$(BIN)/python -m helpers slides

readme: setup ## fill in the numbers of README.md, MODEL_CARD.md and docs/
	$(BIN)/python -m helpers readme

check: setup ## the committed final network against its record, on the full set
	$(BIN)/python -m helpers check

clean: ## remove what was made (not the record, not data/chest_xray)
	rm -rf build $(VENV)
