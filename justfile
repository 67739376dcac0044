# One way to do each thing. `just` alone lists them; CI runs the same recipes.

bin := env("CIDBUS_BIN", justfile_directory() / ".venv/bin")

_list:
    @just --list

# Make the virtual environment and install everything for development.
dev:
    test -x {{bin}}/python || python3 -m venv .venv
    {{bin}}/pip install --quiet --editable '.[test]'

# Put every file in its usual form.
fmt:
    {{bin}}/ruff check --quiet --fix-only .
    {{bin}}/ruff format .

# Show type checkers the folders as the package `cidbus` (see docs/adr/0001-root-is-the-package.md).
types:
    rm -rf typings/cidbus && mkdir -p typings/cidbus
    for folder in actors bus http_bridge schemas; do ln -s ../../$folder typings/cidbus/$folder; done
    for entry in app/*; do ln -s ../../$entry typings/cidbus/$(basename $entry); done

# Lint, formatting, imports and types.
check: types
    {{bin}}/ruff check .
    {{bin}}/ruff format --check .
    PYTHONPATH=typings {{bin}}/lint-imports --no-cache
    MYPYPATH=typings {{bin}}/mypy -p cidbus

# The whole test suite on all cores; `just test -m 'not slow'` for the quick part.
test *options:
    {{bin}}/pytest -n logical {{options}}

# Measure ratios against the limits; prints the table that the README quotes.
bench *options:
    {{bin}}/python -m benchmarks {{options}}

# Write what is generated from the table of subjects: the client's methods and the README's table.
generate:
    {{bin}}/python -m cidbus.client.generate
    {{bin}}/python -m cidbus.readme_table

# Run a throw-away system.
serve *options:
    {{bin}}/cidbus up --isolation {{options}}
