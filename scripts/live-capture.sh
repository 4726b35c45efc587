#!/usr/bin/env bash
# live-capture.sh CAPTURE: packets and bits per second that Weir and Suricata
# carry from an interface without loss: the same packets, replayed over a pair
# of interfaces in a network namespace at rising rates, one after the other on
# the same CPUs. Weir meters, detects and stores; Suricata has no rules and
# writes flow, dns, tls and http as EVE. Needs root, ip, tcpreplay and tcpdump;
# without suricata it is left out by name.
#
#   RATES          packets per second to ask for; 0 is as fast as tcpreplay can
#   SECONDS_EACH   how long each rate is sent (10)
#   MIXES          mix: the capture as it is; small: its packets up to 128 bytes
#   WHO            weir suricata; weir-nostore is weir without a store
#   CPUS           of the capturing program (0,1); SENDER_CPUS of tcpreplay (all)
#   PACKETS        of the capture that are replayed, again and again (1000000)
#   WEIR           the program (bin/weir)
#
# Each line counts: what arrived at the interface is what was metered and what
# the kernel says it dropped; "uncounted" is the rest, which should be 0.
set -euo pipefail
cd "$(dirname "$0")/.."
capture=${1:?"live-capture: want a capture of Ethernet to replay"}
read -ra rates <<<"${RATES:-50000 100000 200000 300000 400000 600000 0}"
seconds=${SECONDS_EACH:-10}
cpus=${CPUS:-0,1}
senders=${SENDER_CPUS:-0-$(($(nproc) - 1))}
weir=$(realpath "${WEIR:-bin/weir}")
for tool in ip tcpreplay tcpdump taskset /usr/bin/time; do
	command -v "$tool" >/dev/null || { echo "live-capture: no $tool: install it first" >&2; exit 2; }
done
[[ $(id -u) == 0 ]] || { echo "live-capture: making interfaces wants root" >&2; exit 2; }
[[ -x $weir ]] || { echo "live-capture: no program $weir: run make build" >&2; exit 2; }

space=weirlive$$
work=$(mktemp -d)
running=
finish() {
	[[ -n $running ]] && kill -INT "$running" 2>/dev/null || true
	ip netns del "$space" 2>/dev/null || true
	rm -rf "$work"
}
trap finish EXIT
ip netns add "$space"
ip -n "$space" link add in0 type veth peer name out0
for i in out0 in0; do
	ip netns exec "$space" sysctl -qw "net.ipv6.conf.$i.disable_ipv6=1" 2>/dev/null || true
	ip -n "$space" link set "$i" up
	command -v ethtool >/dev/null && ip netns exec "$space" ethtool -K "$i" gro off gso off tso off 2>/dev/null || true
done
sleep 1 # until the kernel has noticed

tcpdump -r "$capture" -c "${PACKETS:-1000000}" -w "$work/mix.pcap" 'less 1514' 2>/dev/null
tcpdump -r "$work/mix.pcap" -w "$work/small.pcap" 'less 128' 2>/dev/null

cat >"$work/suricata.yaml" <<YAML
%YAML 1.1
---
default-log-dir: $work/suricata
outputs:
  - eve-log: {enabled: yes, filetype: regular, filename: eve.json, types: [flow, dns, tls, http]}
logging: {default-log-level: notice, outputs: [{console: {enabled: yes}}]}
af-packet:
  - {interface: out0, threads: 2, cluster-id: 99, cluster-type: cluster_flow, defrag: yes, use-mmap: yes, tpacket-v3: yes, block-size: 1048576, ring-size: 100000, checksum-checks: no}
app-layer: {protocols: {tls: {enabled: yes}, http: {enabled: yes}, dns: {tcp: {enabled: yes}, udp: {enabled: yes}}}}
flow: {memcap: 512mb, hash-size: 1048576, prealloc: 100000}
stream: {memcap: 512mb, checksum-validation: no, reassembly: {memcap: 512mb}}
unix-command: {enabled: no}
YAML

# counters: packets and bytes that have arrived at the interface.
counters() { ip netns exec "$space" awk -F'[: ]+' '$2 == "out0" {print $4, $3}' /proc/net/dev; }

# begin COMMAND...: starts a capturing program on the CPUs and notes what it costs.
begin() {
	ip netns exec "$space" taskset -c "$cpus" /usr/bin/time -o "$work/cost" -f '%U %S %M' "$@" >"$work/out" 2>"$work/err" &
	running=$!
}

# ready TEXT: waits until the program has said so.
ready() {
	for _ in $(seq 300); do
		grep -q "$1" "$work/out" "$work/err" 2>/dev/null && return
		sleep 0.1
	done
	echo "live-capture: it does not start:" >&2
	tail -5 "$work/out" "$work/err" >&2
	exit 1
}

# end: ends the program as its user would.
end() {
	sleep 1
	kill -INT "$(pgrep -P "$running" | head -1)" 2>/dev/null || pkill -INT -P "$running" || true
	wait "$running" || true
	running=
}

weir_start() {
	rm -rf "$work/store"
	local keep=()
	[[ $1 == store ]] && keep=(--store "$work/store")
	begin "$weir" watch out0 --progress none -o ndjson "${keep[@]}"
	ready 'watching out0'
}
# What was metered and what was dropped, from the last words.
weir_said() {
	sed -n 's/^read \([0-9,]*\) packets.*/\1/p' "$work/err" | tail -1 | tr -d ,
	sed -n 's/^note: out0: the kernel dropped \([0-9,]*\) of.*/\1/p' "$work/err" | tail -1 | tr -d , | grep . || echo 0
}
suricata_start() {
	rm -rf "$work/suricata" && mkdir "$work/suricata"
	begin suricata -c "$work/suricata.yaml" -S /dev/null --af-packet=out0 --runmode workers
	ready 'Engine started\|engine started\|Threads created'
	sleep 1
}
# Suricata counts dropped packets among all.
suricata_said() {
	sed -n 's/.*out0: packets: \([0-9]*\), drops: \([0-9]*\).*/\1 \2/p' "$work/out" "$work/err" | tail -1 | awk '{print $1 - $2; print $2}'
}

printf '%-13s %-6s %10s %10s %8s %11s %11s %9s %9s %7s %7s %7s\n' \
	who mix 'asked /s' 'came /s' Gbit/s came metered dropped uncounted 'user s' 'sys s' 'RSS MB'
for mix in ${MIXES:-mix small}; do
	for who in ${WHO:-weir suricata}; do
		if [[ $who == suricata ]] && ! command -v suricata >/dev/null; then
			echo "suricata is not installed: left out"
			continue
		fi
		best='nothing'
		for rate in "${rates[@]}"; do
			case $who in
			weir) weir_start store ;;
			weir-nostore) weir_start none ;;
			suricata) suricata_start ;;
			esac
			read -r packets0 bytes0 <<<"$(counters)"
			speed=(--pps "$rate")
			[[ $rate == 0 ]] && speed=(--topspeed)
			start=$(date +%s.%N)
			ip netns exec "$space" taskset -c "$senders" tcpreplay -i in0 -q --preload-pcap "${speed[@]}" --loop 0 --duration "$seconds" "$work/$mix.pcap" >"$work/sent" 2>&1 || true
			took=$(sed -n 's/.*sent in \([0-9.]*\) seconds.*/\1/p' "$work/sent" | head -1)
			took=${took:-$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN{print b - a}')}
			end
			read -r packets1 bytes1 <<<"$(counters)"
			said=$(case $who in weir*) weir_said ;; *) suricata_said ;; esac | tr '\n' ' ')
			read -r metered dropped <<<"$said"
			read -r user sys rss <"$work/cost"
			came=$((packets1 - packets0))
			line=$(awk -v p=$came -v b=$((bytes1 - bytes0)) -v t="$took" 'BEGIN{printf "%10.0f %8.3f", p / t, 8 * b / t / 1e9}')
			read -r persecond gbits <<<"$line"
			printf '%-13s %-6s %10s %10s %8s %11s %11s %9s %9s %7s %7s %7s\n' "$who" "$mix" "$rate" "$persecond" "$gbits" "$came" "${metered:-?}" "${dropped:-?}" \
				$((came - ${metered:-0} - ${dropped:-0})) "$user" "$sys" $((rss / 1024))
			if [[ ${dropped:-1} == 0 ]]; then best="$persecond packets/s, $gbits Gbit/s"; fi
		done
		echo "$who, $mix: without loss $best"
	done
done
