package main

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/enrich/hosts"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store"
)

// recallDays is how far back a store is asked for devices when a program starts.
const recallDays = 45

// devices returns the enricher that learns the local devices. It begins with
// what the store knows of them.
func (a *analysis) devices(ctx context.Context, l *locating) (*hosts.Enricher, error) {
	e, err := a.config.Hosts.New(func(addr netip.Addr) bool { return l.border.Local(addr) })
	if err != nil || a.store == nil || isTemporary(a.store) {
		return e, err
	}
	_, last, err := a.store.Span(ctx)
	if errors.Is(err, store.ErrEmpty) {
		return e, nil
	}
	if err != nil {
		return nil, exitWith(exitRefused, "store: %w", err)
	}
	if err := e.Recall(storedHosts(ctx, a.store, last.AddDate(0, 0, -recallDays))); err != nil {
		return nil, exitWith(exitRefused, "store: what it knows of hosts: %w", err)
	}
	return e, nil
}

// storedHosts are the records of table host in a store from a time on.
func storedHosts(ctx context.Context, st store.Store, from time.Time) iter.Seq2[*weir.Host, error] {
	return func(yield func(*weir.Host, error) bool) {
		q, err := query.Parse("from host")
		if err != nil {
			yield(nil, err)
			return
		}
		for row, err := range st.Query(ctx, query.Ask{Query: q, From: from, To: time.Unix(1<<35, 0)}) {
			if err != nil {
				yield(nil, err)
				return
			}
			h, err := hostOf(row)
			if !yield(h, err) || err != nil {
				return
			}
		}
	}
}

// hostOf makes a record of a row of all its columns.
func hostOf(row query.Row) (*weir.Host, error) {
	h := &weir.Host{}
	for i, v := range row {
		if v == nil || weir.HostTable.Columns[i].Computed {
			continue
		}
		if err := h.Set(i, v); err != nil {
			return nil, err
		}
	}
	return h, nil
}
