//go:build !linux

package embedded

import "syscall"

// dieWithParent: only Linux can promise it; elsewhere a leftover is stopped at the next start.
func dieWithParent(asOther *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: asOther, Setpgid: true}
}
