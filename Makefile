# The two commands are `make demo` and `make test`; `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes
LOCK   := $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
          --no-emit-index-url --custom-compile-command "make lock" pyproject.toml

export PYTHONDONTWRITEBYTECODE =

.PHONY: help demo test coverage test-long mutants lint bench tuning func-check kafka lock clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(VENV)/local.stamp  ## Kafka, KafkaSource, the function and a receiver on this machine, with real log records
	@$(BIN)/python -m local.demo $(DEMO)

test: $(VENV)/tests.stamp  ## all tests; REQUIRE_REAL=kafka,alertmanager turns their skips into failures
	@$(BIN)/python -m pytest -n 4 --dist loadscope $(TESTS)

coverage: $(VENV)/tests.stamp  ## which lines and branches of the function `make test` runs, in its servers too
	@rm -rf .cache/coverage && mkdir -p .cache/coverage
	-@$(BIN)/python -m coverage run -m pytest -n 4 --dist loadscope --timeout 600 $(TESTS)
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage report

test-long: $(VENV)/tests.stamp  ## what takes longer
	@HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -n 2 -m long --timeout 1800 $(TESTS)

mutants: $(VENV)/mutants.stamp  ## breaks the code in many ways, and says which ones no test notices, about two hours; MUTANTS="--only by-hand 3" tries one
	@$(BIN)/python -m tests.mutants $(MUTANTS)

lint: $(VENV)/tests.stamp  ## ruff and mypy
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

bench: $(VENV)/tests.stamp  ## speed next to limits and peers, about 25 minutes; QUICK=1 for one short round, BASE=FOLDER beside another checkout
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(BASE),--base "$(BASE)") $(BENCH)

tuning: $(VENV)/tuning.stamp  ## measure a pod, simulate Knative's autoscaler: make tuning TUNING="measure --start"
	@$(BIN)/python -m tuning $(or $(TUNING),--help)

func-check: $(VENV)/local.stamp  ## func's builders by hand, and the real func where it is installed; FUNC=path names it
	@FUNC="$(FUNC)" $(BIN)/python -m local.func.check

kafka: .cache/kafka/.complete  ## Apache Kafka's jars, for the tests against a real broker (needs Maven and a JDK >= 17)

.cache/kafka/.complete: tests/e2e/kafka-pom.xml
	@mkdir -p $(@D) && rm -f $(@D)/*.jar
	mvn --quiet --batch-mode --file $< dependency:copy-dependencies -DoutputDirectory=$(abspath $(@D))
	@touch $@

lock: $(VENV)/python.stamp  ## pins every dependency again, with hashes, from pyproject.toml
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet uv
	$(LOCK) --output-file requirements.txt
	$(LOCK) --extra local --constraint requirements.txt --output-file local/requirements.txt
	$(LOCK) --extra tuning --constraint local/requirements.txt --output-file tuning/requirements.txt
	$(LOCK) --extra local --extra tuning --extra test --constraint tuning/requirements.txt --output-file tests/requirements.txt
	$(LOCK) --extra mutants --constraint tests/requirements.txt --output-file tests/mutants/requirements.txt

clean:  ## removes what the other commands made
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/python.stamp:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python cannot make a virtual environment: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/local.stamp: local/requirements.txt | $(VENV)/python.stamp
	@echo "installing the tools of local/ into $(VENV) ..."
	@$(PIP) -r $<
	@touch $@

$(VENV)/tuning.stamp: tuning/requirements.txt | $(VENV)/python.stamp
	@echo "installing what tuning needs into $(VENV) ..."
	@$(PIP) -r $<
	@touch $@

$(VENV)/tests.stamp: tests/requirements.txt | $(VENV)/python.stamp
	@echo "installing the tests' packages into $(VENV) ..."
	@$(PIP) -r $<
	@touch $@

$(VENV)/mutants.stamp: tests/mutants/requirements.txt $(VENV)/tests.stamp
	@echo "installing Cosmic Ray into $(VENV) ..."
	@$(PIP) -r $<
	@touch $@
