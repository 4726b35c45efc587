// Package nfcapd reads the files that nfdump's collectors write: layout version
// 1 (nfdump 1.6) and 2 (nfdump 1.7), plain or compressed with LZO, LZ4, bzip2
// or Zstandard. There is no specification of them; what is read here is what
// the headers of nfdump say (nffile.h and nfx.h of 1.6; nffileV2.h, nfxV3.h and
// exporter.h of 1.7).
//
// A file is a header, then blocks, each compressed on its own, of records: of
// flows, exporters, samplers, and in layout 1 of maps that say which extensions
// the records of flows have. Files are in the byte order of the machine that
// wrote them; only little-endian ones are read.
//
// # What nfdump has already done
//
// The collector multiplies the counters of a sampled flow by the rate. Where
// the rate stands in the file, a [flowrec.Record] has the counters divided by
// it again, and the rate; else it says that the rate is unknown.
//
// Counters "out" are one of two things: those after the device (NetFlow 9,
// OUT_BYTES), or those of the other direction (RFC 5103, firewall events). They
// are taken for the other direction if the record is an event or says a
// direction of a biflow, or if it came as IPFIX and they differ from those
// "in". Otherwise they are not counted.
//
// Flags that are not told look like none, and so do times, interfaces and
// autonomous systems of 0: such flags and numbers are taken for not told.
package nfcapd
