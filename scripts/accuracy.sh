#!/bin/sh
# accuracy.sh [OPTION...]: runs the scorer that lies beside the project with
# bin/weir over the development captures that hold packets; this version reads
# no others. Options go to the scorer (--detail, --only).
set -eu
cd "$(dirname "$0")/.."
corpus=../shared/corpus
if [ ! -d "$corpus" ]; then
	echo "accuracy needs the labelled captures in $corpus, and they are not there" >&2
	exit 1
fi
mkdir -p out/findings
awk -F'\t' 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "kind") kind = i } NR == 1 || $kind ~ /^pcap/' \
	"$corpus/labels.tsv" >out/labels.tsv
exec python3 "$corpus/score.py" --weir "$PWD/bin/weir" --root "$corpus" --labels out/labels.tsv --out out/findings "$@"
