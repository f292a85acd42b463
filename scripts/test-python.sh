#!/bin/bash
# Runs the tests of python/, examples/ and bench/. It takes the first Python that has numpy and zstandard: the one on the
# path, or Debian's. Without them the tests are left out with a word; LINT_ALL=1 makes that an error. What else is missing
# (built tools, R, matplotlib, torch, mypy) leaves out single tests, and their reasons are printed. TORCH_PYTHON names the
# Python of the scripts of bench/, if it is another one.
set -euo pipefail
cd "$(dirname "$0")/../python"

for python in python3 /usr/bin/python3; do
  if "$python" -c 'import numpy, zstandard' 2>/dev/null; then
    PYTHONPYCACHEPREFIX=../.build/pycache "$python" -m unittest discover --start-directory tests --verbose 2>&1 |
      grep -v ' ok$'
    exit
  fi
done
echo "test-python: no numpy and zstandard, so python/ is not tested; 'make deps-dev' installs them" >&2
[[ ${LINT_ALL:-0} == 0 ]]
