# The targets of .ci/run, one by one, in the environment that is active.
.PHONY: install demo test lint format docs ci

install:
	python -m pip install -c constraints.txt -e ".[test,docs]"

demo:
	skcfq demo

test:
	python -m pytest -n 2 --dist loadfile

lint:
	ruff check .
	ruff format --check .
	lint-imports

format:
	ruff check --fix .
	ruff format .

docs:
	sphinx-build -W --keep-going -n -q docs docs/_build/html

# Everything, in a fresh environment.
ci:
	bash .ci/run
