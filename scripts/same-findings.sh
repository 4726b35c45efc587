#!/usr/bin/env bash
# same-findings.sh [CAPTURE…]: the findings of attack captures read as packets,
# as the logs of Zeek (written by weir export), and as NetFlow 9 (by softflowd,
# received by weir listen), side by side as a table in Markdown: who was found by
# what, with which score, and what could not be checked on flows that could be on
# packets. Without CAPTURE it takes some of each kind from the material beside
# the project.
set -euo pipefail
cd "$(dirname "$0")/.."
weir=${WEIR:-bin/weir}
port=${PORT:-29955}
command -v softflowd >/dev/null || { echo "same-findings needs softflowd, and it is not installed" >&2; exit 1; }
corpus=../shared/corpus/captures
if [[ $# -eq 0 ]]; then
	[[ -d $corpus ]] || { echo "same-findings needs the captures in $corpus, and they are not there" >&2; exit 1; }
	for name in \
		elcabezzonn-miscellaneous.pcap elmminh-Ioc_TCPHalfScanAttempt.pcapng elmminh-Ioc_TCPNullScanAttempt.pcapng \
		elmminh-Ioc_SYNFINScanAttempt.pcapng elmminh-Ioc_IPProtocolScanAttempt.pcapng \
		scans-23-tcp-scan.pcap elcabezzonn-ultra_lab_03-14.pcap \
		netforensics-empire.pcap corelight-09ffabf7-774a-43a3-8c97-68f2046fd385.pcap slips-test-cc-capture-1.pcap \
		netforensics-2018-11-14-Emotet-infection-with-IcedID-banking-Trojan.pcap \
		a3x3k-dnscap.pcap dnsexfiltrator-MXSIZE-65-FLSIZE-28657.pcap elasticex-dns-tunnel-iodine.pcap; do
		set -- "$@" "$corpus/$name"
	done
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# exported CAPTURE: the findings on what softflowd tells of it, with its default
# timeouts. Datagrams to loopback arrive or are counted as lost; a second is more
# than they take.
exported() {
	"$weir" listen -q --udp "127.0.0.1:$port" --min info -o ndjson >"$work/netflow" 2>"$work/listen.log" &
	local listener=$!
	sleep 0.5
	softflowd -r "$1" -n "127.0.0.1:$port" -v 9 -6 -d -c none -p "$work/pid" >"$work/softflowd.log" 2>&1 || true
	sleep 1
	kill -INT $listener
	wait $listener || true
}

echo "| capture | detector | source | packets | Zeek logs | NetFlow 9 | what could not be checked on NetFlow 9 |"
echo "|---|---|---|--:|--:|--:|---|"
for capture in "$@"; do
	"$weir" scan -q --min info -o ndjson "$capture" >"$work/packets" 2>/dev/null || true
	rm -rf "$work/logs"
	"$weir" export -q -r "$capture" --table all --format zeek -o "$work/logs" 2>/dev/null
	"$weir" scan -q --min info -o ndjson "$work/logs" >"$work/zeek" 2>/dev/null || true
	exported "$capture"
	python3 - "$(basename "$capture")" "$work" <<'END'
import json, sys

name, work = sys.argv[1:]
found = {}
for source in "packets", "zeek", "netflow":
    for line in open(f"{work}/{source}"):
        f = json.loads(line)
        best = found.setdefault((f["detector"], f["src.ip"]), {})
        if source not in best or f["score"] > best[source]["score"]:
            best[source] = f
def score(f):
    return "%.2f" % f["score"] if f else "–"
for (detector, src), best in sorted(found.items()):
    blind = []
    if "netflow" in best:
        same = best.get("packets", {}).get("could_not_check", [])
        blind = [c for c in best["netflow"]["could_not_check"] if c not in same]
    print(f"| {name} | {detector} | {src} |", " | ".join(score(best.get(s)) for s in ("packets", "zeek", "netflow")), "|", "; ".join(blind), "|")
if not found:
    print(f"| {name} | none | | – | – | – | |")
END
done
