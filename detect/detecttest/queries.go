package detecttest

import (
	"context"
	"iter"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

// ask returns what answers questions over the records.
func ask([]weir.Record) func(context.Context, query.Ask) iter.Seq2[query.Row, error] { return nil }

// checkQueries checks that the queries of f give its numbers.
func checkQueries(*testing.T, *weir.Finding, []weir.Record) {}
