# For a fresh machine with Python >= 3.11, git and make; each command does its own set-up.
# The first one that is new enough: python3 is 3.9 on macOS, and missing in some images of Debian.
PYTHONS := $(or $(PYTHON),python3 python3.15 python3.14 python3.13 python3.12 python3.11)
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
override PYTHON := $(shell for python in $(PYTHONS); do \
	$$python -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$python && break; done)
ifeq ($(PYTHON),)
$(error Python 3.11 or later was not found as: $(PYTHONS). Name it: make PYTHON=/path/to/python3.11)
endif

.PHONY: demo check test newest bench docs packages licences soak hosts gateways mutants report-picture

demo: ## the main job on the embedded emulator: no key, no network access to the API
	@$(PYTHON) tools/environment.py .venv '.[cli]'
	@.venv/bin/socialfetch demo

check: ## what is quick, in two minutes: lint, format, types, import rules, the tests not marked slow
	@$(PYTHON) tools/gate.py check

test: ## the gate: all of that on every Python that is here, coverage, packages, documentation
	@$(PYTHON) tools/gate.py

bench: ## every figure beside its goal, two minutes; FULL=--full takes half an hour
	@$(PYTHON) tools/environment.py .venv-bench -e '.[cli,parquet]' --group bench
	@.venv-bench/bin/python -m benchmarks $(FULL)

docs: ## the documentation site, into .gate/site; strictly, and seen in Debian's chromium
	@$(PYTHON) tools/environment.py .venv-docs -e '.[cli]' --group docs --group test
	@.venv-docs/bin/python -m pytest -q tests/site/built.py tests/site/seen.py

packages: ## the wheel and the sdist, as they are installed, with the lowest dependencies too
	@$(PYTHON) tools/environment.py .venv-packages --group lint --group package
	@.venv-packages/bin/python tools/packages.py $(PYTHON)

newest: ## all tests with the newest release of every dependency, and of what runs them
	@$(PYTHON) tools/gate.py newest

licences: ## docs/licences.md: what a user installs with this package, and under which licence
	@$(PYTHON) tools/environment.py .venv-licences -e '.[cli,dask,parquet,pytest]'
	@.venv-licences/bin/python tools/licences.py --write

soak: ## the figures of docs/figures.md, in full
	@$(PYTHON) tools/environment.py .venv-soak -e '.[cli]' --group test --group web
	@.venv-soak/bin/python -m tests.faults.soak --write docs/figures.md

hosts: ## a cluster of several hosts, whose links are cut; needs root and iproute2, takes minutes
	@$(PYTHON) tools/environment.py .venv-hosts -e '.[cli,dask]' --group test
	@.venv-hosts/bin/python -m tests.faults.hosts --write docs/cluster.md

gateways: ## a batch behind a real nginx and haproxy, a minute and a half; needs Debian's packages
	@$(PYTHON) tools/environment.py .venv-soak -e '.[cli]' --group test
	@.venv-soak/bin/python -m tests.faults.gateways

mutants: ## mutation testing of the modules that decide; half an hour, and a table at its end
	@$(PYTHON) tools/environment.py .venv-mutants -e '.[cli]' --group test --group mutants
	@rm -rf mutants
	@.venv-mutants/bin/mutmut run
	@.venv-mutants/bin/python tools/mutants.py --write CONTRIBUTING.md

report-picture: ## docs/report.png, the report of a run on the emulator; needs Debian's chromium
	@$(PYTHON) tools/environment.py .venv-report -e .
	@.venv-report/bin/python tools/report_picture.py
