# Two commands for a fresh machine with Python >= 3.11, git and make; each does its own set-up.
PYTHON ?= python3

.PHONY: demo test bench soak mutants report-picture

demo: ## the main job on the embedded emulator: no key, no network access to the API
	@$(PYTHON) tools/environment.py .venv '.[cli]'
	@.venv/bin/socialfetch demo

test: ## the gate: lint, format, types, import rules, tests, coverage, the docs' programs
	@$(PYTHON) tools/gate.py

bench: ## every figure beside its goal, two minutes; FULL=--full takes twenty
	@$(PYTHON) tools/environment.py .venv-bench -e '.[cli]' --group bench
	@.venv-bench/bin/python -m benchmarks $(FULL)

soak: ## the figures of docs/promises.md, in full
	@$(PYTHON) tools/environment.py .venv-soak -e '.[cli]' --group test
	@.venv-soak/bin/python -m tests.faults.soak --write docs/promises.md

mutants: ## mutation testing of the modules that decide
	@$(PYTHON) tools/environment.py .venv-mutants -e '.[cli]' --group test --group mutants
	@.venv-mutants/bin/mutmut run && .venv-mutants/bin/mutmut results

report-picture: ## docs/report.png, the report of a run on the emulator; needs Debian's chromium
	@$(PYTHON) tools/environment.py .venv-report -e .
	@.venv-report/bin/python tools/report_picture.py
