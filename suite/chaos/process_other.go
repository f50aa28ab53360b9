//go:build !linux

package main

import (
	"errors"
	"syscall"
)

func dieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func (d *disk) mount(int64, uintptr) error { return errors.New("a disk of its own needs Linux") }

func (d *disk) resize(int64) error { return errors.New("a disk of its own needs Linux") }

func (d *disk) close() {}
