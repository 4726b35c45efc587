package query

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gaissmai/bart"

	"github.com/weir-nta/weir"
)

// Lists are the named lists that questions use: @list:NAME, or @NAME for
// short, and the indicators, @intel, or @intel:SOURCE for those of one source.
type Lists struct {
	Named map[string][]Entry
	Intel []Entry
}

// An Entry is one value of a list: an address, a network, a name, a number.
type Entry struct {
	Value   string
	Source  string    // of an indicator: who says so
	Expires time.Time // it counts up to then; the zero time is never
}

// entries returns those of a name as it is typed, with its @.
func (l *Lists) entries(name string) ([]Entry, bool) {
	if l == nil {
		l = &Lists{}
	}
	kind, rest, two := strings.Cut(strings.TrimPrefix(name, "@"), ":")
	switch {
	case kind == "intel" && !two:
		return l.Intel, true
	case kind == "intel":
		of := slices.DeleteFunc(slices.Clone(l.Intel), func(e Entry) bool { return e.Source != rest })
		return of, len(of) > 0
	case kind == "list" && two:
		kind = rest
	}
	e, ok := l.Named[kind]
	return e, ok
}

// Names returns the names of the lists as they are typed, sorted.
func (l *Lists) Names() []string {
	names := []string{"@intel"}
	if l != nil {
		for n := range l.Named {
			names = append(names, "@list:"+n)
		}
		for _, e := range l.Intel {
			if e.Source != "" {
				names = append(names, "@intel:"+e.Source)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Check returns an *[Error] if the question names lists that the Ask lacks.
func (a *Ask) Check() error {
	var diags []Diagnostic
	for _, n := range a.Query.Lists {
		if _, ok := a.Lists.entries(n.Name); !ok {
			names := a.Lists.Names()
			fix := "lists: " + strings.Join(names, " ")
			if near := closest(n.Name, names); near != "" {
				fix = "did you mean " + near + "?"
			}
			diags = append(diags, diagnostic(n.Span, fix, "no list '%s'", n.Name))
		}
	}
	if diags == nil {
		return nil
	}
	return newError(a.Query.text, diags)
}

// A Set is a named list as values of a column.
type Set struct {
	Values   map[any]bool // of the Go type of the column; nil for addresses
	Prefixes *bart.Lite   // networks and single addresses; nil if there is none
	All      []netip.Prefix
}

// Set returns the entries of the list called name that count at a time, as
// values of the type of of. Entries that are no such value are left out: a
// list may hold addresses and names. Of text, an entry that is an address or a
// network also stands for all ways to spell what lies in it.
func (a *Ask) Set(name string, of Column, at time.Time) Set {
	s := Set{Values: map[any]bool{}}
	entries, _ := a.Lists.entries(name)
	for _, e := range entries {
		if e.Expires.IsZero() || at.Before(e.Expires) {
			s.add(e.Value, of)
		}
	}
	return s
}

func (s *Set) add(text string, of Column) {
	if of.Type == weir.Addr || of.Type == weir.String && of.Enum == nil {
		if p, ok := prefix(text); ok {
			if s.Prefixes == nil {
				s.Prefixes = new(bart.Lite)
			}
			s.Prefixes.Insert(p)
			s.All = append(s.All, p)
			return
		}
	}
	switch of.Type {
	case weir.String:
		s.Values[text] = true
	case weir.Int:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			s.Values[n] = true
		}
	case weir.Float, weir.Duration:
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			s.Values[f] = true
		}
	}
}

// prefix reads a network or an address, as a network of one.
func prefix(text string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), true
}

// Has says whether v, a value of the column, is in the set.
func (s *Set) Has(v any) bool {
	switch v := v.(type) {
	case netip.Addr:
		return s.Prefixes != nil && s.Prefixes.Contains(v)
	case string:
		if s.Values[v] {
			return true
		}
		if s.Prefixes == nil {
			return false
		}
		a, err := netip.ParseAddr(v)
		return err == nil && a.Zone() == "" && s.Prefixes.Contains(a.Unmap())
	}
	return s.Values[v]
}

// checkListName says what is wrong with the name of a list, nil if nothing is.
func checkListName(name string) error {
	kind, rest, two := strings.Cut(strings.TrimPrefix(name, "@"), ":")
	switch {
	case !two && kind == "sensors":
		return fmt.Errorf("'@sensors' needs a table: @sensors:dns")
	case !two, kind == "list", kind == "intel":
		return nil
	case kind == "sensors":
		if weir.TableByName(rest) == nil {
			return fmt.Errorf("no table '%s'", rest)
		}
		return nil
	}
	return fmt.Errorf("no kind of list '%s'", kind)
}
