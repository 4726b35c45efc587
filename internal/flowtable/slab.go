package flowtable

// SlabFlows is how many flows are allocated together.
const SlabFlows = 512

// Slabs are where flows lie, by number. A flow keeps its place, so pointers to
// it stay good.
type Slabs[T any] struct {
	slabs []*[SlabFlows]T
	free  []uint32
}

// At returns the flow of a number.
func (s *Slabs[T]) At(n uint32) *T { return &s.slabs[n/SlabFlows][n%SlabFlows] }

// New returns an empty flow and its number.
func (s *Slabs[T]) New() (uint32, *T) {
	if len(s.free) == 0 {
		s.slabs = append(s.slabs, new([SlabFlows]T))
		first := uint32(len(s.slabs)-1) * SlabFlows
		for n := first + SlabFlows - 1; n > first; n-- {
			s.free = append(s.free, n)
		}
		if first != 0 { // 0 stands for none
			s.free = append(s.free, first)
		}
	}
	n := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	return n, s.At(n)
}

// Free takes a flow back and empties it.
func (s *Slabs[T]) Free(n uint32) {
	*s.At(n) = *new(T)
	s.free = append(s.free, n)
}
