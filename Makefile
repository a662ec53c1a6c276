# Every target sets up what it needs: a virtual environment in .venv with the versions of requirements.lock.
PYTHON ?= python3
BIN = .venv/bin
STAMP = .venv/installed

.PHONY: install demo test test-fast lint browser bench clean

install: $(STAMP)

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "Python 3.11 to 3.13 is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e ".[demo,dev]"
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/harness run experiment=quickstart

test: lint browser
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

test-fast: $(STAMP)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not real and not processes"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The page is tested in a real Chromium: one that is there, else Debian's where this may be installed.
browser:
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    (apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y chromium) >/dev/null 2>&1 && exit 0; \
	  fi; \
	  echo "No Chromium: tests of the page in a browser are skipped. Install it, such as with: apt-get install chromium" >&2

bench: $(STAMP)
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf .venv dist
