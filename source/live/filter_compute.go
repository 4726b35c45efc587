package live

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/net/bpf"

	"github.com/weir-nta/weir/decode/packet"
)

// A term of a filter that computes: bytes of the packet, its length, numbers
// and what is made of them, in 32 bits without sign.
type sum struct {
	constant *uint32
	// code leaves the value in A; it may use memory from free on.
	code func(a *assembler, free int)
	need []cond // that the packet has what is looked at
	deep int    // words of memory used
}

func number(v uint32) *sum {
	return &sum{constant: &v, code: func(a *assembler, _ int) { a.add(bpf.LoadConstant{Dst: bpf.RegA, Val: v}) }}
}

// numbers have names, as tcpdump knows them.
var numbers = map[string]uint32{
	"icmptype": 0, "icmpcode": 1, "icmp6type": 0, "icmp6code": 1, "tcpflags": 13,
	"tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16, "tcp-urg": 32, "tcp-ece": 64, "tcp-cwr": 128,
	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5, "icmp-echo": 8, "icmp-routeradvert": 9,
	"icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12, "icmp-tstamp": 13, "icmp-tstampreply": 14,
	"icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3, "icmp6-parameterproblem": 4, "icmp6-echo": 128, "icmp6-echoreply": 129,
	"icmp6-routersolicit": 133, "icmp6-routeradvert": 134, "icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136, "icmp6-redirect": 137,
}

var relations = map[string]bpf.JumpTest{
	"=": bpf.JumpEqual, "==": bpf.JumpEqual, "!=": bpf.JumpNotEqual, "<": bpf.JumpLessThan, "<=": bpf.JumpLessOrEqual, ">": bpf.JumpGreaterThan, ">=": bpf.JumpGreaterOrEqual,
}

// relation reads "a < b"; nil if none begins here. What looks like one may be
// something else: parentheses of tests, a protocol by itself.
func (p *filterParser) relation() (cond, error) {
	start := p.at
	switch w := p.peek(); {
	case w == "(" || w == "len" || w == "-":
	case w != "" && w[0] >= '0' && w[0] <= '9':
	case p.at+1 < len(p.words) && p.words[p.at+1] == "[":
	default:
		return nil, nil
	}
	sure := p.at+1 < len(p.words) && p.words[p.at+1] == "["
	left, err := p.compute(0)
	if errors.Is(err, errNested) || err != nil && sure {
		return nil, err
	}
	test, isRelation := relations[p.peek()]
	if err != nil || !isRelation {
		if p.at = start; sure {
			return nil, errors.New("bytes of a packet are to be compared with something, such as tcp[13] & 2 != 0")
		}
		return nil, nil
	}
	p.at++
	right, err := p.compute(0)
	if err != nil {
		return nil, err
	}
	if memFree+1+max(left.deep, right.deep) > memEnd {
		return nil, errNested
	}
	holds := func(a *assembler, yes, no label) {
		left.code(a, memFree)
		if right.constant != nil {
			a.jump(test, *right.constant, yes, no)
			return
		}
		a.add(bpf.StoreScratch{Src: bpf.RegA, N: memFree})
		right.code(a, memFree+1)
		a.add(bpf.TAX{}, bpf.LoadScratch{Dst: bpf.RegA, N: memFree})
		a.jumpX(test, yes, no)
	}
	return and(append(append(left.need, right.need...), holds)...), nil
}

// precedence of the operators, as in C but for & and |, which bind alike tighter
// than comparisons.
var precedence = map[string]int{"|": 1, "^": 1, "&": 2, "<<": 3, ">>": 3, "+": 4, "-": 4, "*": 5, "/": 5, "%": 5}

var operations = map[string]bpf.ALUOp{
	"|": bpf.ALUOpOr, "^": bpf.ALUOpXor, "&": bpf.ALUOpAnd, "<<": bpf.ALUOpShiftLeft, ">>": bpf.ALUOpShiftRight,
	"+": bpf.ALUOpAdd, "-": bpf.ALUOpSub, "*": bpf.ALUOpMul, "/": bpf.ALUOpDiv, "%": bpf.ALUOpMod,
}

// compute reads operands joined by operators that bind at least so tightly.
func (p *filterParser) compute(least int) (*sum, error) {
	if p.deep++; p.deep > maxFilterDepth {
		return nil, errNested
	}
	defer func() { p.deep-- }()
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	for {
		op := p.peek()
		binds, is := precedence[op]
		if !is || binds <= least {
			return left, nil
		}
		p.at++
		right, err := p.compute(binds)
		if err != nil {
			return nil, err
		}
		if left, err = operate(op, left, right); err != nil {
			return nil, err
		}
	}
}

func operate(op string, x, y *sum) (*sum, error) {
	if (op == "/" || op == "%") && y.constant != nil && *y.constant == 0 {
		return nil, errors.New("division by zero")
	}
	if (op == "<<" || op == ">>") && y.constant != nil && *y.constant > 31 {
		return nil, fmt.Errorf("%s %d: want 31 or less", op, *y.constant)
	}
	alu := operations[op]
	s := &sum{need: append(append([]cond(nil), x.need...), y.need...), deep: 1 + max(x.deep, y.deep)}
	s.code = func(a *assembler, free int) {
		x.code(a, free)
		if y.constant != nil {
			a.add(bpf.ALUOpConstant{Op: alu, Val: *y.constant})
			return
		}
		a.add(bpf.StoreScratch{Src: bpf.RegA, N: free})
		y.code(a, free+1)
		a.add(bpf.TAX{}, bpf.LoadScratch{Dst: bpf.RegA, N: free}, bpf.ALUOpX{Op: alu})
	}
	if memFree+1+s.deep > memEnd {
		return nil, errNested
	}
	return s, nil
}

func (p *filterParser) operand() (*sum, error) {
	word := p.peek()
	switch {
	case word == "":
		return nil, errEnd
	case word == "(":
		p.at++
		s, err := p.compute(0)
		if err == nil && !p.take(")") {
			err = p.unexpected(")")
		}
		return s, err
	case word == "-":
		p.at++
		s, err := p.operand()
		if err != nil {
			return nil, err
		}
		return operate("-", number(0), s)
	case word == "len":
		p.at++
		return &sum{code: func(a *assembler, _ int) { a.add(bpf.LoadExtension{Num: bpf.ExtLen}) }}, nil
	case p.at+1 < len(p.words) && p.words[p.at+1] == "[":
		return p.bytes(word)
	}
	p.at++
	if v, known := numbers[word]; known {
		return number(v), nil
	}
	v, err := strconv.ParseUint(word, 0, 32)
	if err != nil {
		return nil, fmt.Errorf("%q is no number", word)
	}
	return number(uint32(v)), nil
}

// bytes reads "proto[offset:size]".
func (p *filterParser) bytes(proto string) (*sum, error) {
	p.at += 2
	off, err := p.compute(0)
	if err != nil {
		return nil, err
	}
	size := 1
	if p.take(":") {
		switch p.peek() {
		case "1", "2", "4":
			size = int(p.peek()[0] - '0')
			p.at++
		default:
			return nil, p.unexpected("a size of 1, 2 or 4")
		}
	}
	if !p.take("]") {
		return nil, p.unexpected("]")
	}
	base, need, err := p.base(proto)
	if err != nil {
		return nil, err
	}
	s := &sum{need: append(need, off.need...), deep: off.deep + 1}
	s.code = func(a *assembler, free int) {
		if off.constant != nil {
			base(a)
			a.add(bpf.TAX{}, bpf.LoadIndirect{Off: *off.constant, Size: size})
			return
		}
		off.code(a, free)
		a.add(bpf.StoreScratch{Src: bpf.RegA, N: free})
		base(a)
		a.add(bpf.LoadScratch{Dst: bpf.RegX, N: free}, bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{}, bpf.LoadIndirect{Off: 0, Size: size})
	}
	return s, nil
}

// base returns code that leaves in A where a protocol begins, and what must be
// so that it is there.
func (p *filterParser) base(proto string) (func(*assembler), []cond, error) {
	net := func(a *assembler) { a.add(bpf.LoadScratch{Dst: bpf.RegA, N: memNet}) }
	switch proto {
	case "ether", "link":
		if p.link != packet.LinkEthernet {
			return func(a *assembler) { a.add(bpf.LoadConstant{Dst: bpf.RegA, Val: 0}) }, []cond{never}, nil
		}
		return func(a *assembler) { a.add(bpf.LoadConstant{Dst: bpf.RegA, Val: 0}) }, nil, nil
	case "ip", "ip6", "arp", "rarp":
		return net, []cond{ofType(etherTypes[proto])}, nil
	case "icmp6":
		return func(a *assembler) {
			net(a)
			a.add(bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: ip6End})
		}, []cond{isIP6, netIs(ip6Next, 1, whole, protocols["icmp6"])}, nil
	}
	if n, known := protocols[proto]; known {
		return transport, []cond{ip4Is(n), unbroken}, nil
	}
	return nil, nil, fmt.Errorf("%q has no bytes to look at", proto)
}
