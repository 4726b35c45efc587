#!/usr/bin/env bash
# live-peers.sh [CAPTURE...]: real exporters replay captures into `weir listen`
# on loopback, and what it kept is compared with what `weir scan` makes of the
# same captures: packets, bytes and the conversations by their five-tuples.
# Exits with 1 on a difference that is not explained. Exporters that are not
# installed are installed with apt-get if that is allowed, else left out by name.
set -euo pipefail
cd "$(dirname "$0")/.."
shared=${SHARED:-../shared}
captures=("$@")
if [[ ${#captures[@]} == 0 ]]; then
	captures=("$shared/corpus/captures/slips-test-cc-capture-1.pcap" "$shared/conformance/live-exporters/v6.pcap")
fi
weir=${WEIR:-bin/weir}
work=$(mktemp -d)
port=${PORT:-$((20000 + RANDOM % 20000))}
listener=
trap '[[ -n $listener ]] && kill "$listener" 2>/dev/null; rm -rf "$work"' EXIT

for c in "${captures[@]}"; do
	[[ -r $c ]] || { echo "live-peers: no capture $c: left out" >&2; exit 0; }
done
[[ -x $weir ]] || { echo "live-peers: no program $weir: run make build" >&2; exit 2; }
command -v python3 >/dev/null || { echo "live-peers: python3 is not there: left out" >&2; exit 0; }

# have PROGRAM PACKAGE: whether it is there, installed if it was not and may be.
have() {
	command -v "$1" >/dev/null && return
	if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null 2>&1 || true
	fi
	command -v "$1" >/dev/null
}

rows="from conn | stats p = sum(pkts), b = sum(bytes) by src.ip, dst.ip, src.port, dst.port, proto"

# listening ARGS...: starts weir listen and waits until it does.
listening() {
	rm -rf "$work/live"
	: >"$work/err" # or that of the listener before would be taken for this one's
	"$weir" listen "$@" --store "$work/live" --detectors none --for 60s >"$work/out" 2>"$work/err" &
	listener=$!
	for _ in $(seq 100); do
		grep -q '^listening on' "$work/err" && return
		sleep 0.1
	done
	cat "$work/err" >&2
	exit 2
}

# ended: ends weir listen when nothing has come for a while.
ended() {
	sleep 1
	kill -INT "$listener"
	wait "$listener" || { cat "$work/err" >&2; exit 2; }
	listener=
}

# pmacct VERSION|sflow|sflow:N CAPTURE: writes a configuration that replays it.
pmacct() {
	printf '%s\n' 'daemonize: false' "pcap_savefile: $2" 'pcap_savefile_delay: 1' 'pcap_savefile_wait: false'
	if [[ $1 == sflow* ]]; then
		local rate=${1#sflow} && rate=${rate#:}
		printf '%s\n' 'plugins: sfprobe[x]' "sfprobe_receiver[x]: 127.0.0.1:$port" 'sfprobe_agentip[x]: 192.0.2.9' "sampling_rate: ${rate:-1}"
	else
		printf '%s\n' 'aggregate: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, flows' 'plugins: nfprobe[x]' \
			"nfprobe_receiver[x]: 127.0.0.1:$port" "nfprobe_version[x]: $1" 'nfprobe_maxflows[x]: 65535' \
			'nfprobe_timeouts[x]: tcp=2:udp=2:icmp=2:general=2:maxlife=4:expint=2'
	fi
}

softflowd_() { softflowd -r "$2" -n "127.0.0.1:$port" -d -p "$work/sf.pid" -c none $1 >"$work/peer" 2>&1; }
pmacctd_() { pmacct "$1" "$2" >"$work/pm.conf"; timeout -s INT 8 pmacctd -f "$work/pm.conf" >"$work/peer" 2>&1 || true; }
nfreplay_() {
	rm -rf "$work/nf" && mkdir "$work/nf"
	nfpcapd -r "$2" -w "$work/nf" -e 5,2 -t 86400 >"$work/peer" 2>&1
	for f in "$work"/nf/nfcapd.*; do nfreplay -r "$f" -H 127.0.0.1 -p "$port" -v "$1" >>"$work/peer" 2>&1; done
}

# try NAME PROGRAM PACKAGE FUNCTION ARGUMENT FAMILY LISTEN-FLAG
failed=0
try() {
	local name=$1
	if ! have "$2" "$3"; then
		printf '%-26s %-34s left out: %s (package %s) is not installed\n' "$name" "" "$2" "$3"
		return
	fi
	listening "$7" "127.0.0.1:$port"
	"$4" "$5" "$capture"
	ended
	"$weir" query --store "$work/live" -q -n 0 -o ndjson "$rows" >"$work/live.json" 2>/dev/null || true
	"$weir" query --store "$work/live" -n 0 -o ndjson 'from exporter | stats lost = sum(lost), bad = sum(dropped.decoder), kernel = sum(dropped.kernel)' >"$work/health.json"
	if ! python3 scripts/live-peers.py "$name" "$6" "$work/scan.json" "$work/live.json" "$work/health.json" "$work/padding"; then
		failed=1
		tail -n 3 "$work/err" "$work/peer" >&2
	fi
}

for capture in "${captures[@]}"; do
	capture=$(realpath "$capture")
	rm -rf "$work/scanned"
	"$weir" scan -q --detectors none --store "$work/scanned" "$capture" >/dev/null
	"$weir" query --store "$work/scanned" -q -n 0 -o ndjson "$rows" >"$work/scan.json"
	python3 scripts/live-peers.py --padding "$capture" >"$work/padding"
	echo "$(basename "$capture")"
	printf '%-26s %22s %22s  %s\n' "exporter" "packets (scan, kept)" "bytes (scan, kept)" "conversations"
	try "softflowd v1" softflowd softflowd softflowd_ "-v 1" 4 --udp
	try "softflowd v5" softflowd softflowd softflowd_ "-v 5" 4 --udp
	try "softflowd v9" softflowd softflowd softflowd_ "-v 9 -6" all --udp
	try "softflowd IPFIX" softflowd softflowd softflowd_ "-v 10 -6" all --udp
	try "softflowd IPFIX biflow" softflowd softflowd softflowd_ "-v 10 -b -6 -A milli -T ether" all --udp
	try "softflowd IPFIX biflow/TCP" softflowd softflowd softflowd_ "-P tcp -v 10 -b -6" all --ipfix-tcp
	try "pmacctd v5" pmacctd pmacct pmacctd_ 5 4 --udp
	try "pmacctd v9" pmacctd pmacct pmacctd_ 9 all --udp
	try "pmacctd IPFIX" pmacctd pmacct pmacctd_ 10 all --udp
	try "pmacctd sFlow 1:1" pmacctd pmacct pmacctd_ sflow sflow --udp
	try "softflowd v9 1:10" softflowd softflowd softflowd_ "-v 9 -6 -s 10" 1:10 --udp
	try "softflowd IPFIX 1:10" softflowd softflowd softflowd_ "-v 10 -6 -s 10" 1:10 --udp
	try "pmacctd sFlow 1:4" pmacctd pmacct pmacctd_ sflow:4 1:4 --udp
	try "nfreplay v5" nfreplay nfdump nfreplay_ 5 4 --udp
	try "nfreplay v9" nfreplay nfdump nfreplay_ 9 all --udp
done
exit $failed
