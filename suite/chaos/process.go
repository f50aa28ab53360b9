package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// process is a program that is started again whenever it ends, as Docker would.
type process struct {
	name string
	path string
	args []string
	env  []string
	out  *os.File

	mu       sync.Mutex
	running  *os.Process
	wanted   bool
	ended    chan struct{}
	starts   int
	paused   bool
	postgres *link // its ways to the world
	redis    *link
	peers    []*link
}

const (
	firstPause = 100 * time.Millisecond
	latePause  = time.Second
	settled    = 5 * time.Second // who lived this long starts again at once
)

// start runs it until stop.
func (p *process) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted {
		return
	}
	p.wanted, p.ended = true, make(chan struct{})
	go p.supervise(p.ended)
}

// supervise keeps its thread, since the kernel kills the child when the thread that made it ends.
func (p *process) supervise(ended chan struct{}) {
	runtime.LockOSThread()
	defer close(ended)
	for pause := firstPause; ; pause = min(2*pause, latePause) {
		began := time.Now()
		p.once()
		p.mu.Lock()
		wanted := p.wanted
		p.mu.Unlock()
		if !wanted {
			return
		}
		if time.Since(began) > settled {
			pause = firstPause
		}
		<-time.After(pause)
	}
}

func (p *process) once() {
	cmd := exec.Command(p.path, p.args...) //nolint:noctx // it is ended by signals
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, p.out, p.out
	cmd.SysProcAttr = dieWithUs()
	p.mu.Lock()
	if !p.wanted {
		p.mu.Unlock()
		return
	}
	err := cmd.Start()
	if err == nil {
		p.running, p.paused = cmd.Process, false
		p.starts++
	}
	p.mu.Unlock()
	if err != nil {
		_, _ = p.out.WriteString("chaos: start: " + err.Error() + "\n")
		return
	}
	_ = cmd.Wait()
	p.mu.Lock()
	p.running = nil
	p.mu.Unlock()
}

// signal is false when it does not run.
func (p *process) signal(s syscall.Signal) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return false
	}
	p.paused = s == syscall.SIGSTOP
	return p.running.Signal(s) == nil
}

func (p *process) kill() bool { return p.signal(syscall.SIGKILL) }

// stop ends it for good, in order if it can.
func (p *process) stop(ctx context.Context, s syscall.Signal) {
	p.mu.Lock()
	ended, was := p.ended, p.wanted
	p.wanted = false
	p.mu.Unlock()
	if !was {
		return
	}
	p.signal(syscall.SIGCONT)
	p.signal(s)
	select {
	case <-ended:
	case <-time.After(12 * time.Second):
		p.kill()
		<-ended
	case <-ctx.Done():
		p.kill()
		<-ended
	}
}
