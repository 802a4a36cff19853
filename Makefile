# Everything that people do here, one word each.  A bare `make` lists it.

PYTHON ?= python3
VENV   ?= .venv
INFINITY_PYTHON ?= $(or $(shell command -v python3.11),$(PYTHON))
RUN    := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help demo demo-sputnik demo-bitmex demo-bitmex-spot demo-kraken demo-infinity test check accept cover faults mutate-config kill conformance-bitmex conformance-infinity lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 22

$(VENV)/.run: requirements/run.txt
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	@touch $@

$(VENV)/.ccxt: requirements/ccxt.txt
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -q --disable-pip-version-check --require-hashes -r requirements/ccxt.txt
	@touch $@ $(VENV)/.run

$(VENV)/.test: requirements/test.txt
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -q --disable-pip-version-check --require-hashes -r requirements/test.txt
	-@$(RUN) -m tests.tools.axe
	@touch $@ $(VENV)/.run

$(VENV)/.dev: requirements/dev.txt
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@ $(VENV)/.test $(VENV)/.run $(VENV)/.ccxt

demo: $(VENV)/.run ## make a market on simulated venues, with the console in the browser
	$(RUN) ilp.py --config ilp_example_config/demo.ini

demo-sputnik: $(VENV)/.run ## the same between two Sputnik exchanges, one over REST and one over WebSocket
	$(RUN) ilp.py --config ilp_example_config/sputnik-sputnik.ini

demo-bitmex: $(VENV)/.run ## with the liquidity of a simulated BitMEX: its inverse perpetual, whose dollars are a position
	$(RUN) ilp.py --config ilp_example_config/bitmex-demo.ini

demo-bitmex-spot: $(VENV)/.run ## the same with BitMEX's spot pair
	$(RUN) ilp.py --config ilp_example_config/bitmex-spot-demo.ini

demo-kraken: $(VENV)/.ccxt ## pesos for Kraken's bitcoin: simulated venues, one of them through the bridge to ccxt
	$(RUN) ilp.py --config ilp_example_config/kraken-bitso-demo.ini

demo-infinity: $(VENV)/.run ## rates: one fixed rate of ETH quoted against another on a simulated Infinity
	$(RUN) ilp.py --config ilp_example_config/infinity-demo.ini

test: $(VENV)/.test ## run all tests; ends with `N passed, N failed`
	$(RUN) -m tests.tools.run

check: $(VENV)/.dev ## ruff and mypy
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

accept: $(VENV)/.run ## play the operator against the demo, from outside, and print PASS or FAIL for each promise
	$(RUN) -m tests.tools.accept $(ACCEPT)

cover: $(VENV)/.test ## run the tests and show which lines they do not reach
	$(RUN) -m coverage run -m twisted.trial tests
	$(RUN) -m coverage report --skip-covered --sort=cover

faults: $(VENV)/.test ## 10,000 schedules of faults against the whole pool in virtual time; N=all for every pair
	$(RUN) -m tests.faults $(or $(N),10000)

mutate-config: $(VENV)/.run ## spoil configurations in every way: none may be accepted; counts a kind
	$(RUN) -m tests.tools.mutate_config

kill: $(VENV)/.run ## kill the daemon N times (default 1,000) at random moments: nothing may be lost, doubled or left
	$(RUN) -m tests.tools.kill $(or $(N),1000)

conformance-bitmex: $(VENV)/.test ## BitMEX's sample market maker against the simulated venue, in an environment of its own
	test -x .venv-bitmex/bin/python || $(PYTHON) -m venv .venv-bitmex
	.venv-bitmex/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/conformance-bitmex.txt
	$(RUN) -m twisted.trial tests.simulation.bitmex.test_foreign.MarketMakerTests

conformance-infinity: $(VENV)/.test .venv-infinity/.ready ## python-infinity 0.0.7, unchanged, against the simulated venue
	$(RUN) -m tests.tools.conformance_infinity .venv-infinity/bin/python

# Its metadata asks for a Python below 3.11.6; its code runs on every 3.11.  INFINITY_PYTHON says which one it is to be.
.venv-infinity/.ready: requirements/conformance-infinity.txt
	@$(INFINITY_PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and \
	  "python-infinity 0.0.7 needs a Python 3.11: make conformance-infinity INFINITY_PYTHON=/path/to/python3.11")'
	test -x .venv-infinity/bin/python || $(INFINITY_PYTHON) -m venv .venv-infinity
	.venv-infinity/bin/python -m pip install -q --disable-pip-version-check --ignore-requires-python --require-hashes \
	  -r requirements/conformance-infinity.txt
	@touch $@

lock: $(VENV)/.dev ## pin requirements/*.in anew, with hashes and without the address of any index
	cd requirements && for part in run test dev conformance-bitmex ccxt bench; do \
	  ../$(RUN) -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --upgrade -q $$part.in -o $$part.txt || exit 1; done
	cd requirements && ../$(RUN) -m uv pip compile --universal --python-version 3.11.5 --generate-hashes --no-emit-index-url \
	  --no-header --upgrade -q conformance-infinity.in -o conformance-infinity.txt

clean: ## remove what the other targets made
	rm -rf $(VENV) .venv-bitmex .venv-infinity _trial_temp* .mypy_cache .ruff_cache .hypothesis build *.egg-info
