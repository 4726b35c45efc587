// Package collector turns the datagrams of flow exporters into flows, as RFC
// 7011 says a collecting process does: it knows each exporter, decodes what it
// sends, watches what got lost on the way, and has the halves put together.
package collector
