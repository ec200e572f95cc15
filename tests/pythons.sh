#!/usr/bin/env bash
# Installs the lock and runs the quick tests (those not marked slow) with each Python from 3.11 on that is found on the
# PATH or below pyenv, or with the interpreters given as arguments. Each gets a clone of the committed state and an
# environment of its own below build/pythons (8 GB, deleted once its tests have passed). Exit code 1 if one fails.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD

candidates=("$@")
if [ $# -eq 0 ]; then
	for minor in 11 12 13 14; do
		candidates+=("python3.$minor" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3."$minor".*/bin/python)
	done
fi

declare -A results=()
for python in "${candidates[@]}"; do
	version=$("$python" -c 'import ensurepip, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
	[ -n "${results[$version]:-}" ] && continue
	place=$root/build/pythons/$version
	rm -rf "$place" && mkdir -p "$place" && git clone --quiet "$root" "$place/clone"
	echo "Python $version: $python, log in $place/log"
	began=$SECONDS
	(
		cd "$place/clone" || exit
		export DAWN_TEST_MATERIAL="${DAWN_TEST_MATERIAL:-$root/../shared}"
		make PYTHON="$python" .venv/.ready || exit
		echo "installed after $((SECONDS - began)) s"
		OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive PATH="$PWD/.venv/bin:$PATH" .venv/bin/python -m pytest -q -m "not slow" \
			--numprocesses auto --dist loadfile --no-loadscope-reorder
	) >"$place/log" 2>&1 && outcome=passed || outcome=FAILED
	results[$version]="$outcome in $((SECONDS - began)) s: $(tail -n 1 "$place/log")"
	[ "$outcome" = passed ] && rm -rf "$place/clone"
done

if [ ${#results[@]} -eq 0 ]; then
	echo "no Python from 3.11 on, with venv, is found" >&2
	exit 1
fi
for version in "${!results[@]}"; do
	echo "Python $version ${results[$version]}"
done | sort
! printf '%s\n' "${results[@]}" | grep -q '^FAILED'
