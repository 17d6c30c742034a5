# Two commands do all the set-up on a fresh machine with Python 3.11: `make demo` and `make test`.
PYTHON ?= python3
SOURCES := $(shell find core backends conformance -name '*.py' 2>/dev/null)
PYTEST := -m pytest -n 2 --dist loadfile
# pip, not uv: PyTorch's CPU build comes from pip's own settings on some machines.
PIP := -m pip --disable-pip-version-check --quiet

.PHONY: demo test test-numpy2 conformance check bench clean

demo: .venv/demo/done  ## NumPy only: the digits example and the conformance suite, in seconds
	.venv/demo/bin/python examples/digits.py
	.venv/demo/bin/isomorph conformance run --backend numpy

test: .venv/test/done  ## every framework, every test
	@.ci/browser
	.venv/test/bin/python $(PYTEST) tests

test-numpy2: .venv/numpy2/done  ## without MXNet, on NumPy 2: a smoke test
	ISOMORPH_EXPECT=numpy,torch,tensorflow,jax .venv/numpy2/bin/python $(PYTEST) \
	  tests/test_composites.py tests/test_ops.py tests/conformance/test_backends.py

conformance: .venv/test/done  ## the whole suite on every backend, with reports
	.venv/test/bin/isomorph conformance run --require numpy,torch,tensorflow,jax,mxnet --report build/conformance

check: .venv/test/done  ## style, types, documentation
	.venv/test/bin/ruff check .
	.venv/test/bin/ruff format --check .
	.venv/test/bin/mypy
	.venv/test/bin/pyright --pythonpath .venv/test/bin/python
	.venv/test/bin/python -m pytest -q tests/test_docs.py

bench: .venv/test/done  ## ratios against hand-written native code
	.venv/test/bin/python benchmarks/run.py

.venv/demo/done: pyproject.toml constraints.txt $(SOURCES)
	$(PYTHON) -m venv .venv/demo
	.venv/demo/bin/python $(PIP) install -c constraints.txt -e '.[examples,conformance]' -C editable_mode=strict
	touch $@

.venv/test/done: pyproject.toml constraints.txt $(SOURCES)
	$(PYTHON) -m venv .venv/test
	.venv/test/bin/python $(PIP) install -c constraints.txt 'pip>=25.1'
	.venv/test/bin/python $(PIP) install -c constraints.txt 'torch==2.13.0'
	.venv/test/bin/python $(PIP) install -c constraints.txt --group test --group check \
	  -e '.[all,examples,conformance]' -C editable_mode=strict
	touch $@

.venv/numpy2/done: pyproject.toml constraints-numpy2.txt $(SOURCES)
	$(PYTHON) -m venv .venv/numpy2
	.venv/numpy2/bin/python $(PIP) install -c constraints-numpy2.txt 'pip>=25.1'
	.venv/numpy2/bin/python $(PIP) install -c constraints-numpy2.txt 'torch==2.13.0'
	.venv/numpy2/bin/python $(PIP) install -c constraints-numpy2.txt --group test \
	  -e '.[torch,tensorflow,jax,examples,conformance]' -C editable_mode=strict
	touch $@

clean:
	rm -rf .venv build dist *.egg-info
