package query

// Needs returns which of the n columns of rows a filter and the stages after it
// look at, nil if it may be any.
func Needs(filter Pred, stages []Stage, n int) []bool {
	if len(stages) == 0 && filter == nil {
		return nil
	}
	need := make([]bool, n)
	w := walk{yield: func(node any) bool {
		// The columns that extend or then adds may not be among the n.
		if c, ok := node.(*Col); ok && c.Index < n {
			need[c.Index] = true
		}
		return true
	}}
	w.pred(filter)
	for _, s := range stages {
		switch s.(type) {
		case *Head, *Sort, *Dedup: // which row comes first depends on all columns
			return nil
		}
		w.stage(s)
		switch s.(type) {
		case *Stats, *Select: // later stages see no other columns
			return need
		}
	}
	return nil
}
