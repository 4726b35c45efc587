#!/usr/bin/env bash
# throughput.sh [RATE...]: flow records per second that Weir, nfcapd and goflow2
# take on loopback without loss: the same records (tools/sendflows, NetFlow v9,
# conversations of both directions), the same CPUs, one after the other. Weir
# joins, enriches, stores and makes them queryable; nfcapd and goflow2 write a
# file. Each rate is sent for SECONDS (10); without rates, they grow until each
# has lost something. Peers that are not installed are left out by name; with
# INSTALL=1 they are installed first.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${SECONDS_EACH:-10}
rates=("$@")
[[ ${#rates[@]} == 0 ]] && rates=(25000 50000 100000 200000 300000 400000)
cpus=${CPUS:-0,1}
weir=${WEIR:-bin/weir}
work=$(mktemp -d)
port=${PORT:-$((20000 + RANDOM % 20000))}
collector=
trap '[[ -n $collector ]] && kill "$collector" 2>/dev/null; rm -rf "$work"' EXIT

[[ -x $weir ]] || { echo "throughput: no program $weir: run make build" >&2; exit 2; }
if [[ ${INSTALL:-} == 1 ]]; then
	[[ $(id -u) == 0 ]] && apt-get install -y -qq --no-install-recommends nfdump time >/dev/null
	GOBIN="$PWD/out" go install github.com/netsampler/goflow2/v2/cmd/goflow2@v2.2.6
fi
go build -o "$work/sendflows" ./tools/sendflows
goflow2=$(command -v goflow2 || ls out/goflow2 2>/dev/null || true)

# run COMMAND...: starts a collector on the CPUs and notes what it costs.
run() {
	/usr/bin/time -o "$work/cost" -f '%M %U %S' taskset -c "$cpus" "$@" >"$work/out" 2>"$work/err" &
	collector=$!
	sleep 2
}

# stop: ends the collector as its user would, and waits for it.
stop() {
	sleep 2
	pkill -INT -P "$collector" 2>/dev/null || true
	wait "$collector" || true
	collector=
}

send() { taskset -c "$cpus" "$work/sendflows" -to "127.0.0.1:$port" -rate "$1" -for "${seconds}s" >"$work/sent"; }

weir_start() { rm -rf "$work/store"; run "$weir" listen --udp "127.0.0.1:$port" --store "$work/store" -q; }
weir_kept() {
	# What is kept is asked for, packet by packet: joined flows are not records.
	"$weir" query --store "$work/store" -q -o ndjson 'from conn | stats p = sum(pkts)' 2>/dev/null | field p | awk -v all="$(field packets <"$work/sent")" -v records="$(field records <"$work/sent")" '{printf "%.0f\n", $1 / all * records}'
}
nfcapd_start() { rm -rf "$work/nf" && mkdir "$work/nf"; run nfcapd -p "$port" -b 127.0.0.1 -w "$work/nf" -t 3600 -B 33554432; }
nfcapd_kept() { nfdump -R "$work/nf" -q -I | awk '/^Flows:/{print $2}'; }
goflow2_start() { run "$goflow2" -listen "netflow://127.0.0.1:$port" -addr '' -transport.file "$work/goflow.json"; }
goflow2_kept() { wc -l <"$work/goflow.json"; rm -f "$work/goflow.json"; }

# field NAME: the number of that name in a JSON object.
field() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" | head -1; }

printf '%-8s %10s %10s %12s %12s %8s %9s %8s %8s\n' collector "asked /s" "sent /s" sent kept lost "RSS MB" "user s" "sys s"
for who in ${COLLECTORS:-weir nfcapd goflow2}; do
	case $who in
	nfcapd) command -v nfcapd >/dev/null || { echo "nfcapd: not installed, left out"; continue; } ;;
	goflow2) [[ -n $goflow2 ]] || { echo "goflow2: not installed, left out"; continue; } ;;
	esac
	for rate in "${rates[@]}"; do
		"${who}_start"
		send "$rate"
		stop
		sent=$(field records <"$work/sent")
		kept=$("${who}_kept")
		read -r rss user system < <(tail -1 "$work/cost")
		printf '%-8s %10d %10.0f %12d %12d %8s %9d %8s %8s\n' "$who" "$rate" "$(field rate <"$work/sent")" "$sent" "$kept" \
			"$(awk -v a="$sent" -v b="$kept" 'BEGIN{printf "%.2f%%", (a - b) / a * 100}')" $((rss / 1024)) "$user" "$system"
		[[ $# -gt 0 || $kept -ge $sent ]] || break
	done
done
