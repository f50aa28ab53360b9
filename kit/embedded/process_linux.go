package embedded

import "syscall"

func dieWithParent(asOther *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT, Credential: asOther, Setpgid: true}
}
