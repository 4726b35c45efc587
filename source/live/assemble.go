package live

import (
	"fmt"

	"golang.org/x/net/bpf"
)

const (
	etherIP4  = 0x0800
	etherARP  = 0x0806
	etherRARP = 0x8035
	etherVLAN = 0x8100
	etherIP6  = 0x86dd
	etherQinQ = 0x88a8
	etherOld  = 0x9100 // QinQ before 802.1ad
)

// A label is a place in a program, which may be set after it is jumped to.
type label int

// next is the place after the jump.
const next label = -1

// An assembler puts a program together whose jumps go to labels.
type assembler struct {
	code   []step
	places []int // by label
}

// A step is an instruction, or a jump to labels.
type step struct {
	plain       bpf.Instruction // nil for a jump
	cond        bpf.JumpTest
	value       uint32
	byX         bool // compare with X instead of value
	always      bool
	onYes, onNo label
}

func (a *assembler) label() label {
	a.places = append(a.places, -1)
	return label(len(a.places) - 1)
}

// at sets a label to the next instruction.
func (a *assembler) at(l label) { a.places[l] = len(a.code) }

func (a *assembler) add(list ...bpf.Instruction) {
	for _, i := range list {
		a.code = append(a.code, step{plain: i})
	}
}

func (a *assembler) jump(cond bpf.JumpTest, value uint32, yes, no label) {
	a.code = append(a.code, step{cond: cond, value: value, onYes: yes, onNo: no})
}

func (a *assembler) jumpX(cond bpf.JumpTest, yes, no label) {
	a.code = append(a.code, step{cond: cond, byX: true, onYes: yes, onNo: no})
}

func (a *assembler) goTo(l label) { a.code = append(a.code, step{always: true, onYes: l}) }

// maxProgram is BPF_MAXINSNS.
const maxProgram = 4096

// assemble returns the program. A conditional jump reaches 255 instructions
// far; where that does not do, unconditional ones carry on from behind it.
func (a *assembler) assemble() ([]bpf.RawInstruction, error) {
	long := make([]bool, len(a.code))
	for {
		at := a.layout(long)
		again := false
		for i := range a.code {
			if s := &a.code[i]; s.plain == nil && !s.always && !long[i] && (a.distance(at, i, s.onYes) > 255 || a.distance(at, i, s.onNo) > 255) {
				long[i], again = true, true
			}
		}
		if !again {
			return a.write(at, long)
		}
	}
}

// layout returns where each step begins, and where the program ends.
func (a *assembler) layout(long []bool) []int {
	at := make([]int, len(a.code)+1)
	for i := range a.code {
		at[i+1] = at[i] + 1
		if long[i] {
			at[i+1] += 2
		}
	}
	return at
}

// distance returns how many instructions a jump from step i goes over.
func (a *assembler) distance(at []int, i int, l label) int {
	if l == next {
		return 0
	}
	return at[a.places[l]] - at[i] - 1
}

func (a *assembler) write(at []int, long []bool) ([]bpf.RawInstruction, error) {
	if n := at[len(a.code)]; n > maxProgram {
		return nil, fmt.Errorf("it makes %d instructions, and the kernel takes %d", n, maxProgram)
	}
	var out []bpf.Instruction
	for i := range a.code {
		s := &a.code[i]
		yes, no := uint32(a.distance(at, i, s.onYes)), uint32(a.distance(at, i, s.onNo))
		switch {
		case s.plain != nil:
			out = append(out, s.plain)
		case s.always:
			out = append(out, bpf.Jump{Skip: yes})
		case !long[i]:
			out = append(out, s.conditional(uint8(yes), uint8(no)))
		default:
			if s.onYes == next {
				yes = 2
			}
			if s.onNo == next {
				no = 2
			}
			out = append(out, s.conditional(0, 1), bpf.Jump{Skip: yes - 1}, bpf.Jump{Skip: no - 2})
		}
	}
	return bpf.Assemble(out)
}

func (s *step) conditional(yes, no uint8) bpf.Instruction {
	if s.byX {
		return bpf.JumpIfX{Cond: s.cond, SkipTrue: yes, SkipFalse: no}
	}
	return bpf.JumpIf{Cond: s.cond, Val: s.value, SkipTrue: yes, SkipFalse: no}
}
