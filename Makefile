# On a fresh machine with Python 3.11 and make: `make demo` shows everything, `make test` checks it.

PYTHON ?= python3
VENV := .venv
BEAM := .venv-beam
PARITY := .venv-parity
BIN := $(VENV)/bin
DEMO := build/demo
RECIPE := build/recipe
INSTALLED := $(VENV)/.installed

.PHONY: install demo recipe test test-configurations test-beam parity lint check format docs clean

install: $(INSTALLED)

$(INSTALLED): setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| (echo "tfcyclegan needs Python 3.10 or later; try make PYTHON=python3.11" && false)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Phantom patients, so the key need not be secret: a fixed one puts the same patients in each split.
demo: $(INSTALLED)
	rm -rf $(DEMO) && mkdir -p $(DEMO)
	printf 'phantom patients need no secret: 10' > $(DEMO)/demo.key
	chmod 600 $(DEMO)/demo.key
	$(BIN)/python tools/make_phantom.py --output=$(DEMO)/dicom --patients=8
	$(BIN)/python tools/dicom_to_tfrecord.py --input=$(DEMO)/dicom --output=$(DEMO)/records \
		--key_file=$(DEMO)/demo.key --splits=train:0.6,val:0.2,test:0.2 --qa_sheet=4
	$(BIN)/python -m tfcyclegan.train --flagfile=configs/smoke.flags \
		--data_dir=$(DEMO)/records --workdir=$(DEMO)/run
	$(BIN)/python -m tfcyclegan.evaluate --workdir=$(DEMO)/run --data_dir=$(DEMO)/records \
		--split=test --output=$(DEMO)/eval
	$(BIN)/python -m tfcyclegan.export --workdir=$(DEMO)/run --output=$(DEMO)/export
	$(BIN)/python -m tfcyclegan.translate --model=$(DEMO)/export --direction=a_to_b --audit \
		--input=$(DEMO)/dicom/patient007 --output=$(DEMO)/translated --identity=source
	$(BIN)/python tools/study_picture.py $(DEMO)/dicom/patient007 $(DEMO)/translated \
		$(DEMO)/translated.png
	@echo
	@echo "The demo is done. Look at:"
	@echo "  $(DEMO)/dicom             simulated studies; any DICOM viewer opens them"
	@echo "  $(DEMO)/records/qa        contact sheets of what was converted"
	@echo "  $(DEMO)/eval/samples.png  source, synthetic, real, error of unseen patients"
	@echo "  $(DEMO)/eval/report.html  slices and scores beside copy-source, in a browser"
	@echo "  $(DEMO)/export/1          SavedModel for a model server"
	@echo "  $(DEMO)/translated/report a page of a translated study: source, synthetic, risk"
	@echo "  $(DEMO)/translated/dicom  synthetic FLAIR of a T2 study, and where not to trust it"
	@echo "  $(DEMO)/translated.png    two slices of that study beside the real FLAIR"
	@echo "  $(BIN)/tensorboard --logdir $(DEMO)/run"

# Which recipe is better, on a phantom and in less than an hour; started again, it continues.
recipe: $(RECIPE)/records/manifest.jsonl
	$(BIN)/python tools/ablation.py --study=studies/phantom.toml --output=$(RECIPE)/study \
		--budget_minutes=56

$(RECIPE)/records/manifest.jsonl: | $(INSTALLED)
	rm -rf $(RECIPE) && mkdir -p $(RECIPE)
	printf 'phantom patients need no secret: 10' > $(RECIPE)/key && chmod 600 $(RECIPE)/key
	$(BIN)/python tools/make_phantom.py --output=$(RECIPE)/phantom --patients=8 --nifti
	$(BIN)/python tools/nifti_to_tfrecord.py --table=$(RECIPE)/phantom/truth/volumes.csv \
		--output=$(RECIPE)/records --key_file=$(RECIPE)/key --splits=train:1

# A file's tests stay in one process, because they share its traced models.
test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Every configuration under every strategy: killed, continued, evaluated, exported.
test-configurations: $(INSTALLED)
	$(BIN)/python -m pytest tests/test_configurations.py -m configurations \
		-n auto --maxprocesses 4

# Apache Beam needs an older protobuf than TensorFlow alone, hence an environment of its own.
test-beam: $(BEAM)/.installed
	$(BEAM)/bin/python -m pytest tests/ingest/test_ingest_beam.py

$(BEAM)/.installed: setup.py constraints-beam.txt
	$(PYTHON) -m venv $(BEAM)
	$(BEAM)/bin/pip install --quiet --constraint constraints-beam.txt --editable '.[beam]' pytest
	@touch $@

# Other people's metrics, live. torch-fidelity goes without torchvision, whose build has to match
# PyTorch's and which the networks compared here do not use.
parity: $(PARITY)/.installed
	$(PARITY)/bin/python -m pytest tests/metrics/test_parity.py

$(PARITY)/.installed: setup.py constraints-parity.txt
	$(PYTHON) -m venv $(PARITY)
	$(PARITY)/bin/pip install --quiet --constraint constraints-parity.txt --editable '.[features]' \
		efficientnet_lite_pytorch monai prdc pytest torchmetrics
	$(PARITY)/bin/pip install --quiet --constraint constraints-parity.txt --no-deps torch-fidelity
	@touch $@

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

# What CI runs, but for Apache Beam: format, lint, and every test, layering among them.
check: lint test test-configurations

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(INSTALLED)
	$(BIN)/python -c 'from tfcyclegan import config; print(config.flags_page(), end="")' > docs/flags.md

clean:
	rm -rf build $(VENV) $(BEAM) $(PARITY)
