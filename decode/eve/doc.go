// Package eve decodes the lines of Suricata's log eve.json (EVE, "extensible
// event format") into records: flows with what was logged of their handshakes,
// transactions, files, and alerts as findings of the detector "suricata".
// Nothing of a line is kept but what becomes a record.
package eve
