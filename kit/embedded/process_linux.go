package embedded

import "syscall"

// canEnterAnywhere: asOther can open the way to a directory.
const canEnterAnywhere = true

// capDACOverride lets a process pass directories that are closed to its user.
const capDACOverride = 1

// dieWithParent: the kernel tells the child when we are gone, and it stops in order, without waiting for its clients. A group of its own
// keeps a Ctrl-C of ours from reaching it.
func dieWithParent(as *syscall.SysProcAttr) *syscall.SysProcAttr {
	as.Pdeathsig, as.Setpgid = syscall.SIGINT, true
	return as
}

// asOther runs a program as another user; one whose way to its data is closed gets the right to pass, which root may give away.
func asOther(user *syscall.Credential, enter bool) *syscall.SysProcAttr {
	as := &syscall.SysProcAttr{Credential: user}
	if enter {
		as.AmbientCaps = []uintptr{capDACOverride}
	}
	return as
}
