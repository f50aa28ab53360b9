//go:build !linux

package embedded

import "syscall"

// canEnterAnywhere: only Linux can give that right away.
const canEnterAnywhere = false

// dieWithParent: only Linux can promise it; elsewhere a leftover is stopped at the next start.
func dieWithParent(as *syscall.SysProcAttr) *syscall.SysProcAttr {
	as.Setpgid = true
	return as
}

// asOther runs a program as another user.
func asOther(user *syscall.Credential, _ bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: user}
}
