// Package stitch makes conversations of flow records: it joins the two halves
// of each, adds up the slices in which exporters tell long ones, and counts
// once what several exporters told. It is to flow records what package meter
// is to packets.
package stitch
