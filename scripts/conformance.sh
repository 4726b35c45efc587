#!/usr/bin/env bash
# conformance.sh [-q]: what Weir makes of other projects' inputs beside what they
# make of them: every test that compares, with its shares, and then real
# exporters sending to `weir listen` on loopback. -q leaves the exporters out.
# docs/conformance.md holds the figures and the reasons of all differences.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ ! -d ../shared/conformance ]]; then
	echo "conformance needs other projects' data in ../shared/conformance, and they are not there" >&2
	exit 1
fi

# Tests are named after whom they compare with; -v prints the shares.
peers='Arkime|Baselines|Barracuda|CommunityID|Corpus|Counts|EVE|Goflow2|Gopacket|Hunts|Ipfixcol|JA4|Live|Logstash|Miekg|Nfdump|Nfpcapd|AgainstPorts|Reference|Replay|Samples|SameAs|Socket|Stat|Suricata|Telegraf|Totals|Truth|Twin|Zed|Zeek'
go test -v -count=1 -timeout 30m -run "$peers" . ./decode/... ./meter ./stitch ./collector ./source/... ./store/... |
	grep -vE '^(=== |\? |ok |PASS$)|no test files|no tests to run'

[[ ${1:-} == -q ]] && exit
echo
scripts/live-peers.sh
