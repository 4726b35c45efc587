package live

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reduced is set in the environment of a program that has given up its rights,
// so that it does not try again.
const reduced = "WEIR_REDUCED_RIGHTS"

// ReduceRights has the program go on without any right but that to capture
// (CAP_NET_RAW), and as another user if one is named. It is for the beginning
// of a program: where there is something to give up, the program is begun anew
// (execve) with what is left, and ReduceRights returns only then, or with an
// error. To give rights up in place would miss threads: those of C libraries
// are out of reach (see syscall.AllThreadsSyscall).
func ReduceRights(name string) error {
	if os.Getenv(reduced) != "" {
		// It was begun as /proc/self/exe, and would be listed as "exe".
		_ = os.WriteFile("/proc/self/comm", []byte(filepath.Base(os.Args[0])), 0)
		return os.Unsetenv(reduced)
	}
	as, err := lookUp(name)
	if err != nil {
		return fmt.Errorf("who to go on as: %w", err)
	}
	have, err := capabilities()
	if err != nil {
		return fmt.Errorf("own rights: %w", err)
	}
	if as == nil && have&^(1<<unix.CAP_NET_RAW) == 0 {
		return nil // there is nothing to give up
	}
	if have&(1<<unix.CAP_NET_RAW) == 0 {
		return ErrNoRight
	}
	runtime.LockOSThread() // what follows is this thread's, and execve makes it the only one
	if err := giveUp(as); err != nil {
		return fmt.Errorf("giving up rights: %w", err)
	}
	env := append(os.Environ(), reduced+"=1")
	return fmt.Errorf("beginning anew with fewer rights: %w", unix.Exec("/proc/self/exe", os.Args, env))
}

// An identity is a user and its groups.
type identity struct {
	uid, gid int
	groups   []int
}

// lookUp finds a user by name or number; nil for "".
func lookUp(name string) (*identity, error) {
	if name == "" {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		var byID error
		if u, byID = user.LookupId(name); byID != nil {
			return nil, err
		}
	}
	i := &identity{}
	if i.uid, err = strconv.Atoi(u.Uid); err != nil {
		return nil, err
	}
	if i.gid, err = strconv.Atoi(u.Gid); err != nil {
		return nil, err
	}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, err
	}
	for _, text := range groups {
		if id, err := strconv.Atoi(text); err == nil {
			i.groups = append(i.groups, id)
		}
	}
	return i, nil
}

// capabilities returns those that this thread may use.
func capabilities() (uint64, error) {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	if err := unix.Capget(&h, &d[0]); err != nil {
		return 0, err
	}
	return uint64(d[1].Permitted)<<32 | uint64(d[0].Permitted), nil
}

// giveUp leaves this thread with CAP_NET_RAW alone, so that it stays over execve,
// and nothing that is run from here on can have more.
func giveUp(as *identity) error {
	for c := 0; ; c++ {
		in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0)
		if err != nil {
			break // beyond the last one
		}
		// Who may not lower the bound (CAP_SETPCAP) is not root either, and
		// no new rights come without it: see below.
		if in == 1 && c != unix.CAP_NET_RAW {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil && (os.Getuid() == 0 || !errors.Is(err, unix.EPERM)) {
				return err
			}
		}
	}
	if as != nil {
		if err := become(as); err != nil {
			return err
		}
	}
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	d := [2]unix.CapUserData{{Effective: 1 << unix.CAP_NET_RAW, Permitted: 1 << unix.CAP_NET_RAW, Inheritable: 1 << unix.CAP_NET_RAW}}
	if err := unix.Capset(&h, &d[0]); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_NET_RAW, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// become makes this thread another user's, and leaves it what it may do. The
// system calls are made directly: those of the libraries are for all threads.
func become(as *identity) error {
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return err
	}
	groups := make([]uint32, len(as.groups)+1)
	for i, g := range as.groups {
		groups[i] = uint32(g)
	}
	groups[len(as.groups)] = uint32(as.gid)
	return errors.Join(setGroups(groups), setIDs(as))
}
func setGroups(groups []uint32) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&groups[0])), 0); errno != 0 {
		return errno
	}
	return nil
}

func setIDs(as *identity) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(as.gid), uintptr(as.gid), uintptr(as.gid)); errno != 0 {
		return errno
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(as.uid), uintptr(as.uid), uintptr(as.uid)); errno != 0 {
		return errno
	}
	return nil
}
