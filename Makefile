# make demo     distil a network into a linear model on scikit-learn's digits
# make test     run the tests and the docstrings' examples
# make lint     check style, formatting and types
# make oldest   run the tests on the oldest supported scikit-learn
# make docs     build the site in docs/_build/html, with the gallery; warnings are errors
# make linkcheck see whether the addresses in the site exist; needs a network
# make packages install what test, lint, oldest and docs need, both environments at once with -j 2
# make dist     build wheel and source distribution in dist/, and check them
# make paper    make the first paper's table anew: one matrix of products on MNIST (ten minutes or so)
# make fuzz     try 10,000 random inputs (SEED=1), and keep the figures
# make sanitize run the kernel under the sanitizers of addresses and of undefined behaviour
# make rivals   time other libraries at the same work, each in its own environment
# make wheel    install the wheel with each extra into empty environments, and try it out there
# make clean    remove the environments and everything else that these made
#
# Each of them alone works with nothing but Python 3.11 or newer: it makes its virtual
# environment first, once. pip's settings count (PIP_INDEX_URL, PIP_EXTRA_INDEX_URL,
# PIP_FIND_LINKS), for instance to get a torch that is built for the CPU only.

# The first of these that is new enough; or say it: make test PYTHON=/path/to/python.
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null \
	&& echo $$python && break; done)

VENV ?= .venv
VENV_OLDEST ?= .venv-oldest

# The newest releases of everything instead: make test CONSTRAINTS=/dev/null
CONSTRAINTS ?= constraints.txt

# Two processes with one thread each: more threads than cores would wait for each other.
# Whichever is done first takes tests from the other's end.
JOBS ?= 2
PYTEST = OMP_NUM_THREADS=1 $(1)/bin/python -m pytest -n $(JOBS) --dist worksteal
PYTEST_ARGS ?=
# For `make test` alone, where other targets run beside it: TEST_ENV="NAME=value" TEST_ARGS="--cov"
TEST_ENV ?=
TEST_ARGS ?=

SPHINX = $(VENV)/bin/sphinx-build -b $(1) docs docs/_build/$(1)

comma := ,

.PHONY: demo test lint oldest docs linkcheck dist paper fuzz sanitize rivals wheel packages compiled clean

demo: $(VENV)/.packages-demo $(VENV)/.compiled
	$(VENV)/bin/python examples/plot_digits_distillation.py --output examples/output

test: $(VENV)/.packages-test $(VENV)/.compiled
	$(TEST_ENV) $(call PYTEST,$(VENV)) $(PYTEST_ARGS) $(TEST_ARGS)

lint: $(VENV)/.packages-dev $(VENV)/.compiled
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

oldest: $(VENV_OLDEST)/.packages-oldest $(VENV_OLDEST)/.compiled
	$(call PYTEST,$(VENV_OLDEST)) -m "not slow" tests $(PYTEST_ARGS)

docs: $(VENV)/.packages-docs $(VENV)/.compiled
	$(call SPHINX,html) -nW --keep-going -j $(JOBS)

linkcheck: $(VENV)/.packages-docs $(VENV)/.compiled
	$(call SPHINX,linkcheck) -D plot_gallery=0

dist: $(VENV)/.packages-dist
	rm -rf dist
	$(VENV)/bin/python -m build --no-isolation
	$(VENV)/bin/twine check --strict dist/*

paper: $(VENV)/.packages-test $(VENV)/.compiled
	@echo "Ten rows on all of MNIST, each with its settings chosen: ten minutes or so on two cores."
	$(VENV)/bin/python experiments/table.py --again --datasets mnist --teachers mlp --sets none \
		--dictionaries 40:2 30:3 --methods exact Adam "no teacher" "EDMD, labels" "EDMD, logits"

SEED ?= 1
fuzz: $(VENV)/.packages-test $(VENV)/.compiled
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m tests.fuzz --cases 10000 --seed $(SEED)

# A copy of the package whose kernels end the process where they read or write beyond an array, or
# do what C leaves undefined.
SANITIZERS = -fsanitize=address,undefined -fno-sanitize-recover=all
SANITIZED = build/sanitized
sanitize: $(VENV)/.packages-test $(VENV)/.compiled
	rm -rf $(SANITIZED) && mkdir -p $(SANITIZED)
	cp -r sklearn_koopman tests experiments $(SANITIZED)
	$(VENV)/bin/pip install --quiet -c $(CONSTRAINTS) cython setuptools
	CFLAGS="$(SANITIZERS) -g" LDFLAGS="$(SANITIZERS)" $(VENV)/bin/python setup.py --quiet build_ext \
		--build-lib $(SANITIZED) --build-temp $(SANITIZED)/temporary
	cd $(SANITIZED) && LD_PRELOAD="$$($(CC) -print-file-name=libasan.so)" ASAN_OPTIONS=detect_leaks=0 \
		OMP_NUM_THREADS=1 $(abspath $(VENV))/bin/python -m tests.fuzz.kernel

rivals: $(VENV)/.packages-test $(VENV)/.compiled
	$(VENV)/bin/python benchmarks/bench_rivals.py

wheel: $(VENV)/.packages-test $(VENV)/.compiled
	$(VENV)/bin/python benchmarks/bench_install.py

clean:
	rm -rf $(VENV) $(VENV_OLDEST) benchmarks/.venvs build dist docs/_build \
		docs/auto_examples docs/generated docs/sg_execution_times.rst htmlcov .coverage .coverage.* .hypothesis \
		.mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The packages of test, lint, docs and oldest; both environments at once with make -j 2 packages
packages: $(VENV)/.packages-all $(VENV_OLDEST)/.packages-oldest

# This package in both, one after the other: they compile in the same place.
compiled: $(VENV)/.compiled $(VENV_OLDEST)/.compiled

%/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; say where it is: make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $*

# $(call PACKAGES,environment,constraints,extras). torch goes first and by itself: it is
# the one package of which the plain index has builds that are gigabytes larger than others.
define PACKAGES
	$(1)/bin/python -m pip install --quiet --upgrade -c $(2) pip
	$(1)/bin/pip install --quiet --no-compile -c $(2) torch
	$(1)/bin/pip install --quiet --no-compile -c $(2) --build-constraint $(2) --only-deps ".[$(3)]"
	touch $@
endef

$(VENV)/.packages-demo: EXTRAS = torch,plot
$(VENV)/.packages-%: EXTRAS = $*
$(VENV)/.packages-%: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/pip
	$(call PACKAGES,$(VENV),$(CONSTRAINTS),$(EXTRAS))

$(VENV)/.packages-all: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/pip
	$(call PACKAGES,$(VENV),$(CONSTRAINTS),dev$(comma)docs)
	touch $(addprefix $(VENV)/.packages-,test dev docs)

$(VENV_OLDEST)/.packages-oldest: pyproject.toml constraints-oldest.txt | $(VENV_OLDEST)/bin/pip
	$(call PACKAGES,$(VENV_OLDEST),constraints-oldest.txt,test)

# This package itself, where it stands, by one environment at a time: its kernels are compiled here.
define COMPILE
	$(1)/bin/pip install --quiet -c $(2) --build-constraint $(2) --no-deps -e .
	touch $@
endef

# What it has to be made anew for.
BUILT_FROM = pyproject.toml setup.py \
	$(shell find sklearn_koopman -name '*.pyx' -o -name '*.[ch]')

$(VENV)/.compiled: $(BUILT_FROM) $(CONSTRAINTS)
	$(call COMPILE,$(VENV),$(CONSTRAINTS))

$(VENV_OLDEST)/.compiled: $(BUILT_FROM) constraints-oldest.txt
	$(call COMPILE,$(VENV_OLDEST),constraints-oldest.txt)
