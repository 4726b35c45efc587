#!/bin/sh
# accuracy.sh [OPTION...]: runs the scorer that lies beside the project with
# bin/weir over all development captures. Options go to the scorer (--detail,
# --only).
set -eu
cd "$(dirname "$0")/.."
corpus=../shared/corpus
if [ ! -d "$corpus" ]; then
	echo "accuracy needs the labelled captures in $corpus, and they are not there" >&2
	exit 1
fi
mkdir -p out/findings
exec python3 "$corpus/score.py" --weir "$PWD/bin/weir" --root "$corpus" --out out/findings "$@"
