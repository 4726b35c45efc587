#!/bin/sh
# zeek-speed.sh [LINES]: how fast logs of Zeek are read, beside "zcat | wc -l"
# and DuckDB's own readers, on the same files. The logs are made of one of the
# development corpus, which is repeated until it has LINES (1,000,000), as
# tab-separated values, as JSON, plain and compressed.
set -eu
cd "$(dirname "$0")/.."
lines=${1:-1000000}
from=../shared/corpus/captures/c2beacon-log/conn.log
if [ ! -f "$from" ]; then
	echo "zeek-speed needs $from, and it is not there" >&2
	exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Every repetition is a day of its own, with uids of its own.
awk -F'\t' -v OFS='\t' -v want="$lines" -v json="$work/conn.json" -v tsv="$work/conn.log" '
	/^#fields/ { for (i = 2; i <= NF; i++) name[i - 1] = $i }
	/^#types/ { for (i = 2; i <= NF; i++) text[i - 1] = $i !~ /^(time|interval|count|port|bool)$/ }
	/^#/ { if ($0 !~ /^#close/) print > tsv; next }
	{ row[n++] = $0 }
	END {
		for (i = 0; i < want; i++) {
			$0 = row[i % n]
			day = int(i / n)
			$1 = sprintf("%.6f", $1 + 86400 * day)
			$2 = $2 day
			print > tsv
			out = ""
			for (c = 1; c <= NF; c++) {
				if ($c == "-" || $c == "(empty)") continue
				v = $c == "T" ? "true" : $c == "F" ? "false" : text[c] ? "\"" $c "\"" : $c
				out = out (out == "" ? "{" : ",") "\"" name[c] "\":" v
			}
			print out "}" > json
		}
	}' "$from"
gzip -k "$work/conn.log" "$work/conn.json"
go run ./tools/zeekspeed "$work/conn.log" "$work/conn.log.gz" "$work/conn.json" "$work/conn.json.gz"
