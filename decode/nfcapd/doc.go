// Package nfcapd reads the files that nfdump's collectors write: layout version
// 1 (nfdump 1.6) and 2 (nfdump 1.7), plain or compressed.
package nfcapd
