package main

import (
	"fmt"
	"syscall"
)

// dieWithUs: a process must not outlive the program that breaks it.
func dieWithUs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

func (d *disk) mount(size int64, flags uintptr) error {
	return syscall.Mount("tmpfs", d.dir, "tmpfs", flags, fmt.Sprintf("size=%d,mode=755", size))
}

func (d *disk) resize(size int64) error { return d.mount(size, syscall.MS_REMOUNT) }

func (d *disk) close() {
	if d.absent == "" {
		_ = syscall.Unmount(d.dir, syscall.MNT_DETACH)
	}
}
