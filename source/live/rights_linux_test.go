package live

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// asking is set where a test wants a process that has given up its rights; it
// holds the user to become.
const asking = "WEIR_TEST_RIGHTS"

// captureWithLess gives up all rights but one, says what is left, and captures.
func captureWithLess(user string) int {
	if err := ReduceRights(user); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	for _, task := range tasks { // every thread of the process
		status, err := os.ReadFile("/proc/self/task/" + task.Name() + "/status")
		if err != nil {
			continue // it has ended
		}
		fmt.Printf("%s\n", status)
	}
	p, err := ParsePoint("weir1")
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	c := DefaultConfig()
	c.Points, c.Workers, c.BufferBytes = []Point{p}, 2, 4<<20
	s, err := New(c)
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	defer s.Close()
	if r, err := unix.NewIfreq("weir1"); err == nil && unix.IoctlIfreq(s.control, unix.SIOCGIFFLAGS, r) == nil {
		fmt.Println("captures")
	}
	return 0
}

// TestReduceRights captures, promiscuous and with fanout, in a process whose
// threads all have CAP_NET_RAW alone, as the same user and as another.
func TestReduceRights(t *testing.T) {
	newWire(t, "weir0", "weir1")
	const netRaw = "0000000000002000"
	for _, user := range []string{"", "65534"} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), asking+"="+user)
		out, err := cmd.CombinedOutput()
		if err != nil && user != "" && strings.Contains(string(out), "unknown userid") {
			t.Logf("there is no user %s here", user)
			continue
		}
		if err != nil || !strings.Contains(string(out), "captures") {
			t.Errorf("as user %q: %v\n%s", user, err, out)
			continue
		}
		for _, want := range []string{"CapPrm:\t" + netRaw, "CapEff:\t" + netRaw, "CapBnd:\t" + netRaw, "NoNewPrivs:\t1"} {
			name, _, _ := strings.Cut(want, "\t")
			for _, got := range regexp.MustCompile(name+`\t\S+`).FindAllString(string(out), -1) {
				if got != want {
					t.Errorf("as user %q: %q, want %q", user, got, want)
				}
			}
		}
		if user != "" && !strings.Contains(string(out), "Uid:\t65534\t65534\t65534\t65534") {
			t.Errorf("it is not user %s:\n%s", user, out)
		}
	}
}
