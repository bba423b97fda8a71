# Two commands for a fresh machine with Python >= 3.11, git and make; each does its own set-up.
PYTHON ?= python3

.PHONY: demo test

demo: ## the main job on the embedded emulator: no key, no network access to the API
	@$(PYTHON) tools/environment.py .venv '.[cli]'
	@.venv/bin/socialfetch demo

test: ## the gate: lint, format, types, import rules, tests, coverage, the docs' programs
	@$(PYTHON) tools/gate.py
