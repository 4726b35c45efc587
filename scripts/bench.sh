#!/usr/bin/env bash
# bench.sh [CAPTURE]: whole-process figures of Weir and its peers on one capture
# in one run: CPU seconds, wall seconds, peak memory. Without CAPTURE it makes
# the benchmark capture (427 MB, 1.77 million packets) from the material beside
# the project. Peers that are not installed are named and left out; with
# INSTALL=1 and the rights for it, they are installed first (Suricata from
# Debian's backports).
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${RUNS:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

peers=(tshark suricata nfpcapd)
if [[ ${INSTALL:-} == 1 ]]; then
	apt-get install -y -qq --no-install-recommends time tshark wireshark-common nfdump >/dev/null
	apt-get install -y -qq --no-install-recommends -t bookworm-backports suricata >/dev/null ||
		echo "suricata is not in this system's package sources: add backports" >&2
fi

capture=${1:-out/bench.pcap}
if [[ ! -f $capture ]]; then
	mkdir -p out
	../shared/tools/bench-capture.sh "$capture" 4 >&2
fi
cat "$capture" >/dev/null # into the page cache

cat >"$work/suricata.yaml" <<'EOF'
%YAML 1.1
---
default-log-dir: /tmp
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      types: [flow, dns, tls]
app-layer:
  protocols:
    tls: {enabled: yes, detection-ports: {dp: 443}}
    dns: {tcp: {enabled: yes, detection-ports: {dp: 53}}, udp: {enabled: yes, detection-ports: {dp: 53}}}
EOF

# measure NAME COMMAND...: one warm-up, then the median of the runs by CPU seconds.
measure() {
	local name=$1 i
	shift
	: >"$work/times"
	for ((i = 0; i <= runs; i++)); do
		rm -rf "$work/out" && mkdir "$work/out"
		/usr/bin/time -a -o "$work/times" -f '%U %S %e %M' "$@" >/dev/null 2>"$work/err" || { tail -3 "$work/err" >&2; }
	done
	tail -n "$runs" "$work/times" | awk '{ print $1 + $2, $1, $2, $3, $4 }' | sort -n | awk -v name="$name" '
		{ line[NR] = $0 }
		END { split(line[int((NR + 1) / 2)], f, " "); printf "%-34s %8.2f %8.2f %8.2f %8.2f %10.0f\n", name, f[1], f[2], f[3], f[4], f[5] / 1024 }'
}

echo "$(basename "$capture"), $(stat -c %s "$capture") bytes, $(nproc) cores, median of $runs runs after a warm-up"
printf '%-34s %8s %8s %8s %8s %10s\n' '' 'CPU s' 'user s' 'system s' 'wall s' 'peak MiB'
measure 'weir, metering only' ./bin/weir scan -q --detectors none "$capture"
measure 'weir scan, no store' ./bin/weir scan -q "$capture"
measure 'weir scan --store, no detectors' ./bin/weir scan -q --detectors none --store "$work/out/store" "$capture"
measure 'weir scan --store' ./bin/weir scan -q --store "$work/out/store" "$capture"
for p in "${peers[@]}"; do
	if ! command -v "$p" >/dev/null; then
		echo "$p is not installed: left out (INSTALL=1 installs it)" >&2
		continue
	fi
	case $p in
	tshark) measure 'tshark -q -z conv,tcp' tshark -r "$capture" -q -z conv,tcp ;;
	suricata) measure 'suricata, flow dns tls, no rules' suricata -c "$work/suricata.yaml" -S /dev/null -r "$capture" -l "$work/out" --runmode single ;;
	nfpcapd) measure 'nfpcapd (metering only)' nfpcapd -r "$capture" -w "$work/out" -t 86400 ;;
	esac
done

if command -v go >/dev/null; then
	echo
	echo 'decoding exports, beside goflow2: records per second of one core'
	(cd tools/peers && go test -run '^$' -bench . -benchtime 2s . | grep -E '^Benchmark')
fi
echo
scripts/throughput.sh
