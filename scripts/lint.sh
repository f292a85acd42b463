#!/bin/bash
# Checks C, Python and shell files, and runs the tests of the pipelines. Without clang-format, ruff or shellcheck the check
# of that kind is left out with a word; LINT_ALL=1 makes a missing program an error. `make deps-dev` installs them.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:$HOME/.local/bin"

failed=0
check() { "$@" || failed=1; }
have() {
  command -v "$1" >/dev/null && return
  echo "lint: no $1, so $2 are not checked; 'make deps-dev' installs it" >&2
  [[ ${LINT_ALL:-0} == 0 ]] || failed=1
  return 1
}

mapfile -t c < <(find Sources/C Tests -name '*.[ch]' | LC_ALL=C sort)
mapfile -t python < <(find pipelines scripts Tests python examples bench -name '*.py' -not -path 'python/build/*' | LC_ALL=C sort)
mapfile -t shell < <(find pipelines scripts Tests \( -name '*.sh' -o -name '*.sbatch' \) | LC_ALL=C sort)
shell+=(.ci/run)
mapfile -t documents < <(find ./*.md docs bench packaging python scripts Sources -name '*.md' | LC_ALL=C sort)

if have clang-format "C files"; then check clang-format --dry-run --Werror "${c[@]}"; fi
if have ruff "Python files"; then check ruff check --quiet --no-cache "${python[@]}"; fi
if have shellcheck "shell scripts"; then check shellcheck "${shell[@]}"; fi

# The syntax, which needs no further program.
PYTHONPYCACHEPREFIX=.build/pycache check python3 -m py_compile "${python[@]}"
for script in "${shell[@]}"; do check bash -n "$script"; done

# A row of a table that was wrapped into the line before it is no row.
if grep -nE '[|] *:?-{3,}:? *[|] +[|]' "${documents[@]}"; then
  echo "lint: expected each row of a table on a line of its own" >&2
  failed=1
fi

# The tests of the pipelines; those of python/ need built tools, and `make test` runs them.
PYTHONPYCACHEPREFIX=.build/pycache check python3 -m unittest discover --quiet --start-directory pipelines/tests
# The page about results is what the committed tables give.
PYTHONPYCACHEPREFIX=.build/pycache check python3 pipelines/results_page.py --check
PYTHONPYCACHEPREFIX=.build/pycache check python3 pipelines/reference.py page --check
exit "$failed"
