#!/usr/bin/env python3
"""Compares what `weir listen` kept with what `weir scan` made of a capture."""
import collections
import json
import math
import struct
import sys


# How many samples pmacct's sfprobe puts into one datagram of 1,400 octets.
MOST_SAMPLES = 12


def padding(path):
    """Returns the octets behind the IP packets of a pcap file of Ethernet, in all,
    by family: softflowd counts them where a frame is padded to 60 octets."""
    total = collections.Counter()
    with open(path, "rb") as f:
        head = f.read(24)
        order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\x3c\x4d": ">"}.get(head[:4])
        if not order or struct.unpack(order + "I", head[20:])[0] != 1:
            return total
        while len(rec := f.read(16)) == 16:
            captured, wire = struct.unpack(order + "II", rec[8:])
            p = f.read(captured)
            kind, at = int.from_bytes(p[12:14], "big"), 14
            while kind in (0x8100, 0x88A8):
                kind, at = int.from_bytes(p[at + 2 : at + 4], "big"), at + 4
            if kind == 0x0800:
                length = int.from_bytes(p[at + 2 : at + 4], "big")
                total["4"] += max(0, wire - at - length)
            elif kind == 0x86DD:
                length = int.from_bytes(p[at + 4 : at + 6], "big") + 40
                total["6"] += max(0, wire - at - length)
    return total


def conversations(path, family):
    """Returns packets and bytes by conversation, whoever began it. ICMP has no ports."""
    out = collections.defaultdict(lambda: [0, 0])
    with open(path) as f:
        for line in f:
            r = json.loads(line)
            if "src.ip" not in r:
                continue
            if family == "4" and ":" in r["src.ip"]:
                continue
            proto = r.get("proto", "")
            ports = proto in ("tcp", "udp", "sctp")
            ends = sorted([(r["src.ip"], r.get("src.port", 0) if ports else 0), (r["dst.ip"], r.get("dst.port", 0) if ports else 0)])
            c = out[(proto, *ends)]
            c[0] += r["p"]
            c[1] += r["b"]
    return out


def main():
    if sys.argv[1] == "--padding":
        t = padding(sys.argv[2])
        print(json.dumps({"4": t["4"], "all": t["4"] + t["6"]}))
        return 0
    name, family, scan_file, live_file, health_file, padding_file = sys.argv[1:7]
    scan, live = conversations(scan_file, family), conversations(live_file, family)
    health = json.loads(open(health_file).readline())
    padded = json.load(open(padding_file)).get("4" if family == "4" else "all", 0)
    sums = [sum(v[i] for v in side.values()) for side in (scan, live) for i in (0, 1)]
    packets, octets = (sums[0], sums[2]), (sums[1], sums[3])
    same = sum(1 for k, v in scan.items() if k in live and live[k][0] == v[0])
    exact = packets[0] == packets[1] and same == len(scan) == len(live)
    if not scan:
        print(f"{name:<26} {'':>45}  left out: it speaks IPv4 only, and there is none")
        return 0
    why, ok = "equal", exact and octets[0] == octets[1]
    if family.startswith("1:"):
        return sampled(name, int(family[2:]), packets, octets, len(scan), len(live), health)
    unsent = packets[0] - packets[1]
    if exact and not ok and name.startswith("softflowd") and octets[1] - octets[0] == padded:
        why, ok = f"equal but for {padded} octets of Ethernet padding, which softflowd counts", True
    elif not ok and family == "sflow" and 0 < unsent < MOST_SAMPLES and not any(v[0] > scan.get(k, [0])[0] for k, v in live.items()):
        why, ok = f"equal but for the last {unsent} packets, which sfprobe samples and does not send when it ends", True
    elif not ok:
        why = "DIFFERS: " + difference(scan, live)
    lost = {k: v for k, v in health.items() if k != "v" and v}
    if lost:
        why += f"; {lost}"
        ok = ok and not lost.get("kernel") and not lost.get("bad")
    print(f"{name:<26} {packets[0]:>11} {packets[1]:>10} {octets[0]:>11} {octets[1]:>10}  {same} of {len(scan)} ({len(live)} kept): {why}")
    return 0 if ok else 1


def sampled(name, n, packets, octets, scanned, kept, health):
    """Says whether the scaled sums of a sample of 1 in n lie within four standard
    errors of the truth. For packets drawn by chance the variance of the scaled
    number is (n-1) times the number, that of octets (n-1) times the sum of their
    squares, which is at most the octets times 1,500."""
    margin = 4 * math.sqrt((n - 1) * packets[0]), 4 * math.sqrt((n - 1) * octets[0] * 1500)
    off = abs(packets[1] - packets[0]), abs(octets[1] - octets[0])
    ok = off[0] <= margin[0] and off[1] <= margin[1] and packets[1] % n == 0 and packets[1] > 0 and not health.get("bad")
    print(
        f"{name:<26} {packets[0]:>11} {packets[1]:>10} {octets[0]:>11} {octets[1]:>10}  {kept} of {scanned} kept: "
        f"{'within' if ok else 'DIFFERS: beyond'} the error of the sample, {margin[0]:.0f} packets and {margin[1]:.0f} octets"
    )
    return 0 if ok else 1


def difference(scan, live):
    for k in sorted(set(scan) | set(live), key=str):
        if scan.get(k, [0, 0])[0] != live.get(k, [0, 0])[0]:
            return f"{k}: {scan.get(k)} scanned, {live.get(k)} kept"
    for k in sorted(scan, key=str):
        if scan[k] != live[k]:
            return f"{k}: {scan[k]} scanned, {live[k]} kept"
    return "nothing"


sys.exit(main())
